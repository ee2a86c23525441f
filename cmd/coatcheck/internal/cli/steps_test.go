package cli_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

const sid = "__Host-Http-sid"

// A step is one line of the walk-through: who does what, and the answer.
//
// do is a request, or one of "has COOKIE", "lacks COOKIE", "note COOKIE", which
// remembers its value, "new COOKIE", which wants another value than that, and
// "change COOKIE", which changes one character of it by hand. A form may have
// {NOTE}, a body that a step gave that name, and {handle of WHO}.
type step struct {
	who, do, form string
	status        int
	body          string // exactly; "" for what another field looks at
	note          string // names the body
	check         func(t *testing.T, a answer)
}

// walk is every row of the walk-through, in the order a visitor might take.
var walk = []step{
	// The chapter's own five.
	{who: "laptop", do: "GET /get-cookie", status: 200, body: "Username: None"},
	{who: "laptop", do: "GET /set-cookie", status: 200, body: "Cookie set", check: setsCookie("username=alice; Max-Age=3600; Path=/;")},
	{who: "laptop", do: "has username"},
	{who: "laptop", do: "GET /get-cookie", status: 200, body: "Username: alice"},
	{who: "laptop", do: "GET /profile", status: 401, body: "Not logged in"},
	{who: "laptop", do: "lacks " + sid},
	{who: "laptop", do: "GET /login", status: 200, body: "Logged in", check: setsCookie(sid + "=")},
	{who: "laptop", do: "note " + sid},
	{who: "laptop", do: "GET /profile", status: 200, body: "User 123"},
	{who: "laptop", do: "POST /login", status: 200, body: "Logged in"},
	{who: "laptop", do: "new " + sid},
	{who: "laptop", do: "GET /profile", status: 200, body: "User 123"},
	{who: "laptop", do: "POST /login", form: "user=456", status: 200, body: "Logged in"},
	{who: "laptop", do: "new " + sid},
	{who: "laptop", do: "GET /profile", status: 200, body: "User 456"},
	{who: "laptop", do: "GET /logout", status: 200, body: "Logged out", check: setsCookie(sid + "=; Max-Age=0;")},
	{who: "laptop", do: "lacks " + sid},
	{who: "laptop", do: "GET /profile", status: 401, body: "Not logged in"},
	{who: "laptop", do: "POST /login", status: 200, body: "Logged in"},
	{who: "laptop", do: "POST /logout", status: 200, body: "Logged out", check: setsCookie(sid + "=; Max-Age=0;")},
	{who: "laptop", do: "lacks " + sid},
	{who: "laptop", do: "POST /logout", status: 200, body: "Logged out"},

	// What cookies are for.
	{who: "laptop", do: "GET /preferences", status: 200, body: "Theme: default"},
	{who: "laptop", do: "POST /preferences", form: "theme=dark", status: 200, body: "Theme: dark"},
	{who: "laptop", do: "GET /preferences", status: 200, body: "Theme: dark"},
	{who: "laptop", do: "change __Host-Http-theme"},
	{who: "laptop", do: "GET /preferences", status: 200, body: "Theme: default"},
	{who: "laptop", do: "POST /preferences", form: "theme=", status: 400},
	{who: "laptop", do: "GET /visitor", status: 200, body: "Welcome, new visitor",
		check: setsCookie("__Host-Http-visitor=", "; Max-Age=31536000; Path=/; Secure; HttpOnly; SameSite=Lax")},
	{who: "laptop", do: "GET /visitor", status: 200, body: "Welcome back, visit 2"},
	{who: "laptop", do: "GET /visitor", status: 200, body: "Welcome back, visit 3"},
	{who: "phone", do: "GET /visitor", status: 200, body: "Welcome, new visitor"},
	{who: "laptop", do: "GET /token", status: 401, body: "Token missing or expired"},
	{who: "laptop", do: "POST /token", status: 200, body: "Token issued", check: setsCookie("__Host-Http-token=", "; Max-Age=60;")},
	{who: "laptop", do: "GET /token", status: 200, body: "Token valid"},
	{who: "laptop", do: "change __Host-Http-token"},
	{who: "laptop", do: "GET /token", status: 401, body: "Token missing or expired"},
	{who: "laptop", do: "POST /visits", status: 200, body: "Visit 1"},
	{who: "laptop", do: "POST /visits", status: 200, body: "Visit 2"},
	{who: "phone", do: "POST /visits", status: 200, body: "Visit 1"},

	// What sessions are for.
	{who: "laptop", do: "GET /cart", status: 200, body: "[]"},
	{who: "laptop", do: "POST /cart", form: "item=tea", status: 200, body: `["tea"]`},
	{who: "laptop", do: "POST /cart", form: "item=two+cups", status: 200, body: `["tea","two cups"]`},
	{who: "laptop", do: "GET /cart", status: 200, body: `["tea","two cups"]`},
	{who: "laptop", do: "GET /dashboard", status: 200, body: "Widget: none"},
	{who: "laptop", do: "POST /dashboard", form: "widget=clock", status: 200, body: "Widget: clock"},
	{who: "laptop", do: "GET /dashboard", status: 200, body: "Widget: clock"},
	{who: "laptop", do: "POST /one-time", status: 200, note: "code"},
	{who: "laptop", do: "POST /one-time/redeem", form: "code=wrong", status: 403, body: "Refused"},
	{who: "phone", do: "POST /one-time/redeem", form: "code={code}", status: 403, body: "Refused"},
	{who: "laptop", do: "POST /one-time/redeem", form: "code={code}", status: 200, body: "Accepted"},
	{who: "laptop", do: "POST /one-time/redeem", form: "code={code}", status: 403, body: "Refused"},

	// Seeing and ending one's sessions.
	{who: "laptop", do: "GET /sessions", status: 401, body: "Not logged in"},
	{who: "laptop", do: "POST /sessions/revoke", form: "handle=x", status: 401, body: "Not logged in"},
	{who: "laptop", do: "POST /sessions/revoke-others", status: 401, body: "Not logged in"},
	{who: "laptop", do: "POST /sessions/label", form: "label=x", status: 401, body: "Not logged in"},
	{who: "laptop", do: "POST /login", status: 200, body: "Logged in"},
	{who: "laptop", do: "GET /cart", status: 200, body: `["tea","two cups"]`}, // kept
	{who: "phone", do: "POST /login", status: 200, body: "Logged in"},
	{who: "tablet", do: "POST /login", status: 200, body: "Logged in"},
	{who: "stranger", do: "POST /login", form: "user=456", status: 200, body: "Logged in"},
	{who: "tablet", do: "POST /sessions/label", form: "label=kitchen+tablet", status: 200, body: "Label: kitchen tablet"},
	{who: "tablet", do: "POST /sessions/label", form: "label=", status: 400},
	{who: "laptop", do: "GET /sessions", status: 200, check: lists(3)},
	{who: "stranger", do: "GET /sessions", status: 200, check: lists(1)},
	{who: "stranger", do: "POST /sessions/revoke", form: "handle={handle of phone}", status: 404},
	{who: "phone", do: "GET /profile", status: 200, body: "User 123"},
	{who: "laptop", do: "POST /sessions/revoke", form: "handle={handle of phone}", status: 200, body: "Revoked"},
	{who: "phone", do: "GET /profile", status: 401, body: "Not logged in"},
	{who: "laptop", do: "GET /sessions", status: 200, check: lists(2)},
	{who: "laptop", do: "POST /sessions/revoke-others", status: 200, body: "Revoked 1"},
	{who: "tablet", do: "GET /profile", status: 401, body: "Not logged in"},
	{who: "laptop", do: "POST /sessions/revoke-others", status: 200, body: "Revoked 0"},
	{who: "laptop", do: "GET /profile", status: 200, body: "User 123"},
	{who: "stranger", do: "GET /profile", status: 200, body: "User 456"},
	{who: "stranger", do: "POST /sessions/revoke", form: "handle={handle of stranger}", status: 200, body: "Revoked"},
	{who: "stranger", do: "GET /profile", status: 401, body: "Not logged in"},
	{who: "laptop", do: "POST /logout", status: 200, body: "Logged out"},
	{who: "laptop", do: "GET /cart", status: 200, body: "[]"},

	{who: "laptop", do: "GET /healthz", status: 200, body: "ok"},
	{who: "laptop", do: "GET /nowhere", status: 404},
}

