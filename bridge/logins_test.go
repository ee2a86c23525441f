package bridge_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/django"
	"github.com/coatcheck/coatcheck/bridge/express"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/bridge/gorilla"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/php"
	"github.com/coatcheck/coatcheck/bridge/rails"
	"github.com/coatcheck/coatcheck/bridge/scs"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

const secretThere = "a secret of the other application's"

func anyPassword(_ context.Context, user string) (string, error) { return "hash of " + user, nil }

// stored are the sources whose sessions are records.
func stored(t *testing.T, kv *foreigntest.KV) map[string]bridge.Source {
	all := make(map[string]bridge.Source)
	add := func(name string, s bridge.Source, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = s
	}
	key := "base64:" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	f, err := flask.New(flask.Config{KV: kv})
	add("Flask-Session", f, err)
	d, err := django.New(django.Config{Engine: django.Cache, SecretKey: secretThere, Cache: kv, PasswordHash: anyPassword})
	add("Django", d, err)
	r, err := rails.New(rails.Config{Redis: kv, UserKey: "user_id", Cookie: "_shop_session"})
	add("Rails", r, err)
	e, err := express.New(express.Config{Secrets: []string{secretThere}, Store: express.Redis(kv, "")})
	add("Express", e, err)
	p, err := php.New(php.Config{Store: php.Redis(kv, ""), UserKey: "user"})
	add("PHP", p, err)
	l, err := php.NewLaravel(php.LaravelConfig{Keys: []string{key}, Store: kv})
	add("Laravel", l, err)
	s, err := scs.New(scs.Config{Store: kv, UserKey: "user"})
	add("scs", s, err)
	g, err := gorilla.New(gorilla.Config{Keys: []gorilla.KeyPair{{Hash: make([]byte, 32)}}, Name: "session", UserKey: "user", Store: gorilla.Redis(kv, "")})
	add("gorilla", g, err)
	return all
}

// inCookies are the sources whose sessions are their cookies.
func inCookies(t *testing.T) map[string]bridge.Source {
	all := make(map[string]bridge.Source)
	add := func(name string, s bridge.Source, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = s
	}
	f, err := flask.New(flask.Config{SecretKey: secretThere})
	add("Flask", f, err)
	d, err := django.New(django.Config{Engine: django.SignedCookies, SecretKey: secretThere, PasswordHash: anyPassword})
	add("Django", d, err)
	r, err := rails.New(rails.Config{SecretKeyBase: secretThere, UserKey: "user_id", Cookie: "_shop_session"})
	add("Rails", r, err)
	e, err := express.NewCookie(express.CookieConfig{Keys: []string{secretThere}})
	add("cookie-session", e, err)
	g, err := gorilla.New(gorilla.Config{Keys: []gorilla.KeyPair{{Hash: make([]byte, 32)}}, Name: "session", UserKey: "user"})
	add("gorilla", g, err)
	return all
}

// A there is another application with one browser, whose cookies stay or not.
type there struct {
	t       *testing.T
	source  bridge.Source
	kv      *foreigntest.KV // nil: sessions are in cookies
	key     string          // of the browser's record
	cookies []*http.Cookie
}

// says makes the browser's session say that user is logged in; empty = nobody. In a
// store the id stays, as it does where an application makes no new one at a login.
func (a *there) says(user string, values map[string]json.RawMessage) {
	a.t.Helper()
	w := httptest.NewRecorder()
	before := a.keys()
	if err := a.source.Issue(w, foreigntest.Request(), bridge.Session{User: user, Values: values}); err != nil {
		a.t.Fatal(err)
	}
	if a.kv == nil || a.key == "" {
		a.cookies = w.Result().Cookies()
	}
	for key := range a.keys() {
		switch {
		case before[key]:
		case a.key == "":
			a.key = key
		default:
			data, left, err := a.kv.Get(a.t.Context(), key)
			if err != nil {
				a.t.Fatal(err)
			}
			_ = a.kv.Set(a.t.Context(), a.key, data, left)
			_ = a.kv.Del(a.t.Context(), key)
		}
	}
}

