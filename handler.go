package coatcheck

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// An exchange is one request and its response. It is the request's context and
// holds its writer, in one allocation; the session is made when it is needed.
type exchange struct {
	context.Context
	m      *Manager
	w      http.ResponseWriter
	r      *http.Request
	began  time.Time
	before http.Header                 // the response's header at entry, nil if it was empty
	kept   atomic.Pointer[http.Header] // and at the innermost Require…, if that is another
	used   atomic.Pointer[Session]
	outer  *exchange              // of another manager around this one, if any
	inner  atomic.Pointer[within] // of other managers inside, that set a cookie
	out    response
}

// A within is one exchange inside of another, in a list.
type within struct {
	x    *exchange
	next *within
}

// tellOuter lets the exchanges around this one know that a cookie of this stands
// in the header, to which a commit that succeeded has put it: their failure is no
// reason to lose it (G5).
func (x *exchange) tellOuter() {
	for o := x.outer; o != nil; o = o.outer {
		for o.phase() == open {
			list := o.inner.Load()
			if o.inner.CompareAndSwap(list, &within{x, list}) {
				break
			}
		}
	}
}

// setInside returns the sessions of exchanges inside whose cookies stand in h.
func (x *exchange) setInside(h http.Header) (list []*Session) {
	for in := x.inner.Load(); in != nil; in = in.next {
		if s := in.x.used.Load(); s != nil && !slices.Contains(list, s) && s.setIn(h) {
			list = append(list, s)
		}
	}
	return list
}

// session returns the request's session and makes it if need be.
func (x *exchange) session() *Session {
	if s := x.used.Load(); s != nil {
		return s
	}
	x.used.CompareAndSwap(nil, &Session{x: x})
	return x.used.Load()
}

// Format keeps cookies out of the logs of whoever prints a request's context.
func (x *exchange) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%v.coatcheck", x.Context) }

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
		x.used.Store(&both.session)
	}
	x.Context, x.m, x.w, x.began = r.Context(), m, w, time.Now()
	return x
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
	return x.Context.Value(key)
}

// Handler returns a handler that gives every request a session and then calls
// next. The session is loaded when it is first used and committed before the
// first byte of the response, so a route that does not look at it costs no call
// to the store. Handler may wrap a request only once; a second time it does
// nothing.
func (m *Manager) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outer, _ := r.Context().Value(exchangeKey{}).(*exchange)
		if outer != nil {
			if x, _ := r.Context().Value(m).(*exchange); x != nil && x.phase() != closed {
				next.ServeHTTP(w, r)
				return
			}
		}
		m.serve(w, r, next, outer)
	})
}

func (m *Manager) serve(w http.ResponseWriter, r *http.Request, next http.Handler, outer *exchange) {
	x := m.newExchange(w, r)
	x.outer = outer
	if h := w.Header(); len(h) > 0 {
		x.before = h.Clone()
	}
	x.r = r.WithContext(x)
	x.out.begun = inTest() && begun(w)
	defer x.endAbort()
	defer x.leave(r)
	err := m.foreign(r)
	switch {
	case err != nil:
		x.event(Event{Kind: Refused, Reason: reasonCrossOrigin, Err: err})
		x.session().refuse(ErrCrossOrigin)
	case m.cfg.Landing != nil && x.lands(r), x.returns(r):
		return
	default:
		next.ServeHTTP(x.writer(), x.r)
	}
	x.finish()
}

// leave commits what changed after the first byte and closes the session, also
// when the handler panicked: then nothing more is committed, but an outer
// handler that answers still sends our cookies.
func (x *exchange) leave(r *http.Request) {
	defer x.dropTrailers()
	// The server removes uploaded files by the request it made, and others look
	// there for the pattern: the copy that the handler had must not hide them.
	r.Pattern, r.MultipartForm = x.r.Pattern, x.r.MultipartForm
	if s := x.used.Load(); s != nil {
		s.close()
		return
	}
	before := x.out.state.Swap(closed)
	if before == open { // a panic
		x.dropForeign(x.w.Header())
	}
	if s := x.used.Load(); s != nil { // just made by a goroutine of the handler
		s.closeFrom(before)
	}
}

