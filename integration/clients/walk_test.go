//go:build linux

package clients_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// A step is a row of the walk-through, and its answer.
type step struct {
	who, do, form string
	status        int
	body          string // exactly; "" where another field says what is wanted
	note          string // names the body; {name} in a form stands for it
	lists         int    // how many sessions the body lists; their handles are noted
}

// walk is the walk-through, as two people and their devices take it. What needs
// a cookie changed by hand is in the tests of the tool.
var walk = []step{
	{who: "laptop", do: "GET /get-cookie", status: 200, body: "Username: None"},
	{who: "laptop", do: "GET /set-cookie", status: 200, body: "Cookie set"},
	{who: "laptop", do: "GET /get-cookie", status: 200, body: "Username: alice"},
	{who: "laptop", do: "GET /profile", status: 401, body: "Not logged in"},
	{who: "laptop", do: "GET /login", status: 200, body: "Logged in"},
	{who: "laptop", do: "GET /profile", status: 200, body: "User 123"},
	{who: "laptop", do: "POST /login", form: "user=456", status: 200, body: "Logged in"},
	{who: "laptop", do: "GET /profile", status: 200, body: "User 456"},
	{who: "laptop", do: "GET /logout", status: 200, body: "Logged out"},
	{who: "laptop", do: "GET /profile", status: 401, body: "Not logged in"},
	{who: "laptop", do: "POST /login", status: 200, body: "Logged in"},
	{who: "laptop", do: "POST /logout", status: 200, body: "Logged out"},
	{who: "laptop", do: "GET /profile", status: 401, body: "Not logged in"},

	{who: "laptop", do: "GET /preferences", status: 200, body: "Theme: default"},
	{who: "laptop", do: "POST /preferences", form: "theme=dark", status: 200, body: "Theme: dark"},
	{who: "laptop", do: "GET /preferences", status: 200, body: "Theme: dark"},
	{who: "laptop", do: "GET /visitor", status: 200, body: "Welcome, new visitor"},
	{who: "laptop", do: "GET /visitor", status: 200, body: "Welcome back, visit 2"},
	{who: "laptop", do: "GET /visitor", status: 200, body: "Welcome back, visit 3"},
	{who: "phone", do: "GET /visitor", status: 200, body: "Welcome, new visitor"},
	{who: "laptop", do: "GET /token", status: 401, body: "Token missing or expired"},
	{who: "laptop", do: "POST /token", status: 200, body: "Token issued"},
	{who: "laptop", do: "GET /token", status: 200, body: "Token valid"},
	{who: "laptop", do: "POST /visits", status: 200, body: "Visit 1"},
	{who: "laptop", do: "POST /visits", status: 200, body: "Visit 2"},
	{who: "phone", do: "POST /visits", status: 200, body: "Visit 1"},

	{who: "laptop", do: "GET /cart", status: 200, body: "[]"},
	{who: "laptop", do: "POST /cart", form: "item=tea", status: 200, body: `["tea"]`},
	{who: "laptop", do: "POST /cart", form: "item=two+cups", status: 200, body: `["tea","two cups"]`},
	{who: "laptop", do: "GET /cart", status: 200, body: `["tea","two cups"]`},
	{who: "laptop", do: "GET /dashboard", status: 200, body: "Widget: none"},
	{who: "laptop", do: "POST /dashboard", form: "widget=clock", status: 200, body: "Widget: clock"},
	{who: "laptop", do: "GET /dashboard", status: 200, body: "Widget: clock"},
	{who: "laptop", do: "POST /one-time", status: 200, note: "code"},
	{who: "phone", do: "POST /one-time/redeem", form: "code={code}", status: 403, body: "Refused"},
	{who: "laptop", do: "POST /one-time/redeem", form: "code={code}", status: 200, body: "Accepted"},
	{who: "laptop", do: "POST /one-time/redeem", form: "code={code}", status: 403, body: "Refused"},

	{who: "laptop", do: "GET /sessions", status: 401, body: "Not logged in"},
	{who: "laptop", do: "POST /login", form: "user={user}", status: 200, body: "Logged in"},
	{who: "laptop", do: "GET /cart", status: 200, body: `["tea","two cups"]`},
	{who: "phone", do: "POST /login", form: "user={user}", status: 200, body: "Logged in"},
	{who: "tablet", do: "POST /login", form: "user={user}", status: 200, body: "Logged in"},
	{who: "stranger", do: "POST /login", form: "user=other-{user}", status: 200, body: "Logged in"},
	{who: "phone", do: "GET /sessions", status: 200, lists: 3},
	{who: "stranger", do: "POST /sessions/revoke", form: "handle={handle of phone}", status: 404},
	{who: "laptop", do: "POST /sessions/revoke", form: "handle={handle of phone}", status: 200, body: "Revoked"},
	{who: "phone", do: "GET /profile", status: 401, body: "Not logged in"},
	{who: "laptop", do: "GET /sessions", status: 200, lists: 2},
	{who: "laptop", do: "POST /sessions/revoke-others", status: 200, body: "Revoked 1"},
	{who: "tablet", do: "GET /profile", status: 401, body: "Not logged in"},
	{who: "laptop", do: "GET /profile", status: 200, body: "User {user}"},
	{who: "laptop", do: "POST /logout", status: 200, body: "Logged out"},
	{who: "laptop", do: "GET /profile", status: 401, body: "Not logged in"},
	{who: "stranger", do: "GET /profile", status: 200, body: "User other-{user}"},
}

// unseen is a body that the client does not show.
const unseen = "(not shown)"

// take walks through a site. A user of the walk's own keeps the walks of several
// clients apart.
func take(t *testing.T, d driver, site, user string) {
	t.Helper()
	notes := map[string]string{"user": user}
	for _, s := range walk {
		method, path, _ := strings.Cut(s.do, " ")
		status, body := d.send(t, user+"-"+s.who, method, site+path, fill(s.form, notes))
		if want := fill(s.body, notes); status != s.status || want != "" && body != unseen && body != want {
			t.Fatalf("%s: %s %s: got %d %q, want %d %q", s.who, s.do, s.form, status, body, s.status, want)
		}
		if s.note != "" {
			notes[s.note] = body
		}
		if s.lists > 0 {
			if err := note(notes, s, body); err != nil {
				t.Fatalf("%s: %s: %v", s.who, s.do, err)
			}
		}
	}
}

// note wants a list of so many sessions, and keeps the handle of the one that asks.
func note(notes map[string]string, s step, body string) error {
	var list []struct {
		Handle  string
		Current bool
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != s.lists {
		return fmt.Errorf("got %s, %v; want %d sessions", body, err, s.lists)
	}
	for _, l := range list {
		if l.Current {
			notes["handle of "+s.who] = l.Handle
		}
	}
	return nil
}

func fill(text string, notes map[string]string) string {
	for name, value := range notes {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}