func (a *there) keys() map[string]bool {
	all := make(map[string]bool)
	if a.kv != nil {
		for key := range a.kv.Keys(a.t.Context(), "") {
			all[key] = true
		}
	}
	return all
}

// A here is the application that adopts.
type here struct {
	t        *testing.T
	sessions *coatcheck.Manager
	store    *memstore.Store
	handler  http.Handler
}

func adopts(t *testing.T, source bridge.Source, cfg bridge.MoveConfig) *here {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	h := &here{t: t, store: memstore.New(memstore.Config{})}
	if h.sessions, err = coatcheck.New(h.store, keys, coatcheck.Config{}); err != nil {
		t.Fatal(err)
	}
	cfg.Until = time.Now().AddDate(0, 6, 0)
	move, err := bridge.NewMove(h.sessions, source, cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.handler = move.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		switch r.URL.Path {
		case "/logout": // of ours alone: the old session goes on
			s.Logout()
		case "/login":
			if err := move.Login(w, r, "1", bridge.Session{}); err != nil {
				t.Error(err)
			}
		}
		fmt.Fprint(w, s.User())
	}))
	return h
}

// visit sends a request with these cookies and perhaps ours, and wants that user.
// It returns our cookie.
func (h *here) visit(what string, there []*http.Cookie, ours *http.Cookie, path, want string) *http.Cookie {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://example.com"+path, nil)
	for _, c := range there {
		r.AddCookie(c)
	}
	if ours != nil {
		r.AddCookie(ours)
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.String() != want {
		h.t.Errorf("%s: %d %q; want %q", what, w.Code, w.Body, want)
	}
	for _, c := range w.Result().Cookies() {
		if c.Name == "__Host-Http-sid" && c.MaxAge >= 0 {
			return c
		}
	}
	return nil
}

// G2, G3: a store that keeps the id of a session through logins. Two users of one id
// have two sessions; what was ended here stays so, until another login there.
func TestLoginsOfOneID(t *testing.T) {
	t.Parallel()
	for name := range stored(t, nil) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kv := new(foreigntest.KV)
				a := &there{t: t, source: stored(t, kv)[name], kv: kv}
				h := adopts(t, a.source, bridge.MoveConfig{})
				a.says("1", nil)
				first := h.visit("first", a.cookies, nil, "/", "1")
				time.Sleep(time.Second)
				a.says("2", nil)
				second := h.visit("another user", a.cookies, nil, "/", "2")
				if first == nil || second == nil || first.Value == second.Value {
					t.Fatal("two users have one token")
				}
				h.visit("the first, by our cookie", nil, first, "/", "1")
				h.visit("logged out here", a.cookies, second, "/logout", "")
				for _, wait := range []time.Duration{0, 30 * time.Second, 5 * time.Minute} {
					time.Sleep(wait)
					h.visit("ended here", a.cookies, nil, "/", "")
				}
				a.says("", nil) // a logout there
				h.visit("nobody there", a.cookies, nil, "/", "")
				time.Sleep(time.Second)
				a.says("2", nil)
				if third := h.visit("a login after it", a.cookies, nil, "/", "2"); third == nil || third.Value == second.Value {
					t.Error("it has the token of the login before")
				}
				h.visit("the token that was logged out", nil, second, "/", "")
			})
		})
	}
}

