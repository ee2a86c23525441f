package promises_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

var maxAge = regexp.MustCompile(`Max-Age=(\d+)`)

// setCookies returns the answer's lines with the token replaced by TOKEN and the
// marker's value by HANDLE.
func setCookies(h http.Header) []string {
	var lines []string
	for _, line := range h["Set-Cookie"] {
		name, rest, _ := strings.Cut(line, "=")
		value, attributes, _ := strings.Cut(rest, ";")
		switch len(value) {
		case 52:
			value = "TOKEN"
		case 12:
			value = "HANDLE"
		}
		lines = append(lines, name+"="+value+";"+attributes)
	}
	return lines
}

// age returns the Max-Age of the session cookie that an answer sets, or "".
func age(h http.Header) string {
	for _, line := range h["Set-Cookie"] {
		if strings.HasPrefix(line, sidName+"=") {
			return maxAge.FindStringSubmatch(line)[1]
		}
	}
	return ""
}

// G6: Zero configuration: name `__Host-Http-sid`, Secure, HttpOnly,
// SameSite=Strict, Path=/, no Domain. `Expires` goes with `Max-Age`. Danger reads as danger:
// `AllowInsecureHTTP` (no Secure, name `sid`, a log line), `AllowScripts`.
func TestG6SetCookieLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		cfg        coatcheck.Config
		set, clear []string
	}{
		{"zero", coatcheck.Config{},
			[]string{
				"__Host-Http-sid=TOKEN; Max-Age=43200; Path=/; Secure; HttpOnly; SameSite=Strict; Expires=Sat, 01 Jan 2000 12:00:00 GMT",
				"__Host-Http-sid-lax=HANDLE; Max-Age=43200; Path=/; Secure; HttpOnly; SameSite=Lax; Expires=Sat, 01 Jan 2000 12:00:00 GMT",
			}, []string{
				"__Host-Http-sid-lax=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax; Expires=Thu, 01 Jan 1970 00:00:01 GMT",
				"__Host-Http-sid=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict; Expires=Thu, 01 Jan 1970 00:00:01 GMT",
			}},
		{"Lax", coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteLaxMode}},
			[]string{"__Host-Http-sid=TOKEN; Max-Age=43200; Path=/; Secure; HttpOnly; SameSite=Lax; Expires=Sat, 01 Jan 2000 12:00:00 GMT"},
			[]string{"__Host-Http-sid=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax; Expires=Thu, 01 Jan 1970 00:00:01 GMT"}},
		{"None", coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteNoneMode, Partitioned: true}},
			[]string{"__Host-Http-sid=TOKEN; Max-Age=43200; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Expires=Sat, 01 Jan 2000 12:00:00 GMT"},
			[]string{"__Host-Http-sid=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Expires=Thu, 01 Jan 1970 00:00:01 GMT"}},
		{"plain HTTP", coatcheck.Config{Cookie: cookie.Policy{AllowInsecureHTTP: true}},
			[]string{
				"sid=TOKEN; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict; Expires=Sat, 01 Jan 2000 12:00:00 GMT",
				"sid-lax=HANDLE; Max-Age=43200; Path=/; HttpOnly; SameSite=Lax; Expires=Sat, 01 Jan 2000 12:00:00 GMT",
			}, []string{
				"sid-lax=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Expires=Thu, 01 Jan 1970 00:00:01 GMT",
				"sid=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict; Expires=Thu, 01 Jan 1970 00:00:01 GMT",
			}},
		{"scripts", coatcheck.Config{Cookie: cookie.Policy{AllowScripts: true, SameSite: http.SameSiteLaxMode}},
			[]string{"__Host-sid=TOKEN; Max-Age=43200; Path=/; Secure; SameSite=Lax; Expires=Sat, 01 Jan 2000 12:00:00 GMT"},
			[]string{"__Host-sid=; Max-Age=0; Path=/; Secure; SameSite=Lax; Expires=Thu, 01 Jan 1970 00:00:01 GMT"}},
		{"Domain", coatcheck.Config{Lifetime: time.Hour, Cookie: cookie.Policy{Domain: "app.example", SameSite: http.SameSiteLaxMode}},
			[]string{"__Secure-sid=TOKEN; Max-Age=3600; Path=/; Domain=app.example; Secure; HttpOnly; SameSite=Lax; Expires=Sat, 01 Jan 2000 01:00:00 GMT"},
			[]string{"__Secure-sid=; Max-Age=0; Path=/; Domain=app.example; Secure; HttpOnly; SameSite=Lax; Expires=Thu, 01 Jan 1970 00:00:01 GMT"}},
		{"Path and Name", coatcheck.Config{Name: "app", Cookie: cookie.Policy{Path: "/app"}},
			[]string{
				"app=TOKEN; Max-Age=43200; Path=/app; Secure; HttpOnly; SameSite=Strict; Expires=Sat, 01 Jan 2000 12:00:00 GMT",
				"app-lax=HANDLE; Max-Age=43200; Path=/app; Secure; HttpOnly; SameSite=Lax; Expires=Sat, 01 Jan 2000 12:00:00 GMT",
			}, []string{
				"app-lax=; Max-Age=0; Path=/app; Secure; HttpOnly; SameSite=Lax; Expires=Thu, 01 Jan 1970 00:00:01 GMT",
				"app=; Max-Age=0; Path=/app; Secure; HttpOnly; SameSite=Strict; Expires=Thu, 01 Jan 1970 00:00:01 GMT",
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // midnight, 1 January 2000
				b := newBrowser(life(manage(t, memstore.New(memstore.Config{}), c.cfg)))
				if got := setCookies(b.Send("POST", "/login").Header()); !slices.Equal(got, c.set) {
					t.Errorf("login sets\n%q, want\n%q", got, c.set)
				}
				if got := setCookies(b.Send("POST", "/logout").Header()); !slices.Equal(got, c.clear) {
					t.Errorf("logout sets\n%q, want\n%q", got, c.clear)
				}
			})
		})
	}
}

