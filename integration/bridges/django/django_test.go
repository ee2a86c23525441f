//go:build linux

package django_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/django"
	"github.com/coatcheck/coatcheck/integration/internal/framework"
)

// TestDjango starts Django once, with every engine.
func TestDjango(t *testing.T) {
	all := start(t)
	for _, w := range all {
		t.Run(w.name, func(t *testing.T) {
			if strings.Contains(w.name, "former") {
				return
			}
			t.Run("they write, we read", w.theyWrite)
			t.Run("we write, they read", w.weWrite)
			t.Run("every type", w.types)
			t.Run("numbers that JSON does not have", w.odd)
			t.Run("logout", w.logout)
			t.Run("password", w.password)
			t.Run("expiry", w.expiry)
			t.Run("csrf", w.csrf)
			t.Run("random", w.random)
			t.Run("all", w.all)
			t.Run("move", w.moved)
		})
	}
	t.Run("rotation", func(t *testing.T) { rotation(t, all[0], all[len(all)-1]) })
}

func (w *world) theyWrite(t *testing.T) {
	b := framework.NewBrowser()
	if _, err := w.source.Read(b.Request()); !errors.Is(err, bridge.ErrAbsent) {
		t.Errorf("without a cookie: %v", err)
	}
	w.visit(t, b, "put", url.Values{"values": {`{"cart": [1, 2]}`}})
	got := w.read(t, b)
	if got.User != "" || string(got.Values["cart"]) != "[1,2]" && string(got.Values["cart"]) != "[1, 2]" {
		t.Errorf("of somebody who is not logged in: user %q, cart %s", got.User, got.Values["cart"])
	}
	pk := w.user(t, "writer")
	there := w.login(t, b, "writer", nil)
	got = w.read(t, b)
	if got.User != pk || there.User != pk {
		t.Errorf("got user %q, Django has %q, want %q", got.User, there.User, pk)
	}
	framework.Same(t, got.Values, there.Values)
	if left := time.Until(got.Expires); left < 13*24*time.Hour || left > 14*24*time.Hour+time.Minute {
		t.Errorf("it ends in %v, want two weeks", left)
	}
	if again := w.read(t, b); again.ID != got.ID || !strings.HasPrefix(again.ID, "django:") {
		t.Errorf("the id is %q, then %q", got.ID, again.ID)
	}
}

func (w *world) weWrite(t *testing.T) {
	pk := w.user(t, "reader")
	b := framework.NewBrowser()
	values := map[string]json.RawMessage{"cart": json.RawMessage(`["a", 2]`), "name": json.RawMessage(`"Grüße 世界 🧥"`)}
	w.issue(t, b, bridge.Session{User: pk, Values: values})
	there := w.visit(t, b, "who", nil)
	if there.User != pk {
		t.Fatalf("Django has user %q, want %q", there.User, pk)
	}
	for _, name := range []string{"_auth_user_id", "_auth_user_hash", "_auth_user_backend"} {
		delete(there.Values, name)
	}
	framework.Same(t, there.Values, values)

	// It goes on as Django's own: a request there changes it, and we see that.
	w.visit(t, b, "put", url.Values{"values": {`{"more": true}`}})
	if got := w.read(t, b); got.User != pk || string(got.Values["more"]) != "true" {
		t.Errorf("after a change there: user %q, more %s", got.User, got.Values["more"])
	}
}

func (w *world) types(t *testing.T) {
	b := framework.NewBrowser()
	w.visit(t, b, "types", nil)
	there := w.visit(t, b, "who", nil) // as it was stored
	got := w.read(t, b)
	if len(there.Values) < 16 {
		t.Fatalf("Django has %d values only", len(there.Values))
	}
	framework.Same(t, got.Values, there.Values)

	delete(got.Values, "surrogate") // half a character: refused where it cannot be written
	b = framework.NewBrowser()
	w.issue(t, b, bridge.Session{Values: got.Values})
	framework.Same(t, w.visit(t, b, "who", nil).Values, got.Values)
}

func (w *world) odd(t *testing.T) {
	for _, n := range []string{"nan", "up", "down"} {
		b := framework.NewBrowser()
		b.Visit(t, w.url+"odd?n="+n, nil, nil)
		got := w.read(t, b)
		if len(got.Values) != 1 || string(got.Values["other"]) != "7" || !strings.Contains(got.Refused["number"], "JSON does not have") {
			t.Errorf("%s: got %s, without %v", n, got.Values, got.Refused)
		}
	}
}

