package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coatcheck/coatcheck/store"
)

var userRules = []rule{
	{"S9", "User returns the sessions of exactly that user, compared byte for byte", trySimilarUsers},
	{"S9", "EndUser ends the sessions of exactly that user", tryEndSimilarUsers},
	{"S9", "an anonymous session is in no index", tryAnonymous},
	{"S10", "no live record with a User is missing from User, whatever came before", tryListed},
	{"S16", "All, where there is one, yields each live record and nothing else", tryAll},
}

// similarUsers returns users that an engine could take for one another, or for
// a pattern or separator of its own.
func similarUsers() []string {
	base := newUser() + "-"
	users := []string{strings.TrimSuffix(base, "-"), base}
	for _, end := range []string{
		"a", "A", "aa", "á", "a\u0301", "ä", "a\u0308", "ae", "æ", "ａ", "а", // the last is Cyrillic
		"i", "I", "ı", "İ", "ss", "ß", "ſs", "ﬁ", "fi", "σ", "ς",
		"a ", " a", "a  ", "a\u00a0", "a\u200b", "a\u200d", "\ufeffa", "a\u2028",
		"%", "_", "*", "?", "[a]", "[^b]", "^", "$", ".", "\\", "\\\\", "\\a",
		":", ":a", "{}", "{a}", "}", "/", "//", "|", ",", ";", "#", "&", "=", "@", "~", "-",
		"'", "''", "\"", "`", "' OR '1'='1", "';--", "/*", "(", ")",
		"0", "00", "+0", "-0", "1e3", "1000", "true", "null", "NULL", "nil",
		"😀", "😁", "e\u0301\u0323", "e\u0323\u0301", "\U0010ffff",
	} {
		users = append(users, base+end)
	}
	// The longest, which differ in their last byte or character only.
	fill := strings.Repeat("x", 255-len(base)-2)
	return append(users, base+fill, base+fill+"y", base+fill+"yz", base+fill+"yZ", base+fill+"é")
}

func (e *env) oneEach(ctx context.Context, users []string) ([]store.Record, error) {
	recs := make([]store.Record, len(users))
	var errs []error
	for i, user := range users {
		recs[i] = e.record(user)
		if err := e.create(ctx, recs[i]); err != nil {
			errs = append(errs, fmt.Errorf("user %q: %w", user, err))
		}
	}
	return recs, errors.Join(errs...)
}

func trySimilarUsers(ctx context.Context, e *env) error {
	users := similarUsers()
	recs, err := e.oneEach(ctx, users)
	errs := []error{err}
	for i, user := range users {
		errs = append(errs, e.live(ctx, recs[i]), e.lists(ctx, user, recs[i]))
	}
	return errors.Join(append(errs, e.lists(ctx, newUser()))...)
}

func tryEndSimilarUsers(ctx context.Context, e *env) error {
	users := similarUsers()
	recs, err := e.oneEach(ctx, users)
	errs := []error{err}
	at, until := now(), soon()
	for i, user := range users {
		errs = append(errs, e.endUser(ctx, user, at, until, nil, recs[i]))
		late := e.record(user)
		late.AuthTime = at
		if err := got("Create", e.Create(ctx, late), store.ErrEnded); err != nil {
			errs = append(errs, fmt.Errorf("user %q was revoked: %w", user, err))
		}
	}
	return errors.Join(errs...)
}

func tryAnonymous(ctx context.Context, e *env) error {
	user := newUser()
	one, rec := e.record(""), e.record(user)
	two := e.renewed(one, "")
	errs := []error{
		e.create(ctx, one),
		e.create(ctx, rec),
		e.lists(ctx, user, rec),
		got("Replace", e.Replace(ctx, one.ID, one.Version, two, standing(two)), nil),
		e.live(ctx, two),
	}
	list, err := e.User(ctx, "")
	if err == nil && indexOf(list, two.ID) >= 0 {
		err = wrong("User of the empty user", "lists an anonymous session")
	}
	return errors.Join(append(errs, err)...)
}

func tryListed(ctx context.Context, e *env) error {
	user, at, until := newUser(), now(), soon()
	a, anonymous, other := e.record(user), e.record(""), e.record(newUser())
	a2 := next(a)
	a3 := a2
	a3.Seen, a3.Expires = a2.Seen.Add(1000), a2.Expires.Add(1000)
	b, c, d := e.renewed(a3, user), e.renewed(anonymous, user), e.renewed(other, user)
	return errors.Join(
		e.lists(ctx, user),
		e.create(ctx, a),
		e.lists(ctx, user, a),
		got("Update", e.Update(ctx, a2, a.Version), nil),
		e.lists(ctx, user, a2),
		got("Touch", e.Touch(ctx, a.ID, a3.Seen, a3.Expires), nil),
		e.lists(ctx, user, a3),
		got("Replace", e.Replace(ctx, a.ID, a2.Version, b, standing(b)), nil),
		e.lists(ctx, user, b),
		e.create(ctx, anonymous),
		got("Replace", e.Replace(ctx, anonymous.ID, anonymous.Version, c, standing(c)), nil),
		e.lists(ctx, user, b, c),
		e.create(ctx, other),
		got("Replace", e.Replace(ctx, other.ID, other.Version, d, standing(d)), nil),
		e.lists(ctx, user, b, c, d),
		e.lists(ctx, other.User),
		e.end(ctx, b.ID, store.ID{}, until),
		e.lists(ctx, user, c, d),
		e.endUser(ctx, user, at, until, []store.ID{d.ID}, c),
		e.lists(ctx, user, d),
		e.live(ctx, d),
	)
}

// allSessions is more than a store fetches at once.
const allSessions = 450

// tryAll looks at a store of its own only: everybody's sessions may be many.
func tryAll(ctx context.Context, e *env) error {
	lister, ok := store.As[store.Lister](e.Store)
	if !ok || !e.alone {
		return nil
	}
	user := newUser()
	want, seen := make(map[store.ID]store.Record), make(map[store.ID]bool)
	var errs []error
	for i := range allSessions {
		rec := e.record([]string{"", user, newUser()}[i%3])
		errs = append(errs, e.create(ctx, rec))
		switch {
		case i%10 == 9:
			errs = append(errs, e.end(ctx, rec.ID, store.ID{}, soon()))
			continue
		case i%10 == 8:
			old := rec
			rec = e.renewed(old, old.User)
			errs = append(errs, got("Replace", e.Replace(ctx, old.ID, old.Version, rec, standing(rec)), nil))
		}
		want[rec.ID] = rec
	}
	for rec, err := range lister.All(ctx) {
		if err != nil {
			return errors.Join(append(errs, got("All", err, nil))...)
		}
		if w, ok := want[rec.ID]; ok {
			errs = append(errs, same("All", rec, w))
		} else {
			errs = append(errs, wrong("All", "yields %s, which is not live", rec.ID))
		}
		seen[rec.ID] = true
	}
	if len(seen) != len(want) {
		errs = append(errs, wrong("All", "yields %d sessions, want %d", len(seen), len(want)))
	}
	for range lister.All(ctx) {
		break // whoever has seen enough may stop
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range lister.All(ctx) {
		errs = append(errs, got("All", err, context.Canceled))
	}
	return errors.Join(errs...)
}
