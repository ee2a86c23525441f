package coatcheck

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/binding"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/token"
	"github.com/coatcheck/coatcheck/store"
)

// A Manager gives the requests of an application their sessions. It is made by
// New, safe for concurrent use, and starts no goroutine. Several managers may
// serve one request, each with a cookie name and a store of its own.
type Manager struct {
	cfg     Config
	carrier carrier
	sid     *cookie.Raw
	marker  *cookie.Raw // nil unless SameSite is Strict
	bearer  bool        // no cookies: see NewBearer
	over    *cookie.Raw // see Session.told; nil with bearer
	scopes  []string    // see putScopes
	keys    *cookie.Keys
	guard   atomic.Pointer[binding.Guard] // of package dbsc; nil without
	origins origins
	commits queue
	swept   atomic.Int64 // Unix microseconds of the last sweep
	plain   atomic.Int64 // and of the last event of tellPlainHTTP
	streams streams

	observer store.Observer // nil = none
}

// New returns a manager of the sessions in store, whose cookies carry a token
// under keys. It checks all of cfg and names the field that is wrong.
func New(st store.Store, keys *cookie.Keys, cfg Config) (*Manager, error) {
	if st == nil {
		return nil, errors.New("coatcheck: New: store is nil")
	}
	if keys == nil {
		return nil, errors.New("coatcheck: New: keys is nil; cookie.KeysFromEnv reads SECRET_KEY")
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.MaxCookie != 0 {
		return nil, fmt.Errorf("coatcheck: Config.MaxCookie is %d; want 0: only NewInCookie has large cookies", cfg.MaxCookie)
	}
	tokens := newTokens(st, keys, token.Purpose+":"+cfg.Name)
	if tokens.keys.Empty() {
		return nil, errNoSecret("New")
	}
	m, err := newManager(tokens, cfg)
	if err == nil {
		m.keys = keys
	}
	return m, err
}

// errNoSecret is of a keyring that was not made by KeysFromEnv or NewKeys.
func errNoSecret(what string) error {
	return fmt.Errorf("coatcheck: %s: keys hold no secret; want those of cookie.KeysFromEnv or cookie.NewKeys", what)
}

func newManager(c carrier, cfg Config) (*Manager, error) {
	m := &Manager{cfg: cfg, carrier: c, origins: cfg.Origins}
	m.observer, _ = store.As[store.Observer](c)
	m.streams.observer = m.observer
	var err error
	if m.sid, err = cookie.NewRaw(cfg.Name, cfg.Cookie); err != nil {
		return nil, fmt.Errorf("coatcheck: Config.Name, Config.Cookie: %w", err)
	}
	if strict := cfg.Cookie.SameSite; strict == 0 || strict == http.SameSiteStrictMode {
		if m.marker, err = cookie.NewRaw(cfg.Name+markerSuffix, markerPolicy(cfg.Cookie)); err != nil {
			return nil, fmt.Errorf("coatcheck: Config.Name, Config.Cookie: marker: %w", err)
		}
	}
	if m.over, err = cookie.NewRaw(cfg.Name+overSuffix, cfg.Cookie); err != nil {
		return nil, fmt.Errorf("coatcheck: Config.Name, Config.Cookie: %w", err)
	}
	former, err := formerScopes(cfg, m.sid, m.marker)
	if err != nil {
		return nil, err
	}
	m.scopes = scopes(cfg.Cookie, m.sid, m.marker)
	m.scopes = append(m.scopes, slices.DeleteFunc(former, func(l string) bool { return slices.Contains(m.scopes, l) })...)
	if cfg.Cookie.AllowInsecureHTTP {
		m.event(context.Background(), Event{Kind: Insecure, Reason: reasonPlain})
	}
	return m, nil
}

// Format prints the name of the manager's cookie, whatever the verb.
func (m *Manager) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "{sessions in %s}", m.cfg.Name) }

