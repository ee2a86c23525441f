package coatcheck

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
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

	// Login tells one login of Identity from the next, where the other system has
	// just said who is logged in, as a store does: the newest counts, and what came
	// of those before opens nothing more. With a Login an empty User says that
	// nobody is logged in there. A secret, too. Empty = Identity is of one login.
	Login string

	// AsOf is when the other system had it so: before it was asked, or when it wrote
	// the cookie. After a login of Identity has ended there, what is of that time or
	// before is not adopted. Zero = nobody knows.
	AsOf time.Time

	// User is who is logged in there, as Session.Login takes it. Empty, without a
	// Login = only what Manager.Adopt has taken over before, as where the other
	// store is gone.
	User string

	// AuthTime is when they logged in there, for RequireFresh and for revocations;
	// zero = long ago.
	AuthTime time.Time

	// Writings names the foreign sessions of which each may be another writing of the
	// same login, as those of one user where the cookie is the session. When a session
	// of ours that came of one of them ends by a logout or a revocation, those that are
	// not known to be of a later time open nothing more either: AuthTime counts, or else
	// AsOf; without a time none does, until the end is forgotten after 400 days. Only a
	// hash of it is kept. Empty = there is no other writing with another Identity.
	Writings string

	// ClocksApart is by how much AsOf may be ahead of our clock, for Writings: so much
	// longer does an end count. At most an hour; zero = 30 seconds.
	ClocksApart time.Duration

	// Whole says that this one has the same Identity however it is written, as by a value
	// that stays: then only the end of one that has not keeps it out.
	Whole bool

	// Values are kept in the new session: JSON, by the names of Keys.
	Values map[string]json.RawMessage

	// Remember is as Session.Remember, cut to Config.MaxRemember; zero = not.
	Remember time.Duration

	// Until is when foreign sessions stop counting, the same for all: from then on
	// none is adopted, and what keeps one from being adopted twice may go. At most
	// 400 days from now.
	Until time.Time

	// Ends is when nothing can have this Identity any more, whatever the other system
	// does; what is kept about it goes then. Zero = Until.
	Ends time.Time

	made bool // only what others have made
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
// A foreign login becomes ours once: all requests that bring it get the same
// session with the same token, as long as that lives, and nothing once it was
// ended, replaced or has expired, until [Adoption.Until] (G2). Nor does one that
// began before its user's sessions were revoked here, by whatever means, or
// everybody's: the managers that revoke must be Adopting, too, or call
// [StoreRevoker] on the same store; see [Moving]. It costs one store write more than a login, a
// record that stays until then and that a full store does not drop; and, for who
// brings a foreign session and none of ours, two loads. Managers that share a store
// adopt a foreign session once between them, whatever their cookies are called. A
// request that is held back adopts nothing (G7), and is answered with [ErrHeldBack]
// where it needs a login.
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
	m.adopts.Store(true)
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

// An adoptGuard is the record that a foreign session was adopted, or is not to be (R12). Its id
// is a hash of the identity without a key, so that it outlives every rotation, and
// without the cookie's name, so that a new name revives nothing (G2). It has a user
// for the reasons of ownRecord. Its data:
//
//	1 version, 2 | 1 state | 32 id of the session | 16 nonce | 32 hash of the login | 8 since
type adoptGuard struct {
	state byte
	id    store.ID  // of the session that was made
	nonce [16]byte  // of its token: no two guards make the same
	login store.ID  // zero: whatever comes
	since time.Time // when this login was found, or its end

	version uint64 // of the record
}

const (
	guardVersion = 2
	guardSize    = 2 + 32 + 16 + 32 + 8
	guardLabel   = "coatcheck/adopted/v2\x00"

	// youngGuard is for how long a session that its guard names and the store does
	// not know may be one that was not made yet, by a request under way or one that
	// died. Less than tombstoneLife by the time-outs of such a request: if that
	// session was made and ended, its tombstone still stands (G2).
	youngGuard = tombstoneLife - 2*(loadTimeout+commitTimeout) - clocksApart

	// clocksApart is by how much the clocks of stores and servers may differ.
	clocksApart = 30 * time.Second

	// guardMargin is for clocks of stores and servers that differ.
	guardMargin = time.Hour
)

// The states of a guard.
const (
	adopted      byte = iota // the session is named
	neverAdopted             // as one that was issued for a session of ours
	endedThere               // the other system has ended the login: the next is another
)

func guardID(identity string) store.ID { return sha256.Sum256([]byte(guardLabel + identity)) }

func (a *Adoption) login() store.ID {
	if a.Login == "" {
		return store.ID{}
	}
	return sha256.Sum256([]byte(guardLabel + a.Identity + "\x00" + a.Login))
}

// nobody reports whether the other system says that nobody is logged in.
func (a *Adoption) nobody() bool { return a.User == "" && a.Login != "" }

func (a *Adoption) newGuard(state byte, now time.Time) *adoptGuard {
	g := &adoptGuard{state: state, login: a.login(), since: now}
	rand.Read(g.nonce[:])
	return g
}

