package coatcheck

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/binding"
	"github.com/coatcheck/coatcheck/internal/passedby"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/wait"
	"github.com/coatcheck/coatcheck/store"
)

// An exchange is one request and its response. It is the request's context, the
// request that the handler gets, and holds its writer, in one allocation; the session
// is made when it is needed. decisions/0094 says what it may weigh.
type exchange struct {
	in      *http.Request // as it came
	r       http.Request  // as the handler has it
	m       *Manager
	w       http.ResponseWriter
	beganAt int64                 // in microseconds since 1970
	own     *Session              // made with it, where a cookie is, and else nil
	more    atomic.Pointer[extra] // made where it is needed
	out     response
}

// An extra is what few exchanges, or their sessions, have to know: apart from the
// others, so that these fit a smaller size class.
type extra struct {
	// Of other handlers of the request.
	before http.Header                 // the response's header at entry, nil if it was empty
	outer  *exchange                   // of another manager around this one, if any
	inner  atomic.Pointer[within]      // of other managers inside, that set a cookie
	kept   atomic.Pointer[http.Header] // the response's header at the innermost Require…, if it is not as before

	late      atomic.Pointer[Session]      // made where it was asked for and no cookie is
	loadTimed atomic.Pointer[wait.Context] // see loading
	callTimed atomic.Pointer[wait.Context] // see calling
	waiter    *endWaiter                   // see Ended
	lines     *lines                       // made for the first
	failure
	bound

	whole       bool // what replaces the answer has been written
	begunBefore bool // the answer, before us; only a test wants to know
}

// A bound is what the guard of package dbsc wants of the answer. The session's mutex
// guards it.
type bound struct {
	offers   bool // it is not bound, and this answer offers it again
	admitted bool // the request is of the guard's own
	stale    bool // it brought a bound cookie that serves no more
}

// A within is one exchange inside of another, in a list.
type within struct {
	x    *exchange
	next *within
}

// The phases of a response, in their order.
const (
	open     uint32 = iota // nothing has left yet
	sent                   // the first byte has left
	hijacked               // the connection is the handler's
	replaced               // the handler's answer was dropped for OnError's
	closed                 // the handler has returned
)

// A response is the state of the answer. Only the goroutine that writes it
// changes it; those that use the session read the phase.
type response struct {
	state    atomic.Uint32
	refusing bool // what the handler still writes is refused
	returned bool // the handler, and not by a panic
	forget   bool // the browser is to clear what pages kept
	binds    bool // what binds a session in this answer is ours, or of a manager inside

	// Header values live here: a slice shared between responses could be
	// edited by one of them (G12).
	vary, cacheControl [1]string
}

type exchangeKey struct{}

// serve is one request from its entry to its end: the exchange is made, cross-origin
// and landing requests are answered, the handler is called, what it left is committed
// (finish), and end closes the session however the handler ended.
func (m *Manager) serve(w http.ResponseWriter, r *http.Request, next http.Handler, outer *exchange) {
	x := m.newExchange(w, r)
	if outer != nil {
		x.extra().outer = outer
	}
	if h := w.Header(); len(h) > 0 {
		x.extra().before = h.Clone()
	}
	if inTest() && hasBegun(w) {
		x.extra().begunBefore = true
	}
	defer x.endAbort()
	defer x.end(r)
	err := m.crossOrigin(r)
	switch {
	case err != nil:
		x.event(Event{Kind: Refused, Reason: reasonCrossOrigin, Err: err})
		x.session().refuse(ErrCrossOrigin)
	case m.cfg.Landing != nil && x.lands(r), x.landsBound(r):
		return
	default:
		next.ServeHTTP(x.writer(), &x.r)
	}
	x.finish()
}

// newExchange also makes the session, in the same allocation, where a cookie
// says that it will be asked for.
func (m *Manager) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	var x *exchange
	if len(r.Header[m.comesIn()]) == 0 {
		x = new(exchange)
	} else {
		both := new(struct {
			exchange
			session Session
		})
		x = &both.exchange
		both.session.x = x
		x.own = &both.session
	}
	x.in, x.m, x.w, x.beganAt = r, m, w, time.Now().UnixMicro()
	x.r = *r.WithContext(x)
	return x
}

// parent is the context that the request came with; x is one with what we know.
func (x *exchange) parent() context.Context { return x.in.Context() }

func (x *exchange) Deadline() (time.Time, bool) { return x.parent().Deadline() }
func (x *exchange) Done() <-chan struct{}       { return x.parent().Done() }
func (x *exchange) Err() error                  { return x.parent().Err() }

// began is when the request came.
func (x *exchange) began() time.Time { return time.UnixMicro(x.beganAt).UTC() }

// extra returns what few have to know, to write to.
func (x *exchange) extra() *extra {
	if x.more.Load() == nil {
		x.more.CompareAndSwap(nil, new(extra))
	}
	return x.more.Load()
}