// G6: Danger reads as danger: `AllowInsecureHTTP` (... a log line).
func TestG6PlainHTTPIsTold(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
	if len(l.All()) != 0 {
		t.Errorf("the zero Config tells %v", l.Kinds())
	}
	manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record, Cookie: cookie.Policy{AllowInsecureHTTP: true}})
	if !slices.Equal(l.Kinds(), []coatcheck.Kind{coatcheck.Insecure}) {
		t.Errorf("got %v, want insecure", l.Kinds())
	}
}

// G6: idle 30 min, lifetime 12 h, anonymous 30 min and 4 h.
// Expires = Seen + 1.1 × idle: never early, at most a tenth late.
func TestG6Idle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path string
		cfg  coatcheck.Config
		idle time.Duration
	}{
		{"/login", coatcheck.Config{}, 30 * time.Minute},
		{"/set", coatcheck.Config{}, 30 * time.Minute},
		{"/login", coatcheck.Config{Idle: 10 * time.Second, AnonymousIdle: time.Hour}, 10 * time.Second},
		{"/set", coatcheck.Config{AnonymousIdle: 10 * time.Second, Idle: time.Hour}, 10 * time.Second},
		{"/remember", coatcheck.Config{}, 30 * day}, // its lifetime ends it first
	} {
		for _, after := range []struct {
			d     time.Duration
			alive bool
		}{
			{c.idle - time.Second, true},
			{c.idle - time.Microsecond, true},
			{c.idle, c.path != "/remember"},
			{c.idle + c.idle/10 - time.Microsecond, c.path != "/remember"},
			{c.idle + c.idle/10, false},
			{c.idle + c.idle/10 + time.Second, false},
		} {
			t.Run(fmt.Sprint(c.path, c.idle, after.d), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var l coatchecktest.Events
					cfg := c.cfg
					cfg.Events = l.Record
					b := newBrowser(life(manage(t, memstore.New(memstore.Config{}), cfg)))
					want := b.Send("POST", c.path).Body.String()
					time.Sleep(after.d)
					if !after.alive {
						want = "0"
					}
					if got := b.Send("GET", "/look").Body.String(); got != want {
						t.Errorf("%v after the last activity: got %q, want %q", after.d, got, want)
					}
					if told := l.Count(coatcheck.Expired) > 0; told == after.alive {
						t.Errorf("%v after the last activity: got the events %v", after.d, l.Kinds())
					}
				})
			})
		}
	}
}

