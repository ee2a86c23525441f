package coatcheck_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
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
		var l listener
		m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{MaxCookie: max, Events: l.hear})
		if err != nil {
			t.Fatal(err)
		}
		length := 0
		var failed error
		b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			text.Set(s, strings.Repeat("x", length))
			failed = s.Commit()
		}))
		size := func() int { return len(sidName) + len(b.cookies()[sidName]) }
		largest := 0
		for length = 100; ; length++ {
			l.forget()
			before := b.cookies()[sidName]
			w := b.do("POST", "/")
			if w.Code == http.StatusRequestEntityTooLarge {
				if !errors.Is(failed, coatcheck.ErrTooLarge) || b.cookies()[sidName] != before {
					t.Errorf("MaxCookie %d: got %v, and the cookie changed: %t", max, failed, b.cookies()[sidName] != before)
				}
				break
			}
			if w.Code != 200 || size() > bound {
				t.Fatalf("MaxCookie %d: got %d and a cookie of %d bytes", max, w.Code, size())
			}
			largest = size()
			if told := l.count(coatcheck.Large) == 1; told != (size() >= 3500) {
				t.Errorf("a cookie of %d bytes: got the events %v, want one of a large cookie from 3,500 on", size(), l.kinds())
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