// handleOf is the handle, or "" where there is no session.
func handleOf(id store.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.Handle()
}

// clock is the time in the precision that stores keep.
func clock() time.Time { return micros(time.Now()) }

func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

type exchangeKey struct{}

// From returns the session of the request that ctx belongs to, of the
// innermost manager. It costs nothing: the session is loaded when it is first
// used. From panics where no Manager.Handler wraps the handler. On Fiber, with
// package fiberadapter, the context is c.Context(), not c.
func From(ctx context.Context) *Session {
	return sessionOf(ctx.Value(exchangeKey{}))
}

// From is as the function From, for the session of this manager.
func (m *Manager) From(ctx context.Context) *Session { return sessionOf(ctx.Value(m)) }

func sessionOf(value any) *Session { return exchangeOf(value).session() }

func exchangeOf(value any) *exchange {
	x, ok := value.(*exchange)
	if !ok {
		panic("coatcheck: no session in this context: wrap the handler with Manager.Handler, and pass on the request's context; on Fiber it is fiberadapter.New and From(c.Context())")
	}
	return x
}

// asking returns the session of the request that asks for a revocation, or nil
// where it is none. A prefetch ends nothing: perhaps nobody has asked for it (G14).
func (m *Manager) asking(ctx context.Context) (*Session, error) {
	s := m.session(ctx)
	if s != nil && prefetch(s.x.r) {
		s.refuse(ErrReadOnly)
		return s, ErrReadOnly
	}
	return s, nil
}

// session is From for a context that need not be a request's.
func (m *Manager) session(ctx context.Context) *Session {
	if x, ok := ctx.Value(m).(*exchange); ok {
		return x.session()
	}
	return nil
}

// An Info describes one live session of a user, for a list of devices. Nothing
// in it opens anything. ASVS 7.5.2
type Info struct {
	Handle   string    `json:"handle"`
	Current  bool      `json:"current"`   // the session of the request that asks
	Created  time.Time `json:"created"`   // UTC
	LastSeen time.Time `json:"last_seen"` // UTC, coarse: moved once per tenth of the idle time
	Device   string    `json:"device"`    // browser and system at login, as the User-Agent claimed, or Config.Device
	Address  string    `json:"address"`   // the client's IP address at login, see Config.Proxies

	Labels map[string]string `json:"labels,omitempty"` // what SetLabel gave it; nil = nothing

	Binding *Binding `json:"binding,omitempty"` // to a device, by package dbsc; nil = not bound

	User string `json:"user,omitempty"` // whose session it is, from All; empty = anonymous
}

// Sessions lists the live sessions of a user, the newest first. With a
// request's context the session of that request is marked as current.
func (m *Manager) Sessions(ctx context.Context, user string) ([]Info, error) {
	records, err := m.live(ctx, user)
	if err != nil {
		return nil, err
	}
	var current store.ID
	if s := m.session(ctx); s != nil {
		current = s.id()
	}
	list := make([]Info, len(records))
	for i, rec := range records {
		list[i] = infoOf(&rec, current)
	}
	return list, nil
}

func infoOf(rec *store.Record, current store.ID) Info {
	h, _ := record.Open(rec.Data) // a damaged record is listed without its device
	return Info{
		Handle: rec.ID.Handle(), Current: rec.ID == current,
		Created: rec.Created, LastSeen: rec.Seen, Device: string(h.Device), Address: string(h.Address),
		Labels: record.Labels(h.Entries), Binding: bindingOf(record.Find(h.Entries, boundName).Raw),
	}
}

// live returns the user's records that have not expired, the newest first.
func (m *Manager) live(ctx context.Context, user string) ([]store.Record, error) {
	if err := checkUser(user); err != nil {
		return nil, err
	}
	records, err := m.carrier.User(ctx, user)
	if err != nil {
		m.storeError(ctx, store.ID{}, "list", err)
		return nil, fmt.Errorf("coatcheck: list sessions: %w", err)
	}
	now := clock()
	records = slices.DeleteFunc(slices.Clone(records), func(r store.Record) bool { return over(&r, now) })
	slices.SortFunc(records, func(a, b store.Record) int {
		return cmp.Or(b.Created.Compare(a.Created), bytes.Compare(b.ID[:], a.ID[:]))
	})
	return records, nil
}

