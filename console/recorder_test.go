package console_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/console"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// Who sends forged cookies does not push out why a user was logged out, and what a
// recorder keeps has an end.
func TestStrangersPushNobodyOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *console.Config) { c.Recorder.Keep = 100 })
	tell := s.hour.Events(nil)
	now := time.Now()
	tell(coatcheck.Event{Time: now, Kind: coatcheck.Revoked, Handle: "AAAAAAAAAAAA", User: "123", By: "eve"})
	for range 100_000 {
		tell(coatcheck.Event{Time: now, Kind: coatcheck.Refused, Reason: "session cookie: forged"})
	}
	ada := s.operator("ada")
	ada.get("/console/why?q=123").has(t, "Ended by eve.")
	ada.get("/console/").has(t, "Refusals 100,000")
	a := ada.get("/console/events")
	if n := strings.Count(a.body, `data-seq="1`); n != 100 {
		t.Errorf("%d events on the page, want 100", n)
	}
	for i := range 1000 {
		tell(coatcheck.Event{Time: now, Kind: coatcheck.Kind(fmt.Sprint("kind", i)), Reason: fmt.Sprint(i), Handle: fmt.Sprint(i), User: fmt.Sprint(i)})
	}
	ada.get("/console/why?q=123").has(t, "Nothing is known of this user or session.")
}

// An hour later an event is forgotten, and the count of its minute.
func TestAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.customer("123")
		time.Sleep(30 * time.Minute)
		s.customer("456")
		s.operator("ada").get("/console/").has(t, "Logins 2", "Create 2")
		time.Sleep(31 * time.Minute)
		ada := s.operator("ada")
		ada.get("/console/").has(t, "Logins 1", "Create 1")
		ada.get("/console/events").has(t, "456")
		if a := ada.get("/console/events"); strings.Contains(a.text(), "123") {
			t.Error("an event of more than an hour ago is shown")
		}
		ada.get("/console/user?q=123").has(t, "Nothing was told of this user.")
	})
}

// Counting happens at most twice a minute, and says how old it is.
func TestCountsAreCached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.customer("123")
		ada := s.operator("ada")
		ada.get("/console/").has(t, "Live sessions 1", "Counted 0 seconds ago")
		s.customer("456")
		time.Sleep(29 * time.Second)
		ada.get("/console/").has(t, "Live sessions 1", "Counted 29 seconds ago")
		time.Sleep(time.Second)
		ada.get("/console/").has(t, "Live sessions 2", "Counted 0 seconds ago")
		s.store.away.Store(true)
		time.Sleep(time.Minute)
		ada.get("/console/").has(t, "Live sessions 2", "Counted 1 minute ago", "The store failed.")
	})
}

// "Why was user 123 logged out at 14:05?"
func TestWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		time.Sleep(13*time.Hour + 20*time.Minute) // since midnight
		desk, phone := s.customer("123"), s.customer("123")
		time.Sleep(15 * time.Minute)
		ended := desk.session(t, s)
		desk.post("/logout", nil)
		time.Sleep(15 * time.Minute)
		phone.get("/members")
		time.Sleep(15*time.Minute + 10*time.Second) // 14:05:10
		ada := s.operator("ada")
		revoked := phone.session(t, s)
		ada.post("/console/end", url.Values{"user": {"123"}, "handle": {revoked}})
		time.Sleep(5 * time.Minute)
		a := ada.get("/console/why?q=123&at=14:05")
		a.has(t, "The answer 14:05:10 Ended by ada, this session alone. Session "+revoked+" of user 123 .", "Other ends in the last hour 13:35:00 logout", "Live now No session of user 123 .")
		if strings.Contains(a.text(), "nearest") {
			t.Error("14:05:10 is not taken for 14:05")
		}
		ada.get("/console/why?q=123&at=13:36").has(t, "The answer 13:35:00 Logged out: a request of the session itself asked for it")
		ada.get("/console/why?q="+ended).has(t, "The answer 13:35:00 Logged out")
		ada.get("/console/why?q=123&at=13:50").has(t, "this was the nearest")
		ada.get("/console/why?q=123&at=noon").has(t, "Write a time of the day as 14:05.")
		ada.get("/console/why?q=nobody").has(t, "Nothing is known of this user or session.")
	})
}

