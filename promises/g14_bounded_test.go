package promises_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// stores counts the calls that put something into the store.
func (t *trap) stores() int {
	return t.count("Create") + t.count("Update") + t.count("Replace") + t.count("Touch") + t.count("End") + t.count("EndUser")
}

// G14: Nothing is stored until something is kept. ASVS 7.6.2
func TestG14NothingKeptNothingStored(t *testing.T) {
	t.Parallel()
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{})
	list := coatcheck.NewKey[[]int]("list")
	for name, act := range map[string]func(*coatcheck.Session){
		"nothing":         func(*coatcheck.Session) {},
		"User":            func(s *coatcheck.Session) { s.User() },
		"Get":             func(s *coatcheck.Session) { hits.Get(s) },
		"Keys":            func(s *coatcheck.Session) { s.Keys() },
		"Handle":          func(s *coatcheck.Session) { s.Handle() },
		"Delete":          func(s *coatcheck.Session) { hits.Delete(s) },
		"Pop":             func(s *coatcheck.Session) { hits.Pop(s) },
		"Flashes":         func(s *coatcheck.Session) { s.Flashes() },
		"Set and Delete":  func(s *coatcheck.Session) { hits.Set(s, 1); hits.Delete(s) },
		"Set and Clear":   func(s *coatcheck.Session) { hits.Set(s, 1); s.Clear() },
		"Append nothing":  func(s *coatcheck.Session) { coatcheck.Append(s, list) },
		"Clear":           (*coatcheck.Session).Clear,
		"Renew":           (*coatcheck.Session).Renew,
		"Remember":        func(s *coatcheck.Session) { s.Remember(time.Hour) },
		"Touch":           (*coatcheck.Session).Touch,
		"Commit":          func(s *coatcheck.Session) { s.Commit() },
		"Logout":          (*coatcheck.Session).Logout,
		"Login, Logout":   func(s *coatcheck.Session) { s.Login("alice"); s.Logout() },
		"expired already": func(s *coatcheck.Session) { hits.SetFor(s, 1, time.Nanosecond) },
	} {
		var err error
		w := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			act(s)
			err = s.Err()
		})).Send("POST", "/")
		if w.Code != 200 || err != nil || len(w.Header()["Set-Cookie"]) > 0 || store.stores() != 0 {
			t.Fatalf("%s: got %d, %v, cookies %q and %d stored, want nothing", name, w.Code, err, w.Header()["Set-Cookie"], store.stores())
		}
	}
}

// G14: Nothing is stored until something is kept: not for visitors without a
// cookie, for genuine tokens of sessions nobody knows, for logouts. G3: Unknown
// ids are never adopted; no record comes from a read, an unknown id, a logout.
func TestG14VisitorsStoreNothing(t *testing.T) {
	t.Parallel()
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{})
	elsewhere := life(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})) // the same keys
	app := life(m)
	for range 1000 {
		if w := newBrowser(app).Send("GET", "/look"); len(w.Header()["Set-Cookie"]) > 0 {
			t.Fatalf("a visit sets %q", w.Header()["Set-Cookie"])
		}
		unknown := newBrowser(elsewhere)
		unknown.Send("POST", "/login")
		unknown.Handler = app
		if len(unknown.Cookies()[sidName]) != 52 {
			t.Fatal("no token")
		}
		if w := unknown.Send("GET", "/look"); w.Body.String() != "0" || len(w.Header()["Set-Cookie"]) > 0 {
			t.Fatalf("an unknown session gives %q and sets %q", w.Body, w.Header()["Set-Cookie"])
		}
		if unknown.Send("POST", "/logout"); len(unknown.Cookies()) > 0 {
			t.Fatalf("logout leaves the cookies %v", unknown.Cookies())
		}
		if newBrowser(app).Send("POST", "/logout"); store.stores() != 0 {
			t.Fatalf("%d stored, want nothing", store.stores())
		}
	}
	// The first kept value makes a session with a token of our own.
	b := newBrowser(elsewhere)
	b.Send("POST", "/login")
	b.Handler = app
	unknown := b.Cookies()[sidName]
	if b.Send("POST", "/set"); b.Cookies()[sidName] == unknown || store.count("Create") != 1 {
		t.Errorf("a write under an unknown token: %d created, the same token %t", store.count("Create"), b.Cookies()[sidName] == unknown)
	}
}

