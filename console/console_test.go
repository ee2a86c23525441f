package console_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/console"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

func TestNewChecks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	yes := func(*http.Request) bool { return true }
	for _, c := range []struct {
		cfg  console.Config
		want string
	}{
		{console.Config{Recorder: s.hour}, "Config.Authorize"},
		{console.Config{Authorize: yes}, "Config.Recorder"},
		{console.Config{Authorize: yes, Recorder: s.hour, Fresh: -1}, "Config.Fresh"},
		{console.Config{Authorize: yes, Recorder: s.hour, Fresh: 24 * time.Hour}, "Config.Fresh"},
		{console.Config{Authorize: yes, Recorder: s.hour, Login: "https://evil.example/"}, "Config.Login"},
	} {
		if _, err := console.New(s.sessions, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want an error of %s", err, c.want)
		}
	}
	if _, err := console.New(nil, console.Config{Authorize: yes, Recorder: s.hour}); err == nil {
		t.Error("New takes no manager")
	}
}

// Whoever is not authorised gets what an unknown path gives, whatever they ask for.
func TestWithoutAuthority(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testWithoutAuthority) // where a stream that should not be ends soon
}

func testWithoutAuthority(t *testing.T) {
	s := newSite(t)
	s.customer("123")
	for name, p := range map[string]person{"stranger": s.person(), "customer": s.customer("ada"), "another operator": s.operator("eve")} {
		unknown := p.get("/nothing-there")
		for _, path := range []string{"/console", "/console/", "/console/user?q=123", "/console/session?q=x", "/console/why", "/console/events", "/console/stream", "/console/icon", "/console/nothing"} {
			for _, method := range []string{"GET", "HEAD", "PUT", "OPTIONS"} {
				a := p.send(p.request(method, path, ""))
				if a.status != 404 || a.body != unknown.body && method != "HEAD" || a.header.Get("Allow") != "" || a.header.Get("Content-Security-Policy") != "" || a.header.Get("Location") != "" {
					t.Errorf("%s: %s %s: got %d %v %.80q, want %d %.80q", name, method, path, a.status, a.header, a.body, unknown.status, unknown.body)
				}
			}
		}
		for _, path := range []string{"/console/end", "/console/end-all"} {
			if a := p.post(path, url.Values{"user": {"123"}, "handle": {s.handleOf("123")}}); a.status != 404 || a.body != unknown.body {
				t.Errorf("%s: POST %s: got %d %.80q", name, path, a.status, a.body)
			}
		}
	}
	s.handleOf("123") // still there
}