// before is the response's header at entry, nil if it was empty.
func (x *exchange) before() http.Header {
	if more := x.more.Load(); more != nil {
		return more.before
	}
	return nil
}

// outer is the exchange of another manager around this one, if any.
func (x *exchange) outer() *exchange {
	if more := x.more.Load(); more != nil {
		return more.outer
	}
	return nil
}

// inner is the list of the exchanges inside that set a cookie.
func (x *exchange) inner() *within {
	if more := x.more.Load(); more != nil {
		return more.inner.Load()
	}
	return nil
}

// begunBefore reports whether the answer had begun before us, in a test.
func (x *exchange) begunBefore() bool {
	more := x.more.Load()
	return more != nil && more.begunBefore
}

// forgetInner takes note that the answer of those inside is on its way.
func (x *exchange) forgetInner() {
	if more := x.more.Load(); more != nil {
		more.inner.Store(nil)
	}
}

// Value finds the exchange by the manager it belongs to, or the innermost.
func (x *exchange) Value(key any) any {
	switch k := key.(type) {
	case exchangeKey:
		return x
	case *Manager:
		if k == x.m {
			return x
		}
	}
	return x.parent().Value(key)
}

// Format keeps cookies out of the logs of whoever prints a request's context.
func (x *exchange) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%v.coatcheck", x.parent()) }

// call calls a handler, after a panic of which nothing is stored that it has
// changed, whoever recovers (G4). It does not recover by itself: a panic keeps
// its stack.
func (x *exchange) call(next http.Handler, w http.ResponseWriter, r *http.Request) {
	returned := false
	defer func() {
		for ; x != nil && !returned; x = x.outer() {
			x.abandon()
		}
	}()
	next.ServeHTTP(w, r)
	returned = true
}

// From returns the session of the request that ctx belongs to, of the
// innermost manager. It costs nothing: the session is loaded when it is first
// used. From panics where no [Manager.Handler] wraps the handler. On Fiber, with
// package fiberadapter, the context is c.Context(), not c.
func From(ctx context.Context) *Session {
	return sessionOf(ctx.Value(exchangeKey{}))
}

// From is as the function From, for the session of this manager.
func (m *Manager) From(ctx context.Context) *Session { return sessionOf(ctx.Value(m)) }

func exchangeOf(value any) *exchange {
	x, ok := value.(*exchange)
	if !ok {
		panic("coatcheck: no session in this context: wrap the handler with Manager.Handler, and pass on the request's context; on Fiber it is fiberadapter.New and From(c.Context())")
	}
	return x
}

func sessionOf(value any) *Session { return exchangeOf(value).session() }

// session returns the request's session and makes it if need be.
func (x *exchange) session() *Session {
	if x.own != nil {
		return x.own
	}
	if x.more.Load() == nil {
		made := new(struct {
			extra
			late Session
		})
		made.late.x = x
		made.extra.late.Store(&made.late)
		x.more.CompareAndSwap(nil, &made.extra)
	}
	late := &x.extra().late
	if late.Load() == nil {
		late.CompareAndSwap(nil, &Session{x: x})
	}
	return late.Load()
}

// used returns the request's session, nil as long as nobody has used it.
func (x *exchange) used() *Session {
	switch {
	case x.own == nil:
		if more := x.more.Load(); more != nil {
			return more.late.Load()
		}
	case x.own.mu.Touched():
		return x.own
	}
	return nil
}

// comesIn is the header that brings the session, which caches must heed.
func (m *Manager) comesIn() string {
	if m.bearer {
		return authorization
	}
	return "Cookie"
}

// read returns what the request brings of a session: the cookie's value or the
// token. Its errors are those of a cookie.
func (m *Manager) read(h http.Header) (string, error) {
	if m.bearer {
		return bearerToken(h)
	}
	return m.sid.Read(h)
}

// brings reports whether the request has a bearer token, genuine or not: a page of
// another site cannot have caused it, but by CORS that the application allowed.
func (m *Manager) brings(r *http.Request) bool {
	if !m.bearer {
		return false
	}
	_, err := bearerToken(r.Header)
	return err == nil
}

func (x *exchange) phase() uint32 { return x.out.state.Load() }

// enter moves to another phase, but never out of closed: a goroutine that writes
// after the handler returned must not let changes in again.
func (x *exchange) enter(next uint32) {
	for {
		now := x.out.state.Load()
		if now == closed || x.out.state.CompareAndSwap(now, next) {
			return
		}
	}
}

// tooLate reports whether nobody answers for the handler any more: it has
// returned, or http.TimeoutHandler has answered because the deadline passed.
func (x *exchange) tooLate() bool {
	return x.phase() == closed || x.parent().Err() == context.DeadlineExceeded
}

