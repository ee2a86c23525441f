package promises_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// G2: the 409 of a session that has ended is a page with a link for whoever looks
// at it, and a text for scripts. The link leads where a GET is, never elsewhere;
// what it leads to then works.
func TestG2EndedPage(t *testing.T) {
	t.Parallel()
	own := func(kind []string, more ...string) []string { return from("same-origin", kind, more...) }
	old := []string{"Accept", "text/html,application/xhtml+xml"}
	for name, c := range map[string]struct {
		method  string
		headers []string
		link    string // "" = a text
	}{
		"GET":                          {"GET", own(navigation), "/cart?a=b"},
		"form":                         {"POST", own(navigation, "Referer", "https://app.example/form?x=1"), "/form?x=1"},
		"form without a Referer":       {"POST", own(navigation), "/"},
		"form behind a proxy":          {"POST", own(navigation, "Referer", "https://app.example/form", "Host", "10.0.0.1"), "/form"},
		"a Referer that leads away":    {"POST", own(navigation, "Referer", "https://app.example//evil.example/x"), "/evil.example/x"},
		"an old browser":               {"GET", old, "/cart?a=b"},
		"an old browser's form":        {"POST", append([]string{"Referer", "https://app.example/form"}, old...), "/form"},
		"a Referer that is no URL":     {"POST", append([]string{"Referer", "://"}, old...), "/"},
		"a script":                     {"POST", own(fetching), ""},
		"a frame":                      {"GET", own(frame), ""},
		"an old client with no Accept": {"POST", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Origins: []string{"https://app.example"}})
			b := newBrowser(shopfrontApp(m))
			wants(t, b.Send("POST", "/login?password=right"), 200, "")
			ends["RevokeAll"](t, m, b)
			r := b.Request(c.method, "https://app.example/cart?a=b", c.headers...)
			if host := r.Header.Get("Host"); host != "" {
				r.Host = host
			}
			w := b.Serve(r)
			wants(t, w, 409, "")
			const says = "Your session has ended. Nothing was changed."
			page, text := w.Body.String(), w.Header().Get("Content-Type")
			switch {
			case !strings.Contains(page, says):
				t.Errorf("the answer is %q", page)
			case c.link == "" && (page != says || !strings.HasPrefix(text, "text/plain")):
				t.Errorf("got %s %q, want a text", text, page)
			case c.link != "" && (!strings.Contains(page, `<a href="`+c.link+`">Continue</a>`) || !strings.HasPrefix(text, "text/html")):
				t.Errorf("got %s %q, want a page with a link to %s", text, page, c.link)
			}
			wants(t, b.Send(c.method, "/cart?a=b", c.headers...), 200, "[tea]")
		})
	}
}

// G2: a request that is too old to begin or renew a session has words, an error
// and an event of its own: nobody is told that their session has ended who never
// had one. What needs no new cookie is kept.
func TestG2TooOld(t *testing.T) {
	t.Parallel()
	const tooLong = "This took too long: what needs a new session was not kept. Please try once more."
	for name, c := range map[string]struct {
		live   bool
		change func(*coatcheck.Session)
		kept   string // or refused
	}{
		"first write":   {false, func(s *coatcheck.Session) { hits.Set(s, 7) }, ""},
		"flash":         {false, func(s *coatcheck.Session) { s.Flash("Uploaded.") }, ""},
		"login":         {false, func(s *coatcheck.Session) { s.Login("bob") }, ""},
		"login in one":  {true, func(s *coatcheck.Session) { s.Login("bob") }, ""},
		"proof":         {true, func(s *coatcheck.Session) { s.Reauthenticate() }, ""},
		"write":         {true, func(s *coatcheck.Session) { hits.Set(s, 7) }, "alice 7 []"},
		"flash in one":  {true, func(s *coatcheck.Session) { s.Flash("Uploaded.") }, "alice 1 [Uploaded.]"},
		"logout in one": {true, (*coatcheck.Session).Logout, " 0 []"},
		"look":          {false, func(s *coatcheck.Session) { s.User() }, " 0 []"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log coatchecktest.Events
				m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: log.Record})
				slow := only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
					time.Sleep(51 * time.Second)
					c.change(s)
				})
				b := newBrowser(slow)
				if c.live {
					b = begin(t, m, slow)
				}
				w := b.Send("POST", "/")
				bare(t, w)
				if c.kept == "" {
					wants(t, w, 409, tooLong)
					if log.Count(coatcheck.TooOld) != 1 || log.Count(coatcheck.WriteEnded) != 0 {
						t.Errorf("got the events %v", log.All())
					}
					return
				}
				wants(t, w, 200, "")
				b.Handler = only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
					n, _ := hits.Get(s)
					fmt.Fprint(w, s.User(), " ", n, " ", s.Flashes())
				})
				wants(t, b.Send("GET", "/"), 200, c.kept)
			})
		})
	}
}