// record is the guard in the store.
func (g *adoptGuard) record(a *Adoption) store.Record {
	until := a.Until
	if !a.Ends.IsZero() && a.Ends.Before(a.Until) {
		until = a.Ends
	}
	rec := ownRecord("adopted", guardID(a.Identity), g.since, micros(until.Add(guardMargin)))
	rec.Data = append([]byte{guardVersion, g.state}, g.id[:]...)
	rec.Data = append(append(rec.Data, g.nonce[:]...), g.login[:]...)
	rec.Data = binary.BigEndian.AppendUint64(rec.Data, uint64(g.since.UnixMicro()))
	return rec
}

// openGuard reads the record. One that is damaged keeps all out.
func openGuard(rec *store.Record) *adoptGuard {
	d := rec.Data
	if len(d) != guardSize || d[0] != guardVersion {
		return &adoptGuard{state: neverAdopted, version: rec.Version}
	}
	g := &adoptGuard{state: d[1], version: rec.Version, since: utc(int64(binary.BigEndian.Uint64(d[82:])))}
	copy(g.id[:], d[2:])
	copy(g.nonce[:], d[34:])
	copy(g.login[:], d[50:])
	return g
}

func (m *Manager) loadGuard(ctx context.Context, identity string) (*adoptGuard, error) {
	rec, err := m.carrier.Load(ctx, guardID(identity))
	if err != nil {
		return nil, err
	}
	return openGuard(&rec), nil
}

// other reports whether the adoption is of another login than the guard's, by what
// the other system has just said.
func (g *adoptGuard) other(a *Adoption) bool {
	return a.Login != "" && !g.login.IsZero() && g.login != a.login()
}

// reopens reports whether the adoption is of a login after the guard's. What was
// read or written before the guard knew of the end is not.
func (g *adoptGuard) reopens(a *Adoption) bool {
	other := g.other(a)
	return (other || g.state == endedThere) && (a.AsOf.After(g.since) || a.AsOf.IsZero() && !other)
}

// name gives the guard a session and returns it.
func (g *adoptGuard) name(t *tokens, identity string) store.ID {
	_, g.id = t.derived.Seal(0, g.text(identity))
	return g.id
}

func (g *adoptGuard) text(identity string) string { return identity + "\x00" + string(g.nonce[:]) }