// G6: lifetime 12 h, anonymous ... 4 h: activity does not extend it. ASVS 7.3.2
func TestG6Lifetime(t *testing.T) {
	t.Parallel()
	for path, lifetime := range map[string]time.Duration{"/login": 12 * time.Hour, "/set": 4 * time.Hour} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := memstore.New(memstore.Config{})
				b := newBrowser(life(manage(t, st, coatcheck.Config{})))
				want := b.Send("POST", path).Body.String()
				start := time.Now()
				for i := time.Minute; i < lifetime; i += time.Minute {
					time.Sleep(time.Until(start.Add(i)))
					keep := "/look"
					if i%(10*time.Minute) == 0 {
						keep = "/touch"
					}
					w := b.Send("GET", keep)
					if w.Body.String() != want {
						t.Fatalf("after %v: got %q, want %q", i, w.Body, want)
					}
					// G6: idle is the server's alone, so a touch sets no cookie.
					if got := age(w.Header()); got != "" {
						t.Fatalf("after %v: a touch sets a cookie with Max-Age=%s", i, got)
					}
				}
				time.Sleep(time.Until(start.Add(lifetime - time.Microsecond)))
				if got := b.Send("GET", "/look").Body.String(); got != want {
					t.Errorf("just before the end: got %q, want %q", got, want)
				}
				records, err := st.User(t.Context(), "alice")
				for _, rec := range records {
					if rec.Expires.After(rec.Deadline) {
						t.Errorf("the idle end is %v after the deadline", rec.Expires.Sub(rec.Deadline))
					}
				}
				if want := map[string]int{"/login": 1}[path]; err != nil || len(records) != want {
					t.Errorf("got %d records, %v; want %d", len(records), err, want)
				}
				time.Sleep(time.Microsecond)
				if got := b.Send("GET", "/look").Body.String(); got != "0" {
					t.Errorf("after %v: got %q, want nobody", lifetime, got)
				}
			})
		})
	}
}

// G6: `Max-Age` is what is left of the absolute lifetime. Login and
// re-authentication restart the lifetime, `Renew` does not. `Renew` and
// `Reauthenticate` keep d, a later `Login` without it drops it.
func TestG6WhatRestartsTheLifetime(t *testing.T) {
	t.Parallel()
	const month, halfDay = "2592000", "43200"
	for _, c := range []struct {
		steps []string // paths, an hour between two
		age   string   // of the cookie that the last one sets
	}{
		{[]string{"/set"}, "14400"},
		{[]string{"/login"}, halfDay},
		{[]string{"/set", "/set"}, ""},
		{[]string{"/login", "/count"}, ""},
		{[]string{"/login", "/touch"}, ""},
		{[]string{"/set", "/renew"}, "10800"},
		{[]string{"/set", "/login"}, halfDay},
		{[]string{"/login", "/renew"}, "39600"},
		{[]string{"/login", "/renew", "/renew"}, "36000"},
		{[]string{"/login", "/again"}, halfDay},
		{[]string{"/login", "/login"}, halfDay},
		{[]string{"/login", "/remember"}, month},
		{[]string{"/remember", "/renew"}, "2588400"},
		{[]string{"/remember", "/again"}, month},
		{[]string{"/remember", "/renew", "/again"}, month},
		{[]string{"/remember", "/again", "/renew"}, "2588400"},
		{[]string{"/remember", "/login"}, halfDay},
		{[]string{"/remember", "/login", "/again"}, halfDay},
	} {
		t.Run(strings.Join(c.steps, ""), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// The hour between the steps is no idleness.
				cfg := coatcheck.Config{Idle: 12 * time.Hour, AnonymousIdle: 4 * time.Hour}
				b := newBrowser(life(manage(t, memstore.New(memstore.Config{}), cfg)))
				var w http.Header
				for i, step := range c.steps {
					if i > 0 {
						time.Sleep(time.Hour)
					}
					w = b.Send("POST", step).Header()
				}
				if got := age(w); got != c.age {
					t.Fatalf("got Max-Age=%q, want %q", got, c.age)
				}
				if c.age == "" {
					return
				}
				// What the browser was told is when the server ends it.
				left, _ := time.ParseDuration(c.age + "s")
				end := time.Now().Add(left)
				for time.Until(end) > time.Hour {
					time.Sleep(time.Hour)
					b.Send("GET", "/look")
				}
				time.Sleep(time.Until(end) - time.Second)
				if got := b.Send("GET", "/look").Body.String(); got == "0" {
					t.Error("the server ended it before the cookie's Max-Age")
				}
				time.Sleep(time.Second)
				if got := b.Send("GET", "/look").Body.String(); got != "0" {
					t.Error("the server did not end it at the cookie's Max-Age")
				}
			})
		})
	}
}

