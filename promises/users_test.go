package promises_test

import (
	"net/http"
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