// setsCookie wants a Set-Cookie line that begins so, and holds the rest.
func setsCookie(start string, rest ...string) func(*testing.T, answer) {
	return func(t *testing.T, a answer) {
		t.Helper()
		for _, line := range a.SetCookies {
			lacks := func(s string) bool { return !strings.Contains(line, s) }
			if strings.HasPrefix(line, start) && !slices.ContainsFunc(rest, lacks) {
				return
			}
		}
		t.Errorf("got Set-Cookie %q, want %q with %q", a.SetCookies, start, rest)
	}
}

// lists wants n sessions, one of them current, with exactly the fields of the
// walk-through.
func lists(n int) func(*testing.T, answer) {
	return func(t *testing.T, a answer) {
		t.Helper()
		list := devices(t, a)
		current := 0
		for _, d := range list {
			if label, ok := d["label"]; ok && label != "kitchen tablet" {
				t.Errorf("a session has the label %q", label)
			}
			delete(d, "label")
			if got := slices.Sorted(maps.Keys(d)); !slices.Equal(got, []string{"created", "current", "device", "handle", "last_seen"}) {
				t.Errorf("a session has the fields %q", got)
			}
			if d["current"] == true {
				current++
			}
			for _, field := range []string{"created", "last_seen"} {
				text, _ := d[field].(string)
				if at, err := time.Parse(time.RFC3339, text); err != nil || time.Since(at).Abs() > time.Hour {
					t.Errorf("%s is %q, want now", field, text)
				}
			}
			if device, _ := d["device"].(string); device == "" {
				t.Error("a session has no device")
			}
		}
		if len(list) != n || current != 1 {
			t.Errorf("got %d sessions, %d of them current; want %d and 1", len(list), current, n)
		}
	}
}