// lock gets the mutex, or false after a wait that says that a call of the session
// does not end. Who gets false can do nothing; the next who gets it fails the request.
func (s *Session) lock() bool {
	if !s.mu.Lock(lockWait) {
		s.mu.Marks.Or(stuck)
		return false
	}
	if s.mu.Marks.Load()&stuck != 0 && !s.failed {
		s.setErr(errStuck)
	}
	return true
}

func (s *Session) unlock() { s.mu.Unlock() }

// usable looks at the session and reports whether this request still has it.
func (s *Session) usable() bool {
	s.ensureLoaded()
	if !s.failed && s.x.tooLate() {
		s.fail(ErrLate)
	}
	return !s.failed
}

// mayChange looks at the session and reports whether it may be changed.
// newToken says that the change needs a Set-Cookie, or makes one needless.
func (s *Session) mayChange(newToken bool) bool {
	phase := s.x.phase()
	switch {
	case !s.usable():
	case phase != open && (newToken || s.life != live || s.x.m.carrier.inCookie()):
		s.fail(s.orEnded(ErrLate))
	case !newToken && s.dead():
		s.fail(s.why())
	}
	if s.failed {
		s.tellLost()
		return false
	}
	s.edit()
	return true
}

// dead reports whether the session has ended and nothing follows it. A login does;
// and whoever asks for the end knows of it: a second Logout, a double click, may
// leave a message as the first did.
func (s *Session) dead() bool { return s.life >= ended && !s.loggedOut && s.tokenChange != logIn }

// load is the first look, without asking for anything.
func (s *Session) load() {
	if s.lock() {
		s.ensureLoaded()
		s.unlock()
	}
}

// ensureLoaded loads the session, once. The mutex is held.
func (s *Session) ensureLoaded() {
	if s.cookie != cookieUnread {
		return
	}
	// A cache may already have the first bytes, without Vary (G12).
	if s.x.phase() == sent || s.x.tooLate() {
		s.fail(ErrLate)
		return
	}
	if s.failed {
		return
	}
	s.cookie = cookieBrought
	s.lookAtCookies()
	s.adoptForeign()
}

// lookAtCookies takes the session of the request's cookie.
func (s *Session) lookAtCookies() {
	m, r := s.x.m, &s.x.r
	value, err := m.read(r.Header)
	if err != nil && !isNamesakes(err) && s.mayHide() {
		return
	}
	if isAbsent(err) || m.mayWithhold(r) && !m.cookiesAreAll(r) {
		s.cookie = m.withheldBy(r) // or none that is ours
		return
	}
	if isNamesakes(err) {
		s.lookAtNamesakes()
		return
	}
	var t opened
	if err == nil {
		t, err = m.carrier.open(value)
	}
	switch {
	case err == nil:
		s.loadOpened(t)
		if s.absent() {
			s.mayHide()
		}
	case !s.mayHide():
		s.x.refusedCookie(err)
	}
}

func isAbsent(err error) bool { return err != nil && errors.Is(err, cookie.ErrAbsent) }

// absent reports whether the cookies that were looked at are worth nothing more.
func (s *Session) absent() bool {
	return s.life == noSession && s.cookie < cookieUnproven && !s.failed
}

// loadOpened asks the carrier for the record of a genuine cookie.
func (s *Session) loadOpened(t opened) {
	load := (*loading)(s)
	defer load.end()
	if t.rec == nil {
		rec, err := s.x.m.direct().Load(load, t.id)
		s.afterLoad(t.id, &rec, err)
		return
	}
	rec, err := s.x.m.carrier.load(load, t)
	s.afterLoad(t.id, &rec, err)
}

// loading is the session as the context of its first look: it costs no allocation
// and, in a store that never waits, no look at the clock. It ends with the request,
// or loadTimeout after the store first asks for its end: by Deadline or Done, or by
// Err for the second time.
type loading Session

// arm makes the context that knows the time.
func (l *loading) arm() *wait.Context {
	if timed := l.timed(); timed != nil {
		return timed
	}
	timed := l.x.arm(func(more *extra) *atomic.Pointer[wait.Context] { return &more.loadTimed }, loadTimeout, false)
	if l.mu.Marks.Load()&loadEnded != 0 { // perhaps before there was one to end
		timed.End()
	}
	return timed
}

// arm makes a context that ends after so long, in its place of the extra, unless there
// is one.
func (x *exchange) arm(place func(*extra) *atomic.Pointer[wait.Context], limit time.Duration, detached bool) *wait.Context {
	at := time.Now().Add(limit)
	if x.more.Load() == nil {
		made := new(struct {
			extra
			timed wait.Context
		})
		made.timed.Parent, made.timed.At, made.timed.Detached = x.parent(), at, detached
		place(&made.extra).Store(&made.timed)
		x.more.CompareAndSwap(nil, &made.extra)
	}
	if timed := place(x.extra()); timed.Load() == nil {
		timed.CompareAndSwap(nil, &wait.Context{Parent: x.parent(), At: at, Detached: detached})
	}
	return place(x.extra()).Load()
}