// G14: a request with `Sec-Purpose: prefetch` that would change the session is
// answered 503 and stores nothing. HEAD is answered as GET and stores nothing.
func TestG14PrefetchAndHead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		act     func(*coatcheck.Session)
		live    int // with a session that holds hits 1
		without int
	}{
		{"read", func(s *coatcheck.Session) { s.User(); hits.Get(s) }, 200, 200},
		{"Set", func(s *coatcheck.Session) { hits.Set(s, 2) }, 503, 503},
		{"Set the same", func(s *coatcheck.Session) { hits.Set(s, 1) }, 200, 503},
		{"Update", func(s *coatcheck.Session) { hits.Update(s, increase) }, 503, 503},
		{"Delete", func(s *coatcheck.Session) { hits.Delete(s) }, 503, 200},
		{"Pop", func(s *coatcheck.Session) { hits.Pop(s) }, 503, 200},
		{"Pop of nothing", func(s *coatcheck.Session) { note.Pop(s) }, 200, 200},
		{"Flashes", func(s *coatcheck.Session) { s.Flashes() }, 200, 200},
		{"Flash", func(s *coatcheck.Session) { s.Flash("x") }, 503, 503},
		{"Clear", (*coatcheck.Session).Clear, 503, 200},
		{"Touch", (*coatcheck.Session).Touch, 200, 200},
		{"Login", func(s *coatcheck.Session) { s.Login("bob") }, 503, 503},
		{"Reauthenticate", (*coatcheck.Session).Reauthenticate, 503, 401},
		{"Renew", (*coatcheck.Session).Renew, 503, 200},
		{"Remember", func(s *coatcheck.Session) { s.Remember(time.Hour) }, 503, 200},
		{"Logout", (*coatcheck.Session).Logout, 503, 200},
	} {
		for _, r := range []struct {
			method  string
			headers []string
			pass    bool
		}{
			{"HEAD", nil, false},
			{"GET", []string{"Sec-Purpose", "prefetch"}, false},
			{"GET", []string{"Sec-Purpose", "prefetch;prerender"}, false},
			{"GET", []string{"Sec-Purpose", "prefetch;anonymous-client-ip"}, false},
			{"GET", nil, true},
		} {
			for _, live := range []bool{true, false} {
				name := fmt.Sprint(c.name, " ", r.method, " ", r.headers, " live ", live)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						store := &trap{Store: memstore.New(memstore.Config{})}
						m := manage(t, store, coatcheck.Config{})
						var err error
						h := only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
							c.act(s)
							err = s.Err()
							if err == nil {
								err = s.Commit()
							}
						})
						b := newBrowser(h)
						want := c.without
						if live {
							b, want = begin(t, m, h), c.live
						}
						if (r.pass || r.method == "HEAD") && want == 503 {
							want = 200
						}
						time.Sleep(20 * time.Minute) // a touch would be due
						before := store.stores()
						w := b.Send(r.method, "/", r.headers...)
						if w.Code != want || (want == 503) != errors.Is(err, coatcheck.ErrReadOnly) {
							t.Fatalf("got %d and %v, want %d", w.Code, err, want)
						}
						if n := store.stores() - before; !r.pass && n != 0 {
							t.Errorf("%d stored, want nothing", n)
						}
						if !r.pass && len(w.Header()["Set-Cookie"]) > 0 {
							t.Errorf("sets %q", w.Header()["Set-Cookie"])
						}
						if want == 503 && w.Header().Get("Retry-After") == "" {
							t.Error("503 without Retry-After")
						}
					})
				})
			}
		}
	}
}

