package coatcheck

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/wait"
	"github.com/coatcheck/coatcheck/store"
)

// An Adoption is a session of another system that is to become one of ours; see
// [Manager.Adopting]. Package bridge makes them.
type Adoption struct {
	// Identity is the foreign session: the same whenever it comes, and of no
	// other. It is a secret, and only a hash of it is kept. Empty = there is none.
	Identity string

	// User is who is logged in there, as Session.Login takes it. Empty = only what
	// Manager.Adopt has taken over before, as where the other store is gone.
	User string

	// AuthTime is when they logged in there, for RequireFresh; zero = long ago.
	AuthTime time.Time

	// Values are kept in the new session: JSON, by the names of Keys.
	Values map[string]json.RawMessage

	// Remember is as Session.Remember, cut to Config.MaxRemember; zero = not.
	Remember time.Duration

	// Until is when foreign sessions stop counting, the same for all: from then on
	// none is adopted, and what keeps one from being adopted twice may go. At most
	// 400 days from now.
	Until time.Time
}

// Format prints that this is an adoption and nothing of it, whatever the verb.
func (Adoption) Format(f fmt.State, _ rune) { io.WriteString(f, "{adoption}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (a Adoption) MarshalText() ([]byte, error) { return fmt.Append(nil, a), nil }

// An adopter finds foreign sessions. It is in the context of the requests of
// adoptKey's manager.
type adopter func(*http.Request) (Adoption, error)

type adoptKey struct{ m *Manager }

// Adopting returns m.Handler for the time in which users have sessions of another
// system. Where a request's session is looked at and nobody is logged in, find is
// asked for the foreign session that the request brings. Its user is then logged
// in, in a new session that keeps the values of an anonymous one of ours.
//
// A foreign session becomes ours once: all requests that bring it get the same
// session with the same token, as long as that lives, and nothing once it was
// ended, replaced or has expired, until [Adoption.Until] (G2). That costs one store
// write more than a login, a record that stays until then and that a full store
// does not drop; and, for who brings a foreign session and none of ours, two
// loads. A request that is held back adopts nothing (G7), and is answered with
// [ErrHeldBack] where it needs a login.
//
// An error of find says that the other system could not be asked, and is one of
// loading (G5). A foreign session that cannot be one of ours, for its user, its
// values or [Config.MaxPerUser], is Refused by an event and left alone. find must
// not use the session; it is called at most once for each request, and may ask
// several systems: a request has one Adopting.
//
// Bearer tokens and sessions in their cookies adopt nothing: errors.ErrUnsupported.
func (m *Manager) Adopting(find func(*http.Request) (Adoption, error)) (func(http.Handler) http.Handler, error) {
	if err := m.mayAdopt(); err != nil {
		return nil, err
	}
	if find == nil {
		return nil, errors.New("coatcheck: Adopting: find is nil")
	}
	return func(next http.Handler) http.Handler {
		handler := m.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.Header["Cookie"]) == 0 {
				handler.ServeHTTP(w, r)
				return
			}
			if x, _ := r.Context().Value(m).(*exchange); x != nil && x.phase() != closed {
				x.session().refuse(errAdoptInside)
			}
			inner := r.WithContext(context.WithValue(r.Context(), adoptKey{m}, adopter(find)))
			defer func() { r.Pattern, r.MultipartForm = inner.Pattern, inner.MultipartForm }()
			handler.ServeHTTP(w, inner)
		})
	}, nil
}

// errAdoptInside is for the programmer: nothing would be adopted.
var errAdoptInside = errors.New("coatcheck: Adopting is within Manager.Handler or Adopting; want one, around all")

func (m *Manager) mayAdopt() error {
	if _, ok := m.carrier.(*tokens); !ok || m.bearer {
		return fmt.Errorf("coatcheck: adopt sessions: only a manager of New can: %w", errors.ErrUnsupported)
	}
	return nil
}

// A guard is the record that a foreign session was adopted. Its id is a hash of the
// identity without a key, so that it outlives every rotation. It has a user for
// the reasons of revokerUser. Its data names the session that was made:
//
//	1 version | 32 id
const (
	guardVersion = 1
	guardLabel   = "coatcheck/adopted/v1\x00"

	// youngGuard is for how long a session that its guard names and the store does
	// not know may be one that was not made yet, by a request under way or one that
	// died. Less than tombstoneLife by the time-outs of such a request: if that
	// session was made and ended, its tombstone still stands (G2).
	youngGuard = tombstoneLife - 2*(loadTimeout+commitTimeout)

	// guardMargin is for clocks of stores and servers that differ.
	guardMargin = time.Hour
)

