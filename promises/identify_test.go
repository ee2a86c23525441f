package promises_test

import (
	"context"
	"errors"
	"html/template"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

var greeting = template.Must(template.New("").Parse(`{{with .Identify}}Hello {{.}}{{else}}Log in{{end}}`))

// G5: an outage never looks like "not logged in", nor does a look that comes too
// late (G12): a template that asks Identify fails.
func TestG5IdentifyInATemplate(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for _, c := range []struct {
		name         string
		first        string // what has left before
		guarded      bool   // by Require
		loggedIn     bool
		fails        bool
		err          error
		body, notSay string
	}{
		{"logged in", "", false, true, false, nil, "Hello alice", ""},
		{"nobody", "", false, false, false, nil, "Log in", ""},
		{"too late", "<html>", false, true, false, coatcheck.ErrLate, "<html>", "Log in"},
		{"nobody, too late", "<html>", false, false, false, coatcheck.ErrLate, "<html>", "Log in"},
		{"late, with Require", "<html>", true, true, false, nil, "<html>Hello alice", ""},
		{"an outage", "", false, true, true, away, "Service Unavailable", "Log in"},
	} {
		var l coatchecktest.Events
		store := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, store, coatcheck.Config{Events: l.Record})
		var err error
		page := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.first != "" {
				io.WriteString(w, c.first)
			}
			err = greeting.Execute(w, m.From(r.Context()))
		}))
		if c.guarded {
			page = m.Require(page)
		}
		b := begin(t, m, m.Handler(page))
		if !c.loggedIn {
			b = newBrowser(b.Handler)
		}
		if c.fails {
			store.set(func(context.Context, string) error { return away }, nil)
		}
		l.Reset()
		w := b.Send("GET", "/")
		if !errors.Is(err, c.err) {
			t.Errorf("%s: Execute gives %v, want %v", c.name, err, c.err)
		}
		if w.Body.String() != c.body || c.notSay != "" && strings.Contains(w.Body.String(), c.notSay) {
			t.Errorf("%s: got %q, want %q", c.name, w.Body, c.body)
		}
		if late := l.Count(coatcheck.Late); (late == 1) != (c.err == coatcheck.ErrLate) {
			t.Errorf("%s: got the events %v", c.name, l.Kinds())
		}
	}
}