// G14: Record ≤ 64 KiB, value ≤ 32 KiB, ≤ 256 values. R4: A value's JSON is at
// most 32,768 bytes. What is too much is an error, and the stored session stays
// as it was.
func TestG14Limits(t *testing.T) {
	t.Parallel()
	text := func(n int) string { return strings.Repeat("x", n-2) } // n bytes of JSON
	fill := func(s *coatcheck.Session, values, each int) {
		for i := range values {
			coatcheck.NewKey[string](fmt.Sprintf("v%03d", i)).Set(s, text(each))
		}
	}
	list := coatcheck.NewKey[[]string]("list")
	for _, c := range []struct {
		name string
		act  func(s *coatcheck.Session)
		ok   bool
	}{
		{"a value of 32 KiB", func(s *coatcheck.Session) { note.Set(s, text(32<<10)) }, true},
		{"a value of 32 KiB and 1", func(s *coatcheck.Session) { note.Set(s, text(32<<10+1)) }, false},
		{"Update to 32 KiB and 1", func(s *coatcheck.Session) {
			note.Update(s, func(string) string { return text(32<<10 + 1) })
		}, false},
		{"Append up to 32 KiB and 1", func(s *coatcheck.Session) {
			coatcheck.Append(s, list, text(32<<10-4))
			coatcheck.Append(s, list, "")
		}, false},
		{"a flash of more than 32 KiB", func(s *coatcheck.Session) { s.Flash(text(32 << 10)) }, false},
		{"flashes of more than 32 KiB, of which the last stays", func(s *coatcheck.Session) { s.Flash(text(20 << 10)); s.Flash(text(20 << 10)) }, true},
		{"255 more values", func(s *coatcheck.Session) { fill(s, 255, 10) }, true},
		{"256 more values", func(s *coatcheck.Session) { fill(s, 256, 10) }, false},
		{"254 more values and a flash", func(s *coatcheck.Session) { fill(s, 254, 10); s.Flash("x") }, true},
		{"255 more values and a flash", func(s *coatcheck.Session) { fill(s, 255, 10); s.Flash("x") }, false},
		{"300 values, most of them deleted", func(s *coatcheck.Session) {
			fill(s, 300, 10)
			for i := range 250 {
				coatcheck.NewKey[string](fmt.Sprintf("v%03d", i)).Delete(s)
			}
		}, true},
		{"a record below 64 KiB", func(s *coatcheck.Session) { fill(s, 4, 16<<10-50) }, true},
		{"a record above 64 KiB", func(s *coatcheck.Session) { fill(s, 4, 16<<10) }, false},
		{"a value JSON cannot hold", func(s *coatcheck.Session) { coatcheck.NewKey[func()]("f").Set(s, func() {}) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
			var err error
			b := begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
				c.act(s)
				err = s.Commit()
			}))
			w := b.Send("POST", "/")
			if (err == nil) != c.ok || err != nil && !errors.Is(err, coatcheck.ErrValue) {
				t.Fatalf("got %v, want it to be accepted: %t", err, c.ok)
			}
			want := 413
			switch {
			case c.ok:
				want = 200
			case c.name == "a value JSON cannot hold":
				want = 500
			}
			if w.Code != want || errors.Is(err, coatcheck.ErrTooLarge) != (want == 413) {
				t.Errorf("got %d and %v, want %d", w.Code, err, want)
			}
			if err != nil && strings.Contains(err.Error(), "xxx") {
				t.Errorf("the error holds the value: %.200s", err)
			}
			var keys []string
			var again error
			b.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
				keys = s.Keys()
				hits.Update(s, increase)
				again = s.Err()
			})
			b.Send("POST", "/")
			if again != nil || !c.ok && !slices.Equal(keys, []string{"hits"}) {
				t.Errorf("after the error: keys %q, next update %v; want the session unharmed", keys, again)
			}
		})
	}
}

// G14: bounded: the names of keys. Every change through a bad key fails, and Get
// finds nothing.
func TestG14KeyNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"a": true, "Ünïcödé key": true, strings.Repeat("k", 128): true, strings.Repeat("é", 64): true,
		"": false, strings.Repeat("k", 129): false, strings.Repeat("é", 65): false,
		"\xff": false, "a\x00b": false, "\x00flash": false, "a\nb": false, "\x7f": false, "\u0085": false,
	} {
		key := coatcheck.NewKey[[]string](name)
		if key.Name() != name {
			t.Errorf("%q: the name is %q", name, key.Name())
		}
		checkKey(t, fmt.Sprintf("%q", name), key, ok)
	}
	checkKey(t, "the zero Key", coatcheck.Key[[]string]{}, false)
}

