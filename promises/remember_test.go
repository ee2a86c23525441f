package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// rememberApp does what the last element of the path says.
func rememberApp(m *coatcheck.Manager) http.Handler {
	steps := map[string]func(*coatcheck.Session){
		"/":        func(*coatcheck.Session) {},
		"/login":   func(s *coatcheck.Session) { s.Login("alice") },
		"/reauth":  (*coatcheck.Session).Reauthenticate,
		"/renew":   (*coatcheck.Session).Renew,
		"/clear":   (*coatcheck.Session).Clear,
		"/day":     func(s *coatcheck.Session) { s.Remember(day) },
		"/minute":  func(s *coatcheck.Session) { s.Remember(time.Minute) },
		"/week":    func(s *coatcheck.Session) { s.Remember(7 * day) },
		"/slide":   func(s *coatcheck.Session) { s.RememberSliding(7 * day) },
		"/begin":   func(s *coatcheck.Session) { s.Login("alice"); s.Remember(7 * day) },
		"/begin/s": func(s *coatcheck.Session) { s.RememberSliding(7 * day); hits.Update(s, increase); s.Login("alice") },
	}
	return only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		steps[r.URL.Path](s)
		if err := s.Err(); err != nil {
			fmt.Fprint(w, err)
		}
		fmt.Fprint(w, s.User())
	})
}

// A visit is a request so many days after the login.
type visit struct {
	day  int
	path string
}

// G6: Remember makes a session last at least so long from now on, whenever it is
// said; it never ends one earlier, and nothing lasts beyond MaxRemember after the
// login.
func TestG6RememberLater(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		visits []visit
		ends   time.Duration // the life, after the last visit
		idle   time.Duration // the idle end, after it
	}{
		"again extends":                {[]visit{{0, "/begin"}, {5, "/week"}}, 7 * day, 7 * day},
		"a shorter time ends nothing":  {[]visit{{0, "/begin"}, {5, "/day"}}, 2 * day, 2 * day},
		"up to the limit":              {[]visit{{0, "/begin"}, {6, "/week"}, {12, "/week"}, {18, "/week"}}, 2 * day, 2 * day},
		"at the limit it does nothing": {[]visit{{0, "/begin"}, {6, "/week"}, {12, "/week"}, {18, "/week"}, {19, "/week"}}, day, day},
		"in a later request":           {[]visit{{0, "/login"}, {0, "/week"}}, 7 * day, 7 * day},
		"less than there is":           {[]visit{{0, "/login"}, {0, "/minute"}}, 12 * time.Hour, 33 * time.Minute},
		"a login drops it":             {[]visit{{0, "/begin"}, {5, "/login"}}, 12 * time.Hour, 33 * time.Minute},
		"reauthentication starts anew": {[]visit{{0, "/begin"}, {6, "/reauth"}, {12, "/week"}, {18, "/week"}}, 7 * day, 7 * day},

		"slides":                              {[]visit{{0, "/begin/s"}, {5, "/"}}, 15 * day, 7*day + 7*day/10},
		"slides to the limit":                 {[]visit{{0, "/begin/s"}, {7, "/"}, {14, "/"}}, 6 * day, 6 * day},
		"slides from now on":                  {[]visit{{0, "/begin"}, {5, "/slide"}}, 15 * day, 7*day + 7*day/10},
		"slides after it was fixed":           {[]visit{{0, "/begin/s"}, {5, "/week"}}, 15 * day, 7*day + 7*day/10},
		"slides on after a renewal":           {[]visit{{0, "/begin/s"}, {5, "/renew"}}, 15 * day, 7*day + 7*day/10},
		"slides on after clearing":            {[]visit{{0, "/begin/s"}, {5, "/clear"}, {6, "/reauth"}}, 20 * day, 7*day + 7*day/10},
		"sliding, reauthentication":           {[]visit{{0, "/begin/s"}, {5, "/reauth"}}, 20 * day, 7*day + 7*day/10},
		"a login ends sliding":                {[]visit{{0, "/begin/s"}, {5, "/login"}}, 12 * time.Hour, 33 * time.Minute},
		"a remembered login after sliding":    {[]visit{{0, "/begin/s"}, {5, "/begin"}}, 7 * day, 7 * day},
		"and its reauthentication, not slide": {[]visit{{0, "/begin/s"}, {5, "/begin"}, {6, "/reauth"}}, 7 * day, 7 * day},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New(memstore.Config{})
				b := newBrowser(rememberApp(manage(t, store, coatcheck.Config{MaxRemember: 20 * day})))
				for i, v := range test.visits {
					if i > 0 {
						time.Sleep(time.Duration(v.day-test.visits[i-1].day) * day)
					}
					wants(t, b.Send("POST", v.path), 200, "alice")
				}
				records, err := store.User(context.Background(), "alice")
				if err != nil || len(records) != 1 {
					t.Fatalf("got %v, %v; want one session", records, err)
				}
				if left := time.Until(records[0].Deadline); left != test.ends {
					t.Errorf("its life ends in %v, want %v", left, test.ends)
				}
				if left := time.Until(records[0].Expires); left != test.idle {
					t.Errorf("its idle end is in %v, want %v", left, test.idle)
				}
			})
		})
	}
}