// A value that is another at each login tells them apart without a look in between,
// where sessions are records and where they are cookies, and there it makes one
// session of all that a cookie is written to.
func TestLoginKey(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"store", "cookie"} {
		names := stored(t, nil)
		if in == "cookie" {
			names = inCookies(t)
		}
		for name := range names {
			t.Run(in+" of "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := &there{t: t}
					if in == "store" {
						a.kv = new(foreigntest.KV)
						a.source = stored(t, a.kv)[name]
					} else {
						a.source = inCookies(t)[name]
					}
					h := adopts(t, a.source, bridge.MoveConfig{LoginKey: "login"})
					login := func(n, other string) map[string]json.RawMessage {
						return map[string]json.RawMessage{"login": json.RawMessage(`"0123456789` + n + `"`), "other": json.RawMessage(other)}
					}
					a.says("1", login("a", "1"))
					first := h.visit("first", a.cookies, nil, "/", "1")
					old := a.cookies
					time.Sleep(10 * time.Second)
					a.says("1", login("a", "2"))
					again := h.visit("written anew", a.cookies, nil, "/", "1")
					if first == nil || again == nil || first.Value != again.Value {
						t.Fatal("written anew it is another session")
					}
					h.visit("logged out here", a.cookies, again, "/logout", "")
					for _, wait := range []time.Duration{0, time.Minute, time.Minute} {
						time.Sleep(wait)
						a.says("1", login("a", fmt.Sprint(int(wait))))
						h.visit("ended here, and written anew", a.cookies, nil, "/", "")
						h.visit("ended here, the first cookie", old, nil, "/", "")
					}
					a.says("1", login("b", "1"))
					if next := h.visit("the next login", a.cookies, nil, "/", "1"); next == nil || next.Value == first.Value {
						t.Error("it has the token of the login before")
					}
					if a.kv == nil {
						h.visit("the cookie of the first", old, nil, "/", "")
					}
				})
			})
		}
	}
}

// G2: without a LoginKey each writing of a cookie is another session, of one login. A
// logout here, with the old application or without, and a revocation are the end of
// all that was written before, then, 61 seconds and a day later, and after a restart; of
// another user's they are not, and a login after it is adopted, where cookies say
// when they were written.
func TestG2OtherWritings(t *testing.T) {
	t.Parallel()
	for name := range inCookies(t) {
		for _, end := range []string{"/logout", "/mlogout", "Revoke", "RevokeAll", "login at both, and /logout", "/mlogout of what was not adopted"} {
			if name == "Rails" { // its cookies have an id that stays
				continue
			}
			t.Run(name+" "+end, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { otherWritings(t, inCookies(t)[name], end, name != "cookie-session") })
			})
		}
	}
}

func otherWritings(t *testing.T, source bridge.Source, end string, timed bool) {
	st := memstore.New(memstore.Config{})
	called := func(_ context.Context, old bridge.Session) (string, error) { return "user " + old.User, nil }
	restart := func() *here {
		h := adoptsOn(t, st, source, bridge.MoveConfig{User: called, OldUser: func(context.Context, string) (string, error) { return "1", nil }},
			func(move *bridge.Move, _ *coatcheck.Manager, w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/both" {
					if err := move.Login(w, r, "user 1", bridge.Session{}); err != nil {
						t.Error(err)
					}
				}
			})
		return h
	}
	n := 0
	writes := func(user string) []*http.Cookie {
		a := &there{t: t, source: source}
		n++
		a.says(user, map[string]json.RawMessage{"n": json.RawMessage(fmt.Sprint(n))})
		time.Sleep(10 * time.Second)
		return a.cookies
	}
	h := restart()
	earlier, others, first, later := writes("1"), writes("2"), writes("1"), writes("1")
	var sid *http.Cookie
	if end != "/mlogout of what was not adopted" {
		sid = h.visit("first", first, nil, "/", "user 1")
	}
	switch end {
	case "/logout", "/mlogout":
		h.visit(end, later, sid, end, "")
	case "/mlogout of what was not adopted":
		h.visit(end, first, nil, "/mlogout", "")
	case "login at both, and /logout":
		sid = h.visit("a login", nil, nil, "/both", "user 1")
		h.visit("a logout here", later, sid, "/logout", "")
	case "Revoke":
		list, err := h.sessions.Sessions(t.Context(), "user 1")
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if ok, err := h.sessions.Revoke(t.Context(), "user 1", list[0].Handle); !ok || err != nil {
			t.Fatal(ok, err)
		}
		called = func(_ context.Context, old bridge.Session) (string, error) { return "now " + old.User, nil }
		h = restart()
	case "RevokeAll":
		if n, err := h.sessions.RevokeAll(t.Context(), "user 1"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		called = func(_ context.Context, old bridge.Session) (string, error) { return "now " + old.User, nil }
		h = restart()
	}
	for _, wait := range []time.Duration{0, 61 * time.Second, 24 * time.Hour} {
		time.Sleep(wait)
		if _, err := h.sessions.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for what, cookies := range map[string][]*http.Cookie{"the earlier": earlier, "the same": first, "the later": later} {
			if what == "the same" && end == "login at both, and /logout" {
				continue // another login, whose session lives, or has expired
			}
			h.visit(fmt.Sprint(what, ", ", wait), cookies, nil, "/", "")
		}
		h = restart()
	}
	two, _ := called(t.Context(), bridge.Session{User: "2"})
	h.visit("another user", others, nil, "/", two)
	one, _ := called(t.Context(), bridge.Session{User: "1"})
	if !timed {
		one = ""
	}
	h.visit("a login after it", writes("1"), nil, "/", one)
}