func checkKey(t *testing.T, name string, key coatcheck.Key[[]string], ok bool) {
	t.Helper()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	for what, act := range map[string]func(*coatcheck.Session){
		"Set":    func(s *coatcheck.Session) { key.Set(s, nil) },
		"SetFor": func(s *coatcheck.Session) { key.SetFor(s, nil, time.Hour) },
		"Update": func(s *coatcheck.Session) { key.Update(s, func(v []string) []string { return append(v, "x") }) },
		"Append": func(s *coatcheck.Session) { coatcheck.Append(s, key, "x") },
		"Pop":    func(s *coatcheck.Session) { key.Pop(s) },
		"Delete": func(s *coatcheck.Session) { key.Delete(s) },
	} {
		var err error
		begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			s.Flash("hello") // no key can read or change it
			if v, found := key.Get(s); found {
				t.Errorf("%s: Get finds %q", name, v)
			}
			act(s)
			err = s.Err()
		})).Send("POST", "/")
		if (err == nil) != ok || err != nil && !errors.Is(err, coatcheck.ErrValue) {
			t.Errorf("%s: %s gives %v, want it to be accepted: %t", name, what, err, ok)
		}
	}
}

// user: 1–255 bytes of UTF-8 without control characters, compared byte for
// byte. A refused login leaves the session as it was.
func TestG14Users(t *testing.T) {
	t.Parallel()
	for user, ok := range map[string]bool{
		"a": true, " alice ": true, "Ålice": true, strings.Repeat("u", 255): true, strings.Repeat("é", 127): true,
		"{user}:%": true, "' OR 1=1 --": true, "a\u00a0b": true,
		"": false, strings.Repeat("u", 256): false, strings.Repeat("é", 128): false,
		"\xff": false, "al\x00ice": false, "alice\n": false, "\x7f": false, "\u0085": false, "\x1b[31m": false,
	} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		var got string
		var err error
		b := begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			s.Login(user)
			got, err = s.User(), s.Commit()
		}))
		b.Send("POST", "/")
		want := "alice"
		if ok {
			want = user
		}
		if (err == nil) != ok || err != nil && !errors.Is(err, coatcheck.ErrValue) || ok && got != user {
			t.Errorf("Login(%.30q) gives %v and the user %.30q, want it to be accepted: %t", user, err, got, ok)
		}
		if err != nil && user != "" && strings.Contains(err.Error(), user) {
			t.Errorf("the error holds the user: %q", err)
		}
		if got, _ := stored(m, b); got != want {
			t.Errorf("Login(%.30q): stored %.30q, want %.30q", user, got, want)
		}
		for _, other := range []string{strings.ToUpper(user), user + " ", " " + user} {
			if list, err := m.Sessions(t.Context(), other); ok && other != user && err == nil && len(list) > 0 {
				t.Errorf("%q is taken for %q", other, user)
			}
		}
		if _, err := m.Sessions(t.Context(), user); (err == nil) != ok {
			t.Errorf("Sessions(%.30q): %v", user, err)
		}
		if _, err := m.RevokeAll(t.Context(), user); (err == nil) != ok {
			t.Errorf("RevokeAll(%.30q): %v", user, err)
		}
	}
}

