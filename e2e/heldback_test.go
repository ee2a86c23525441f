package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
)

// follows goes to path by a link on another site and waits for the answer.
func (b *tab) follows(s *site, path string) {
	b.t.Helper()
	b.open(s.page(s.evil, `<a id=go href="`+s.app+path+`">go</a>`))
	b.click("#go")
	b.until("location.href == " + quote(s.app+path) + " && document.readyState == 'complete'")
}

// leadsOn waits for the page that answers a held-back navigation.
func (b *tab) leadsOn(path string) {
	b.t.Helper()
	b.until("document.querySelector('a')?.getAttribute('href') == " + quote(path) + " && document.body.innerText.includes('Nothing was changed')")
}

// G7: held back is a property of the request alone, whatever became of the
// session: ended, expired, its cookie evicted. Nothing is stored over what may
// be there, and the link leads on.
func TestHeldBackStates(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for _, c := range []struct {
			name    string
			idle    time.Duration
			prepare func(s *site, b *tab)
			user    string // after the link was followed
			hits    string
		}{
			{"logged in", 0, func(*site, *tab) {}, "alice", "1"},
			{"ended by the server", 0, func(s *site, _ *tab) { s.m.RevokeAll(context.Background(), "alice") }, "", ""},
			{"expired", time.Second, func(s *site, _ *tab) {
				for end := time.Now().Add(patience); s.live() > 0 && time.Now().Before(end); {
					time.Sleep(50 * time.Millisecond)
				}
			}, "", "1"},
			{"session cookie evicted, marker left", 0, func(s *site, b *tab) { b.drop(s.app, sidName) }, "", "1"},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, coatcheck.Config{Idle: c.idle})
				b := e.newTab(t)
				b.login(s)
				c.prepare(s, b)
				before := b.cookies(s.app)
				for n := range 2 { // no loop, also the second time
					b.follows(s, "/count#part")
					b.leadsOn("/count")
					if v := s.await("/count", n+1); len(v) != n+1 || v[n].status != http.StatusConflict || len(v[n].sets) > 0 {
						t.Errorf("got %v, want one 409 without cookies each time", v)
					}
				}
				same(t, before, b.cookies(s.app))
				b.click("a")
				if c.hits == "" { // a write of an ended session is never reported as done (G2)
					b.until("location.pathname == '/count' && document.body.innerText.startsWith('Your session has ended. Nothing was changed.')")
					b.click("a") // the browser has been told, and begins anew
					b.shows(s.app+"/count", "")
					return
				}
				b.shows(s.app+"/count", c.user)
				if got := eval[string](b, "document.querySelector('#app').dataset.hits"); got != c.hits {
					t.Errorf("%s hits, want %s", got, c.hits)
				}
			})
		}
	})
}

// G7: back and forward over a held-back answer find it again, or ask again; they
// change nothing and do not loop.
func TestHeldBackBackAndForward(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, coatcheck.Config{})
		b := e.newTab(t)
		b.login(s)
		before := b.cookies(s.app)
		b.follows(s, "/count")
		b.leadsOn("/count")
		for range 2 {
			eval[bool](b, "setTimeout(() => history.back()), true")
			b.until("location.href.startsWith(" + quote(s.evil) + ") && document.readyState == 'complete'")
			eval[bool](b, "setTimeout(() => history.forward()), true")
			b.until("location.href == " + quote(s.app+"/count") + " && document.readyState == 'complete'")
		}
		b.open(s.app + "/look")
		visits := s.seen("app.test", "/count")
		for _, v := range visits {
			if v.status != http.StatusConflict || len(v.sets) > 0 {
				t.Errorf("got %v, want 409", v)
			}
		}
		if len(visits) > 3 { // at most one for each arrival
			t.Errorf("%d requests, want at most 3:\n%s", len(visits), s.dump())
		}
		same(t, before, b.cookies(s.app))
	})
}

// downloadTo lets the tab save files, and returns what it has saved as soon as
// there are n.
func (b *tab) downloadTo() (dir string, wait func(n int) []string) {
	b.t.Helper()
	dir = b.t.TempDir()
	_, err := within(patience, func(ctx context.Context) (struct{}, error) { return struct{}{}, b.p.downloads(ctx, dir) })
	if err != nil && !errors.Is(err, errCannot) {
		b.t.Fatal(err)
	}
	return dir, func(n int) (texts []string) {
		b.t.Helper()
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			names, _ := filepath.Glob(filepath.Join(dir, "file*.txt"))
			if len(names) < n {
				continue
			}
			for _, name := range names {
				text, err := os.ReadFile(name)
				if err != nil {
					b.t.Fatal(err)
				}
				texts = append(texts, string(text))
			}
			return texts
		}
		b.t.Fatalf("%d files not there after %v", n, patience)
		return nil
	}
}

// A download of our own page is the user's. From another site it is nobody's,
// unless the page lands; after a logout nobody's either.
func TestDownload(t *testing.T) {
	t.Parallel()
	e := chromiumEngine
	for name, c := range map[string]struct {
		cfg  coatcheck.Config
		from func(s *site) string
		out  bool // logged out before
		want string
	}{
		"own page":                       {coatcheck.Config{}, func(s *site) string { return s.app }, false, "for alice"},
		"another site, held back":        {coatcheck.Config{}, func(s *site) string { return s.evil }, false, "for "},
		"another site, landing":          {landing, func(s *site) string { return s.evil }, false, "for alice"},
		"own page, logged out":           {coatcheck.Config{}, func(s *site) string { return s.app }, true, "for "},
		"own page with landing in force": {landing, func(s *site) string { return s.app }, false, "for alice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.cfg)
			b := e.newTab(t)
			_, wait := b.downloadTo()
			b.login(s)
			if c.out {
				b.fetched("POST", s.app+"/logout")
			}
			before := b.cookies(s.app)
			link := `<a id=go href="` + s.app + `/in/file">go</a>`
			if from := c.from(s); from == s.app {
				b.open(s.app + "/look")
				eval[bool](b, "document.body.insertAdjacentHTML('beforeend', "+quote(link)+"), true")
			} else {
				b.open(s.page(from, link))
			}
			b.click("#go")
			if got := wait(1); len(got) != 1 || got[0] != c.want {
				t.Errorf("got the files %q, want %q", got, c.want)
			}
			same(t, before, b.cookies(s.app))
		})
	}
}