// timed is that context, nil as long as nobody needs it.
func (l *loading) timed() *wait.Context {
	if more := l.x.more.Load(); more != nil {
		return more.loadTimed.Load()
	}
	return nil
}

// Format keeps the session out of the logs of whoever prints a context (G13).
func (l *loading) Format(f fmt.State, verb rune) { l.x.Format(f, verb) }

func (l *loading) Deadline() (time.Time, bool) { return l.arm().Deadline() }
func (l *loading) Done() <-chan struct{}       { return l.arm().Done() }

func (l *loading) Err() error {
	if l.timed() != nil || l.mu.Marks.Or(loadPolled)&(loadPolled|loadEnded) != 0 {
		return l.arm().Err()
	}
	return l.x.parent().Err()
}

func (l *loading) Value(key any) any {
	if timed := l.timed(); timed != nil {
		return timed.Value(key)
	}
	return l.x.parent().Value(key)
}

// end releases what waits for the context.
func (l *loading) end() {
	l.mu.Marks.Or(loadEnded)
	if timed := l.timed(); timed != nil {
		timed.End()
	}
}

// afterLoad is what follows the carrier's answer. A tombstone that stood when the
// request began is no absence: the request was in flight (G2).
func (s *Session) afterLoad(id store.ID, rec *store.Record, err error) {
	switch {
	case err == nil:
		now := time.Now()
		if s.changes != nil {
			s.looked = now
		}
		s.accept(id, rec, now)
	case errors.Is(err, store.ErrNotFound):
		s.x.event(Event{Kind: Expired, Handle: id.Handle(), Reason: reasonUnknown}) // forgotten since
	case errors.Is(err, ErrEnded):
		s.base.ID = id
		s.endedBy(err)
		switch {
		case s.changes != nil && s.revoker != nil && slices.Contains(s.revoker.ids, id):
			s.logOut()
			s.leftHere()
			s.leaveNote() // for an answer that cannot clear the cookie
			s.life = noSession
		case !standing(err, s.x.began()):
			s.life = noSession
			s.x.event(Event{Kind: Expired, Handle: id.Handle(), Reason: reasonForgotten})
		case s.life == finished && s.knowsOfEnd(id):
			s.life = noSession
		default:
			s.life = max(s.life, ended)
		}
	case errors.Is(s.x.parent().Err(), context.Canceled):
		s.leaves(err)
	default:
		told := s.x.storeError(id, "load", err)
		s.failTold(fmt.Errorf("coatcheck: load session: %w", err), told)
	}
}

// checkBinding asks the guard about the record that was just loaded. The mutex is held.
func (s *Session) checkBinding(h *record.Header) {
	g := s.x.m.guard.Load()
	if g == nil || s.x.admitted() {
		return
	}
	v := (*g).Look(&s.x.r, s.base.User, s.stored(boundName).Raw, s.x.began())
	if v.Skipped != "" {
		s.x.event(Event{Kind: Skipped, Handle: s.handle(), User: s.base.User, Reason: v.Skipped})
	}
	wants := s.x.bound()
	wants.stale = v.Stale
	s.x.setBound(wants)
	switch v.Outcome {
	case binding.Serve:
		if v.Entry != nil {
			s.prove(v.Entry)
		}
		wants.offers = v.Offer && s.offersAgain()
		s.x.setBound(wants)
		return
	case binding.Unbound:
		s.notBound(v.Reason)
	case binding.Unproven:
		s.tellUnproven(v, h)
		if s.ledHere() {
			s.failTold(errLedHere, true)
		}
		s.cookie = cookieUnproven
	case binding.Later:
		s.tellUnproven(v, h)
		s.cookie = cookieUnprovenForNow
	}
	s.life, s.base = noSession, snapshot{ID: s.base.ID}
}

// accept takes a live record.
func (s *Session) accept(id store.ID, rec *store.Record, now time.Time) {
	m, base := s.x.m, snapshotOf(rec)
	if base.expired(now) {
		// Over before the request began it is absent, otherwise it has ended.
		if s.base.ID = id; !base.expired(s.x.began()) {
			s.life = ended
		}
		s.x.event(Event{Kind: Expired, Handle: id.Handle(), User: rec.User, Reason: whyOver(rec, micros(now))})
		return
	}
	h, err := record.Open(rec.Data)
	if err != nil {
		// End it, or the browser would bring it for ever.
		s.base.ID, s.life = id, finished
		s.x.event(Event{Kind: Damaged, Handle: id.Handle(), User: rec.User, Reason: reasonDamaged})
		ctx := wait.Detached(s.x.parent(), now.Add(commitTimeout))
		defer ctx.End()
		if _, err := m.carrier.End(ctx, id, micros(now).Add(tombstoneLife)); err != nil {
			s.x.storeError(id, "end", err)
		}
		return
	}
	s.setBase(&base, &h)
	s.checkBinding(&h)
}