// G2: a cookie of before the application put the value of LoginKey into it may be of the
// login that has ended, and one of after it, too; another login that has the value is not.
func TestG2CookiesBeforeTheLoginKey(t *testing.T) {
	t.Parallel()
	for name, source := range inCookies(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := adopts(t, source, bridge.MoveConfig{LoginKey: "login"})
				writes := func(user, key string) []*http.Cookie {
					a := &there{t: t, source: source}
					values := map[string]json.RawMessage{"n": json.RawMessage(fmt.Sprint(time.Now().Unix()))}
					if key != "" {
						values["login"] = json.RawMessage(`"0123456789` + key + `"`)
					}
					a.says(user, values)
					time.Sleep(time.Minute)
					return a.cookies
				}
				early, phone, laptop := writes("1", ""), writes("1", "phone"), writes("1", "laptop")
				h.visit("a logout", laptop, h.visit("the laptop", laptop, nil, "/", "1"), "/logout", "")
				h.visit("before the value", early, nil, "/", "")
				h.visit("another login", phone, nil, "/", "1")
				early, later := writes("2", ""), writes("2", "later")
				h.visit("a logout", early, h.visit("before the value", early, nil, "/", "2"), "/logout", "")
				h.visit("with the value", later, nil, "/", "")
			})
		})
	}
}

// With Follow a logout there ends the session here, and the next login there is
// adopted, also of one id and by a cookie that says no time.
func TestFollowIsNotForEver(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"store", "cookie"} {
		names := stored(t, nil)
		if in == "cookie" {
			names = inCookies(t)
		}
		for name := range names {
			t.Run(in+" of "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := &there{t: t}
					if in == "store" {
						a.kv = new(foreigntest.KV)
						a.source = stored(t, a.kv)[name]
					} else {
						a.source = inCookies(t)[name]
					}
					h := adopts(t, a.source, bridge.MoveConfig{Follow: true})
					a.says("1", nil)
					ours := h.visit("first", a.cookies, nil, "/", "1")
					old := a.cookies
					time.Sleep(time.Second)
					a.says("", nil)
					h.visit("nobody there", a.cookies, ours, "/", "")
					if a.kv == nil && name != "cookie-session" && name != "Rails" { // these say no time
						h.visit("a copy of the old cookie", old, nil, "/", "")
					}
					time.Sleep(time.Second)
					a.says("1", nil)
					if next := h.visit("the next login", a.cookies, nil, "/", "1"); next == nil || next.Value == ours.Value {
						t.Error("it has the token of the login before")
					}
				})
			})
		}
	}
}

// The same after a login here, which has issued the session there.
func TestFollowAfterLoginHere(t *testing.T) {
	t.Parallel()
	for name := range stored(t, nil) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kv := new(foreigntest.KV)
				a := &there{t: t, source: stored(t, kv)[name], kv: kv}
				h := adopts(t, a.source, bridge.MoveConfig{Follow: true})
				w := httptest.NewRecorder()
				h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "https://example.com/login", nil))
				var ours *http.Cookie
				for _, c := range w.Result().Cookies() {
					switch c.Name {
					case "__Host-Http-sid":
						ours = c
					case "__Host-Http-sid-m", "csrftoken":
					default:
						a.cookies = append(a.cookies, c)
					}
				}
				for key := range a.keys() {
					a.key = key
				}
				h.visit("logged in here", a.cookies, ours, "/", "1")
				h.visit("what was issued makes no other session", a.cookies, nil, "/", "")
				time.Sleep(time.Second)
				a.says("", nil)
				h.visit("nobody there", a.cookies, ours, "/", "")
				time.Sleep(time.Second)
				a.says("1", nil)
				h.visit("the next login there", a.cookies, nil, "/", "1")
			})
		})
	}
}