// All pages have a strict policy, which allows exactly what is on them.
func TestPagesAllowOnlyThemselves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.customer("123")
	ada := s.operator("ada")
	for _, path := range []string{"/console/", "/console/user?q=123", "/console/session?q=" + s.handleOf("123"), "/console/why?q=123", "/console/events", "/console/user"} {
		a := ada.get(path)
		policy := a.header.Get("Content-Security-Policy")
		page := a.body
		for _, want := range []string{"default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: Content-Security-Policy %q lacks %s", path, policy, want)
			}
		}
		for _, tag := range []string{"style", "script"} {
			all := regexp.MustCompile(`(?s)<`+tag+`[^>]*>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
			if len(all) != 1 {
				t.Fatalf("%s has %d of %s", path, len(all), tag)
			}
			sum := sha256.Sum256([]byte(all[0][1]))
			if !strings.Contains(policy, tag+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"';") {
				t.Errorf("%s: Content-Security-Policy %q does not allow the one %s of the page", path, policy, tag)
			}
			page = strings.Replace(page, all[0][0], "", 1)
		}
		if m := regexp.MustCompile(`<img|<iframe|<object| style=| on[a-z]+=|url\(|@import|javascript:`).FindString(page); m != "" {
			t.Errorf("%s has %q, which its policy forbids", path, m)
		}
		for header, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"} {
			if got := a.header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", path, header, got, want)
			}
		}
	}
}

func TestOverview(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.customer("123").post("/logout", nil)
	s.customer("123")
	s.customer("456")
	bad := s.person().request("GET", "/members", "")
	bad.Header.Set("Cookie", "__Host-Http-sid=AAAAAAAA")
	s.person().send(bad)
	a := s.operator("ada").get("/console/")
	if a.status != 200 {
		t.Fatalf("got %d", a.status)
	}
	a.has(t, "Live sessions 2", "Users with one 2", "Counted 0 seconds ago", "The store answers", "Logins 3", "Ends 1", "Refusals 1",
		"logout", "session cookie: malformed", "Create 3 0", "most in a minute: 3, at ", "nobody is logged in", "You are ada")
	if n := strings.Count(a.body, "<tr><th scope=\"row\"><time"); n != 7*13 {
		t.Errorf("%d rows of numbers; want 13 for each of 7 charts", n)
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.customer("123").post("/tea", nil)
	ada := s.operator("ada")
	handle := s.handleOf("123")
	a := ada.get("/console/user?q=123")
	a.has(t, "User 123", "Firefox on Linux", "192.0.2.1", handle, "Last seen", "Logged in", "login", "End all of this user’s sessions")
	if a = ada.get("/console/user?q=nobody"); a.status != 200 {
		t.Errorf("an unknown user: %d", a.status)
	}
	a.has(t, "User nobody", "No session of this user is live.", "Nothing was told of this user.")
	ada.get("/console/user?q=%01x").has(t, "No user can be called that.")
	ada.get("/console/user").has(t, "Which user?")
}

func TestSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.customer("123").post("/tea", nil)
	ada := s.operator("ada")
	handle := s.handleOf("123")
	for _, path := range []string{"/console/session?q=" + handle, "/console/session?user=123&q=" + handle} {
		a := ada.get(path)
		a.has(t, "Session "+handle, "User 123", "Firefox on Linux", "Ends in any case", "Version", "tea 25 bytes with the session", "1 value not shown", "End this session")
		if strings.Contains(a.body, "Assam") {
			t.Error("a value is shown that Config.ShowValues did not allow")
		}
	}
	a := ada.get("/console/session?q=AAAAAAAAAAAA")
	if a.status != 404 {
		t.Errorf("an unknown handle: %d", a.status)
	}
	a.has(t, "Not found among the live sessions", "name the user here")
	a = ada.get("/console/session?q=AAAAAAAAAAAA&user=123")
	a.has(t, "has no live session of this handle")
	if a.status != 404 {
		t.Errorf("an unknown handle of a user: %d", a.status)
	}
	ada.get("/console/session").has(t, "Which session?")
}

// A session of a visitor who is not logged in is in no list; it is found by its
// handle where it began in this process.
func TestAnonymousSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.person().post("/tea", nil)
	e := <-s.events.list
	if e.Kind != coatcheck.Created {
		t.Fatalf("got %v", e.Kind)
	}
	before := s.store.calls.Load()
	s.operator("ada").get("/console/session?q="+e.Handle).has(t, "nobody is logged in", "tea")
	if n := s.store.calls.Load() - before; n != 1 {
		t.Errorf("%d calls of the store, want 1", n)
	}
}

// A session that is bound to a key of its device is shown as such, one whose data
// nobody can read too, and what the library keeps for itself is no value.
func TestBoundAndDamaged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := time.Now().UTC().Truncate(time.Microsecond)
	data, _ := record.Encode(record.Header{Device: []byte("Chrome on macOS")}, []record.Entry{
		{Name: record.Bound, Raw: []byte(`"key"`)}, {Name: record.Sliding, Raw: []byte("1")}, {Name: record.LabelMark + "desk", Raw: []byte(`"front"`)},
		{Name: "gone", Raw: []byte("1"), Expires: now.Add(-time.Second).UnixMilli()}, {Name: "soon", Raw: []byte("1"), Expires: now.Add(time.Hour).UnixMilli()},
	}, 0)
	for i, data := range [][]byte{data, []byte("nonsense")} {
		rec := store.Record{ID: store.ID{byte(i + 1)}, Version: 1, User: fmt.Sprint("user", i), AuthTime: now, Created: now, Seen: now, Expires: now.Add(time.Hour), Deadline: now.Add(time.Hour), Data: data}
		if err := s.store.Create(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	ada := s.operator("ada")
	ada.get("/console/user?q=user0").has(t, "Chrome on macOS", "bound to its device", "desk : front")
	a := ada.get("/console/session?user=user0&q=" + s.handleOf("user0"))
	a.has(t, "bound to its device", "1 value not shown", "soon 1 bytes in 1 hour")
	if strings.Contains(a.text(), "gone 1 bytes") || strings.Contains(a.text(), "sliding") {
		t.Errorf("the page shows what is none of its values:\n%s", a.text())
	}
	ada.get("/console/user?q=user1").has(t, "its data cannot be read")
}

func TestShowValues(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *console.Config) {
		c.ShowValues = func(r *http.Request, user, name string) bool {
			return user == "123" && name == "tea" && r.URL.Path != ""
		}
	})
	s.customer("123").post("/tea", nil)
	s.customer("456").post("/tea", nil)
	ada := s.operator("ada")
	ada.get("/console/session?q="+s.handleOf("123")).has(t, `Assam\u003cscript\u003e`)
	if a := ada.get("/console/session?q=" + s.handleOf("456")); strings.Contains(a.body, "Assam") {
		t.Error("a value is shown of a user whom Config.ShowValues does not show")
	}
}

// An operator ends a session: it is over, the user's page says so, and the event
// names who did it.
func TestEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.customer("123")
	s.customer("456")
	handle := s.handleOf("123")
	ada := s.operator("ada")
	a := ada.post("/console/end", url.Values{"user": {"123"}, "handle": {handle}})
	if to := a.header.Get("Location"); a.status != 303 || !strings.HasPrefix(to, "user?") {
		t.Fatalf("got %d to %q", a.status, to)
	}
	a = ada.get("/console/" + a.header.Get("Location"))
	a.has(t, "You ended 1 session.", handle, "Ended by ada", "No session of this user is live.")
	if got := p.get("/members").status; got == 200 {
		t.Errorf("the session goes on: %d", got)
	}
	s.handleOf("456")
	var told coatcheck.Event
	for told.Kind != coatcheck.Revoked {
		told = <-s.events.list
	}
	if told.By != "ada" || told.User != "123" || told.Handle != handle {
		t.Errorf("the event is %+v; want it by ada", told)
	}
	// Once more: it says what is so, and not what a link says.
	a = ada.post("/console/end", url.Values{"user": {"123"}, "handle": {handle}})
	ada.get("/console/"+a.header.Get("Location")).has(t, "Nothing was ended.")
}

func TestEndAll(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for range 3 {
		s.customer("123")
	}
	ada := s.operator("ada")
	a := ada.post("/console/end-all", url.Values{"user": {"123"}})
	ada.get("/console/"+a.header.Get("Location")).has(t, "You ended 3 sessions.", "No session of this user is live.")
	if list, err := s.sessions.Sessions(t.Context(), "123"); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// An operator may look for as long as they are logged in, and end only what they
// have just proven who they are for.
func TestStaleLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.customer("123")
		handle := s.handleOf("123")
		ada := s.operator("ada")
		time.Sleep(6 * time.Minute)
		a := ada.get("/console/user?q=123")
		if strings.Contains(a.body, "<button>End") || strings.Contains(a.body, `action="end`) {
			t.Error("the page has a button that would not work")
		}
		if want := `href="/ops/login?next=%2Fconsole%2Fuser%3Fq%3D123"`; !strings.Contains(a.body, want) {
			t.Errorf("the page does not lead to %s:\n%s", want, a.body)
		}
		for _, path := range []string{"/console/end", "/console/end-all"} {
			a = ada.post(path, url.Values{"user": {"123"}, "handle": {handle}})
			if a.status != http.StatusUnauthorized {
				t.Errorf("%s: got %d", path, a.status)
			}
			a.has(t, "Prove once more who you are", "Nothing was ended.", "Log in again")
		}
		if s.handleOf("123") != handle {
			t.Error("it was ended")
		}
		ada.Session(t, s.ops, func(o *coatcheck.Session) { o.Reauthenticate() })
		if a = ada.post("/console/end", url.Values{"user": {"123"}, "handle": {handle}}); a.status != 303 {
			t.Errorf("after a login: got %d", a.status)
		}
	})
}