// adoptForeign follows a look that found nobody logged in. The mutex is held.
func (s *Session) adoptForeign() {
	find, ok := s.x.parent().Value(adoptKey{s.x.m}).(adopter)
	if !ok || s.failed || s.loggedOut || s.life == live && s.base.User != "" || s.life >= ended && s.life != replacedElsewhere {
		return
	}
	foreign, err := find(&s.x.r)
	switch {
	case err != nil && errors.Is(s.x.parent().Err(), context.Canceled):
		s.leaves(err)
	case err != nil:
		told := s.x.storeError(store.ID{}, "find a foreign session", err)
		s.failTold(fmt.Errorf("coatcheck: load session: %w", err), told)
	case foreign.Identity == "" || !foreign.Until.After(s.x.began()):
	case s.cookie.hidden():
		if !foreign.nobody() { // there is a session, but not for this request (G7)
			s.cookie = max(s.cookie, cookieWithheld)
		}
	default:
		if !s.x.m.moving.Load() && !s.readOnly() {
			s.x.m.noteMove(s.x, foreign.Until)
		}
		foreign.made = s.life >= ended // an anonymous one, perhaps by another request's adoption
		s.adopt(&foreign)
	}
}

// setBase makes of a record, whose header is h, the base.
func (s *Session) setBase(base *snapshot, h *record.Header) {
	s.goOnFrom(base)
	s.base.opened(h)
}

// goOnFrom is setBase for one of which is known what its header says.
func (s *Session) goOnFrom(base *snapshot) {
	s.base, s.life = *base, live
	s.base.sure = true
	if s.changes != nil { // made of another
		s.view, s.applied = s.view[:0], 0
	}
}

// clock is the time in the precision that stores keep.
func clock() time.Time { return micros(time.Now()) }

func micros(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }

// expired reports whether a record's time had run out at t.
func expired(r *store.Record, t time.Time) bool { return !r.Expires.After(t) || !r.Deadline.After(t) }

// standing reports whether the tombstone that err tells of stands at now.
func standing(err error, now time.Time) bool {
	var e *store.EndedError
	return !errors.As(err, &e) || e.Until.After(now)
}

// endedBy takes from a store's ErrEnded how the session ended, as far as it says.
func (s *Session) endedBy(err error) {
	if e, ok := errors.AsType[*store.EndedError](err); ok {
		if s.life = finished; !e.Next.IsZero() {
			s.life = replacedElsewhere
		}
	}
}

// currentUser is the user as the request has it, a pending login included.
func (s *Session) currentUser() string {
	switch {
	case s.tokenChange == logIn:
		return s.user
	case s.life == live:
		return s.base.User
	}
	return ""
}

// lookup returns the entry of that name as it now is, pending changes included.
func (s *Session) lookup(name string, now int64) record.Entry {
	for _, e := range s.viewed() {
		if e.Name == name {
			return e.At(now)
		}
	}
	return s.stored(name).At(now)
}

// viewed returns the names that pending changes concern, as they then are.
func (s *Session) viewed() []record.Entry {
	if s.changes == nil {
		return nil
	}
	return s.view
}

// stored returns the base's entry of that name, absent if it counts no more.
func (s *Session) stored(name string) record.Entry {
	if s.drops(record.OfLogin(name)) {
		return record.Entry{Name: name}
	}
	return record.Find(s.entries(), name)
}

// drops reports whether the base's entry counts no more, which is of the login or
// a value.
func (s *Session) drops(ofLogin bool) bool {
	if ofLogin {
		return s.tokenChange == logIn
	}
	return s.cleared
}

// entries returns the stored values.
func (s *Session) entries() []byte {
	if s.life != live {
		return nil
	}
	return s.base.entries()
}

// isWithheld reports whether there is a session that the request does not show, and
// no login has made another (G7).
func (s *Session) isWithheld() bool {
	return s.cookie >= cookieWithheld && s.life != live && s.tokenChange != logIn
}

// finish ends the response of a handler that returned.
func (x *exchange) finish() {
	if x.phase() == open {
		if s := x.used(); s.wanted() && hasBegun(x.w) {
			x.out.returned = true
			x.passedBy(s)
			return
		}
		x.start(sent)
	}
	x.out.returned = true
}

// wanted reports whether the session has headers or changes for the answer.
func (s *Session) wanted() bool {
	if s == nil || !s.lock() {
		return false
	}
	defer s.unlock()
	return s.cookie != cookieUnread || s.pending()
}