func (w *world) logout(t *testing.T) {
	pk := w.user(t, "leaver")
	b := framework.NewBrowser()
	w.login(t, b, "leaver", nil)
	kept := &framework.Browser{Cookies: map[string]string{"sessionid": b.Cookies["sessionid"]}}
	w.visit(t, b, "logout", nil)
	if s, err := w.source.Read(b.Request()); err == nil && s.User != "" {
		t.Errorf("after a logout there: %q is logged in", s.User)
	}
	// A copy of a cookie that is the session opens it still, in Django as well.
	s, err := w.source.Read(kept.Request())
	if there := w.visit(t, kept, "who", nil); (there.User == pk) != (err == nil && s.User == pk) {
		t.Errorf("after a logout there, with the cookie of before: %v; Django has %q", err, there.User)
	}
	if w.config.Engine != django.SignedCookies && !errors.Is(err, bridge.ErrEnded) {
		t.Errorf("after a logout there: got %v, want ErrEnded", err)
	}

	b = framework.NewBrowser()
	w.login(t, b, "leaver", nil)
	kept = &framework.Browser{Cookies: map[string]string{"sessionid": b.Cookies["sessionid"]}}
	answer := httptest.NewRecorder()
	if err := w.source.End(answer, b.Request()); err != nil {
		t.Fatal(err)
	}
	b.Take(answer)
	if there := w.visit(t, b, "who", nil); there.User != "" {
		t.Errorf("after a logout here Django has %q", there.User)
	}
	if there := w.visit(t, kept, "who", nil); there.User != "" && w.config.Engine != django.SignedCookies {
		t.Errorf("after a logout here, with the cookie of before, Django has %q", there.User)
	}
}

func (w *world) password(t *testing.T) {
	pk := w.user(t, "changer")
	theirs, ours := framework.NewBrowser(), framework.NewBrowser()
	w.login(t, theirs, "changer", nil)
	w.issue(t, ours, bridge.Session{User: pk})
	answer := w.visit(t, framework.NewBrowser(), "password", url.Values{"name": {"changer"}, "password": {"another"}})
	w.hashes[pk] = answer.Hash
	for _, b := range []*framework.Browser{theirs, ours} {
		if _, err := w.source.Read(b.Request()); !errors.Is(err, bridge.ErrEnded) {
			t.Errorf("after a change of the password: got %v, want ErrEnded", err)
		}
		if there := w.visit(t, b, "who", nil); there.User != "" {
			t.Errorf("after a change of the password Django has %q", there.User)
		}
	}
}

// expiry issues a session of a second and waits until both say that it is over;
// and one that Django wrote is over here when Django says.
func (w *world) expiry(t *testing.T) {
	if w.config.Engine == django.SignedCookies {
		b := framework.NewBrowser()
		w.visit(t, b, "put", url.Values{"values": {`{"a": 1}`}})
		end := w.read(t, b).Expires
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(end.Add(time.Second)))
			if _, err := w.source.Read(b.Request()); !errors.Is(err, bridge.ErrExpired) {
				t.Errorf("a second after its end: got %v, want ErrExpired", err)
			}
		})
		return
	}
	pk := w.user(t, "late")
	theirs, ours := framework.NewBrowser(), framework.NewBrowser()
	w.login(t, theirs, "late", url.Values{"expiry": {"1"}})
	w.issue(t, ours, bridge.Session{User: pk, Expires: time.Now().Add(time.Second)})
	for _, b := range []*framework.Browser{theirs, ours} {
		key := b.Cookies["sessionid"]
		for over := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
			_, err := w.source.Read(b.Request())
			if errors.Is(err, bridge.ErrExpired) || errors.Is(err, bridge.ErrEnded) {
				break
			}
			if err != nil || time.Now().After(over) {
				t.Fatalf("a session of one second: %v", err)
			}
		}
		for over := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
			b.Cookies["sessionid"] = key       // though Max-Age has run out
			there := w.visit(t, b, "who", nil) // its cache and its database are two clocks
			if there.User == "" {
				break
			}
			if time.Now().After(over) {
				t.Fatalf("Django still has %q", there.User)
			}
		}
	}
}

