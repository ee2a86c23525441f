package coatcheck

import (
	"context"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/token"
	"github.com/coatcheck/coatcheck/store"
)

// tokens is the carrier of sessions that a Store keeps: the cookie is a token,
// the token's hash the record's key.
type tokens struct {
	store.Store
	keys    token.Keys
	derived token.Derived // of adopted sessions
}

func newTokens(st store.Store, keys *cookie.Keys, purpose string) *tokens {
	return &tokens{st, token.New(keys, purpose), token.NewDerived(keys, purpose)}
}

func (t *tokens) open(value string) (ticket, error) {
	id, err := t.keys.Open(value)
	return ticket{id: id}, err
}

func (t *tokens) load(ctx context.Context, tk ticket) (store.Record, error) {
	return t.Load(ctx, tk.id)
}

func (t *tokens) inCookie() bool { return false }

// seal gives a fresh record its id and returns the token; an update keeps the
// cookie that the browser has.
func (t *tokens) seal(rec *store.Record, fresh bool) (string, error) {
	if !fresh {
		return "", nil
	}
	var value string
	value, rec.ID = t.keys.Seal()
	return value, nil
}

// Unwrap lets store.As find what the store offers.
func (t *tokens) Unwrap() store.Store { return t.Store }
