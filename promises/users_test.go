package promises_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// G3: only a login binds a user. Where a framework's strings are memory that later
// requests write over, as fasthttp's are, a session or a revocation must not come
// to be somebody else's.
func TestUsersAreCopied(t *testing.T) {
	t.Parallel()
	var events coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: events.Record})
	buffer := []byte("alice")
	user := unsafe.String(&buffer[0], len(buffer))
	count := func(user string) int {
		list, err := m.Sessions(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	login := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Login(user) }))
	login.Send("POST", "/")
	copy(buffer, "carol")
	if n, other := count("alice"), count("carol"); n != 1 || other != 0 {
		t.Errorf("alice has %d sessions and carol %d, want 1 and 0", n, other)
	}
	for _, e := range events.All() {
		if e.Kind == coatcheck.LoggedIn && e.User != "alice" {
			t.Errorf("the event that was kept is now the login of %q, want alice", e.User)
		}
	}

	// A login that began before the revocation of carol is refused.
	late := newBrowser(only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		if _, err := m.RevokeAll(t.Context(), user); err != nil {
			t.Error(err)
		}
		copy(buffer, "alice")
		s.Login("carol")
	}))
	if w := late.Send("POST", "/"); w.Code != http.StatusConflict || count("carol") != 0 {
		t.Errorf("a login that was revoked: got %d and %d sessions, want 409 and none", w.Code, count("carol"))
	}
}

// The label of the device that logged in is that of the User-Agent, whatever others came
// before and at once, and however a server under us uses its memory again, as fasthttp
// does.
func TestDevicesAreCopied(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	h := only(m, func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) { s.Login(r.Header.Get("User")) })
	system := []struct{ mark, name string }{{"Linux", "Linux"}, {"Windows NT", "Windows"}, {"iPhone", "iPhone"}}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			buffer := make([]byte, 0, 4000)
			for i := range 300 {
				in, browser := system[i%len(system)], []string{"Firefox", "Chrome"}[i/2%2]
				padding := i % 7 * i // also longer than what is remembered
				buffer = fmt.Appendf(buffer[:0], "Mozilla/5.0 (%s; %d%s) %s/%d", in.mark, i%90, strings.Repeat("x", padding), browser, g)
				user := fmt.Sprint("user ", g, " ", i)
				b := newBrowser(h)
				b.Send("POST", "/", "User", user, "User-Agent", unsafe.String(&buffer[0], len(buffer)))
				list, err := m.Sessions(t.Context(), user)
				if want := browser + " on " + in.name; err != nil || len(list) != 1 || list[0].Device != want {
					t.Errorf("%.60s: got %+v, %v, want %s", buffer, list, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