// G6: `Remember(d)`, before or after `Login` in the same request, makes this
// session idle and live for at least d; it renews the token.
func TestG6Remember(t *testing.T) {
	t.Parallel()
	for name, login := range map[string]func(*coatcheck.Session){
		"after":  func(s *coatcheck.Session) { s.Login("alice"); s.Remember(30 * day) },
		"before": func(s *coatcheck.Session) { s.Remember(30 * day); s.Login("alice") },
		"before, with a commit between": func(s *coatcheck.Session) {
			s.Remember(30 * day)
			hits.Update(s, increase)
			s.Login("alice")
		},
		"before, with a look for flashes between": func(s *coatcheck.Session) {
			s.Remember(30 * day)
			s.Flashes()
			s.Login("alice")
		},
		"after, with a commit between": func(s *coatcheck.Session) {
			s.Login("alice")
			hits.Update(s, increase)
			s.Remember(30 * day)
		},
		"twice": func(s *coatcheck.Session) { s.Login("alice"); s.Remember(time.Hour); s.Remember(30 * day) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
				b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
					login(s)
					if err := s.Err(); err != nil {
						t.Error(err)
					}
				}))
				if got := age(b.Send("POST", "/").Header()); got != "2592000" {
					t.Errorf("got Max-Age=%s, want 30 days", got)
				}
				time.Sleep(30*day - time.Second)
				if user, _ := stored(m, b); user != "alice" {
					t.Errorf("after nearly 30 idle days: got %q, want alice", user)
				}
				time.Sleep(time.Second)
				if user, _ := stored(m, b); user != "" {
					t.Errorf("after 30 days: got %q, want nobody", user)
				}
			})
		})
	}
}

// G6: Remember renews the token: a session that was stolen before is not
// prolonged with it.
func TestG6RememberRenewsTheToken(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	b := begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Remember(time.Hour) }))
	old := b.Clone()
	b.Send("POST", "/")
	if user, _ := stored(m, b); user != "alice" || b.Cookies()[sidName] == old.Cookies()[sidName] {
		t.Errorf("got %q with the same token, want alice with another", user)
	}
	if user, _ := stored(m, old); user != "" {
		t.Errorf("the old token opens %q", user)
	}
}

// G6: Remember(d): d ≤ `Config.MaxRemember`, 30 days; hard limit 400.
func TestG6RememberLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		max, d time.Duration
		ok     bool
	}{
		{0, time.Second, true},
		{0, 30 * day, true},
		{0, 30*day + time.Second, false},
		{0, time.Second - 1, false},
		{0, 0, false},
		{0, -time.Hour, false},
		{400 * day, 400 * day, true},
		{400 * day, 400*day + 1, false},
		{time.Minute, time.Minute + 1, false},
	} {
		b := newBrowser(only(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{MaxRemember: c.max}),
			func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
				s.Login("alice")
				s.Remember(c.d)
				if err := s.Err(); (err == nil) != c.ok || err != nil && !errors.Is(err, coatcheck.ErrValue) {
					t.Errorf("Remember(%v) with the maximum %v: %v", c.d, c.max, err)
				}
			}))
		if w := b.Send("POST", "/"); (w.Code == 200) != c.ok || (len(b.Cookies()) > 0) != c.ok {
			t.Errorf("Remember(%v) with the maximum %v: got %d and cookies %v", c.d, c.max, w.Code, b.Cookies())
		}
	}
}