// The guide's two steps: what takes long comes in a request of a session that has
// begun before, and a login that waits for a telephone is asked for again and again.
func TestG2TwoSteps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		uploads := coatcheck.NewKey[[]string]("uploads")
		asked := coatcheck.NewKey[string]("asked:login")
		approved := false
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		mux := http.NewServeMux()
		handle := func(pattern string, h func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session)) {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { h(w, r, coatcheck.From(r.Context())) })
		}
		handle("GET /upload", func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			list := uploads.Update(s, func(list []string) []string { return append([]string{}, list...) }) // the session begins with the form
			fmt.Fprint(w, list)
		})
		handle("POST /upload", func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			time.Sleep(10 * time.Minute)
			coatcheck.Append(s, uploads, "film")
			s.Flash("Uploaded.")
		})
		handle("POST /login", func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			asked.SetFor(s, "ann", 5*time.Minute)
			http.Redirect(w, r, "/login/wait", http.StatusSeeOther)
		})
		handle("GET /login/wait", func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			user, ok := asked.Get(s)
			switch {
			case !ok:
				http.Redirect(w, r, "/login", http.StatusSeeOther)
			case approved:
				asked.Delete(s)
				s.Login(user)
			default:
				w.Header().Set("Refresh", "2")
			}
			fmt.Fprint(w, s.User())
		})
		b := newBrowser(m.Handler(mux))
		wants(t, b.Send("GET", "/upload"), 200, "[]")
		wants(t, b.Send("POST", "/upload"), 200, "")
		wants(t, b.Send("GET", "/upload"), 200, "[film]")

		wants(t, b.Send("POST", "/login"), 303, "")
		for range 60 {
			time.Sleep(2 * time.Second)
			if w := b.Send("GET", "/login/wait"); w.Code != 200 || w.Header().Get("Refresh") != "2" {
				t.Fatalf("waiting: got %d %v", w.Code, w.Header())
			}
		}
		approved = true
		wants(t, b.Send("GET", "/login/wait"), 200, "ann")
		wants(t, b.Send("GET", "/upload"), 200, "[film]")
	})
}

// G4: an upgrade that would begin a session, without Commit before it, says what to
// do: to the handler, to whoever asked, and in the log.
func TestG4UpgradeSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, commit := range []bool{false, true} {
		var log coatchecktest.Events
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: log.Record})
		var conn net.Conn
		var rw *bufio.ReadWriter
		var err error
		b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := m.From(r.Context())
			hits.Set(s, 1)
			if commit {
				s.Commit()
			}
			conn, rw, err = w.(http.Hijacker).Hijack()
		})))
		client, server := net.Pipe()
		defer client.Close()
		w := httptest.NewRecorder()
		b.Handler.ServeHTTP(hijackable{w, server}, b.Request("GET", "/"))
		if commit {
			if err != nil || conn == nil || len(w.Header()["Set-Cookie"]) != 2 {
				t.Errorf("after Commit: %v, %v, %v, %q", conn, rw, err, w.Header())
			}
			continue
		}
		if !errors.Is(err, coatcheck.ErrLate) || !strings.Contains(err.Error(), "Session.Commit before it") {
			t.Errorf("Hijack gives %v", err)
		}
		wants(t, w, 500, "A session that begins in an upgrade needs Session.Commit before it.")
		if log.Count(coatcheck.Late) != 1 || !strings.Contains(log.All()[0].Reason, "call Session.Commit before it") {
			t.Errorf("got the events %v", log.All())
		}
	}
}