// csrf: a form of Django's is known here, and what Session.CSRF says is taken by
// Django, before and after our login.
func (w *world) csrf(t *testing.T) {
	b := framework.NewBrowser()
	w.visit(t, b, "put", url.Values{"values": {"{}"}})
	w.visit(t, b, "put", url.Values{"values": {`{"a": 1}`}})
	form := w.visit(t, b, "token", nil).CSRF
	got := w.read(t, b)
	if !django.SameCSRF(got.CSRF, form) {
		t.Errorf("the token of the form is not that of the session")
	}
	w.issue(t, b, got)
	if django.SameCSRF(w.read(t, b).CSRF, form) {
		t.Errorf("a login here left the CSRF token as it was")
	}
	token := w.read(t, b).CSRF
	if status := b.Visit(t, w.url+"guarded", url.Values{"csrfmiddlewaretoken": {token}}, nil); status != 200 {
		t.Errorf("Django answers %d to the CSRF token from here", status)
	}
	if status := b.Visit(t, w.url+"guarded", url.Values{"csrfmiddlewaretoken": {form}}, nil); status != 403 {
		t.Errorf("Django answers %d to the CSRF token of before the login", status)
	}
}

// random is 200 sessions each way of each form.
func (w *world) random(t *testing.T) {
	n := 20 // the same code but for the driver
	if w.name == "signed_cookies" || w.name == "db, SQLite" || w.name == "cache" {
		n = 200
	}
	rng := rand.New(rand.NewPCG(14, uint64(len(w.name))))
	for i := range n {
		values := framework.JSON(t, framework.RandomValues(rng))
		text, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		theirs, ours := framework.NewBrowser(), framework.NewBrowser()
		w.visit(t, theirs, "put", url.Values{"values": {string(text)}})
		got := w.read(t, theirs)
		framework.Same(t, got.Values, values)
		w.issue(t, ours, bridge.Session{Values: values})
		framework.Same(t, w.visit(t, ours, "who", nil).Values, values)
		if t.Failed() {
			t.Fatalf("session %d of %d: %s", i, n, text)
		}
	}
}

// all: the walk meets every session, and ends.
func (w *world) all(t *testing.T) {
	if w.config.Engine == django.SignedCookies {
		for _, err := range w.source.All(t.Context()) {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("got %v, want ErrUnsupported", err)
			}
		}
		return
	}
	want := map[string]bool{}
	for range 3 {
		b := framework.NewBrowser()
		w.visit(t, b, "put", url.Values{"values": {`{"walked": 1}`}})
		want[w.read(t, b).ID] = true
	}
	for s, err := range w.source.All(t.Context()) {
		if err != nil && !bridge.Skips(err) {
			t.Fatal(err)
		}
		if err == nil {
			delete(want, s.ID)
		}
	}
	if len(want) > 0 {
		t.Errorf("the walk missed %d sessions", len(want))
	}
}

// rotation: what Django signed with the former secret is read by the fallback, as
// Django reads it, and what we issue is signed with the new one.
func rotation(t *testing.T, now, before *world) {
	b := framework.NewBrowser()
	before.visit(t, b, "put", url.Values{"values": {`{"a": "of before"}`}})
	if _, err := now.source.Read(b.Request()); !errors.Is(err, bridge.ErrForged) || !strings.Contains(err.Error(), "SecretKey") {
		t.Errorf("without the fallback: got %v, want an error that names the secret", err)
	}
	c := now.config
	c.SecretKeyFallbacks = []string{"another", old}
	both, err := django.New(c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := both.Read(b.Request())
	if err != nil || string(got.Values["a"]) != `"of before"` {
		t.Fatalf("with the fallback: %s, %v", got.Values["a"], err)
	}
	answer := httptest.NewRecorder()
	if err := both.Issue(answer, b.Request(), got); err != nil {
		t.Fatal(err)
	}
	b.Take(answer)
	if there := now.visit(t, b, "who", nil); string(there.Values["a"]) != `"of before"` {
		t.Errorf("Django with the new secret has %s", there.Values["a"])
	}
	if there := before.visit(t, b, "who", nil); len(there.Values) > 0 {
		t.Errorf("Django with the former secret has %s", there.Values)
	}
}