func (m *Manager) guardID(identity string) store.ID {
	return sha256.Sum256([]byte(guardLabel + m.cfg.Name + "\x00" + identity))
}

func (m *Manager) guardOf(a *Adoption, id store.ID, now time.Time) store.Record {
	g := store.Record{ID: m.guardID(a.Identity), Version: newVersion(), AuthTime: now, Created: now, Seen: now}
	g.User = "\x01adopted:" + g.ID.Handle()
	g.Expires = micros(a.Until.Add(guardMargin))
	g.Deadline = g.Expires
	g.Data = append([]byte{guardVersion}, id[:]...)
	return g
}

// named returns token and id of the session that a guard names, if a key that we
// still have made it. Both are derived from the identity, so that all who adopt it
// at once make the same.
func (t *tokens) named(guard *store.Record, identity string) (token string, id store.ID, ok bool) {
	if len(guard.Data) != 1+len(id) || guard.Data[0] != guardVersion {
		return "", id, false
	}
	for key := range t.derived.Len() {
		if token, id = t.derived.Seal(key, identity); string(id[:]) == string(guard.Data[1:]) {
			return token, id, true
		}
	}
	return "", store.ID{}, false
}

// entries checks an adoption and returns its values, by name.
func (a *Adoption) entries(now time.Time) ([]record.Entry, error) {
	if err := checkUser(a.User); err != nil {
		return nil, err
	}
	if a.Until.After(now.Add(maxCookieAge)) {
		return nil, fmt.Errorf("%w: Adoption.Until is more than 400 days away", ErrValue)
	}
	var list []record.Entry
	for _, name := range slices.Sorted(maps.Keys(a.Values)) {
		if k := NewKey[json.RawMessage](name); k.err != nil {
			return nil, k.err
		}
		raw := []byte(a.Values[name])
		switch {
		case !json.Valid(raw):
			return nil, fmt.Errorf("%w: key %q: not JSON", ErrValue, name)
		case len(raw) > maxValue:
			return nil, fmt.Errorf("%w: key %q: %d bytes; want at most %d", ErrTooLarge, name, len(raw), maxValue)
		}
		list = append(list, record.Entry{Name: name, Raw: slices.Clone(raw)})
	}
	return list, nil
}

// authTime is what the adopted session has: never the present, which would pass
// for a password just given.
func (a *Adoption) authTime(began time.Time) time.Time {
	switch {
	case a.AuthTime.IsZero():
		return time.Unix(1, 0).UTC()
	case a.AuthTime.After(began):
		return micros(began)
	}
	return micros(a.AuthTime)
}

// adopt makes the foreign session this request's.
func (s *Session) adopt(a *Adoption) {
	now := time.Now()
	c := &pendingWrite{now: micros(now)}
	c.ctx.Parent, c.ctx.Detached, c.ctx.At = s.x.Context, true, now.Add(loadTimeout+commitTimeout)
	defer c.end()
	guard, err := s.x.m.carrier.Load(&c.ctx, s.x.m.guardID(a.Identity))
	switch {
	case err == nil:
		s.adoptNamed(c, a, &guard)
	case !isOver(err):
		s.adoptFailed(c, "load", err)
	case a.User != "":
		s.adoptNew(c, a, nil)
	}
}

// adoptFailed is a store that could not be asked: nobody knows who this is (G5).
func (s *Session) adoptFailed(c *pendingWrite, what string, err error) {
	told := c.told || s.x.storeError(store.ID{}, what, err)
	s.failTold(fmt.Errorf("coatcheck: adopt session: %w", err), told)
}

// errOtherUser is what an adoption finds whose identity has been somebody else's.
var errOtherUser = fmt.Errorf("%w: the foreign session had another user when it was adopted", ErrValue)