// The store is away: the page says so, and shows what this process was told.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.customer("123")
	handle := s.handleOf("123")
	ada := s.operator("ada")
	ada.get("/console/").has(t, "Live sessions 1")
	s.store.away.Store(true)
	a := ada.get("/console/")
	a.has(t, "The store is away.", "The store failed.", "Live sessions 1", "Logins 1")
	if strings.Contains(a.body, "10.0.0.7") {
		t.Error("the page shows the store's address")
	}
	for _, path := range []string{"user?q=123", "session?q=" + handle, "why?q=123"} {
		a := ada.get("/console/" + path)
		if a.status != 200 {
			t.Errorf("%s: got %d", path, a.status)
		}
		a.has(t, "The store failed.", "Logged in, with a new token.")
	}
	if a := ada.post("/console/end", url.Values{"user": {"123"}, "handle": {handle}}); a.status != 503 {
		t.Errorf("end: got %d", a.status)
	} else {
		a.has(t, "Perhaps nothing was ended", "The store failed.")
	}
}

// What a page costs the store, beside the operator's own session, which is in
// another one.
func TestCost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.customer("123")
	handle := s.handleOf("123")
	ada := s.operator("ada")
	for _, c := range []struct {
		path string
		want int64
	}{
		{"", 2}, // a ping, and the count
		{"", 1}, // counted a moment ago
		{"", 1}, //
		{"user?q=123", 1},
		{"session?q=" + handle, 1},
		{"session?q=AAAAAAAAAAAA", 0},
		{"why?q=123", 1},
		{"why", 0},
		{"events", 0},
		{"icon", 0},
	} {
		before := s.store.calls.Load()
		ada.get("/console/" + c.path)
		if n := s.store.calls.Load() - before; n != c.want {
			t.Errorf("%q asks the store %d times, want %d", c.path, n, c.want)
		}
	}
}

