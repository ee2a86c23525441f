package cli

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
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

// fromBlockEnv has the key that a securecookie is encrypted with, beside the other.
const fromBlockEnv = "FROM_BLOCK_KEY"

// A foreignForm is the cookie of another system. open makes, for a cookie's name and
// its secret, a source for each way in which it may have been configured; nil: nothing
// is signed, and what it holds is in a store.
type foreignForm struct {
	system, name string // and what its cookie is called by default
	is           func(value string) bool
	open         func(i inspector, name string) []bridge.Source
}

// foreignForms are in the order in which forms say more.
var foreignForms = []foreignForm{
	{"Flask", "session", flask.Recognize, func(i inspector, name string) []bridge.Source {
		return made(flask.New(flask.Config{SecretKey: i.fromSecret, CookieName: name}))
	}},
	{"Django", "sessionid", django.Recognize, func(i inspector, name string) []bridge.Source {
		return made(django.New(django.Config{Engine: django.SignedCookies, SecretKey: i.fromSecret, Cookie: name}))
	}},
	{"Rails", "session", rails.Recognize, railsSources},
	{"Express", "connect.sid", express.Recognize, func(i inspector, name string) []bridge.Source {
		return made(express.New(express.Config{Secrets: []string{i.fromSecret}, Store: express.Redis(noStore{}, ""), Name: name}))
	}},
	{"gorilla/sessions", "session", gorilla.Recognize, gorillaSources},
	{"Laravel", "laravel_session", func(value string) bool { return strings.HasPrefix(value, laravelBegins) && php.Recognize(value) }, laravelSources},
	{"PHP", "PHPSESSID", func(value string) bool { return !strings.HasPrefix(value, laravelBegins) && php.Recognize(value) }, nil},
	{"scs", "session", scs.Recognize, nil},
}

const (
	// laravelBegins is {"iv": in base64.
	laravelBegins = "eyJpdiI6"
	// foreignUser is where a user is looked for; all values are shown anyhow.
	foreignUser = "user_id"
)

// made is a list of the source, if there is one: a name may be none for it.
func made[S bridge.Source](source S, err error) []bridge.Source {
	if err != nil {
		return nil
	}
	return []bridge.Source{source}
}

func railsSources(i inspector, name string) []bridge.Source {
	c := rails.Config{SecretKeyBase: i.fromSecret, UserKey: foreignUser, Cookie: name}
	old := c
	for _, s := range []rails.Secret{{Digest: rails.SHA1}, {CBC: true}, {Digest: rails.SHA1, CBC: true}} {
		s.KeyBase = i.fromSecret
		old.Rotated = append(old.Rotated, s)
	}
	if all := made(rails.New(old)); all != nil {
		return all
	}
	return made(rails.New(c)) // SHA-1 is not to be had everywhere
}

func gorillaSources(i inspector, name string) (all []bridge.Source) {
	key := gorilla.KeyPair{Hash: []byte(i.fromSecret), Block: []byte(i.fromBlock)}
	if i.fromBlock == "" {
		key.Block = nil
	}
	for _, store := range []bridge.KV{nil, noStore{}} {
		for _, by := range []gorilla.Serializer{gorilla.Gob{}, gorilla.JSON{}} {
			all = append(all, made(gorilla.New(gorilla.Config{
				Keys: []gorilla.KeyPair{key}, Name: name, UserKey: foreignUser, Store: store, Serializer: by, MaxAge: gorilla.NoMaxAge,
			}))...)
		}
	}
	return all
}

func laravelSources(i inspector, name string) (all []bridge.Source) {
	for _, c := range []php.Cipher{php.AES256CBC, php.AES256GCM, php.AES128CBC, php.AES128GCM} {
		all = append(all, made(php.NewLaravel(php.LaravelConfig{Keys: []string{i.fromSecret}, Cipher: c, Store: noStore{}, Name: name}))...)
	}
	return all
}

// noStore is a store that has nothing: what gets as far as that was genuine.
type noStore struct{}

func (noStore) Get(context.Context, string) ([]byte, time.Duration, error) {
	return nil, 0, bridge.ErrEnded
}
func (noStore) Set(context.Context, string, []byte, time.Duration) error {
	return errors.ErrUnsupported
}
func (noStore) Del(context.Context, string) error { return errors.ErrUnsupported }

// foreign tells of which other systems a cookie may be, and with the old secret
// what is in it.
func (i inspector) foreign(p *printer, c given) {
	if i.cookieSession(p, c) {
		return
	}
	var systems []string
	for _, form := range foreignForms {
		if !form.is(c.value) {
			continue
		}
		systems = append(systems, form.system)
		if i.fromSecret == "" || form.open == nil {
			continue
		}
		name := cmp.Or(c.name, form.name)
		if i.foreignOpened(p, form.system, form.open(i, name), name+"="+c.value) {
			return
		}
	}
	if len(systems) == 0 {
		return
	}
	hint := ""
	if i.fromSecret == "" {
		hint = "; with its secret in " + fromSecretEnv + " more can be told of what is signed"
	}
	p.line("looks like", "a session cookie of %s%s", strings.Join(systems, ", or of "), hint)
}

// cookieSession knows Express's cookie-session by the signature beside it.
func (i inspector) cookieSession(p *printer, c given) bool {
	at := slices.IndexFunc(i.all, func(other given) bool { return c.name != "" && other.name == c.name+".sig" })
	if at < 0 {
		return false
	}
	source := []bridge.Source(nil)
	if i.fromSecret != "" {
		source = made(express.NewCookie(express.CookieConfig{Keys: []string{i.fromSecret}, Name: c.name}))
	}
	sig := i.all[at]
	if !i.foreignOpened(p, "Express", source, c.name+"="+c.value+"; "+sig.name+"="+sig.value) {
		p.line("looks like", "a session of Express's cookie-session, signed in %s", printable(sig.name))
	}
	return true
}

// foreignOpened shows a session if one of the sources knows it, or else why the first
// does not.
func (i inspector) foreignOpened(p *printer, system string, sources []bridge.Source, cookies string) bool {
	var first error
	for _, source := range sources {
		s, err := source.Read(&http.Request{Header: http.Header{"Cookie": {cookies}}})
		switch {
		case err == nil:
			showForeign(p, system, s)
			return true
		case errors.Is(err, bridge.ErrEnded):
			p.line(system, "the id of a session, signed with this secret; what it holds is in its store")
			return true
		case first == nil:
			first = err
		}
	}
	if first != nil {
		p.line(system, "%v", first)
	}
	return false
}

func showForeign(p *printer, system string, s bridge.Session) {
	user := "of nobody that is known"
	if s.User != "" {
		user = "of user " + strconv.Quote(s.User)
	}
	p.line(system, "a genuine session %s, written %s, until %s", user, stamp(s.Written), stamp(s.Expires))
	for _, name := range slices.Sorted(maps.Keys(s.Values)) {
		p.line("", "%s = %s", strconv.Quote(name), printable(string(s.Values[name])))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Refused)) {
		p.line("", "%s: %s", strconv.Quote(name), printable(s.Refused[name]))
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "it does not say"
	}
	return t.UTC().Format(time.RFC3339)
}