// named returns token and id of the session that a guard names, if a key that we
// still have made it. Both are derived from the identity, so that all who adopt it
// at once make the same.
func (t *tokens) named(g *adoptGuard, identity string) (token string, id store.ID, ok bool) {
	if g.state != adopted {
		return "", id, false
	}
	for key := range t.derived.Len() {
		if token, id = t.derived.Seal(key, g.text(identity)); id == g.id {
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
	if a.ClocksApart < 0 || a.ClocksApart > time.Hour {
		return nil, fmt.Errorf("%w: Adoption.ClocksApart is %v; want 0 to 1h", ErrValue, a.ClocksApart)
	}
	if a.Until.After(now.Add(maxCookieAge)) {
		return nil, fmt.Errorf("%w: Adoption.Until is more than 400 days away", ErrValue)
	}
	guarding := guardID(a.Identity)
	list := []record.Entry{{Name: record.Adopted, Raw: fmt.Appendf(nil, "%q", base64.RawURLEncoding.EncodeToString(guarding[:]))}}
	if a.Writings != "" {
		list = append(list, a.writings().entry())
	}
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
	case a.AuthTime.IsZero(), a.AuthTime.After(began): // a time to come says nothing
		return time.Unix(1, 0).UTC()
	}
	return micros(a.AuthTime)
}

// adopt makes the foreign session this request's.
func (s *Session) adopt(a *Adoption) {
	now := time.Now()
	c := &pendingWrite{now: micros(now), parent: s.x.parent(), at: now.Add(loadTimeout + commitTimeout)}
	defer c.end()
	g, err := s.x.m.loadGuard(c.context(), a.Identity)
	switch {
	case err == nil && g.reopens(a) && a.nobody():
		s.endedThere(c, a, g)
	case err == nil && g.reopens(a) && a.User != "" && !a.made:
		s.adoptNew(c, a, g, nil)
	case err == nil:
		s.adoptNamed(c, a, g)
	case !isOver(err):
		s.adoptFailed(c, "load", err)
	case a.User != "" && !a.made:
		s.adoptNew(c, a, nil, nil)
	}
}

// endedThere notes that the other system has nobody logged in any more, so that the
// next login there is adopted. It is an extra: without it a login is asked for.
func (s *Session) endedThere(c *pendingWrite, a *Adoption, g *adoptGuard) {
	if g.state == endedThere || s.rehearses() || prefetch(&s.x.r) {
		return
	}
	if err := s.x.m.putGuard(c.context(), a, a.newGuard(endedThere, clock()), g); err != nil && !s.x.m.isDefinite(err) {
		s.x.storeError(store.ID{}, "adopt", err)
	}
}

// putGuard stores a guard in the place of old; nil = there is none.
func (m *Manager) putGuard(ctx context.Context, a *Adoption, g, old *adoptGuard) error {
	if old == nil {
		return m.carrier.Create(ctx, g.record(a))
	}
	return m.carrier.Update(ctx, g.record(a), old.version)
}

// adoptFailed is a store that could not be asked: nobody knows who this is (G5).
func (s *Session) adoptFailed(c *pendingWrite, what string, err error) {
	told := c.told || s.x.storeError(store.ID{}, what, err)
	s.failTold(fmt.Errorf("coatcheck: adopt session: %w", err), told)
}

// errOtherUser is what an adoption finds whose identity has been somebody else's.
var errOtherUser = fmt.Errorf("%w: the foreign session had another user when it was adopted", ErrValue)

// adoptNamed gives the request the session that a guard names, while it lives.
func (s *Session) adoptNamed(c *pendingWrite, a *Adoption, g *adoptGuard) {
	t := s.x.m.carrier.(*tokens)
	token, id, ok := t.named(g, a.Identity)
	if !ok || g.other(a) || a.nobody() {
		return // made under a secret that is gone, as is the session; or of another login
	}
	rec, err := t.Load(c.context(), id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		if a.User != "" && !a.made && c.now.Sub(g.since) < youngGuard {
			s.adoptNew(c, a, nil, g)
		}
		return
	case s.life != noSession && (errors.Is(err, ErrEnded) || err == nil && expired(&rec, c.now)):
		return // what our own cookie says stands
	case err == nil && a.User != "" && rec.User != a.User:
		// One identity, two users: a planted foreign cookie must not open the
		// session of whoever was adopted by it before.
		s.adoptRefused(a, errOtherUser)
		return
	}
	if err == nil {
		s.life = noSession
	}
	if s.afterLoad(id, &rec, err); s.life != live {
		return
	}
	if s.x.phase() != open || s.x.tooOld(c.now) {
		return // a later request gets the cookie
	}
	if c.rec = snapshotOf(&rec); s.cookieLines(c, []byte(token), c.now) == nil {
		s.setCookie(c)
	}
}

// adoptNew logs the user in, under a guard that is made before, in the place of old
// if there is one, or that somebody else has made a moment ago: g.
func (s *Session) adoptNew(c *pendingWrite, a *Adoption, old, g *adoptGuard) {
	entries, err := a.entries(c.now)
	if err != nil {
		s.adoptRefused(a, err)
		return
	}
	if err := s.x.m.mayBegin(c.context(), a, s.x.began()); isOver(err) {
		return
	} else if err != nil {
		s.adoptFailed(c, "load", err)
		return
	}
	authAt, wishes := s.edit().authAt, s.wishes
	s.pendAdoption(a, entries)
	if s.rehearses() {
		return // the answer to HEAD is as if, and keeps nothing
	}
	for {
		if err = s.adoptTry(c, a, old, &g); !errors.Is(err, store.ErrConflict) || c.context().Err() != nil {
			break
		}
		now, loadErr := s.storedNow(c, err, 0) // an anonymous session that another request writes
		if loadErr != nil || s.rebase(&now, true) != nil {
			break
		}
	}
	s.authAt, s.wishes = authAt, wishes // those were of the foreign login, not of one that this request makes
	if err == nil {
		return
	}
	s.clearPending()
	switch {
	case errors.Is(err, store.ErrExists) || isOver(err) || errors.Is(err, ErrTooMany):
		// Others have made it, and perhaps ended it since.
		if s.adoptMade(c, a, g); errors.Is(err, ErrTooMany) && s.life != live {
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
func (s *Session) adoptMade(c *pendingWrite, a *Adoption, g *adoptGuard) {
	if g == nil {
		var err error
		if g, err = s.x.m.loadGuard(c.context(), a.Identity); err != nil {
			return
		}
	}
	made := *a
	made.made = true // none is to be made here
	s.adoptNamed(c, &made, g)
}

// adoptRefused tells of a foreign session that cannot be one of ours.
func (s *Session) adoptRefused(a *Adoption, err error) {
	e := Event{Kind: Refused, Reason: reasonAdoption, Err: err}
	if checkUser(a.User) == nil {
		e.User = a.User
	}
	s.x.event(e)
}

// pendAdoption makes the adoption the session's pending change.
func (s *Session) pendAdoption(a *Adoption, entries []record.Entry) {
	changes := s.edit()
	s.nameDevice()
	s.tokenChange, s.user, changes.authAt = logIn, a.User, a.authTime(s.x.began()).UnixMicro()
	if d := min(a.Remember, s.x.m.cfg.MaxRemember).Truncate(time.Second); d > 0 {
		s.remember = d
		w := s.wish()
		w.remember = d
	}
	for _, e := range entries {
		s.ops = append(s.ops, op{e.Name, replaceFunc(func(record.Entry) (record.Entry, error) { return e, nil })})
	}
}

// adoptTry makes the guard, unless there is one, and then the session.
func (s *Session) adoptTry(c *pendingWrite, a *Adoption, old *adoptGuard, g **adoptGuard) error {
	t := s.x.m.carrier.(*tokens)
	if _, err := s.prepare(c, s.x.phase()); err != nil {
		return err
	}
	if err := s.mayLogIn(c.context(), c); err != nil {
		return err
	}
	if *g == nil {
		if err := s.makeGuard(c, a, old, g); err != nil {
			return err
		}
	}
	token, id, ok := t.named(*g, a.Identity)
	if !ok || (*g).other(a) {
		return ErrEnded
	}
	if c.rec.ID = id; c.rec.ID == c.old {
		return ErrEnded
	}
	if err := s.cookieLines(c, []byte(token), c.now); err != nil {
		return err
	}
	if err := s.write(c, c.at); err != nil {
		return err
	}
	if why, err := s.x.m.stillCounts(c.context(), a, c.now); err != nil {
		_, endErr := s.x.m.endOne(c.context(), id, Event{Kind: Revoked, User: a.User, Reason: why})
		return errors.Join(err, endErr)
	}
	return s.committed(c)
}

// makeGuard stores the guard, or takes that of whoever was first in its place.
func (s *Session) makeGuard(c *pendingWrite, a *Adoption, old *adoptGuard, g **adoptGuard) error {
	made := a.newGuard(adopted, c.now)
	made.name(s.x.m.carrier.(*tokens), a.Identity)
	rec := made.record(a)
	w := &pendingWrite{now: c.now, rec: snapshotOf(&rec), fresh: old == nil, parent: c.parent, at: c.at}
	if old != nil {
		w.ifVersion = old.version
	}
	defer w.end()
	kind := s.tokenChange
	s.tokenChange = keepToken // this call is no login
	err := s.write(w, c.at)
	s.tokenChange = kind
	if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
		made, err = s.x.m.loadGuard(c.context(), a.Identity)
	}
	if err == nil {
		*g = made
	}
	c.told = w.told
	return err
}

// everybody is the user under whom a revocation of all is noted; none is called so.
const everybody = "\x01everybody"

// Moving reports whether sessions of another system are adopted into a store, so that
// a process that is not Adopting itself knows whether what it ends is to be noted for
// them, too: by being Adopting, or by StoreRevoker. It is true from the first foreign
// session that was seen until the last Adoption.Until.
func Moving(ctx context.Context, st store.Store) (bool, error) {
	rec, err := st.Load(ctx, movingID)
	if isOver(err) {
		return false, nil
	}
	return err == nil && !expired(&rec, clock()), err
}

// movingID is that of the record for Moving (R14).
var movingID store.ID = sha256.Sum256([]byte("coatcheck/moving/v1\x00"))

// noteMove sees to it that Moving is true until then, once for each process. Without
// the note all goes on.
func (m *Manager) noteMove(ctx context.Context, until time.Time) {
	created := clock()
	until = micros(until.Add(guardMargin))
	if most := created.Add(maxCookieAge); until.After(most) {
		until = most
	}
	rec := ownRecord("moving", movingID, created, until)
	rec.Data = []byte{1}
	err := m.carrier.Create(ctx, rec)
	for range 3 { // others may note theirs at once
		var old store.Record
		if !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrConflict) {
			break
		}
		if old, err = m.carrier.Load(ctx, movingID); err == nil && old.Expires.Before(rec.Expires) {
			err = m.carrier.Update(ctx, rec, old.Version)
		}
	}
	switch {
	case err == nil:
		m.moving.Store(true)
	case ctx.Err() == nil: // else its client has left, and the next request does it
		m.storeError(ctx, store.ID{}, "adopt", err)
	}
}

// revokeForeign notes that foreign sessions of user which were not adopted by now
// count no more, for as long as any move lasts. What was adopted its store ends.
func (m *Manager) revokeForeign(ctx context.Context, user string, at time.Time) error {
	if !m.adopts.Load() {
		return nil
	}
	if err := (storeRevoker{m.carrier}).Revoke(ctx, user, at); err != nil {
		m.storeError(ctx, store.ID{}, "end user", err)
		return fmt.Errorf("coatcheck: revoke foreign sessions: %w", err)
	}
	return nil
}

// foreignCounts returns ErrEnded if sessions of that beginning were revoked.
func (m *Manager) foreignCounts(ctx context.Context, began time.Time, users ...string) error {
	for _, user := range users {
		at, err := storeRevoker{m.carrier}.NotBefore(ctx, user)
		if err == nil && !at.IsZero() && !began.After(at) {
			err = ErrEnded
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mayBegin returns ErrEnded if what was ended or revoked here keeps the adoption out.
func (m *Manager) mayBegin(ctx context.Context, a *Adoption, began time.Time) error {
	if err := m.foreignCounts(ctx, a.authTime(began), everybody, a.User); err != nil {
		return err
	}
	return m.writingCounts(ctx, a, began)
}

// stillCounts is asked once more when the session is there. Who revokes everybody, or
// ends another writing, notes it before: this session they have found, or this finds
// the note. For one user the store sees to it (S8).
func (m *Manager) stillCounts(ctx context.Context, a *Adoption, began time.Time) (why string, err error) {
	if err = m.foreignCounts(ctx, a.authTime(began), everybody); err != nil {
		return reasonEverybody, err
	}
	return reasonWriting, m.writingCounts(ctx, a, began)
}

// EndAdopted is Session.Logout for a request that shows that the foreign login of
// its session has ended in the other system, as by a logout there. It commits at
// once. The next login there is adopted, even if its Identity is the same: unlike
// what was ended here, that foreign login is not spent. brought is the Identity of
// a foreign session that was issued for this one, as the request brings it; empty =
// none.
func (m *Manager) EndAdopted(ctx context.Context, brought string) error {
	s := m.session(ctx)
	if s == nil {
		return errors.New("coatcheck: EndAdopted: not the context of a request")
	}
	if err := m.mayAdopt(); err != nil {
		return err
	}
	ended, from, made := s.adoptedFrom()
	switch over, err := s.endThere(ended, made); {
	case err != nil || over == replacedByLogin:
		return err
	case over == overBefore: // what was ended here meanwhile stays spent (G2)
		from, brought = store.ID{}, ""
	}
	s.Logout()
	if err := s.Commit(); err != nil || s.rehearses() {
		return err
	}
	// Of a login after this session's the guard knows more than this request.
	err := m.openAgain(ctx, from, func(g *adoptGuard) bool { return g.id == ended || !g.since.After(made) })
	if err == nil && brought != "" && guardID(brought) != from {
		err = m.openAgain(ctx, guardID(brought), func(g *adoptGuard) bool { return g.state == neverAdopted || g.id == ended })
	}
	if err != nil {
		m.storeError(ctx, store.ID{}, "adopt", err)
		return fmt.Errorf("coatcheck: end adopted session: %w", err)
	}
	return nil
}

// MissAdopted is EndAdopted for a request that brings no foreign session at all. Its
// browser may have kept that one's cookie back and sent ours, where ours is Lax and the other
// Strict and a link on another site leads here. Then nothing ends, and the request is
// as one whose own cookie was withheld (G7): nobody is logged in, and what needs a login
// or a session is [ErrHeldBack], whose page leads on from our own site. The request after
// that one brings both cookies, or shows that there is a logout. A Logout or Login ends
// the session all the same.
func (m *Manager) MissAdopted(ctx context.Context) error {
	s := m.session(ctx)
	if s == nil || !m.keptBack(&s.x.r) {
		return m.EndAdopted(ctx, "")
	}
	if err := m.mayAdopt(); err != nil {
		return err
	}
	if !s.lock() {
		return errStuck
	}
	defer s.unlock()
	s.ensureLoaded()
	if s.life == live && s.tokenChange != logIn {
		s.cookie, s.life, s.base = cookieAlone, noSession, snapshot{ID: s.base.ID}
	}
	return s.err()
}

// keptBack reports whether a browser could have withheld a SameSite cookie of somebody
// else's from this request, which brings ours. What is typed, or opened from a mail, is
// no site's, and Firefox and WebKit withhold Strict ones from it, too.
func (m *Manager) keptBack(r *http.Request) bool {
	if m.marker != nil { // ours is Strict
		return false // and would not be here
	}
	switch first(r.Header, "Sec-Fetch-Site") {
	case "":
		return false // nobody knows; as with our own
	case "cross-site", "none":
		return true
	}
	return m.otherHost(r) != nil // through a service worker
}

// adoptedFrom returns the session's id, that of its guard, if it has one, and when
// it was made, which a renewal leaves as it is. A session that is not live has none
// of these but the id.
func (s *Session) adoptedFrom() (id, guard store.ID, made time.Time) {
	if !s.lock() {
		return id, guard, made
	}
	defer s.unlock()
	s.ensureLoaded()
	if s.life != live {
		return s.base.ID, guard, made
	}
	text, err := record.Unmarshal[string](s.stored(record.Adopted).Raw)
	if raw, decodeErr := base64.RawURLEncoding.DecodeString(text); err == nil && decodeErr == nil && len(raw) == len(guard) {
		guard = store.ID(raw)
	}
	return s.base.ID, guard, utc(s.base.created)
}

// What endThere has found.
type overThere uint8

const (
	overNow         overThere = iota // the session has ended by this request, or there was none
	overBefore                       // it had ended here
	replacedByLogin                  // a login has taken its place
)

// endThere ends the session because it has ended in the other system: in the one step
// that finds it live, or a logout or a login here that comes between would be taken
// for what it is not. A renewal is followed, since it keeps the beginning; a login is
// another session, and goes on.
func (s *Session) endThere(id store.ID, made time.Time) (over overThere, err error) {
	if !s.lock() {
		return over, errStuck
	}
	defer s.unlock()
	if s.failed || id.IsZero() || s.readOnly() || s.x.phase() == closed {
		return over, s.err() // Logout says the rest
	}
	if s.life != live {
		return overBefore, nil
	}
	ctx := wait.Detached(s.x.parent(), time.Now().Add(commitTimeout))
	defer ctx.End()
	for err = error(store.ErrConflict); errors.Is(err, store.ErrConflict) || isOver(err); {
		rec, loadErr := s.x.m.carrier.Load(ctx, id)
		ended, replaced := errors.AsType[*store.EndedError](loadErr)
		switch {
		case replaced && !ended.Next.IsZero():
			id = ended.Next
			continue
		case isOver(loadErr):
			s.edit().followed = true
			return overBefore, nil
		case loadErr == nil && !rec.Created.Equal(made):
			s.life = replacedElsewhere
			s.markEnded()
			return replacedByLogin, nil
		}
		if err = loadErr; err == nil {
			was := rec.Version
			rec.Version, rec.Deadline = newVersion(), clock() // over for all who look from now on
			err = s.x.m.carrier.Update(ctx, rec, was)
		}
	}
	if err != nil {
		told := s.x.storeError(id, "end", err)
		s.failTold(fmt.Errorf("coatcheck: end adopted session: %w", err), told)
		return over, s.err()
	}
	s.edit().followed = true
	return overNow, nil
}

// openAgain makes a guard, if it may be, one of a login that has ended over there.
func (m *Manager) openAgain(ctx context.Context, id store.ID, may func(*adoptGuard) bool) error {
	if id.IsZero() {
		return nil
	}
	for range 5 { // others may do the same at once
		rec, err := m.carrier.Load(ctx, id)
		if err != nil {
			return ifNotOver(err)
		}
		g := openGuard(&rec)
		if len(rec.Data) != guardSize || g.state == endedThere || !may(g) {
			return nil
		}
		rec.Data = slices.Clone(rec.Data)
		rec.Data[1], rec.Version = endedThere, newVersion()
		binary.BigEndian.PutUint64(rec.Data[82:], uint64(clock().UnixMicro()))
		if err = m.carrier.Update(ctx, rec, g.version); !errors.Is(err, store.ErrConflict) {
			return ifNotOver(err)
		}
	}
	return nil
}

func ifNotOver(err error) error {
	if isOver(err) {
		return nil
	}
	return err
}

// Adopt makes a foreign session one of ours before its browser comes, as for all
// sessions of a store that is to be given up, and reports whether it did: false
// where it was adopted before, whatever became of it since. The browser gets its
// session, with Adopting, when it brings the foreign cookie. Until then nobody
// uses it: Remember, of which here nothing is cut, is how long it waits.
//
// It ends nobody's session: beyond [Config.MaxPerUser] the error is [ErrTooMany],
// whatever AtLimit says. It is [ErrEnded] where the user's sessions were revoked.
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
	if !m.moving.Load() {
		m.noteMove(ctx, a.Until)
	}
	old, err := m.loadGuard(ctx, a.Identity)
	if err == nil && !old.reopens(&a) {
		return false, nil
	}
	if err == nil || errors.Is(err, store.ErrNotFound) {
		err = m.mayBegin(ctx, &a, now)
	}
	if err != nil {
		return false, err
	}
	rec, err := m.adoptedRecord(&a, entries, now)
	if err != nil {
		return false, err
	}
	return m.adoptStored(ctx, &a, rec, old)
}

// adoptStored stores the session first: its token nobody has without a guard. A
// crash in between leaves one that nobody uses.
func (m *Manager) adoptStored(ctx context.Context, a *Adoption, rec store.Record, old *adoptGuard) (bool, error) {
	g := a.newGuard(adopted, rec.Created)
	rec.ID = g.name(m.carrier.(*tokens), a.Identity)
	if err := m.carrier.Create(ctx, rec); err != nil {
		return false, fmt.Errorf("coatcheck: adopt session: %w", err)
	}
	err := m.hasRoom(ctx, a.User)
	if err == nil {
		_, err = m.stillCounts(ctx, a, rec.Created)
	}
	if err == nil {
		err = m.putGuard(ctx, a, g, old)
	}
	if err == nil {
		return true, nil
	}
	_, endErr := m.carrier.End(context.WithoutCancel(ctx), rec.ID, clock().Add(tombstoneLife))
	if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) { // its browser came meanwhile
		return false, endErr
	}
	return false, errors.Join(fmt.Errorf("coatcheck: adopt session: %w", err), endErr)
}

// hasRoom returns ErrTooMany where the user has more sessions than may be.
func (m *Manager) hasRoom(ctx context.Context, user string) error {
	if m.cfg.MaxPerUser == 0 {
		return nil
	}
	records, err := m.liveRecords(ctx, user)
	if err == nil && len(records) > m.cfg.MaxPerUser {
		err = ErrTooMany
	}
	return err
}

// AdoptNever sees to it that a foreign session is not adopted, as one that was
// issued for a session of ours, or is brought to its logout. Of the Adoption only
// Identity, Login, AsOf, AuthTime, Writings, Whole, Until and Ends count. Where it was
// adopted before, that session goes on. With Writings the others are kept out as well,
// when the session ends of the request to which ctx belongs, which it commits; where
// nobody is logged in, as after a Logout, at once.
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
	if !m.moving.Load() {
		m.noteMove(ctx, a.Until)
	}
	spent, err := false, error(nil)
	if a.Writings != "" {
		spent, err = m.endWithSession(ctx, &a, now)
	}
	if err == nil && !spent {
		err = m.spend(ctx, &a, now)
	}
	if err != nil {
		m.storeError(ctx, store.ID{}, "adopt", err)
		return fmt.Errorf("coatcheck: adopt session: %w", err)
	}
	return nil
}

// spend makes the guard of a foreign session that is not to be adopted.
func (m *Manager) spend(ctx context.Context, a *Adoption, now time.Time) error {
	err := m.putGuard(ctx, a, a.newGuard(neverAdopted, now), nil)
	if errors.Is(err, store.ErrExists) {
		var old *adoptGuard
		if old, err = m.loadGuard(ctx, a.Identity); err == nil && old.reopens(a) {
			err = m.putGuard(ctx, a, a.newGuard(neverAdopted, now), old)
		}
		if err = ifNotOver(err); errors.Is(err, store.ErrConflict) { // adopted at this moment
			err = nil
		}
	}
	return err
}

// endWithSession sees to it that other writings of an adoption are kept out from the
// end of the request's session on, or from now on where there is none. It reports
// whether there is no need of a guard.
func (m *Manager) endWithSession(ctx context.Context, a *Adoption, now time.Time) (spent bool, err error) {
	w := a.writings()
	if s := m.session(ctx); s != nil {
		if logged, err := s.keepWritings(w); logged || err != nil {
			return false, err
		}
	}
	// What is spent has no word any more: a copy of it must not end what is later.
	if g, err := m.loadGuard(ctx, a.Identity); err == nil && !g.reopens(a) || err != nil && !isOver(err) {
		return true, err
	}
	if err := m.writingCounts(ctx, a, now); err != nil {
		return isOver(err), ifNotOver(err)
	}
	return false, m.noteEnd(ctx, w, byUs)
}

// keepWritings ties the session of a request to those of the user there, and reports
// whether somebody is logged in.
func (s *Session) keepWritings(w writings) (logged bool, err error) {
	if !s.lock() {
		return false, errStuck
	}
	defer s.unlock()
	s.ensureLoaded()
	if s.currentUser() == "" || s.failed {
		return false, s.err()
	}
	had, ok := writingsOf(s.entries())
	switch {
	case ok && had.id != w.id:
		if err := s.x.m.noteEnd(s.x, had, byUs); err != nil {
			return true, err
		}
	case ok:
		w.whole = w.whole && had.whole
		w.login = latest(w.login, had.login)
	}
	e := w.entry()
	if s.changing(nil, op{e.Name, replaceFunc(func(record.Entry) (record.Entry, error) { return e, nil })}) {
		s.commit(s.x.phase())
	}
	return true, s.err()
}

// writings is what a session of ours keeps of the foreign one that it came of, where
// that may have been written more than once (R7).
type writings struct {
	id    store.ID  // of the record of their ends
	whole bool      // Adoption.Whole
	login time.Time // Adoption.AuthTime as the other system has it; zero = it does not say
}

func (a *Adoption) writings() writings {
	return writings{sha256.Sum256([]byte(writingsLabel + a.Writings)), a.Whole, a.AuthTime}
}

func (w writings) entry() record.Entry {
	b := append([]byte{0}, w.id[:]...)
	if w.whole {
		b[0] = 1
	}
	login := uint64(0)
	if !w.login.IsZero() {
		login = uint64(w.login.UnixMicro())
	}
	b = binary.BigEndian.AppendUint64(b, login)
	return record.Entry{Name: record.Writings, Raw: fmt.Appendf(nil, "%q", base64.RawURLEncoding.EncodeToString(b))}
}

func writingsOf(entries []byte) (w writings, ok bool) {
	e := record.Find(entries, record.Writings)
	if e.Raw == nil {
		return w, false
	}
	text, err := record.Unmarshal[string](e.Raw)
	b, decodeErr := base64.RawURLEncoding.DecodeString(text)
	if err != nil || decodeErr != nil || len(b) != 1+len(w.id)+8 {
		return w, false
	}
	copy(w.id[:], b[1:])
	w.whole = b[0] == 1
	if login := int64(binary.BigEndian.Uint64(b[1+len(w.id):])); login != 0 {
		w.login = utc(login)
	}
	return w, true
}

// writingsEnds says of the foreign sessions of one Adoption.Writings up to when they
// are kept out (R13), in microseconds since 1970; 0 = no end is known. The first index is who
// has ended the session, the second whether it is for those that are Whole. It is a
// record under a hash without a key, as a guard's is, with a user for the same
// reasons, and stays as long as a move may last. Its data:
//
//	1 version, 1 | 4 times 8, big-endian
type writingsEnds [2][2]int64

// Who has ended a session that came of a foreign one.
const (
	byUs   = iota // a logout or revocation: what says no time is kept out, too
	byThem        // the other system, as EndAdopted knows: what says no time may be a new login
)

const (
	writingsVersion = 1
	writingsSize    = 1 + 4*8
	writingsLabel   = "coatcheck/adopted-writings/v1\x00"
)

// openEnds reads the record. One that is damaged keeps all out.
func openEnds(data []byte) (ends writingsEnds) {
	ok := len(data) == writingsSize && data[0] == writingsVersion
	for i := range 4 {
		ends[i/2][i%2] = math.MaxInt64
		if ok {
			ends[i/2][i%2] = int64(binary.BigEndian.Uint64(data[1+8*i:]))
		}
	}
	return ends
}

func (ends *writingsEnds) data() []byte {
	b := []byte{writingsVersion}
	for i := range 4 {
		b = binary.BigEndian.AppendUint64(b, uint64(ends[i/2][i%2]))
	}
	return b
}

// note takes note of an end, and reports whether that says more than was known. One
// of a session that is Whole says nothing of others that are.
func (ends *writingsEnds) note(w writings, by int, at time.Time) (more bool) {
	for whole := range 2 {
		known := &ends[by][whole]
		if (whole == 0 || !w.whole) && at.UnixMicro() > *known+time.Second.Microseconds() {
			*known, more = at.UnixMicro(), true
		}
	}
	return more
}

// keepsOut reports whether an adoption may be of a login that has ended. Of one that says
// when it was, all writings say the same, so that no clock is needed; see noteEnd. What
// is to come says nothing.
func (ends *writingsEnds) keepsOut(a *Adoption, began time.Time) bool {
	at, whole := a.AsOf, 0
	if !a.AuthTime.IsZero() { // written anew it is no other login
		at = a.authTime(began)
	}
	if a.Whole {
		whole = 1
	}
	here, there := ends[byUs][whole], ends[byThem][whole]
	switch {
	case at.IsZero() || at.After(began.Add(a.clocksApart())):
		return here != 0
	case a.AuthTime.IsZero() && here != 0:
		return at.UnixMicro()-a.clocksApart().Microseconds() <= here || at.UnixMicro() <= there
	}
	return at.UnixMicro() <= max(here, there)
}

func (a *Adoption) clocksApart() time.Duration {
	if a.ClocksApart == 0 {
		return clocksApart
	}
	return a.ClocksApart
}

// writingCounts returns ErrEnded if another writing of the login may have ended.
func (m *Manager) writingCounts(ctx context.Context, a *Adoption, began time.Time) error {
	if a.Writings == "" {
		return nil
	}
	rec, err := m.carrier.Load(ctx, a.writings().id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if ends := openEnds(rec.Data); err == nil && ends.keepsOut(a, began) {
		err = ErrEnded
	}
	return err
}

// noteEnd notes the end of a session that came of a foreign one, before it ends. What
// the other system has ended itself must not keep out the login that follows, by a
// clock that is behind. The time of a login may be ahead of ours: its own writings
// must not seem later than its end.
func (m *Manager) noteEnd(ctx context.Context, w writings, by int) error {
	created := clock()
	at := created
	if by == byThem {
		at = created.Add(-clocksApart)
	}
	if !w.login.After(created.Add(clocksApart)) {
		at = latest(at, w.login)
	}
	next := ownRecord("writings", w.id, created, created.Add(maxCookieAge))
	for err := ctx.Err(); ; err = ctx.Err() {
		var ends writingsEnds
		var rec store.Record
		if err == nil {
			rec, err = m.carrier.Load(ctx, w.id)
		}
		if unknown := errors.Is(err, store.ErrNotFound); err == nil || unknown {
			if !unknown {
				ends = openEnds(rec.Data)
			}
			if !ends.note(w, by, at) {
				return nil
			}
			next.Version, next.Data = newVersion(), ends.data()
			if unknown {
				err = m.carrier.Create(ctx, next)
			} else {
				err = m.carrier.Update(ctx, next, rec.Version)
			}
		}
		switch { // others may note theirs at once
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrExists), errors.Is(err, store.ErrNotFound):
		case err != nil:
			m.storeError(ctx, store.ID{}, "adopt", err)
			return fmt.Errorf("coatcheck: end session: %w", err)
		default:
			return nil
		}
	}
}

// endWritings notes the end of a session whose record this is, if it came of a foreign one
// that may have been written more than once.
func (m *Manager) endWritings(ctx context.Context, rec *store.Record, by int) error {
	h, _ := record.CutHeader(rec.Data)
	if w, ok := writingsOf(h.Entries); ok {
		return m.noteEnd(ctx, w, by)
	}
	return nil
}

// endWritingsOf is endWritings for the session of an id, which is asked for only where
// there may be an adopted one.
func (m *Manager) endWritingsOf(ctx context.Context, id store.ID) error {
	if !m.adopts.Load() {
		return nil
	}
	rec, err := m.carrier.Load(ctx, id)
	if err != nil || expired(&rec, clock()) { // which is no end of a login
		return ifNotOver(err)
	}
	return m.endWritings(ctx, &rec, byUs)
}

// endWritingsOfUser is endWritings for the sessions of a user, but those kept. How a
// foreign user is called here may change while a move lasts: the note of revokeForeign
// is by our name.
func (m *Manager) endWritingsOfUser(ctx context.Context, user string, kept []store.ID) error {
	if !m.adopts.Load() {
		return nil
	}
	records, err := m.liveRecords(ctx, user)
	for _, rec := range records {
		if err == nil && !slices.Contains(kept, rec.ID) {
			err = m.endWritings(ctx, &rec, byUs)
		}
	}
	return err
}

// leaveWritings notes the end of what Logout ends, or else of what a login as somebody
// else replaces.
func (s *Session) leaveWritings(c *pendingWrite) (err error) {
	was, by := &s.base, byUs
	if s.loggedOut {
		if was = s.beforeLogout; s.followed {
			by = byThem
		}
	}
	if was == nil || prefetch(&s.x.r) { // which ends nothing
		return nil
	}
	rec := was.record()
	err = s.x.m.endWritings(c.context(), &rec, by)
	c.told = c.told || storeFailed(err)
	return err
}

// withWritings is the view of a login: of the same user the next session is tied to
// the same foreign ones.
func (s *Session) withWritings() []record.Entry {
	if s.life != live || s.base.values > 0 || s.base.User != s.user || record.Named(s.view, []byte(record.Writings)) {
		return s.view
	}
	e := record.Find(s.entries(), record.Writings)
	if e.Raw == nil {
		return s.view
	}
	return append(slices.Clip(s.view), e)
}

// adoptedRecord is the session of an adoption that no request makes.
func (m *Manager) adoptedRecord(a *Adoption, entries []record.Entry, now time.Time) (store.Record, error) {
	h := record.Header{Remember: a.Remember.Truncate(time.Second)}
	rec := store.Record{Version: newVersion(), User: a.User, AuthTime: a.authTime(now), Created: now, Seen: now}
	idle, lifetime := m.cfg.span(a.User, h.Remember, false)
	rec.Deadline = now.Add(lifetime)
	rec.Expires = utc(idleEnd(now.UnixMicro(), idle, rec.Deadline.UnixMicro()))
	var count int
	if rec.Data, count = record.Encode(h, entries, now.UnixMilli()); count > record.MaxEntries || len(rec.Data) > record.MaxSize {
		return rec, fmt.Errorf("%w: %d values of %d bytes; want at most %d and %d", ErrTooLarge, count, len(rec.Data), record.MaxEntries, record.MaxSize)
	}
	return rec, nil
}