// A session that ran out is told of when its cookie comes; the user is known also
// where the store has forgotten whose it was.
func TestWhyExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		p := s.customer("123")
		time.Sleep(40 * time.Minute)
		p.get("/members")
		s.operator("ada").get("/console/why?q=123").has(t, "Ran out before this request: nobody used it for its idle time.")

		s = newSite(t)
		p = s.customer("456")
		time.Sleep(35 * time.Minute)
		if _, err := s.sessions.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.get("/members")
		s.operator("ada").get("/console/why?q=456").has(t, "the store has no such session")
	})
}

// Who logs in and out all the time does not hide the end that is asked for.
func TestWhyAmongMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(14*time.Hour + 5*time.Minute) // synctest begins at midnight, UTC
		s := newSite(t)
		tell := s.hour.Events(nil)
		tell(coatcheck.Event{Time: time.Now(), Kind: coatcheck.Revoked, Handle: "AAAAAAAAAAAA", User: "123", By: "eve", Reason: "by Revoke"})
		for range 500 {
			time.Sleep(time.Second)
			tell(coatcheck.Event{Time: time.Now(), Kind: coatcheck.LoggedOut, Handle: "BBBBBBBBBBBB", User: "123"})
		}
		a := s.operator("ada").get("/console/why?q=123&at=14:05")
		a.has(t, "The answer 14:05:00 Ended by eve, this session alone. Session AAAAAAAAAAAA", "Other ends in the last hour 14:13:20 logout")
		if n := strings.Count(a.body, `<li class="event `); n != 99+100 { // other ends, and all that was told
			t.Errorf("%d events on the page, want 199", n)
		}
	})
}

// session is the handle of the session that the browser has, which lives.
func (p person) session(t *testing.T, s *site) (handle string) {
	t.Helper()
	p.Session(t, s.sessions, func(o *coatcheck.Session) { handle = o.Handle() })
	return handle
}

// listener is ada over the network: a handler alone has no streams.
func (s *site) listener(t *testing.T) person {
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	t.Cleanup(s.page.Close)
	ada := person{t, coatchecktest.NewBrowser(server)}
	ada.Session(t, s.ops, func(o *coatcheck.Session) { o.Login("ada") })
	return ada
}

// Events come as they happen, those that the filter wants; what was missed between
// two streams comes with the next.
func TestStream(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ada := s.listener(t)
	lines := make(chan string, 100)
	r := ada.request("GET", "/console/stream?user=123&group=logins", "")
	res, err := ada.Do(r)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %v, %v", res, err)
	}
	defer res.Body.Close()
	go func() {
		for in := bufio.NewScanner(res.Body); in.Scan(); {
			lines <- in.Text()
		}
		close(lines)
	}()
	s.customer("456")
	s.customer("123").post("/logout", nil)
	for line := range lines {
		if strings.HasPrefix(line, "data: ") {
			if !strings.Contains(line, `"user":"123"`) || !strings.Contains(line, `"kind":"login"`) {
				t.Errorf("got %s", line)
			}
			break
		}
	}
	s.page.Close()
	for range lines { // until the stream ends
	}
}

