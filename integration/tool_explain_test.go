//go:build linux

package integration_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// explained is what sessions explain --json says.
type explained struct {
	Handle, State, Why, Cookie string
	User                       *string
	Next                       *explained `json:"replaced_by"`
}

// toolExplain: sessions explain knows what became of a session, and the site does
// with its cookie what it says.
func toolExplain(t *testing.T, program *servers.Coatcheck, place toolPlace) {
	site := program.Serve(t, "--store", place.url)
	user := rand.Text()
	v := newVisitor(newClient(t, 4))
	own := func() string { return v.sessions(t, site)[0].Handle }
	explain := func(handle string, status int, args ...string) (e explained) {
		t.Helper()
		args = append([]string{"sessions", "explain", handle, "--store", place.url, "--json"}, args...)
		text := run(t, program, status, `"state":`, args...)
		if err := json.Unmarshal([]byte(text), &e); err != nil || e.Handle != handle || e.Why == "" || e.Cookie == "" {
			t.Errorf("sessions explain: got %s, %v", text, err)
		}
		return e
	}

	v.must(t, site, "POST", "/login", http.StatusOK, "Logged in", "user", user)
	first, old := own(), v.copy()
	for _, flags := range [][]string{nil, {"--user", user}} {
		if e := explain(first, 0, flags...); e.State != "live" || e.User == nil || *e.User != user || e.Cookie != "the session of user "+user {
			t.Errorf("a live session: got %+v", e)
		}
	}

	run(t, program, 0, `user="`+user+`"`, "sessions", "top", "--store", place.url, "--times", "1")

	// A new token: the old one is nobody's, and leads to the new one.
	v.must(t, site, "POST", "/login", http.StatusOK, "Logged in", "user", user)
	second := own()
	if e := explain(first, 0); e.State != "replaced" || e.Next == nil || e.Next.Handle != second || e.Next.State != "live" || !strings.Contains(e.Cookie, "409") {
		t.Errorf("a session that was replaced: got %+v, want %s next", e, second)
	}
	old.copy().must(t, site, "GET", "/profile", http.StatusConflict, "")
	old.must(t, site, "POST", "/visits", http.StatusConflict, "")

	// An end: who was told begins anew, and whoever was not is refused.
	run(t, program, 0, "Revoked 1.\n", "sessions", "revoke", "--store", place.url, "--user", user, "--all")
	if e := explain(second, 0); e.State != "ended" || e.User != nil || e.Next != nil || !strings.Contains(e.Cookie, "409") {
		t.Errorf("a session that was ended: got %+v", e)
	}
	v.copy().must(t, site, "POST", "/visits", http.StatusConflict, "")
	v.must(t, site, "GET", "/profile", http.StatusUnauthorized, "Not logged in")
	v.must(t, site, "POST", "/visits", http.StatusOK, "Visit 1")
	run(t, program, 0, "state      ended\n", "sessions", "explain", second, "--store", place.url)
	if e := explain("AAAAAAAAAAAA", 1); e.State != "unknown" || !strings.HasPrefix(e.Cookie, "as if there were none") {
		t.Errorf("a session that never was: got %+v", e)
	}
	run(t, program, 2, "a handle has 12 characters", "sessions", "explain", "short", "--store", place.url)
}