// adoptNamed gives the request the session that a guard names, while it lives.
func (s *Session) adoptNamed(c *pendingWrite, a *Adoption, guard *store.Record) {
	t := s.x.m.carrier.(*tokens)
	token, id, ok := t.named(guard, a.Identity)
	if !ok {
		return // made under a secret that is gone, as is the session
	}
	began := time.Now()
	rec, err := t.Load(&c.ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		if a.User != "" && c.now.Sub(guard.Created) < youngGuard {
			s.adoptNew(c, a, guard)
		}
		return
	case (s.live || s.ended) && (errors.Is(err, ErrEnded) || err == nil && over(&rec, c.now)):
		return // what our own cookie says stands
	case err == nil && a.User != "" && rec.User != a.User:
		// One identity, two users: a planted foreign cookie must not open the
		// session of whoever was adopted by it before.
		s.adoptRefused(a, errOtherUser)
		return
	}
	if err == nil {
		s.live, s.ended, s.replaced, s.finished = false, false, false, false
	}
	if s.took(id, &rec, err, began); !s.live {
		return
	}
	if s.x.phase() != open || s.x.tooOld(c.now) {
		return // a later request gets the cookie
	}
	if c.rec = rec; s.cookieLines(c, token, c.now) == nil {
		s.setCookie(c)
	}
}

// adoptNew logs the user in, under a guard that is there before, or that somebody
// else has made a moment ago.
func (s *Session) adoptNew(c *pendingWrite, a *Adoption, guard *store.Record) {
	entries, err := a.entries(c.now)
	if err != nil {
		s.adoptRefused(a, err)
		return
	}
	s.login(a, entries)
	if s.rehearses() {
		return // the answer to HEAD is as if, and keeps nothing
	}
	for {
		if err = s.adoptTry(c, a, &guard); !errors.Is(err, store.ErrConflict) || c.ctx.Err() != nil {
			break
		}
		rec, loadErr := s.current(c, err, 0) // an anonymous session that another request writes
		if loadErr != nil || s.rebase(rec, true) != nil {
			break
		}
	}
	if err == nil {
		return
	}
	s.clearPending()
	switch {
	case errors.Is(err, store.ErrExists) || isOver(err) || errors.Is(err, ErrTooMany):
		// Others have made it, and perhaps ended it since.
		if s.adoptMade(c, a, guard); errors.Is(err, ErrTooMany) && !s.live {
			s.adoptRefused(a, err)
		}
	case errors.Is(err, ErrValue) || errors.Is(err, ErrTooLarge):
		s.adoptRefused(a, err)
	case errors.Is(err, ErrReadOnly) || errors.Is(err, ErrLate) || errors.Is(err, ErrTooOld):
		s.fail(err)
	default:
		s.adoptFailed(c, "adopt", err)
	}
}

// adoptMade gives the request the session if others have made it meanwhile.
func (s *Session) adoptMade(c *pendingWrite, a *Adoption, guard *store.Record) {
	if guard == nil {
		g, err := s.x.m.carrier.Load(&c.ctx, s.x.m.guardID(a.Identity))
		if err != nil {
			return
		}
		guard = &g
	}
	made := *a
	made.User = "" // none is to be made here
	s.adoptNamed(c, &made, guard)
}

// adoptRefused tells of a foreign session that cannot be one of ours.
func (s *Session) adoptRefused(a *Adoption, err error) {
	e := Event{Kind: Refused, Reason: reasonAdoption, Err: err}
	if checkUser(a.User) == nil {
		e.User = a.User
	}
	s.x.event(e)
}

// login makes the adoption the session's pending change.
func (s *Session) login(a *Adoption, entries []record.Entry) {
	changes := s.edit()
	s.tokenChange, s.user, changes.began = logIn, a.User, a.authTime(s.x.began)
	if d := min(a.Remember, s.x.m.cfg.MaxRemember).Truncate(time.Second); d > 0 {
		s.remember = d
		w := s.wish()
		w.remember = d
	}
	for _, e := range entries {
		s.ops = append(s.ops, op{e.Name, func(record.Entry) (record.Entry, error) { return e, nil }})
	}
}

// adoptTry makes the guard, unless there is one, and then the session.
func (s *Session) adoptTry(c *pendingWrite, a *Adoption, guard **store.Record) error {
	t := s.x.m.carrier.(*tokens)
	if _, err := s.prepare(c, s.x.phase()); err != nil {
		return err
	}
	if err := s.mayLogIn(&c.ctx, c); err != nil {
		return err
	}
	if *guard == nil {
		_, c.rec.ID = t.derived.Seal(0, a.Identity)
		if err := s.makeGuard(c, a, guard); err != nil {
			return err
		}
	}
	token, id, ok := t.named(*guard, a.Identity)
	if !ok {
		return ErrEnded
	}
	if c.rec.ID = id; c.rec.ID == c.old {
		return ErrEnded
	}
	if err := s.cookieLines(c, token, c.now); err != nil {
		return err
	}
	if err := s.write(c, c.ctx.At); err != nil {
		return err
	}
	return s.committed(c)
}