// Seen is written at most once per tenth of the idle timeout.
func TestG6TouchOncePerTenth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &trap{Store: memstore.New(memstore.Config{})}
		b := newBrowser(life(manage(t, st, coatcheck.Config{})))
		b.Send("POST", "/login")
		for range 60 * 6 { // an hour, a request every ten seconds
			time.Sleep(10 * time.Second)
			b.Send("GET", "/look")
			b.Send("GET", "/touch")
			b.Send("HEAD", "/look")
		}
		if n := st.count("Touch"); n != 20 {
			t.Errorf("got %d touches in an hour, want one per three minutes: 20", n)
		}
		if n := st.count("Update"); n != 0 {
			t.Errorf("got %d updates, want none", n)
		}
	})
}

// G2: expiry win[s] over ... last-seen bumps: a request that began before the
// end does not bring the session back after it.
func TestG6TouchDoesNotRevive(t *testing.T) {
	t.Parallel()
	for name, touch := range map[string]func(*coatcheck.Session){
		"automatic": func(*coatcheck.Session) {},
		"Touch":     (*coatcheck.Session).Touch,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &trap{Store: memstore.New(memstore.Config{})}
				var l coatchecktest.Events
				m := manage(t, st, coatcheck.Config{Events: l.Record})
				b := begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
					s.User()
					time.Sleep(2 * time.Second)
					touch(s)
					if err := s.Err(); name == "Touch" && !errors.Is(err, coatcheck.ErrEnded) {
						t.Errorf("Err is %v, want ErrEnded", err)
					}
				}))
				time.Sleep(33*time.Minute - time.Second)
				w := b.Send("GET", "/")
				if want := map[string]int{"automatic": 200, "Touch": 409}[name]; w.Code != want {
					t.Errorf("got %d, want %d", w.Code, want)
				}
				if l.Count(coatcheck.WriteEnded) != 1 {
					t.Errorf("got the events %v, want write ended", l.Kinds())
				}
				if user, _ := stored(m, b); user != "" || st.count("Touch") != 0 {
					t.Errorf("the session lives again: user %q, %d touches", user, st.count("Touch"))
				}
			})
		})
	}
}

// A Touch that the store refuses is no silence: the answer is replaced. The
// automatic touch never changes the answer.
func TestG6TouchThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		touch  func(*coatcheck.Session)
		status int
		event  coatcheck.Kind
	}{
		"Touch, ended":     {coatcheck.ErrEnded, (*coatcheck.Session).Touch, 409, coatcheck.WriteEnded},
		"Touch, unknown":   {store.ErrNotFound, (*coatcheck.Session).Touch, 409, coatcheck.WriteEnded},
		"Touch, away":      {io.ErrUnexpectedEOF, (*coatcheck.Session).Touch, 503, coatcheck.StoreError},
		"automatic, ended": {coatcheck.ErrEnded, func(s *coatcheck.Session) { s.User() }, 200, coatcheck.WriteEnded},
		"automatic, away":  {io.ErrUnexpectedEOF, func(s *coatcheck.Session) { s.User() }, 200, coatcheck.StoreError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &trap{Store: memstore.New(memstore.Config{})}
				var l coatchecktest.Events
				m := manage(t, st, coatcheck.Config{Events: l.Record})
				b := begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { c.touch(s) }))
				time.Sleep(10 * time.Minute)
				l.Reset()
				st.set(func(_ context.Context, method string) error {
					if method == "Touch" {
						return c.err
					}
					return nil
				}, nil)
				if w := b.Send("GET", "/"); w.Code != c.status || !slices.Equal(l.Kinds(), []coatcheck.Kind{c.event}) {
					t.Errorf("got %d and the events %v, want %d and %s", w.Code, l.Kinds(), c.status, c.event)
				}
			})
		})
	}
}

