package coatcheck

import (
	"context"

	"github.com/coatcheck/coatcheck/store"
)

// A carrier brings a session from one request to the next. It turns the value
// of the session cookie into a record and a record into such a value: either a
// token whose record a Store keeps, or the sealed record itself.
type carrier interface {
	store.Store

	// open checks a cookie's value; it calls no store. Its error is a reason
	// for an event, never for the client.
	open(value string) (ticket, error)

	// load returns the record of an opened ticket, as Store.Load does.
	load(ctx context.Context, t ticket) (store.Record, error)

	// seal returns the cookie value for a record that is about to be stored.
	// A fresh record (Create, Replace) also gets its ID. For another commit
	// "" says that the browser's cookie stays as it is.
	seal(rec *store.Record, fresh bool) (string, error)

	// inCookie reports whether the cookie holds the record, so that every
	// commit needs a Set-Cookie and nobody else knows of the session.
	inCookie() bool
}

// A ticket is an opened session cookie.
type ticket struct {
	id  store.ID
	rec *store.Record // what the cookie holds, if inCookie
}
