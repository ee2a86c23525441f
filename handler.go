package coatcheck

import (
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/coatcheck/coatcheck/store"
)

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

// Require loads the session before the handler, so that nothing the handler
// does can happen while the store is away. Use it, or RequireLogin, on every
// route with effects.
func (m *Manager) Require(next http.Handler) http.Handler {
	return m.require(next, func(*Session) error { return nil })
}

// RequireLogin calls next only where a user is logged in, and otherwise answers
// with [ErrLoginRequired] through [Config.OnError]. Where the browser withheld the
// cookie the answer is [ErrHeldBack]: nobody knows yet who this is.
func (m *Manager) RequireLogin(next http.Handler) http.Handler {
	return m.require(next, (*Session).loggedIn)
}

// RequireFresh returns RequireLogin for users who logged in, or authenticated
// again, at most maxAge ago. Renew does not count. Where somebody is logged in,
// but not so recently, it answers with [ErrNotFresh]. ASVS 7.5.1
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
		case s.looksWithheld():
			s.refuse(ErrHeldBack)
		case s.overtaken():
			s.refuse(errOvertaken)
		case s.Commit() == nil: // a Logout before this stands, and whatever goes with it (G2)
			s.turnAway(err)
		}
	})
}

func (s *Session) loggedIn() error {
	if s.User() == "" {
		return ErrLoginRequired
	}
	return nil
}

// challenge tells a client whose request was not let through for want of a login
// what would let it (RFC 9110 §15.5.2, RFC 6750 §3).
func (x *exchange) challenge(h http.Header, status int) {
	if !x.m.bearer || status != http.StatusUnauthorized || len(h["Www-Authenticate"]) > 0 {
		return
	}
	value := "Bearer"
	if x.m.brings(&x.r) {
		value = `Bearer error="invalid_token"`
	}
	h["Www-Authenticate"] = []string{value}
}

// DropOnPanic is for routers that recover a handler's panic inside of
// [Manager.Handler]: gin.Recovery, echo's Recover, chi's Recoverer. Their answer looks
// like any other to us, and what the handler had changed before it panicked, a
// login or half of an order, would be stored with it. Put DropOnPanic inside of
// theirs and around the handlers, and nothing is:
//
//	r.Use(sessions.Handler, middleware.Recoverer, coatcheck.DropOnPanic)           // chi
//	e.Use(middleware.Recover(), echo.WrapMiddleware(coatcheck.DropOnPanic))        // echo
//	engine.Use(gin.Recovery(), func(c *gin.Context) {                              // gin
//		next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { c.Next() })
//		coatcheck.DropOnPanic(next).ServeHTTP(c.Writer, c.Request)
//	})
//
// Changes that wait for the first byte of the answer are then dropped, those of
// all managers, with an event of the kind Late; the panic goes on with its value
// and its stack. What was committed before (by Update, Pop, Flashes, Commit)
// stays. Whoever recovers may still use the session, for a flash on the page of
// the error. Where the recoverer is outside of Handler, or a handler is within
// Require, RequireLogin or RequireFresh, all this is so without DropOnPanic.
//
// Like From it panics where no [Manager.Handler] is around it.
func DropOnPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r.Context().Value(exchangeKey{})).call(next, w, r)
	})
}

// abandon forgets what is pending after a panic; a login or logout that is done stays.
func (x *exchange) abandon() {
	s := x.used()
	if s == nil || !s.lock() {
		return
	}
	defer s.unlock()
	s.abandon()
}

// whyAbandoned is the reason of Late where the handler has not returned. Where
// there is no server of net/http the writer knows of time-outs, as that of
// fiberadapter does.
func (x *exchange) whyAbandoned() string {
	if w, ok := x.w.(interface{ TimedOut() bool }); ok && w.TimedOut() {
		return reasonTimedOut
	}
	return reasonPanic
}

// abandon drops what waits for the commit. The mutex is held.
func (s *Session) abandon() {
	if !s.pending() {
		return
	}
	if !s.failed && !s.rehearses() {
		s.x.event(Event{Kind: Late, Handle: s.handle(), Reason: s.x.whyAbandoned()})
	}
	if s.loggedOut && s.beforeLogout != nil { // what Logout took away
		s.goOnFrom(s.beforeLogout)
		s.doubt()
	}
	if s.loggedOut {
		s.cookie, s.unproven = max(s.cookie, s.unproven), cookieUnread
	}
	s.loggedOut, s.endingID, s.endingUser, s.beforeLogout, s.wishes = false, store.ID{}, "", nil, nil
	s.clearPending()
}

// SafeReturn returns target if it is a path of this site, query and fragment
// included, and "/" otherwise. Use it for the page to return to after a login,
// which comes from the request and may have been written by anybody: an open
// redirect makes your own address the start of a stranger's. A path that would
// lead elsewhere once somebody has removed its dot segments or decoded it, in
// whatever order, is refused too. ASVS 3.7.2
func SafeReturn(target string) string {
	// Browsers drop tabs and newlines, and read a backslash as a slash.
	if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") ||
		strings.ContainsFunc(target, func(r rune) bool { return r == ' ' || unicode.IsControl(r) || r == '\\' || r == '\uFFFD' }) {
		return "/"
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	if path := u.EscapedPath(); strings.Contains(path, "//") || !staysHere(path, maxDecodings) {
		return "/"
	}
	return target
}

// maxDecodings is how often a path is decoded, one time more than a proxy and
// an application do together. What is encoded more often is refused.
const maxDecodings = 3

// staysHere reports whether a path begins with one slash only, whatever whoever
// passes it on makes of it: with its dot segments removed or left, backslashes
// taken for slashes or not, and then the same after each decoding. The order
// matters: "/a%2Fb/../%2Fhost" leads elsewhere if the dots go first.
func staysHere(path string, decodings int) bool {
	if strings.ContainsFunc(path, unicode.IsControl) {
		return false
	}
	forms := []string{path}
	if strings.Contains(path, `\`) {
		forms = append(forms, strings.ReplaceAll(path, `\`, "/"))
	}
	for _, form := range forms {
		short, ok := removeDots(form)
		if !ok {
			return false
		}
		for _, p := range []string{form, short} {
			next := decodeOnce(p)
			if next != p && (decodings == 0 || !staysHere(next, decodings-1)) {
				return false
			}
			if short == form {
				break
			}
		}
	}
	return true
}

// removeDots removes the dot segments of a path as browsers do (RFC 3986
// §5.2.4), for which an escaped dot is one. It reports whether the path, and
// each beginning of it that a decoded "?" or "#" may leave, starts with one
// slash only.
func removeDots(path string) (short string, ok bool) {
	segments := strings.Split(path[1:], "/")
	kept := segments[:0]
	for i, segment := range segments {
		last := i == len(segments)-1
		switch dots := strings.ReplaceAll(strings.ToLower(segment), "%2e", "."); {
		case dots == "." && !last:
		case dots == ".." && !last:
			kept = kept[:max(len(kept)-1, 0)]
		case dots == ".":
			kept = append(kept, "")
		case dots == "..":
			kept = append(kept[:max(len(kept)-1, 0)], "")
		case len(kept) == 0 && (segment == "" && !last || strings.HasPrefix(segment, `\`)):
			return "", false
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/"), true
}

// decodeOnce decodes the escapes of a path and leaves what is none, as a
// browser does.
func decodeOnce(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			if c, err := url.PathUnescape(path[i : i+3]); err == nil {
				b = append(b, c...)
				i += 2
				continue
			}
		}
		b = append(b, path[i])
	}
	return string(b)
}