// An open stream is no activity; s.Touch() is, also where other requests moved
// the end meanwhile.
func TestG6TouchInAStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		var b *browser
		b = begin(t, m, only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			s.User()
			io.WriteString(w, "stream")
			for range 6 {
				time.Sleep(20 * time.Minute)
				if user, _ := stored(m, b); user != "alice" { // another request
					t.Error("the session has ended")
				}
			}
			time.Sleep(10 * time.Minute)
			s.Touch()
			if err := s.Err(); err != nil {
				t.Error(err)
			}
			time.Sleep(30 * time.Minute)
		}))
		b.Send("GET", "/")
		if user, _ := stored(m, b); user != "alice" {
			t.Error("Touch did not count as activity")
		}
	})
}

// G6: Cross-origin requests with unsafe methods and websocket upgrades are
// refused by `Config.CrossOrigin` (nil = `http.CrossOriginProtection`'s
// defaults), login and logout included.
func TestG6CrossOrigin(t *testing.T) {
	t.Parallel()
	trusting := http.NewCrossOriginProtection()
	if err := trusting.AddTrustedOrigin("https://partner.example"); err != nil {
		t.Fatal(err)
	}
	const own, other, partner = "https://app.example", "https://evil.example", "https://partner.example"
	for _, protection := range []*http.CrossOriginProtection{nil, trusting} {
		var l coatchecktest.Events
		st := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, st, coatcheck.Config{CrossOrigin: protection, Events: l.Record})
		h := life(m)
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PURGE", "websocket"} {
			for _, site := range []string{"", "none", "same-origin", "same-site", "cross-site"} {
				for _, origin := range []string{"", own, other, partner, "null"} {
					safe := method == "GET" || method == "HEAD" || method == "OPTIONS"
					refused := site == "same-site" || site == "cross-site" || origin == other || origin == partner || site == "" && origin == "null"
					refused = refused && !safe && !(protection != nil && origin == partner)

					headers := []string{"Origin", origin, "Sec-Fetch-Site", site}
					httpMethod := method
					if method == "websocket" {
						httpMethod = "GET"
						headers = append(headers, "Connection", "Upgrade", "Upgrade", "websocket")
					}
					if origin == "" {
						headers = headers[2:]
					}
					for _, path := range []string{"/look", "/login", "/logout"} {
						b := begin(t, m, h)
						l.Reset()
						before := st.count("")
						w := b.Send(httpMethod, own+path, headers...)
						name := fmt.Sprintf("%s %s from %q, Sec-Fetch-Site %q, trusting %t", method, path, origin, site, protection != nil)
						if (w.Code == 403) != refused {
							t.Errorf("%s: got %d, refused should be %t", name, w.Code, refused)
						}
						if !refused {
							continue
						}
						if len(w.Header()["Set-Cookie"]) > 0 || st.count("") != before {
							t.Errorf("%s: refused, but %q and %d calls of the store", name, w.Header()["Set-Cookie"], st.count("")-before)
						}
						if e := l.All(); len(e) != 1 || e[0].Kind != coatcheck.Refused || e[0].Reason != "cross-origin request" {
							t.Errorf("%s: got the events %+v, want refused", name, e)
						}
					}
				}
			}
		}
	}
}

// G2: A session that expires during the request is ended, also one that lives in
// its cookie.
func TestG6ExpiryDuringTheRequestInCookie(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		act    func(*coatcheck.Session)
		status int
	}{
		"Set":   {func(s *coatcheck.Session) { hits.Set(s, 2) }, 409},
		"Touch": {(*coatcheck.Session).Touch, 409},
		"read":  {func(s *coatcheck.Session) { hits.Get(s) }, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var l coatchecktest.Events
				m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{Events: l.Record})
				if err != nil {
					t.Fatal(err)
				}
				b := newBrowser(life(m))
				b.Send("POST", "/login")
				b.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
					s.User()
					time.Sleep(2 * time.Second)
					c.act(s)
				})
				time.Sleep(33*time.Minute - time.Second)
				l.Reset()
				w := b.Send("GET", "/", navigation...)
				if w.Code != c.status || len(w.Header()["Set-Cookie"]) > 0 {
					t.Errorf("got %d and %q, want %d", w.Code, w.Header()["Set-Cookie"], c.status)
				}
				if !slices.Equal(l.Kinds(), []coatcheck.Kind{coatcheck.WriteEnded}) {
					t.Errorf("got the events %v, want write ended", l.Kinds())
				}
			})
		})
	}
}
