package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/django"
	"github.com/coatcheck/coatcheck/bridge/express"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/bridge/gorilla"
	"github.com/coatcheck/coatcheck/bridge/php"
	"github.com/coatcheck/coatcheck/bridge/rails"
	"github.com/coatcheck/coatcheck/bridge/scs"
)

// foreignForms are the cookies of other systems, by their form, in the order in
// which forms say more.
var foreignForms = []struct {
	system string
	is     func(value string) bool
	open   func(secret string) (bridge.Opener, error) // nil: what it holds is in a store
}{
	{"Flask", flask.Recognize, func(secret string) (bridge.Opener, error) { return flask.New(flask.Config{SecretKey: secret}) }},
	{"Django", django.Recognize, func(secret string) (bridge.Opener, error) {
		return django.New(django.Config{Engine: django.SignedCookies, SecretKey: secret})
	}},
	{"Rails", rails.Recognize, nil}, {"Express", express.Recognize, nil}, {"gorilla/sessions", gorilla.Recognize, nil},
	{"PHP or Laravel", php.Recognize, nil}, {"scs", scs.Recognize, nil},
}

// foreign tells of which other systems a cookie may be, and with the old secret
// what is in it.
func (i inspector) foreign(p *printer, value string) {
	var systems []string
	for _, form := range foreignForms {
		if !form.is(value) {
			continue
		}
		systems = append(systems, form.system)
		if i.fromSecret == "" || form.open == nil {
			continue
		}
		opener, err := form.open(i.fromSecret)
		if err != nil {
			continue
		}
		s, err := opener.Open(context.Background(), value)
		if err != nil {
			p.line(form.system, "%v", err)
			continue
		}
		p.line(form.system, "a genuine session of user %s, written %s, until %s", strconv.Quote(s.User), stamp(s.Created), stamp(s.Expires))
		for _, name := range slices.Sorted(maps.Keys(s.Values)) {
			p.line("", "%s = %s", strconv.Quote(name), printable(string(s.Values[name])))
		}
		return
	}
	if len(systems) > 0 {
		p.line("looks like", "a session cookie of %s; %s", strings.Join(systems, ", or of "), fmt.Sprintf("with its secret in %s more can be told of Flask and Django", fromSecretEnv))
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "it does not say"
	}
	return t.UTC().Format(time.RFC3339)
}