// The end of the operator's session ends what they listen to, at once; and who is
// not authorised any more is found out within 15 seconds. After two minutes it ends by
// itself, and whoever listens comes again.
func TestStreamEndsWithTheSession(t *testing.T) {
	t.Parallel()
	var demoted atomic.Bool
	for _, c := range []struct {
		name string
		end  func(s *site) error
		want time.Duration
	}{
		{"a revocation", func(s *site) error { _, err := s.ops.RevokeAll(t.Context(), "ada"); return err }, 0},
		{"a role that is taken away", func(*site) error { demoted.Store(true); return nil }, 15 * time.Second},
		{"nothing", func(s *site) error { return nil }, 2 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, func(cfg *console.Config) {
				may := cfg.Authorize
				cfg.Authorize = func(r *http.Request) bool { return may(r) && !demoted.Load() }
			})
			demoted.Store(false)
			ada, began, done := s.operator("ada"), time.Now(), make(chan answer, 1)
			go func() { done <- ada.get("/console/stream") }()
			synctest.Wait()
			s.customer("123")
			synctest.Wait()
			if err := c.end(s); err != nil {
				t.Fatal(err)
			}
			a := <-done
			if took := time.Since(began); took != c.want || a.status != 200 || !strings.Contains(a.body, `"user":"123"`) {
				t.Errorf("%s: the stream ended after %v with %d, want %v:\n%s", c.name, took, a.status, c.want, a.body)
			}
			want := 200
			if c.want < 2*time.Minute {
				want = 404
			}
			go func() { done <- ada.get("/console/stream") }()
			if a := <-done; a.status != want {
				t.Errorf("%s: afterwards: got %d, want %d", c.name, a.status, want)
			}
		})
	}
}

// However much happens, a stream looks through the events five times a second, and
// not for each: that would hold up the requests that tell of them.
func TestStreamRests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, looks := newSite(t), make(map[time.Time]bool)
		inner := s.handler
		s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/console/stream" {
				w = timed{w, looks}
			}
			inner.ServeHTTP(w, r)
		})
		ada, done := s.operator("ada"), make(chan answer, 1)
		go func() { done <- ada.get("/console/stream?user=123") }()
		synctest.Wait()
		tell := s.hour.Events(nil)
		for range 500 {
			tell(coatcheck.Event{Time: time.Now(), Kind: coatcheck.LoggedIn, Handle: "AAAAAAAAAAAA", User: "123"})
			time.Sleep(2 * time.Millisecond)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		s.page.Close()
		a := <-done
		if n := strings.Count(a.body, "event: told"); n != 500 {
			t.Errorf("%d events came, want 500", n)
		}
		if len(looks) > 8 { // at the beginning, at the first event, and five times a second
			t.Errorf("it wrote at %d times, want at most 8", len(looks))
		}
	})
}

// A timed writer notes when something was written.
type timed struct {
	http.ResponseWriter
	at map[time.Time]bool
}

func (w timed) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w timed) Write(b []byte) (int, error) {
	w.at[time.Now()] = true
	return w.ResponseWriter.Write(b)
}

// HEAD of the stream is an answer, and no stream.
func TestStreamHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		ada, began := s.operator("ada"), time.Now()
		a := ada.send(ada.request("HEAD", "/console/stream", ""))
		if took := time.Since(began); a.status != 200 || took != 0 {
			t.Errorf("got %d after %v, want 200 at once", a.status, took)
		}
	})
}

// A read is counted and timed without an allocation.
func TestReadsAllocateNothing(t *testing.T) {
	inner, id := memstore.New(memstore.Config{}), store.ID{1}
	recorded := new(console.Recorder).Store(inner)
	now := time.Now().UTC().Truncate(time.Microsecond)
	if err := recorded.Create(t.Context(), store.Record{ID: id, Version: 1, AuthTime: now, Created: now, Seen: now, Expires: now.Add(time.Hour), Deadline: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	count := func(s store.Store) float64 {
		return testing.AllocsPerRun(100, func() {
			if _, err := s.Load(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		})
	}
	if with, without := count(recorded), count(inner); with > without {
		t.Errorf("%v allocations, without the recorder %v", with, without)
	}
}

// A recorder is told by many requests at once.
func TestRecorderAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ada := s.operator("ada")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				s.customer(fmt.Sprint(i)).post("/logout", nil)
			}
		})
		all.Go(func() {
			for range 5 {
				ada.get("/console/")
				ada.get("/console/events?user=1")
			}
		})
	}
	all.Wait()
	ada.get("/console/").has(t, "Logins 160", "Ends 160", "Create 160 0")
}
