package benchmarks_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/benchmarks"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

func start(t testing.TB, lib benchmarks.Library, b benchmarks.Backend) benchmarks.App {
	t.Helper()
	app, err := lib.New(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
	return app
}

var memory = benchmarks.Backend{Kind: benchmarks.Memory}

// What load over HTTP asks for, behind a router: the flash that one page leaves
// is on the next, once.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, lib := range benchmarks.Libraries {
		t.Run(lib.Name, func(t *testing.T) {
			t.Parallel()
			app := start(t, lib, benchmarks.Backend{Kind: benchmarks.Memory, Router: true})
			b, err := benchmarks.Ops[0].Prepare(app)
			if err != nil {
				t.Fatal(err)
			}
			const flash = "<p class=flash>Saved.</p>"
			for _, page := range []struct {
				method, path, count string
				flash               bool
			}{
				{"GET", "/page", "visit 1", false}, {"GET", "/page", "visit 2", true}, {"GET", "/after", "visit 0", true},
				{"GET", "/after", "visit 0", false}, {"POST", "/form", "visit 3", false}, {"GET", "/after", "visit 0", true},
			} {
				status, body := b.Visit(page.method, page.path)
				if status != 200 || !strings.Contains(body, page.count) || strings.Contains(body, flash) != page.flash {
					t.Errorf("%s: status %d, %s; want %q, a flash: %v", page.path, status, body, page.count, page.flash)
				}
			}
			for path, method := range map[string]string{"/profile": "GET", "/cart": "POST"} {
				if status, body := b.Visit(method, path); status != 200 {
					t.Errorf("%s: status %d: %s", path, status, body)
				}
			}
		})
	}
}

// Each request of Among is in the session of its browser.
func TestAmong(t *testing.T) {
	t.Parallel()
	for _, lib := range benchmarks.Libraries {
		app := start(t, lib, memory)
		var list []benchmarks.Browser
		for range 3 {
			b, err := benchmarks.Ops[0].Prepare(app)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, b)
		}
		count, warm := benchmarks.Among(list, "POST", "/count")
		for i, times := range []int{2, 0, 3} {
			for range times {
				warm(i)
				count(i)
			}
		}
		for i, want := range []string{"3", "1", "4"} {
			if _, got := list[i].Visit("POST", "/count"); got != want {
				t.Errorf("%s: session %d has counted %s, want %s", lib.Name, i, got, want)
			}
		}
	}
}

// Fair is fair: it gets the cookies and sets the headers of coatcheck.
func TestFair(t *testing.T) {
	t.Parallel()
	var sent [2][]string
	var came [2]http.Header
	for i, lib := range []benchmarks.Library{benchmarks.Fair, benchmarks.Coatcheck} {
		h := start(t, lib, memory).(http.Handler)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/fill?n=10", nil))
		r := httptest.NewRequest("GET", "/profile", nil)
		for _, c := range w.Result().Cookies() {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
			sent[i] = append(sent[i], fmt.Sprint(c.Name, " ", len(c.Value)))
		}
		w = httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if came[i] = w.Header(); w.Body.String() != "ok" {
			t.Errorf("%s answers %q", lib.Name, w.Body)
		}
	}
	if !slices.Equal(sent[0], sent[1]) || len(sent[0]) == 0 {
		t.Errorf("cookies: got %q, want %q", sent[0], sent[1])
	}
	if !maps.EqualFunc(came[0], came[1], slices.Equal[[]string]) || len(came[0]) != 3 {
		t.Errorf("headers: got %v, want the three %v", came[0], came[1])
	}
}

// Each row of each library answers as it must, also when it is sent again.
func TestRows(t *testing.T) {
	t.Parallel()
	for _, lib := range append(benchmarks.Libraries, benchmarks.Edges...) {
		t.Run(lib.Name, func(t *testing.T) {
			t.Parallel()
			app := start(t, lib, memory)
			for _, op := range benchmarks.Ops {
				b, err := op.Prepare(app)
				if err != nil {
					t.Fatal(err)
				}
				if status, body := b.Visit(op.Method, op.Path); status != 200 {
					t.Errorf("%s: status %d: %s", op.Name, status, body)
				}
				again := b.Again(op.Method, op.Path, op.Follow)
				for range 3 {
					again()
				}
			}
			if lib.Name == "bare" {
				return
			}
			// What was counted and set is there for the next request.
			b, err := benchmarks.Ops[0].Prepare(app)
			if err != nil {
				t.Fatal(err)
			}
			for want := 1; want < 4; want++ {
				if _, got := b.Visit("POST", "/count"); got != strconv.Itoa(want) {
					t.Errorf("counted %s, want %d", got, want)
				}
			}
			if status, _ := b.Visit("POST", "/login"); status != 200 {
				t.Errorf("login: status %d", status)
			}
			if _, got := b.Visit("POST", "/count"); got != "4" {
				t.Errorf("after the login counted %s, want 4", got)
			}
			if status, _ := app.Browser().Visit("GET", "/read"); status != 500 {
				t.Errorf("read without a session: status %d, want 500", status)
			}
		})
	}
}

// What the guide says of commits (docs/guide/sessions.md): each of Update, Pop and
// Flashes is one, which takes along what waits, and Flashes without any is none.
func TestCommitsOfARequest(t *testing.T) {
	t.Parallel()
	visits, seen := coatcheck.NewKey[int]("visits"), coatcheck.NewKey[bool]("seen")
	count := func(s *coatcheck.Session) { visits.Update(s, func(n int) int { return n + 1 }) }
	st := &counted{Store: memstore.New(memstore.Config{})}
	keys, err := cookie.NewKeys(text(40))
	if err != nil {
		t.Fatal(err)
	}
	m, err := coatcheck.New(st, keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var handle func(s *coatcheck.Session)
	server := httptest.NewTLSServer(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		handle(coatcheck.From(r.Context()))
	})))
	defer server.Close()
	browser := coatchecktest.NewBrowser(server)
	for _, request := range []struct {
		does   string
		handle func(s *coatcheck.Session)
		writes int
	}{
		{"logs in", func(s *coatcheck.Session) { s.Login("123") }, 1},
		{"sets, leaves a flash, counts", func(s *coatcheck.Session) { seen.Set(s, true); s.Flash("Saved."); count(s) }, 1},
		{"shows it and counts", func(s *coatcheck.Session) { s.Flashes(); count(s) }, 2},
		{"shows none and counts", func(s *coatcheck.Session) { s.Flashes(); count(s) }, 1},
	} {
		st.writes, handle = 0, request.handle
		browser.Send("POST", "/")
		if st.writes != request.writes {
			t.Errorf("a request that %s commits %d times, want %d", request.does, st.writes, request.writes)
		}
	}
}