// hasBegun reports whether the final header has left through w, as far as w or a
// writer that it unwraps to tells: those of gin and negroni have Written, chi's
// has Status, and echo's and net/http's keep it in a field.
func hasBegun(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case interface{ exchange() *exchange }: // another manager's
			return v.exchange().phase() != open
		case interface{ Written() bool }:
			if v.Written() {
				return true
			}
		case interface {
			Status() int
			BytesWritten() int
		}:
			if v.Status() != 0 {
				return true
			}
		default:
			if keepsBegun(w) {
				return true
			}
		}
		u, ok := w.(unwrapper)
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}

// begunFields knows for each type of writer the field that says whether it has
// begun, and the pointer to a struct that holds it, or -1.
var begunFields sync.Map

// keepsBegun looks into a writer. There is no other way to ask those of net/http,
// and where a field has another name in some version nothing is noticed.
func keepsBegun(w http.ResponseWriter) bool {
	v := reflect.ValueOf(w)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return false
	}
	found, ok := begunFields.Load(v.Type())
	if !ok {
		outer, inner := begunField(v.Type().Elem())
		found, _ = begunFields.LoadOrStore(v.Type(), [2]int{outer, inner})
	}
	v = v.Elem()
	at := found.([2]int)
	if at[0] >= 0 {
		if v = v.Field(at[0]); v.IsNil() {
			return false
		}
		v = v.Elem()
	}
	return at[1] >= 0 && v.Field(at[1]).Bool()
}

func begunField(t reflect.Type) (outer, inner int) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type.Kind() == reflect.Bool && (f.Name == "wroteHeader" || f.Name == "Committed") {
			return -1, i
		}
	}
	for i := range t.NumField() { // that of HTTP/2
		f := t.Field(i)
		if f.Name == "rws" && f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct {
			if _, inner := begunField(f.Type.Elem()); inner >= 0 {
				return i, inner
			}
		}
	}
	return -1, -1
}

// start commits before the first byte and reports whether the handler's answer
// may leave.
func (x *exchange) start(next uint32) bool {
	if x.phase() != open || x.out.refusing {
		return !x.out.refusing
	}
	unused := x.used() == nil
	if unused {
		x.dropPosing(x.w.Header())
		unused = x.enterUnused(next)
	}
	if !unused {
		if err := x.session().beforeHeaders(next); err != nil {
			x.replace(err)
			return false
		}
	}
	x.forgetInner()
	return true
}

// enterUnused is enter for an exchange whose session nobody has used, and reports
// whether it stands. A goroutine of the handler may just have come before, and may
// have changed the session without an error: then the phase is as it was, and to be
// left as with any session (G4).
func (x *exchange) enterUnused(next uint32) bool {
	before := x.phase()
	x.enter(next)
	s := x.used()
	return s == nil || s.enteredPast(before, next)
}

// enteredPast is for a session that was first used as the answer was on its way:
// without changes it needs no more than the headers. For changes the phase goes back,
// so that they are committed.
func (s *Session) enteredPast(before, next uint32) bool {
	if !s.lock() {
		return false
	}
	defer s.unlock()
	if next != closed && !s.pending() {
		s.putHeaders()
		return true
	}
	s.x.out.state.CompareAndSwap(next, before)
	return false
}

// beforeHeaders commits what is pending before the first byte, makes the automatic
// touch, and puts the session's headers into the response, which then enters
// the next phase.
func (s *Session) beforeHeaders(next uint32) error {
	if !s.lock() {
		return errStuck
	}
	defer s.unlock()
	s.commit(next)
	s.dropLateCookie()
	if s.failed {
		return s.err()
	}
	s.touchIfDue()
	if s.changes != nil && s.changes.proof != nil {
		s.proveAlone()
	}
	s.putHeaders()
	// With the mutex held: a goroutine of the handler that commits now must
	// find that its cookie comes too late.
	s.x.enter(next)
	return nil
}

// replace drops what the handler has answered and lets OnError answer (G5).
func (x *exchange) replace(err error) {
	x.out.refusing = true
	if x.extra().turned {
		x.session().readmit() // and conclude ends that
	} else {
		x.enter(replaced)
	}
	x.answer(err, x.innerWithCookies(x.w.Header()))
	x.extra().whole = true
}

// answer lets OnError answer for err. The cookies of inner, sessions of other
// managers, stay.
func (x *exchange) answer(err error, inner []*Session) {
	if err == errStuck { // no call had the mutex to tell of it
		x.event(Event{Kind: Failed, Reason: reasonStuck, Err: err})
	}
	h := x.w.Header()
	w := &errorWriter{ResponseWriter: x.w, x: x, err: err, inner: inner}
	x.resetHeader(h)
	if x.extra().clientGone && !x.admitted() { // 408 would end a binding
		// The client left, or the server is being shut down. Whoever still
		// listens must not take what the handler made of it for an answer.
		h.Set("Connection", "close")
		w.WriteHeader(http.StatusRequestTimeout)
	} else {
		x.onError(w, err)
		if !w.wrote {
			w.WriteHeader(StatusOf(err))
		}
	}
}