// over reports whether a record's time had run out at t.
func over(r *store.Record, t time.Time) bool { return !r.Expires.After(t) || !r.Deadline.After(t) }

// Revoke ends the session of user that has this handle and reports whether
// there was one. A handle of another user's session finds nothing, and neither
// does one of before a renewal; see RevokeLabel for a name that stays. The end is
// final; requests in flight cannot undo it. ASVS 7.4.1, 7.5.2
func (m *Manager) Revoke(ctx context.Context, user, handle string) (bool, error) {
	s, err := m.asking(ctx)
	if err != nil {
		return false, err
	}
	records, err := m.live(ctx, user)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(records, func(r store.Record) bool { return r.ID.Handle() == handle })
	if i < 0 {
		return false, nil
	}
	if err := m.endChain(ctx, s, records[i].ID, user, s.asked(user, reasonRevoke, reasonRevokeOwn)); err != nil {
		return false, err
	}
	return true, nil
}

// endChain ends a session of user, as the request of s asks, if it is one. A login
// or renewal may replace the id meanwhile: it is followed, but only while it is
// the same user's.
func (m *Manager) endChain(ctx context.Context, s *Session, id store.ID, user, why string) error {
	for !id.IsZero() {
		next, err := m.endOne(ctx, id, Event{Kind: Revoked, User: user, Reason: why})
		if err != nil {
			return err
		}
		if s != nil {
			if err := s.revoked("", time.Time{}, []store.ID{id}); err != nil {
				return err
			}
		}
		if id = next; id.IsZero() {
			break
		}
		rec, err := m.carrier.Load(ctx, id)
		if err == nil && rec.User != user || errors.Is(err, store.ErrNotFound) {
			break
		}
		if err != nil && !errors.Is(err, ErrEnded) {
			return fmt.Errorf("coatcheck: revoke session: %w", err)
		}
	}
	return nil
}

// endOne ends one id, of which e tells, and returns the one that had replaced it, if any.
func (m *Manager) endOne(ctx context.Context, id store.ID, e Event) (next store.ID, err error) {
	defer m.streams.ends()()
	next, err = m.carrier.End(ctx, id, clock().Add(tombstoneLife))
	if err != nil {
		m.storeError(ctx, id, "end", err)
		return next, fmt.Errorf("coatcheck: end session: %w", err)
	}
	if m.cfg.Events != nil { // before the streams hear of it, so that they can tell why
		e.Handle = id.Handle()
		m.event(ctx, e)
	}
	m.streams.end(id)
	return next, nil
}

// RevokeAll ends every session of user and returns how many. It also defeats
// a login of that user whose request began before it. With a request's context
// it first commits what is pending; a login later in that request stands. It
// acts at once, also under HEAD, which keeps nothing that is pending; a prefetch
// ends nothing. Where it ends the session of that request, as may Revoke, RevokeLabel
// and RevokeEverybody, it is a Logout too: the cookie is cleared, and what is kept
// after it, such as a flash, begins a new session. ASVS 7.4.2, 7.4.5
func (m *Manager) RevokeAll(ctx context.Context, user string) (int, error) {
	s, err := m.asking(ctx)
	if err != nil {
		return 0, err
	}
	return m.endUser(ctx, user, s, s.asked(user, reasonRevokeAll, reasonAllOwn))
}

