//go:build linux

package integration_test

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/console"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// An asked store notes what it is asked, also beside the contract.
type asked struct {
	store.Store
	mu    sync.Mutex
	calls []string
}

func (s *asked) Unwrap() store.Store { return s.Store }

func (s *asked) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

// since returns the calls since the last time, and forgets them.
func (s *asked) since() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := strings.Join(s.calls, " ")
	s.calls = nil
	return calls
}

func (s *asked) Load(ctx context.Context, id store.ID) (store.Record, error) {
	s.note("Load")
	return s.Store.Load(ctx, id)
}

func (s *asked) End(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	s.note("End")
	return s.Store.End(ctx, id, until)
}

func (s *asked) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) ([]store.ID, error) {
	s.note("EndUser")
	return s.Store.EndUser(ctx, user, at, until, keep...)
}

func (s *asked) User(ctx context.Context, user string) ([]store.Record, error) {
	s.note("User")
	return s.Store.User(ctx, user)
}

func (s *asked) Sweep(ctx context.Context, now time.Time, most int) (int, error) {
	s.note("Sweep")
	return s.Store.Sweep(ctx, now, most)
}

func (s *asked) Ping(ctx context.Context) error {
	s.note("Ping")
	pinger, ok := store.As[store.Pinger](s.Store)
	if !ok {
		return nil
	}
	return pinger.Ping(ctx)
}

func (s *asked) Stats(ctx context.Context) (store.Stats, error) {
	s.note("Stats")
	counter, _ := store.As[store.Counter](s.Store)
	return counter.Stats(ctx)
}

func (s *asked) All(ctx context.Context) iter.Seq2[store.Record, error] {
	s.note("All") // which nothing may call
	lister, _ := store.As[store.Lister](s.Store)
	return lister.All(ctx)
}

// behindConsole opens every page over so many sessions, of which user1 and user2
// have a live one each, and counts what each asks the store. Times are reported and
// decide nothing.
func behindConsole(t *testing.T, many store.Store, n int) {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	st, hour := &asked{Store: many}, new(console.Recorder)
	sessions, err := coatcheck.New(hour.Store(st), keys, coatcheck.Config{Events: hour.Events(nil)})
	if err != nil {
		t.Fatal(err)
	}
	operators, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{Name: "__Host-Http-ops"})
	if err != nil {
		t.Fatal(err)
	}
	page, err := console.New(sessions, console.Config{Recorder: hour, Operators: operators, Authorize: func(*http.Request) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	ada := coatchecktest.NewHandlerBrowser(page)
	ada.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ada.Session(t, operators, func(s *coatcheck.Session) { s.Login("ada") })
	ask := func(method, path string, form url.Values, want, calls string) (body string) {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		r.RequestURI = ""
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		st.since()
		began := time.Now()
		res, err := ada.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		got := st.since()
		t.Logf("among %d: %s %s asks the store %q, %v", n, method, path, got, time.Since(began))
		if got != calls || !strings.Contains(string(b), want) {
			t.Errorf("among %d: %s %s: %d asks the store %q, want %q; the page lacks %q: %t", n, method, path, res.StatusCode, got, calls, want, !strings.Contains(string(b), want))
		}
		return string(b)
	}
	counted := "Counted 0 seconds ago"
	if n == million {
		counted = "too many to count at a bounded cost"
	}
	ask("GET", "/", nil, counted, "Ping Stats")
	ask("GET", "/", nil, counted[:7], "Ping")
	body := ask("GET", "/user?q=user1", nil, "End all of this user", "User")
	m := regexp.MustCompile(`name="handle" value="([^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("user1 has no session on the page")
	}
	ask("GET", "/session?user=user1&q="+m[1], nil, "Ends in any case", "User")
	ask("GET", "/session?q="+m[1], nil, "name the user here", "")
	ask("GET", "/why?q=user1", nil, "Not logged out", "User")
	ask("GET", "/events", nil, "As they happen", "")
	ask("POST", "/end", url.Values{"user": {"user1"}, "handle": {m[1]}}, "", "User End")
	ask("GET", "/why?q=user1", nil, "Ended by ada", "User")
	ask("POST", "/end-all", url.Values{"user": {"user2"}}, "", "EndUser")
}