// heldBack reports whether the browser withheld a Strict session cookie, as far
// as a request without that cookie can tell, and whether the marker came in its
// place (G7). Firefox and WebKit withhold it also where no site caused the
// request: an address typed, or opened from a mail that redirects here. There
// only the marker tells. What a service worker passes on says "same-origin" in
// Firefox; there Origin and Referer tell. Without Fetch Metadata nothing was
// withheld.
func (m *Manager) heldBack(r *http.Request) (held, marked bool) {
	site := r.Header.Get("Sec-Fetch-Site")
	if m.marker == nil || site == "" {
		return false, false
	}
	_, err := m.marker.Read(r.Header)
	marked = !isAbsent(err)
	return site == "cross-site" || site == "none" && marked || m.contradicted(r), marked
}

// navigates reports whether the request loads a page into a window or tab. One
// that a service worker passes on has lost its destination, and in Firefox its
// mode, but for what it accepts; with a Lax marker, or from our own pages, it is
// no less a navigation.
func navigates(r *http.Request) bool {
	switch mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest"); mode {
	case "navigate":
		return dest == "document" || dest == "empty"
	case "same-origin":
		return dest == "empty" && strings.HasPrefix(r.Header.Get("Accept"), "text/html")
	}
	return false
}

// lands answers the two requests of a landing (G7) and reports whether it did:
// a held-back navigation with a page that leads on from our own origin, to the
// same URL with landed in its query; and that, which brings the session cookie,
// with a redirect to the URL itself. One that is held back with landed in its
// query has been here before and is the handler's, so that nothing goes round,
// whatever proxies and browsers do to Host, Referer and the rest.
func (x *exchange) lands(r *http.Request) bool {
	m, w := x.m, x.w
	if r.Method != http.MethodGet || !navigates(r) || prefetch(r) {
		return false
	}
	held, marked := m.heldBack(r)
	withheld := held && marked && !m.shown(r)
	asked := r
	u := withoutLanded(r.URL)
	again := u != r.URL
	if again {
		clean := *r
		clean.URL, asked = u, &clean
	}
	if again == withheld || !m.cfg.Landing(asked) {
		return false
	}
	x.dropForeign(w.Header())
	if again {
		redirectLanded(w, r)
	} else {
		servePage(w, r, http.StatusOK, landingPage, leadingTo(requested(r)))
	}
	return true
}

func prefetch(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch")
}

// Require loads the session before the handler, so that nothing the handler
// does can happen while the store is away. Use it, or RequireLogin, on every
// route with effects.
func (m *Manager) Require(next http.Handler) http.Handler {
	return m.require(next, func(*Session) error { return nil })
}

// RequireLogin calls next only where a user is logged in, and otherwise answers
// with ErrLoginRequired through Config.OnError. Where the browser withheld the
// cookie the answer is ErrHeldBack: nobody knows yet who this is.
func (m *Manager) RequireLogin(next http.Handler) http.Handler {
	return m.require(next, (*Session).loggedIn)
}

func (s *Session) loggedIn() error {
	if s.User() == "" {
		return ErrLoginRequired
	}
	return nil
}

// RequireFresh returns RequireLogin for users who logged in, or authenticated
// again, at most maxAge ago. Renew does not count. Where somebody is logged in,
// but not so recently, it answers with ErrNotFresh. ASVS 7.5.1
func (m *Manager) RequireFresh(maxAge time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return m.require(next, func(s *Session) error {
			err := s.loggedIn()
			if err == nil && time.Since(s.AuthTime()) > maxAge {
				err = ErrNotFresh
			}
			return err
		})
	}
}

func (m *Manager) require(next http.Handler, check func(*Session) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := m.From(r.Context())
		keepHeader(r.Context(), w.Header())
		s.load()
		if s.Err() != nil { // the writer replaces whatever is answered
			return
		}
		switch err := check(s); {
		case err == nil:
			s.x.call(next, w, r)
		case s.withheld():
			s.refuse(ErrHeldBack)
		case s.overtaken():
			s.refuse(errOvertaken)
		case s.Commit() == nil: // a Logout before this stands, and whatever goes with it (G2)
			s.turnAway(err)
		}
	})
}
