package promises_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
)

// G14: everything that is stored has a limit, also in a cookie, where a proxy
// may have a smaller one than browsers: from 3,500 bytes on an event tells of
// it, and beyond Config.MaxCookie a change is refused and the session unharmed.
func TestInCookieSizes(t *testing.T) {
	t.Parallel()
	text := coatcheck.NewKey[string]("text")
	for _, max := range []int{0, 512, 3500, 4096} {
		bound := max
		if max == 0 {
			bound = 4096
		}
		var l coatchecktest.Events
		m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{MaxCookie: max, Events: l.Record})
		if err != nil {
			t.Fatal(err)
		}
		length := 0
		var failed error
		b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			text.Set(s, strings.Repeat("x", length))
			failed = s.Commit()
		}))
		size := func() int { return len(sidName) + len(b.Cookies()[sidName]) }
		largest := 0
		for length = 100; ; length++ {
			l.Reset()
			before := b.Cookies()[sidName]
			w := b.Send("POST", "/")
			if w.Code == http.StatusRequestEntityTooLarge {
				if !errors.Is(failed, coatcheck.ErrTooLarge) || b.Cookies()[sidName] != before {
					t.Errorf("MaxCookie %d: got %v, and the cookie changed: %t", max, failed, b.Cookies()[sidName] != before)
				}
				break
			}
			if w.Code != 200 || size() > bound {
				t.Fatalf("MaxCookie %d: got %d and a cookie of %d bytes", max, w.Code, size())
			}
			largest = size()
			if told := l.Count(coatcheck.Large) == 1; told != (size() >= 3500) {
				t.Errorf("a cookie of %d bytes: got the events %v, want one of a large cookie from 3,500 on", size(), l.Kinds())
			}
		}
		if largest < bound-3 { // three bytes are four characters
			t.Errorf("MaxCookie %d: the largest cookie has %d bytes", max, largest)
		}
	}
	for _, max := range []int{-1, 1, 511, 4097} {
		if _, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{MaxCookie: max}); err == nil || !strings.Contains(err.Error(), "Config.MaxCookie") {
			t.Errorf("MaxCookie %d: got %v, want an error that names the field", max, err)
		}
	}
}

// A lowered Config.MaxCookie: only a change that would make a cookie larger is
// refused. Who has a larger one is not locked out.
func TestMaxCookieLowered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := coatcheck.NewKey[string]("a"), coatcheck.NewKey[string]("b")
		manager := func(max int) *coatcheck.Manager {
			m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{MaxCookie: max})
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		first := newBrowser(only(manager(0), func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			a.Set(s, strings.Repeat("x", 1300))
			b.Set(s, strings.Repeat("y", 1300))
		}))
		first.Send("POST", "/")
		m := manager(2000)
		for _, c := range []struct {
			name   string
			act    func(*coatcheck.Session)
			status int
		}{
			{"delete", func(s *coatcheck.Session) { a.Delete(s) }, 200},
			{"a smaller value", func(s *coatcheck.Session) { a.Set(s, "x") }, 200},
			{"as large", func(s *coatcheck.Session) { a.Set(s, strings.Repeat("z", 1300)) }, 200},
			{"login", func(s *coatcheck.Session) { s.Login("alice") }, 200},
			{"login and renew", func(s *coatcheck.Session) { s.Login("alice"); s.Commit(); s.Renew() }, 200},
			{"remember", func(s *coatcheck.Session) { s.Login("alice"); s.Remember(day) }, 200},
			{"logout", (*coatcheck.Session).Logout, 200},
			{"a larger value", func(s *coatcheck.Session) { a.Set(s, strings.Repeat("x", 1301)) }, 413},
			{"one more", func(s *coatcheck.Session) { hits.Set(s, 1) }, 413},
			{"login and one more", func(s *coatcheck.Session) { s.Login("alice"); hits.Set(s, 1) }, 413},
			{"beyond what browsers keep", func(s *coatcheck.Session) { s.Login("alice"); a.Set(s, strings.Repeat("x", 2000)) }, 413},
		} {
			other := first.Clone()
			other.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { c.act(s) })
			before := other.Cookies()[sidName]
			w := other.Send("POST", "/")
			if w.Code != c.status || (other.Cookies()[sidName] == before) != (c.status != 200) {
				t.Errorf("%s: got %d, and the cookie stays: %t; want %d", c.name, w.Code, other.Cookies()[sidName] == before, c.status)
			}
		}
		fresh := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			a.Set(s, strings.Repeat("x", 2000))
		}))
		if w := fresh.Send("POST", "/"); w.Code != 413 {
			t.Errorf("a new session: got %d, want 413", w.Code)
		}
		// G6: the touch that keeps a visitor who only looks.
		looks := first.Clone()
		looks.Handler = life(m)
		for range 4 {
			time.Sleep(20 * time.Minute)
			looks.Send("GET", "/look", navigation...)
		}
		there := false
		looks.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { _, there = a.Get(s) })
		if looks.Send("GET", "/"); !there {
			t.Error("a session that is larger than MaxCookie is not touched and ends by idleness")
		}
	})
}