// makeGuard stores the guard, or returns that of whoever was first in its place.
func (s *Session) makeGuard(c *pendingWrite, a *Adoption, guard **store.Record) error {
	made := s.x.m.guardOf(a, c.rec.ID, c.now)
	g := &pendingWrite{now: c.now, rec: made, fresh: true, ctx: wait.Context{Parent: c.ctx.Parent, Detached: true, At: c.ctx.At}}
	defer g.end()
	kind := s.tokenChange
	s.tokenChange = keepToken // this call is no login
	err := s.write(g, c.ctx.At)
	s.tokenChange = kind
	if errors.Is(err, store.ErrExists) {
		made, err = s.x.m.carrier.Load(&c.ctx, made.ID)
	}
	if err == nil {
		*guard = &made
	}
	c.told = g.told
	return err
}

// Adopt makes a foreign session one of ours before its browser comes, as for all
// sessions of a store that is to be given up, and reports whether it did: false
// where it was adopted before, whatever became of it since. The browser gets its
// session, with Adopting, when it brings the foreign cookie. Until then nobody
// uses it: Remember, of which here nothing is cut, is how long it waits.
func (m *Manager) Adopt(ctx context.Context, a Adoption) (bool, error) {
	if err := m.mayAdopt(); err != nil {
		return false, err
	}
	now := clock()
	entries, err := a.entries(now)
	switch {
	case err != nil:
		return false, err
	case a.Identity == "" || !a.Until.After(now):
		return false, fmt.Errorf("%w: an adoption without Identity, or past its Until", ErrValue)
	case a.Remember < time.Second || a.Remember > maxCookieAge:
		return false, fmt.Errorf("%w: Adoption.Remember is %v; want 1s to 400 days", ErrValue, a.Remember)
	}
	t := m.carrier.(*tokens)
	if _, err := t.Load(ctx, m.guardID(a.Identity)); !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	rec, err := m.adoptedRecord(&a, entries, now)
	if err != nil {
		return false, err
	}
	_, rec.ID = t.derived.Seal(0, a.Identity)
	// The session first: after a crash in between the next run finds no guard, and
	// its Create that the session is there. Its token nobody has without a guard.
	if err := t.Create(ctx, rec); err != nil && !errors.Is(err, store.ErrExists) {
		return false, fmt.Errorf("coatcheck: adopt session: %w", err)
	}
	err = t.Create(ctx, m.guardOf(&a, rec.ID, now))
	if errors.Is(err, store.ErrExists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("coatcheck: adopt session: %w", err)
	}
	return true, nil
}

// AdoptNever sees to it that a foreign session is not adopted, as one that was
// issued for a session of ours, or is brought to its logout. Of the Adoption only
// Identity and Until count. Where it was adopted before, that session goes on.
func (m *Manager) AdoptNever(ctx context.Context, a Adoption) error {
	if err := m.mayAdopt(); err != nil {
		return err
	}
	now := clock()
	if a.Identity == "" || a.Until.After(now.Add(maxCookieAge)) {
		return fmt.Errorf("%w: an adoption without Identity, or an Until more than 400 days away", ErrValue)
	}
	if !a.Until.After(now) {
		return nil
	}
	err := m.carrier.Create(ctx, m.guardOf(&a, store.ID{}, now))
	if err != nil && !errors.Is(err, store.ErrExists) {
		m.storeError(ctx, store.ID{}, "adopt", err)
		return fmt.Errorf("coatcheck: adopt session: %w", err)
	}
	return nil
}

// adoptedRecord is the session of an adoption that no request makes.
func (m *Manager) adoptedRecord(a *Adoption, entries []record.Entry, now time.Time) (store.Record, error) {
	h := record.Header{Remember: a.Remember.Truncate(time.Second)}
	rec := store.Record{Version: newVersion(), User: a.User, AuthTime: a.authTime(now), Created: now, Seen: now}
	idle, lifetime := m.cfg.span(a.User, h.Remember, false)
	rec.Deadline = now.Add(lifetime)
	rec.Expires = idleEnd(now, idle, rec.Deadline)
	var count int
	if rec.Data, count = record.Encode(h, entries, now.UnixMilli()); count > record.MaxEntries || len(rec.Data) > record.MaxSize {
		return rec, fmt.Errorf("%w: %d values of %d bytes; want at most %d and %d", ErrTooLarge, count, len(rec.Data), record.MaxEntries, record.MaxSize)
	}
	return rec, nil
}