// SetFor: this value expires on its own. R3: An entry whose expiry is not after
// the present is absent to every reader and is left out at the next commit.
func TestG14SetFor(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{0, -1, -time.Hour} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		var err error
		begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			hits.SetFor(s, 9, ttl)
			err = s.Err()
		})).Send("POST", "/")
		if !errors.Is(err, coatcheck.ErrValue) {
			t.Errorf("a ttl of %v gives %v, want ErrValue", ttl, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		store := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, store, coatcheck.Config{})
		in := func(b *browser, act func(s *coatcheck.Session)) {
			t.Helper()
			b.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { act(s) })
			if w := b.Send("POST", "/"); w.Code != 200 {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		}
		b := begin(t, m, nil)
		in(b, func(s *coatcheck.Session) {
			hits.SetFor(s, 5, time.Minute)
			note.SetFor(s, "n", time.Minute)
			if n, ok := hits.Get(s); n != 5 || !ok {
				t.Errorf("in the same request: got %d, %t", n, ok)
			}
		})
		time.Sleep(30 * time.Second)
		in(b, func(s *coatcheck.Session) { // Update keeps the lifetime
			if n := hits.Update(s, increase); n != 6 {
				t.Errorf("Update gives %d, want 6", n)
			}
		})
		time.Sleep(30*time.Second - time.Millisecond)
		in(b, func(s *coatcheck.Session) {
			if n, ok := hits.Get(s); n != 6 || !ok {
				t.Errorf("just before the end: got %d, %t", n, ok)
			}
			time.Sleep(time.Millisecond)
			if n, ok := hits.Get(s); ok {
				t.Errorf("at the end: got %d, want nothing", n)
			}
			if len(s.Keys()) != 0 {
				t.Errorf("at the end: got the keys %q, want none", s.Keys())
			}
			before := store.stores()
			if _, ok := note.Pop(s); ok {
				t.Error("Pop finds what has expired")
			}
			note.Delete(s)
			if s.Commit(); store.stores() != before {
				t.Error("to remove what has expired counts as a change")
			}
			if n := hits.Update(s, increase); n != 1 {
				t.Errorf("Update of what has expired gives %d, want 1", n)
			}
			hits.Set(s, 7)                        // without a lifetime
			note.SetFor(s, "n", time.Microsecond) // over before its commit
		})
		records, err := store.User(t.Context(), "alice")
		if err != nil || len(records) != 1 || strings.Contains(string(records[0].Data), "note") {
			t.Errorf("what has expired is still stored: %q, %v", records[0].Data, err)
		}
		time.Sleep(5 * time.Minute)
		in(b, func(s *coatcheck.Session) {
			if n, ok := hits.Get(s); n != 7 || !ok {
				t.Errorf("after Set: got %d, %t; want 7 for as long as the session", n, ok)
			}
		})
	})
}

// G3: A Login whose session was ended or replaced before it commits makes a new,
// empty session: what this request changed is in it, what was stored is not.
func TestG3LoginOfAnEndedSession(t *testing.T) {
	t.Parallel()
	list := coatcheck.NewKey[[]int]("list")
	for _, user := range []string{"alice", "bob"} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		b := begin(t, m, nil)
		b.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { coatcheck.Append(s, list, 1) })
		b.Send("POST", "/")
		b.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			if user == "alice" {
				coatcheck.Append(s, list, 2)
			}
			s.User()
			out := b.Clone()
			out.Handler = life(m)
			out.Send("POST", "/logout")
			s.Login(user)
			if user == "bob" {
				coatcheck.Append(s, list, 2)
			}
			note.Set(s, "kept")
			if err := s.Commit(); err != nil {
				t.Error(err)
			}
		})
		b.Send("POST", "/")
		b.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			got, _ := list.Get(s)
			text, _ := note.Get(s)
			if s.User() != user || !slices.Equal(got, []int{2}) || text != "kept" || !slices.Equal(s.Keys(), []string{"list", "note"}) {
				t.Errorf("got %q with the keys %q, list %v and note %q; want %s with what the request changed", s.User(), s.Keys(), got, text, user)
			}
		})
		b.Send("GET", "/")
	}
}

// G1: The session records operations: what Append was given is what it appends,
// though the caller goes on to use the slice and the commit is repeated.
func TestG1AppendKeepsItsElements(t *testing.T) {
	t.Parallel()
	list := coatcheck.NewKey[[]int]("list")
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{})
	b := begin(t, m, nil)
	b.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		elems := []int{1, 2}
		coatcheck.Append(s, list, elems...)
		elems[0] = 9
		store.set(func(_ context.Context, method string) error {
			if method != "Update" {
				return nil
			}
			store.set(nil, nil)
			other := b.Clone() // another process, which this one's queue does not know
			other.Handler = life(manage(t, store.Store, coatcheck.Config{}))
			other.Send("POST", "/count")
			return nil
		}, nil)
	})
	b.Send("POST", "/")
	b.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		n, _ := hits.Get(s)
		if got, _ := list.Get(s); !slices.Equal(got, []int{1, 2}) || n != 2 {
			t.Errorf("got %v and %d, want [1 2] and 2", got, n)
		}
	})
	b.Send("GET", "/")
}