// G6, R7: RememberSliding(d): the session lasts as long as one comes every d, never
// shorter, at most a tenth longer, up to MaxRemember after the login; the cookie
// is set once. So it is for sessions in their cookies, which are sealed anew.
func TestG6RememberSliding(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T, coatcheck.Config) *coatcheck.Manager{
		"store": func(t *testing.T, cfg coatcheck.Config) *coatcheck.Manager {
			return manage(t, memstore.New(memstore.Config{}), cfg)
		},
		"cookie": func(t *testing.T, cfg coatcheck.Config) *coatcheck.Manager {
			m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			return m
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := make(t, coatcheck.Config{MaxRemember: 20 * day})
				b, idle := newBrowser(rememberApp(m)), newBrowser(rememberApp(m))
				visit := func(b *browser) string {
					w := b.Send("GET", "/", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none")
					if name == "store" {
						bare(t, w)
					}
					return w.Body.String()
				}
				if got := age(b.Send("POST", "/begin/s").Header()); got != fmt.Sprint(20*24*60*60) {
					t.Errorf("got Max-Age=%s, want the limit of 20 days", got)
				}
				idle.Send("POST", "/begin/s")
				for range 2 { // days 7 and 14
					time.Sleep(7*day - time.Second)
					if got := visit(b); got != "alice" {
						t.Fatalf("after nearly 7 idle days: %q, want alice", got)
					}
				}
				time.Sleep(6*day + time.Second)
				if got := visit(b); got != "alice" {
					t.Errorf("a second before the limit: %q, want alice", got)
				}
				time.Sleep(time.Second)
				if got := visit(b); got != "" {
					t.Errorf("at the limit: %q, want nobody", got)
				}
				if got := visit(idle); got != "" {
					t.Errorf("who never came again: %q, want nobody", got)
				}

				idle.Send("POST", "/begin/s")
				time.Sleep(7*day + 7*day/10)
				if got := visit(idle); got != "" {
					t.Errorf("after 7.7 idle days: %q, want nobody", got)
				}
			})
		})
	}
}

// G6: said with every request, RememberSliding neither renews the token nor makes
// requests in flight fail; Remember does nothing where it can extend nothing.
func TestG6RememberAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ begin, again string }{{"/begin/s", "/slide"}, {"/begin/s", "/week"}, {"/begin/s", "/day"}} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{MaxRemember: 20 * day})
		b := newBrowser(rememberApp(m))
		b.Send("POST", c.begin)
		early := b.Clone()
		for range 3 {
			w := b.Send("POST", c.again)
			wants(t, w, 200, "alice")
			bare(t, w)
		}
		wants(t, early.Send("POST", "/clear"), 200, "alice")
	}
}
