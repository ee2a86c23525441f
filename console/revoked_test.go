package console_test

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/console"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// The page says who ended a session, and what else ended with it: the user, somebody
// outside, a label, a limit. Each was really done.
func TestWhoEndedIt(t *testing.T) {
	t.Parallel()
	const outside, own = "Ended from outside by an operator, a program or a provider’s logout, which gave no name, ", "The user ended it in a request of their own, "
	asUser := func(end func(context.Context, *coatcheck.Manager, string) error) func(*testing.T, *ending) error {
		return func(t *testing.T, e *ending) error { return e.inRequest(t, end) }
	}
	outsideOf := func(end func(context.Context, *coatcheck.Manager, string) error) func(*testing.T, *ending) error {
		return func(t *testing.T, e *ending) error { return end(t.Context(), e.sessions, e.handle) }
	}
	one := func(ctx context.Context, m *coatcheck.Manager, handle string) error {
		_, err := m.Revoke(ctx, "123", handle)
		return err
	}
	labelled := func(ctx context.Context, m *coatcheck.Manager, _ string) error {
		_, err := m.RevokeLabel(ctx, "123", "sid", "idp-7")
		return err
	}
	all := func(ctx context.Context, m *coatcheck.Manager, _ string) error {
		_, err := m.RevokeAll(ctx, "123")
		return err
	}
	others := func(ctx context.Context, m *coatcheck.Manager, _ string) error {
		_, err := m.RevokeOthers(ctx)
		return err
	}
	everybody := func(ctx context.Context, m *coatcheck.Manager, _ string) error {
		_, err := m.RevokeEverybody(ctx)
		return err
	}
	byAda := func(ctx context.Context, m *coatcheck.Manager, _ string) error {
		_, err := m.RevokeAll(coatcheck.By(ctx, "ada"), "123")
		return err
	}
	for name, c := range map[string]struct {
		end  func(*testing.T, *ending) error
		says string
	}{
		"Revoke":                {outsideOf(one), outside + "this session alone."},
		"Revoke by the user":    {asUser(one), own + "this session alone, as from a list of devices."},
		"RevokeLabel":           {outsideOf(labelled), outside + "with all of the user’s sessions that have a label."},
		"RevokeLabel by user":   {asUser(labelled), own + "with all of the user’s sessions that have a label."},
		"RevokeAll":             {outsideOf(all), outside + "with all sessions of the user."},
		"RevokeAll by the user": {asUser(all), own + "with all sessions of the user: logged out everywhere."},
		"RevokeAll by an admin": {outsideOf(byAda), "Ended by ada, with all sessions of the user."},
		"RevokeOthers":          {asUser(others), own + "with all sessions of the user but the one in use, as after a new password."},
		"RevokeEverybody":       {outsideOf(everybody), outside + "with the sessions of everybody."},
		"a login above MaxPerUser": {func(t *testing.T, e *ending) error { e.login(t); e.login(t); return nil },
			"Nobody asked for it: a later login of the user took its place, since the application limits how many sessions a user has."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnding(t)
			if err := c.end(t, e); err != nil {
				t.Fatal(err)
			}
			w := e.login(t).Send("GET", "/console/why?q="+e.handle)
			answer{w.Code, w.Header(), w.Body.String()}.has(t, "The answer", c.says)
		})
	}
}

// An ending is an application with one session of user 123, which is to end.
type ending struct {
	sessions *coatcheck.Manager
	handler  http.Handler
	handle   string
	asked    func(context.Context) error
}

func newEnding(t *testing.T) *ending {
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	var hour console.Recorder
	e := new(ending)
	e.sessions, err = coatcheck.New(hour.Store(memstore.New(memstore.Config{})), keys, coatcheck.Config{MaxPerUser: 2, Events: hour.Events(nil)})
	if err != nil {
		t.Fatal(err)
	}
	page, err := console.New(e.sessions, console.Config{Recorder: &hour, Authorize: func(*http.Request) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/console/", page)
	mux.HandleFunc("POST /end", func(_ http.ResponseWriter, r *http.Request) {
		if user := coatcheck.From(r.Context()).User(); user != "123" {
			t.Errorf("a request of %q", user)
		}
		if err := e.asked(r.Context()); err != nil {
			t.Error(err)
		}
	})
	e.handler = e.sessions.Handler(mux)
	e.login(t).Session(t, e.sessions, func(s *coatcheck.Session) {
		s.SetLabel("sid", "idp-7")
		e.handle = s.Handle()
	})
	return e
}

// login is the user in one more browser.
func (e *ending) login(t *testing.T) *coatchecktest.Browser {
	b := coatchecktest.NewHandlerBrowser(e.handler)
	b.Session(t, e.sessions, func(s *coatcheck.Session) { s.Login("123") })
	return b
}

// inRequest ends it in a request of another session of the user.
func (e *ending) inRequest(t *testing.T, end func(context.Context, *coatcheck.Manager, string) error) error {
	e.asked = func(ctx context.Context) error { return end(ctx, e.sessions, e.handle) }
	e.login(t).Send("POST", "/end")
	return nil
}

// Each reason that the core has for an end from outside is put into words: a new one
// needs some too.
func TestEveryRevocationHasWords(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../event.go")
	if err != nil {
		t.Fatal(err)
	}
	words, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`reason\w+ += ("by [^"]*"|"a later login[^"]*"|"nobody knows whether[^"]*")`).FindAllStringSubmatch(string(source), -1)
	if len(found) < 10 {
		t.Fatalf("found %d reasons: mend this test", len(found))
	}
	for _, m := range found {
		if !strings.Contains(string(words), "\n\t"+m[1]+":") {
			t.Errorf("revocations has no words for %s", m[1])
		}
	}
}