// The console works without a manager's Handler around it, under http.StripPrefix,
// and at the path without a slash.
func TestMounted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.customer("123")
	handle := s.handleOf("123")
	mux := http.NewServeMux()
	mux.Handle("/a/b/", http.StripPrefix("/a/b", s.page))
	s.handler = mux
	ada := s.operator("ada")
	ada.get("/a/b/user?q=123").has(t, handle)
	if a := ada.post("/a/b/end", url.Values{"user": {"123"}, "handle": {handle}}); a.status != 303 || !strings.HasPrefix(a.header.Get("Location"), "user?") {
		t.Errorf("got %d to %q", a.status, a.header.Get("Location"))
	}
	s = newSite(t)
	if a := s.operator("ada").get("/console"); a.status != 303 || a.header.Get("Location") != "console/" {
		t.Errorf("without a slash: got %d to %q", a.status, a.header.Get("Location"))
	}
	ada = s.operator("ada")
	for method, path := range map[string]string{"PUT": "/console/", "GET": "/console/end", "POST": "/console/user"} {
		if a := ada.send(ada.request(method, path, "")); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "" {
			t.Errorf("%s %s: got %d, Allow %q", method, path, a.status, a.header.Get("Allow"))
		}
	}
}

// Sessions in cookies: nobody can list them; what was told is there.
func TestInCookies(t *testing.T) {
	t.Parallel()
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	hour := new(console.Recorder)
	sessions, err := coatcheck.NewInCookie(keys, coatcheck.StoreRevoker(memstore.New(memstore.Config{})), coatcheck.Config{Events: hour.Events(nil)})
	if err != nil {
		t.Fatal(err)
	}
	page, err := console.New(sessions, console.Config{Recorder: hour, Authorize: func(*http.Request) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	for _, path := range []string{"/", "/user?q=123", "/why?q=123", "/session?q=AAAAAAAAAAAA", "/events"} {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		a := answer{w.Code, w.Header(), w.Body.String()}
		if a.status != 200 && a.status != 404 {
			t.Errorf("%s: got %d", path, a.status)
		}
		if strings.Contains(path, "123") {
			a.has(t, "live in their cookies", "Logged in")
		}
	}
}