// RevokeOthers ends every session of the logged-in user but that of the
// request ctx belongs to, as it is after committing what is pending, whatever
// token another request gives it meanwhile. It fails with ErrLoginRequired where
// nobody is logged in, and with ErrHeldBack where the browser withheld the
// cookie. Whoever may have a copy of the token stays: Reauthenticate or Renew
// before. It ends sessions at once, also under HEAD, which keeps nothing that is
// pending. ASVS 7.4.3
func (m *Manager) RevokeOthers(ctx context.Context) (int, error) {
	s, err := m.asking(ctx)
	if s == nil || err != nil {
		return 0, cmp.Or(err, errors.New("coatcheck: RevokeOthers: not the context of a request"))
	}
	user := s.User()
	if user == "" {
		if err := s.Err(); err != nil {
			return 0, err
		}
		if s.withheld() {
			return 0, s.unshown(ErrHeldBack)
		}
		return 0, ErrLoginRequired
	}
	return m.endUser(ctx, user, s, reasonOthers)
}

func (m *Manager) endUser(ctx context.Context, user string, s *Session, why string) (int, error) {
	keep := why == reasonOthers
	if err := checkUser(user); err != nil {
		return 0, err
	}
	var kept []store.ID
	if s != nil {
		if err := s.Commit(); err != nil {
			return 0, err
		}
		if keep { // else there may be no need to look
			if err := s.confirm(ctx); err != nil {
				return 0, err
			}
			// None after a login that HEAD does not keep. In cookies it is refused.
			if id := s.id(); !id.IsZero() || m.carrier.inCookie() {
				kept = append(kept, id)
			}
		}
	}
	at := clock()
	ended, err := m.endUserAt(ctx, user, at, why, kept...)
	if err != nil {
		return 0, err
	}
	if s != nil {
		if keep {
			user = "" // this session is not among them, whatever its token is now
		}
		err = s.revoked(user, at, ended)
	}
	return len(ended), err
}

// endUserAt ends what the user has and refuses logins that began by at.
func (m *Manager) endUserAt(ctx context.Context, user string, at time.Time, why string, kept ...store.ID) ([]store.ID, error) {
	defer m.streams.ends()()
	user = strings.Clone(user) // as in Login; a store may keep it
	ended, err := m.carrier.EndUser(ctx, user, at, clock().Add(tombstoneLife), kept...)
	if err != nil {
		m.storeError(ctx, store.ID{}, "end user", err)
		return nil, fmt.Errorf("coatcheck: end sessions of user: %w", err)
	}
	for _, id := range ended {
		if m.cfg.Events != nil {
			m.event(ctx, Event{Kind: Revoked, Handle: id.Handle(), User: user, Reason: why})
		}
		m.streams.end(id)
	}
	return ended, nil
}

// sweepBatch bounds one call of the store's Sweep.
const sweepBatch = 100

// Sweep removes what has expired from the store, in small batches, until one
// finds nothing or ctx ends, and returns how many records that were. A store may
// look for idle sessions a stretch at a time and find others at the next call.
// Requests sweep a little by themselves; call it from a cron job where there
// are few.
func (m *Manager) Sweep(ctx context.Context) (int, error) {
	total := 0
	for {
		n, err := m.carrier.Sweep(ctx, clock(), sweepBatch)
		total += n
		if err != nil {
			return total, fmt.Errorf("coatcheck: sweep: %w", err)
		}
		if n == 0 {
			return total, nil
		}
	}
}

// sweepSome is the share of the requests: at most once a second, unless the last
// one found as much as it may remove. Then the next request goes on, so that the
// store is bounded however many sessions come and go (G14).
func (m *Manager) sweepSome(ctx context.Context, now time.Time) {
	last, at := m.swept.Load(), now.UnixMicro()
	if at-last < time.Second.Microseconds() || !m.swept.CompareAndSwap(last, at) {
		return
	}
	n, err := m.carrier.Sweep(ctx, now, sweepBatch)
	if err != nil {
		m.storeError(ctx, store.ID{}, "sweep", err)
	}
	if n >= sweepBatch {
		m.swept.CompareAndSwap(at, last)
	}
}