// dropTrailers is dropPosing for the trailers that the server sends when the handler
// has returned: those that the header announced, and those with http.TrailerPrefix,
// as httputil.ReverseProxy has them.
func (x *exchange) dropTrailers() {
	h := x.w.Header()
	if usual(h) {
		return
	}
	if len(h["Trailer"]) > 0 {
		x.dropPosing(h)
	}
	name := "Set-Cookie"
	if x.m.bearer {
		name = TokenHeader
	}
	for key, lines := range h {
		if len(key) != len(http.TrailerPrefix)+len(name) || !strings.EqualFold(key[len(http.TrailerPrefix):], name) {
			continue
		}
		if x.m.bearer || slices.ContainsFunc(lines, x.poses) {
			delete(h, key) // others lose nothing: browsers take no cookies from trailers
			x.tellForeign()
		}
	}
}

// usual reports whether a header has no more than most answers of a session have
// when they leave.
func usual(h http.Header) bool {
	left := len(h)
	for _, name := range [...]string{"Vary", "Cache-Control", "Content-Type", "Set-Cookie"} {
		if left == 0 {
			break
		}
		if h[name] != nil {
			left--
		}
	}
	return left == 0
}

// endAbort ends the panic http.ErrAbortHandler of a handler whose answer was
// replaced. httputil.ReverseProxy aborts where a Write fails, as ours then do, so
// that no client takes half an answer for the whole. But what replaces it is
// whole, and the server would throw it away with the connection (G5); to flush it
// before is not enough, as HTTP/2 resets the stream all the same. So the
// middleware around us sees what the client does, an answer, and no panic. A
// handler that panics with the error of that Write means the same. Every other
// panic goes on, and so does this one where OnError did not return.
func (x *exchange) endAbort() {
	if more := x.more.Load(); more == nil || !more.whole {
		return
	}
	if fault := recover(); fault != nil && !aborts(fault) {
		panic(fault)
	}
}

// aborts reports whether a panic is the abort of a handler, or what our own
// refused Write told it.
func aborts(fault any) bool {
	err, ok := fault.(error)
	return ok && (errors.Is(err, http.ErrAbortHandler) || errors.Is(err, errReplaced))
}

// end commits what changed after the first byte and closes the session, also
// when the handler panicked: then nothing more is committed, but an outer
// handler that answers still sends our cookies.
func (x *exchange) end(r *http.Request) {
	defer x.dropTrailers()
	// The server removes uploaded files by the request it made, and others look
	// there for the pattern: the copy that the handler had must not hide them.
	r.Pattern, r.MultipartForm = x.r.Pattern, x.r.MultipartForm
	phase := x.phase()
	if x.used() != nil || !x.enterUnused(closed) {
		x.session().afterHeaders()
	} else if phase == open { // a panic
		x.dropPosing(x.w.Header())
	}
}

// afterHeaders commits what changed after the first byte and ends the request's use of
// the session: in one hold of the mutex, or a goroutine of the handler could
// change it in between, without an error and without effect (G4).
func (s *Session) afterHeaders() {
	if !s.lock() {
		// A call did not end. What it has changed nobody can tell.
		s.x.enter(closed)
		s.x.event(Event{Kind: Late, Reason: reasonInUse})
		return
	}
	defer s.unlock()
	s.endExchange()
}

// pending reports whether the request has asked for anything that is not committed.
func (s *Session) pending() bool {
	return s.tokenChange != keepToken || s.cleared || s.loggedOut || s.changes != nil && (len(s.ops) > 0 || s.remember != 0)
}

// endExchange is the end itself: what waits is committed if it can be, or told as
// lost; then nothing can change any more. The mutex is held.
func (s *Session) endExchange() {
	phase, waits := s.x.phase(), s.pending() && !s.rehearses()
	if waits && s.x.out.returned && phase != replaced {
		// It needs no cookie, or it would have been refused.
		s.commit(phase)
	}
	s.x.enter(closed)
	if waits && phase != replaced && s.losesChanges() {
		reason := reasonUnsaved
		if !s.x.out.returned {
			reason = s.x.whyAbandoned()
		}
		s.x.event(Event{Kind: Late, Handle: s.handle(), Reason: reason})
	}
	if phase == open { // a panic: our headers are for whoever answers
		s.dropLateCookie()
		s.putHeaders()
	}
	if more := s.x.more.Load(); more != nil && more.waiter != nil && phase != hijacked {
		s.x.m.endWaiters.remove(more.waiter)
	}
	s.tellMissed()
	s.endChanges()
}

