package promises_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// A notice is a flash with a category.
type notice struct {
	Category string
	Text     string
	Data     map[string]int
}

// docs/guide/sessions.md, "Messages for the next page": a key of a list is what
// Flash is, with a category and any value: kept through a login, none lost or
// shown twice by pages at once, untouched by HEAD (G1, G4).
func TestFlashesWithACategory(t *testing.T) {
	t.Parallel()
	notices := coatcheck.NewKey[[]notice]("notices")
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		switch r.URL.Path {
		case "/add":
			coatcheck.Append(s, notices, notice{"warning", r.FormValue("text"), map[string]int{"n": 1}})
			s.Flash("plain")
		case "/login":
			s.Login("alice")
		case "/show":
			shown, _ := notices.Pop(s)
			for _, n := range shown {
				fmt.Fprint(w, n.Category, n.Text, n.Data["n"], ";")
			}
		case "/flashes":
			fmt.Fprint(w, s.Flashes())
		}
	})))
	wants(t, b.Send("POST", "/add?text=a"), 200, "")
	wants(t, b.Send("POST", "/login"), 200, "")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if w := b.Send("POST", fmt.Sprintf("/add?text=b%d", i)); w.Code != 200 {
				t.Errorf("got %d, want 200", w.Code)
			}
		})
	}
	wg.Wait()
	wants(t, b.Send("HEAD", "/show"), 200, "")
	seen := make([]string, 8)
	for i := range seen {
		wg.Go(func() { seen[i] = b.Send("GET", "/show").Body.String() })
	}
	wg.Wait()
	if all := strings.Join(seen, ""); strings.Count(all, ";") != 9 || strings.Count(all, "warninga1;") != 1 {
		t.Errorf("shown by 8 pages at once: %q; want each of 9 once", all)
	}
	wants(t, b.Send("GET", "/flashes"), 200, "[plain plain plain plain plain plain plain plain plain]")
}

// The same for a session in its cookie, which knows no Pop: Get and Delete.
func TestFlashesWithACategoryInTheCookie(t *testing.T) {
	t.Parallel()
	notices := coatcheck.NewKey[[]notice]("notices")
	m := inCookie(t, coatcheck.IrrevocableSessions{})
	b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		if r.Method == http.MethodPost {
			coatcheck.Append(s, notices, notice{"warning", "a", nil}, notice{"error", "b", nil})
			return
		}
		shown, _ := notices.Get(s)
		notices.Delete(s)
		fmt.Fprint(w, len(shown))
	})))
	wants(t, b.Send("POST", "/"), 200, "")
	wants(t, b.Send("GET", "/"), 200, "2")
	wants(t, b.Send("GET", "/"), 200, "0")
}

// Form input kept for the next page comes back once, expires by itself, and what
// is too large for a session replaces the answer: no page says that it was kept.
func TestFormInputForTheNextPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type signup struct {
			Name  string
			Wrong map[string]string
		}
		refused := coatcheck.NewKey[signup]("form:signup")
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		b := newBrowser(only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			if r.Method == http.MethodPost {
				n := 1 << 10
				if r.URL.Path == "/large" {
					n = 40 << 10
				}
				refused.SetFor(s, signup{strings.Repeat("x", n), map[string]string{"name": "long"}}, 10*time.Minute)
				http.Redirect(w, r, "/", http.StatusSeeOther)
				return
			}
			form, ok := refused.Pop(s)
			fmt.Fprint(w, ok, " ", len(form.Name), " ", form.Wrong["name"])
		}))
		wants(t, b.Send("POST", "/"), 303, "")
		wants(t, b.Send("GET", "/"), 200, "true 1024 long")
		wants(t, b.Send("GET", "/"), 200, "false 0 ")
		wants(t, b.Send("POST", "/"), 303, "")
		time.Sleep(11 * time.Minute)
		wants(t, b.Send("GET", "/"), 200, "false 0 ")
		wants(t, b.Send("POST", "/large"), coatcheck.StatusOf(coatcheck.ErrTooLarge), "")
	})
}

// G14: messages that nobody is shown do not fill the session: the latest stay, the
// oldest go, with an event, and nothing else that the person does is ErrTooLarge.
func TestG14FlashesAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want int // of 100
		make func(coatcheck.Config) (*coatcheck.Manager, error)
	}{
		"many": {"hello", 32, func(cfg coatcheck.Config) (*coatcheck.Manager, error) {
			return coatcheck.New(memstore.New(memstore.Config{}), keys(t), cfg)
		}},
		"long": {strings.Repeat("x", 990), 8, func(cfg coatcheck.Config) (*coatcheck.Manager, error) {
			return coatcheck.New(memstore.New(memstore.Config{}), keys(t), cfg)
		}},
		"longer than all": {strings.Repeat("x", 30<<10), 1, func(cfg coatcheck.Config) (*coatcheck.Manager, error) {
			return coatcheck.New(memstore.New(memstore.Config{}), keys(t), cfg)
		}},
		"in the cookie": {strings.Repeat("x", 90), 10, func(cfg coatcheck.Config) (*coatcheck.Manager, error) {
			return coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, cfg)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log coatchecktest.Events
			m, err := c.make(coatcheck.Config{Events: log.Record})
			if err != nil {
				t.Fatal(err)
			}
			var shown []string
			b := newBrowser(m.Handler(paths{
				"/flash": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Flash(r.URL.RawQuery + c.text) },
				"/show":  func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { shown = s.Flashes() },
			}))
			for i := range 100 {
				wants(t, b.Send("POST", fmt.Sprintf("/flash?%02d", i)), 200, "")
			}
			wants(t, b.Send("GET", "/show"), 200, "")
			if len(shown) != c.want || shown[0][:2] != fmt.Sprintf("%02d", 100-c.want) || shown[c.want-1][:2] != "99" {
				t.Errorf("%d messages are shown, want the latest %d", len(shown), c.want)
			}
			if n := log.Count(coatcheck.Failed); n != 100-c.want {
				t.Errorf("%d events, want one for each that was dropped: %d", n, 100-c.want)
			}
		})
	}
}

// G13: an event of what is too large names the thing in words.
func TestEventsNameOurOwnEntries(t *testing.T) {
	t.Parallel()
	var log coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: log.Record})
	b := newBrowser(m.Handler(paths{
		"/": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Flash(strings.Repeat("x", 33<<10))
		},
	}))
	wants(t, b.Send("POST", "/"), 413, "")
	if got, want := fmt.Sprint(log.All()[len(log.All())-1].Err), "coatcheck: invalid value: too large: the messages of Flash: 33796 bytes; want at most 32768"; got != want {
		t.Errorf("the event's error is %q, want %q", got, want)
	}
}
