package walkthrough

import (
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

const year = 365 * 24 * time.Hour

// cookies are those beside the session's. All are Secure and HttpOnly, and
// SameSite=Strict but for one.
type cookies struct {
	username cookie.Cookie[string] // plain: anybody may read and change it
	theme    cookie.Cookie[string] // signed: readable, not changeable
	visitor  cookie.Cookie[int]    // signed
	token    cookie.Cookie[bool]   // sealed: neither
}

func declare(keys *cookie.Keys) (cookies, error) {
	c := cookies{
		username: cookie.New[string]("username", cookie.Policy{MaxAge: time.Hour}),
		theme:    cookie.NewSigned[string]("__Host-Http-theme", keys, cookie.Policy{MaxAge: year}),
		// Read and written back on GET: a link from another site, which brings
		// no Strict cookie, would start the count again.
		visitor: cookie.NewSigned[int]("__Host-Http-visitor", keys, cookie.Policy{MaxAge: year, SameSite: http.SameSiteLaxMode}),
		token:   cookie.NewSealed[bool]("__Host-Http-token", keys, cookie.Policy{MaxAge: time.Minute}),
	}
	for _, err := range []error{c.username.Err(), c.theme.Err(), c.visitor.Err(), c.token.Err()} {
		if err != nil {
			return cookies{}, err
		}
	}
	return c, nil
}

func (s *Site) routeCookies(mux *http.ServeMux) {
	mux.HandleFunc("GET /set-cookie", s.setCookie)
	mux.HandleFunc("GET /get-cookie", s.getCookie)
	mux.HandleFunc("GET /preferences", s.preferences)
	mux.HandleFunc("POST /preferences", s.setPreferences)
	mux.HandleFunc("GET /visitor", s.visitor)
	mux.HandleFunc("GET /token", s.token)
	mux.HandleFunc("POST /token", s.issueToken)
}

// set sets a cookie, or answers that it could not and returns false.
func set[T any](w http.ResponseWriter, c cookie.Cookie[T], value T) bool {
	if err := c.Set(w, value); err != nil {
		answer(w, http.StatusInternalServerError, "The cookie could not be set")
		return false
	}
	return true
}

func (s *Site) setCookie(w http.ResponseWriter, _ *http.Request) {
	if set(w, s.cookies.username, "alice") {
		answer(w, http.StatusOK, "Cookie set")
	}
}

func (s *Site) getCookie(w http.ResponseWriter, r *http.Request) {
	name, err := s.cookies.username.Get(r)
	if err != nil { // absent or malformed: the same to the client
		name = "None"
	}
	answer(w, http.StatusOK, "Username: %s", name)
}

func (s *Site) preferences(w http.ResponseWriter, r *http.Request) {
	theme, err := s.cookies.theme.Get(r)
	if err != nil { // absent, expired, or changed by hand
		theme = "default"
	}
	answer(w, http.StatusOK, "Theme: %s", theme)
}

func (s *Site) setPreferences(w http.ResponseWriter, r *http.Request) {
	theme, ok := field(w, r, "theme", word)
	if ok && set(w, s.cookies.theme, theme) {
		answer(w, http.StatusOK, "Theme: %s", theme)
	}
}

// visitor counts the visits of a browser. HEAD and prefetch are none: nobody
// asked for them. A prefetch fails, so that the visit itself is not answered
// with what was prefetched.
func (s *Site) visitor(w http.ResponseWriter, r *http.Request) {
	if prefetch(r) {
		answer(w, http.StatusServiceUnavailable, "Not before the visit itself")
		return
	}
	visit, err := s.cookies.visitor.Get(r)
	if err != nil {
		visit = 0
	}
	visit++
	switch {
	case r.Method == http.MethodHead:
		answer(w, http.StatusOK, "")
	case !set(w, s.cookies.visitor, visit):
	case visit == 1:
		answer(w, http.StatusOK, "Welcome, new visitor")
	default:
		answer(w, http.StatusOK, "Welcome back, visit %d", visit)
	}
}

// prefetch reports whether a browser fetches ahead of a visit that may not come.
func prefetch(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch")
}

// issueToken shows a token that the server need not remember: the cookie
// itself is the proof. What must be ended before its time is up, or used only
// once, belongs into the session instead: see one-time codes.
func (s *Site) issueToken(w http.ResponseWriter, _ *http.Request) {
	if set(w, s.cookies.token, true) {
		answer(w, http.StatusOK, "Token issued")
	}
}

func (s *Site) token(w http.ResponseWriter, r *http.Request) {
	if ok, err := s.cookies.token.Get(r); err != nil || !ok {
		answer(w, http.StatusUnauthorized, "Token missing or expired")
		return
	}
	answer(w, http.StatusOK, "Token valid")
}