// endChanges is for the end of the request: where all is stored and nothing else is
// known of it, the session is as if it had only been loaded.
func (s *Session) endChanges() {
	if c := s.changes; c != nil && !s.failed && !s.pending() && !c.lent && c.asked == (asked{}) {
		s.changes = nil
		c.reset()
		spares.Put(c)
	}
}

// reset makes changes of which nothing is asked, and write is not lent, as they were made.
func (c *changes) reset() { c.planned = planned{} }

// losesChanges reports whether changes will never be stored and no event tells: no
// handler can see an error any more.
func (s *Session) losesChanges() bool {
	if !s.failed {
		return s.pending()
	}
	return !errors.Is(s.err(), ErrLate) && !errors.Is(s.err(), ErrEnded) && !errors.Is(s.err(), ErrHeldBack) && !isBinding(s.err())
}

// tellOuter lets the exchanges around this one know that a cookie of this stands
// in the header, to which a commit that succeeded has put it: their failure is no
// reason to lose it (G5).
func (x *exchange) tellOuter() {
	for o := x.outer(); o != nil; o = o.outer() {
		inner := &o.extra().inner
		for o.phase() == open {
			list := inner.Load()
			if inner.CompareAndSwap(list, &within{x, list}) {
				break
			}
		}
	}
}

// innerWithCookies returns the sessions of exchanges inside whose cookies stand in h.
func (x *exchange) innerWithCookies(h http.Header) (list []*Session) {
	for in := x.inner(); in != nil; in = in.next {
		if s := in.x.used(); s != nil && !slices.Contains(list, s) && s.cookieIsIn(h) {
			list = append(list, s)
		}
	}
	return list
}

// tellMissed tells at the request's end, once, of a value that was absent because
// the cookie was, unless the request was held back, which was told.
func (s *Session) tellMissed() {
	if s.missing && !s.failed {
		s.x.event(Event{Kind: HeldBack, Reason: reasonWithheld, Err: s.x.m.otherHost(&s.x.r)})
	}
}

// writer returns the response's writer: with Flush, Hijack, ReadFrom, Push and
// CloseNotify where the server's has them, so that a handler finds what it would
// find without us. Each type, in writer.go, is one pointer and so costs no allocation.
func (x *exchange) writer() http.ResponseWriter {
	w := plainWriter{x}
	if _, notify := x.w.(closeNotifier); notify {
		return w.notifying()
	}
	_, push := x.w.(http.Pusher)
	_, flush := x.w.(http.Flusher)
	_, hijack := x.w.(http.Hijacker)
	if _, ok := x.w.(unwrapper); ok { // of few writers: has costs more than to ask one
		hijack, flush = has[http.Hijacker](x.w), has[http.Flusher](x.w) || has[flushErrorer](x.w)
	} else if !flush {
		_, flush = x.w.(flushErrorer)
	}
	switch {
	case hijack:
		return hijackWriter{flushWriter{w}}
	case flush && push:
		return flushPushWriter{flushWriter{w}}
	case flush:
		return flushWriter{w}
	case push:
		return pushWriter{w}
	default:
		return w
	}
}

type unwrapper interface{ Unwrap() http.ResponseWriter }

// has reports whether w or a writer that it unwraps to is a T, which is where
// http.ResponseController would find it.
func has[T any](w http.ResponseWriter) bool {
	for {
		if _, ok := w.(T); ok {
			return true
		}
		u, ok := w.(unwrapper)
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}

// errPassedBy is of an answer that went to the server's writer without us: from a
// router's middleware that calls Handler but lets the rest answer through the
// router's own writer.
var errPassedBy = errors.New("coatcheck: the answer went past the ResponseWriter that Manager.Handler gives to its handler, so no cookie could be set; " +
	"wrap the whole router, as in sessions.Handler(engine): docs/guide/routers.md")

// passedBy is finish where the answer has begun in a writer around ours, though
// not through ours: the headers of the session cannot be sent any more, so that
// what needs a cookie must not be stored (G4). That is a fault of the program:
// an event tells of it, and in a test there is no way not to notice.
func (x *exchange) passedBy(s *Session) {
	x.enter(sent)
	x.event(Event{Kind: Late, Handle: s.handleNow(), Reason: reasonPassedBy, Err: errPassedBy})
	if tell, ok := x.parent().Value(passedby.Key{}).(func(error)); ok {
		tell(errPassedBy)
	} else if inTest() && !x.begunBefore() {
		panic(errPassedBy)
	}
}

// inTest reports whether this program is a test, and no benchmark: that is to measure
// what other programs do.
var inTest = sync.OnceValue(func() bool {
	bench := flag.Lookup("test.bench")
	return bench != nil && bench.Value.String() == ""
})

// handleNow is handle for who does not hold the mutex.
func (s *Session) handleNow() string {
	if !s.lock() {
		return ""
	}
	defer s.unlock()
	return s.handle()
}