// A revocation here holds against a cookie that the old application writes anew, and
// against sessions that were never brought here; a login that says its time is after it.
func TestRevokedAndWrittenAnew(t *testing.T) {
	t.Parallel()
	for name := range inCookies(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &there{t: t, source: inCookies(t)[name]}
				h := adopts(t, a.source, bridge.MoveConfig{LoginTime: "at"})
				a.says("1", nil)
				h.visit("first", a.cookies, nil, "/", "1")
				list, err := h.sessions.Sessions(t.Context(), "1")
				if err != nil || len(list) != 1 {
					t.Fatal(list, err)
				}
				if ok, err := h.sessions.Revoke(t.Context(), "1", list[0].Handle); !ok || err != nil {
					t.Fatal(ok, err)
				}
				for _, wait := range []time.Duration{time.Second, 2 * time.Minute, 24 * time.Hour} {
					time.Sleep(wait)
					a.says("1", map[string]json.RawMessage{"n": json.RawMessage(fmt.Sprint(int(wait)))})
					h.visit("written anew", a.cookies, nil, "/", "")
				}
				at := fmt.Sprintf("%d.5", time.Now().Unix())
				time.Sleep(2 * time.Second)
				a.says("1", map[string]json.RawMessage{"at": json.RawMessage(at)})
				h.visit("a login of now", a.cookies, nil, "/", "1")
				a.says("2", nil)
				h.visit("another user", a.cookies, nil, "/", "2")
			})
		})
	}
}

// G14: what is kept of a login here goes when the cookie that it issued has expired,
// and not only at the end of the move.
func TestWhatLoginsKeepEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, err := flask.New(flask.Config{SecretKey: secretThere, Lifetime: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		h := adopts(t, old, bridge.MoveConfig{})
		for range 10 {
			h.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "https://example.com/login", nil))
			time.Sleep(time.Second)
		}
		count := func() int64 {
			t.Helper()
			if _, err := h.sessions.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			n, err := h.store.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return int64(n.Sessions)
		}
		time.Sleep(23*time.Hour + 59*time.Minute) // our sessions are over, the cookies are not
		if n := count(); n != 11 {
			t.Errorf("while the cookies are good: %d records; want 10, and that there is a move", n)
		}
		time.Sleep(2 * time.Hour)
		if n := count(); n != 1 {
			t.Errorf("after their end: %d records; want that there is a move", n)
		}
	})
}

// Two devices of a user whose cookies are the same, letter by letter, are one session
// here: cookie-session writes nothing of its own. Anything in it tells them apart.
func TestCookieSessionsOfTwoDevices(t *testing.T) {
	t.Parallel()
	source := inCookies(t)["cookie-session"]
	h := adopts(t, source, bridge.MoveConfig{})
	device := func(values map[string]json.RawMessage) *http.Cookie {
		a := &there{t: t, source: source}
		a.says("1", values)
		return h.visit("a device", a.cookies, nil, "/", "1")
	}
	if first, second := device(nil), device(nil); first.Value != second.Value {
		t.Error("the same cookies are two sessions")
	}
	one := device(map[string]json.RawMessage{"csrfSecret": json.RawMessage(`"0123456789abcdef"`)})
	if one.Value == device(map[string]json.RawMessage{"csrfSecret": json.RawMessage(`"fedcba9876543210"`)}).Value {
		t.Error("a CSRF secret does not tell two devices apart")
	}
	if list, err := h.sessions.Sessions(t.Context(), "1"); err != nil || len(list) != 3 {
		t.Errorf("%d sessions, %v; want 3", len(list), err)
	}
}
