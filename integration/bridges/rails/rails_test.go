//go:build linux

package rails_test

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
	"github.com/coatcheck/coatcheck/bridge/rails"
	"github.com/coatcheck/coatcheck/integration/internal/framework"
)

// TestRails starts Rails once, with every way to keep sessions.
func TestRails(t *testing.T) {
	all := start(t)
	for _, name := range []string{"GCM, SHA-1", "GCM, SHA-256", "CBC", "expires", "redis, JSON", "redis, Marshal"} {
		w := all[name]
		t.Run(name, func(t *testing.T) {
			t.Run("they write, we read", w.theyWrite)
			t.Run("we write, they read", w.weWrite)
			t.Run("every type", w.types)
			t.Run("objects", w.objects)
			t.Run("logout", w.logout)
			t.Run("csrf", w.csrf)
			t.Run("expiry", w.expiry)
			t.Run("random", w.random)
			t.Run("all", w.all)
			t.Run("move", w.moved)
		})
	}
	for _, name := range []string{"Devise", "Devise, redis"} {
		t.Run(name, all[name].devise)
	}
	t.Run("rotation", func(t *testing.T) { rotation(t, all) })
	t.Run("marshal", func(t *testing.T) { marshal(t, all) })
}

func (w *world) theyWrite(t *testing.T) {
	b := framework.NewBrowser()
	if _, err := w.source.Read(b.Request()); !errors.Is(err, bridge.ErrAbsent) {
		t.Errorf("without a cookie: %v", err)
	}
	w.put(t, b, `{"cart": [1, 2]}`)
	got := w.read(t, b)
	if got.User != "" || string(got.Values["cart"]) != "[1,2]" {
		t.Errorf("of somebody who is not logged in: user %q, cart %s", got.User, got.Values["cart"])
	}
	before := got.ID
	there := w.visit(t, b, "login", url.Values{"id": {"42"}, "values": {`{"name": "Grüße 世界 🧥"}`}})
	got = w.read(t, b)
	if got.User != "42" || there.User != "42" || got.ID == before {
		t.Errorf("got user %q, Rails has %q; the id was %q and is %q", got.User, there.User, before, got.ID)
	}
	same(t, got.Values, there.Values)
	w.put(t, b, `{"cart": []}`)
	if again := w.read(t, b); again.ID != got.ID || !strings.HasPrefix(again.ID, "rails:") {
		t.Errorf("the id is %q, then %q", got.ID, again.ID)
	}
	left := time.Until(got.Expires)
	if w.config.ExpireAfter > 0 && (left > time.Hour || left < 0) || w.config.ExpireAfter == 0 && !got.Expires.IsZero() {
		t.Errorf("it ends in %v", left)
	}
	b = framework.NewBrowser()
	w.visit(t, b, "flash_it", nil)
	if got := w.read(t, b); !strings.Contains(string(got.Values["flash"]), "said once") {
		t.Errorf("the flash is %s", got.Values["flash"])
	}
}

func (w *world) weWrite(t *testing.T) {
	b := framework.NewBrowser()
	values := map[string]json.RawMessage{"cart": json.RawMessage(`["a", 2]`), "name": json.RawMessage(`"Grüße 世界 🧥"`)}
	w.issue(t, b, bridge.Session{User: "7", Values: values})
	there := w.visit(t, b, "who", nil)
	if there.User != "7" {
		t.Fatalf("Rails has user %q, want 7", there.User)
	}
	delete(there.Values, "user_id")
	same(t, there.Values, values)

	// It goes on as Rails' own: a request there changes it, and we see that.
	id := w.read(t, b).ID
	w.put(t, b, `{"more": true}`)
	if got := w.read(t, b); got.User != "7" || string(got.Values["more"]) != "true" || got.ID != id {
		t.Errorf("after a change there: user %q, more %s", got.User, got.Values["more"])
	}
}

func (w *world) types(t *testing.T) {
	b := framework.NewBrowser()
	form := url.Values{}
	if w.config.Redis != nil {
		form.Set("marshal", "1") // the JSON of a cookie makes NaN null, and that of a store does not
	}
	w.visit(t, b, "types", form)
	there := w.visit(t, b, "who", nil) // as it was stored
	got := w.read(t, b)
	if len(there.Values) < 14 {
		t.Fatalf("Rails has %d values only", len(there.Values))
	}
	same(t, got.Values, there.Values)
	b = framework.NewBrowser()
	w.issue(t, b, bridge.Session{Values: got.Values})
	same(t, w.visit(t, b, "who", nil).Values, got.Values)
}

// objects: what only Ruby could make is left out, and the rest is there.
func (w *world) objects(t *testing.T) {
	b := framework.NewBrowser()
	w.visit(t, b, "odd", nil)
	got := w.read(t, b)
	if string(got.Values["other"]) != "7" || !strings.HasPrefix(string(got.Values["time"]), `"1970-01-01`) {
		t.Errorf("got %s", got.Values)
	}
	if why := got.Refused["range"]; w.config.Marshal && why != "the class Range in a Marshal dump" {
		t.Errorf("of a range: got %s, and %q", got.Values["range"], why)
	}
}

func (w *world) logout(t *testing.T) {
	for name, leave := range map[string]func(b *framework.Browser){
		"there": func(b *framework.Browser) { w.visit(t, b, "logout", nil) },
		"here": func(b *framework.Browser) {
			answer := httptest.NewRecorder()
			if err := w.source.End(answer, b.Request()); err != nil {
				t.Fatal(err)
			}
			b.Take(answer)
		},
	} {
		b := framework.NewBrowser()
		w.visit(t, b, "login", url.Values{"id": {"9"}})
		kept := &framework.Browser{Cookies: map[string]string{"_shop_session": b.Cookies["_shop_session"]}}
		leave(b)
		s, err := w.source.Read(b.Request())
		if there := w.visit(t, b, "who", nil); there.User != "" || err == nil && s.User != "" {
			t.Errorf("after a logout %s Rails has %q, and we %q", name, there.User, s.User)
		}
		// A copy of a cookie that is the session opens it still, in Rails as well.
		s, err = w.source.Read(kept.Request())
		if w.config.Redis != nil && !errors.Is(err, bridge.ErrEnded) {
			t.Errorf("after a logout %s: got %v, want ErrEnded", name, err)
		}
		if there := w.visit(t, kept, "who", nil); there.User != s.User {
			t.Errorf("after a logout %s, with the cookie of before: %q, %v; Rails has %q", name, s.User, err, there.User)
		}
	}
}

// csrf: a form of Rails' is known here, and what Session.CSRF says is taken by Rails.
func (w *world) csrf(t *testing.T) {
	b := framework.NewBrowser()
	form := w.visit(t, b, "token", nil).CSRF
	got := w.read(t, b)
	if got.CSRF == "" || !rails.SameCSRF(got.CSRF, form) {
		t.Errorf("the token of the form is not that of the session")
	}
	other := framework.NewBrowser()
	if rails.SameCSRF(got.CSRF, w.visit(t, other, "token", nil).CSRF) {
		t.Errorf("a token of another session is taken")
	}
	w.issue(t, b, got)
	for token, want := range map[string]int{got.CSRF: 200, form: 200, "x": 422} {
		if status := b.Visit(t, w.url+"guarded", url.Values{"authenticity_token": {token}}, nil); status != want {
			t.Errorf("Rails answers %d to a CSRF token, want %d", status, want)
		}
	}
	w.issue(t, b, bridge.Session{User: "1", Values: got.Values})
	if status := b.Visit(t, w.url+"guarded", url.Values{"authenticity_token": {form}}, nil); status != 422 {
		t.Errorf("Rails answers %d to the CSRF token of before a login", status)
	}
}

// expiry: both say that a session of a second is over.
func (w *world) expiry(t *testing.T) {
	b := framework.NewBrowser()
	w.put(t, b, `{"a": 1}`)
	if got := w.read(t, b); w.config.ExpireAfter > 0 && w.config.Redis == nil {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(got.Expires))
			if _, err := w.source.Read(b.Request()); !errors.Is(err, bridge.ErrExpired) {
				t.Errorf("at its end: got %v, want ErrExpired", err)
			}
		})
	}
	b = framework.NewBrowser()
	w.issue(t, b, bridge.Session{User: "3", Expires: time.Now().Add(time.Second)})
	value := b.Cookies[name]
	for over := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, err := w.source.Read(b.Request())
		if errors.Is(err, bridge.ErrExpired) || errors.Is(err, bridge.ErrEnded) {
			break
		}
		if err != nil || time.Now().After(over) {
			t.Fatalf("a session of one second: %v", err)
		}
	}
	b.Cookies[name] = value // though Max-Age has run out
	if there := w.visit(t, b, "who", nil); there.User != "" {
		t.Errorf("Rails still has %q", there.User)
	}
}

// random is 200 sessions each way of each form.
func (w *world) random(t *testing.T) {
	n := 20
	if w.name == "GCM, SHA-1" || w.name == "redis, JSON" {
		n = 200
	}
	rng := rand.New(rand.NewPCG(14, uint64(len(w.name))))
	for i := range n {
		random := framework.RandomValues(rng)
		for name, v := range random {
			random[name] = []any{v} // Rack keeps no entry that is nil
		}
		values := framework.JSON(t, random)
		sent, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		theirs, ours := framework.NewBrowser(), framework.NewBrowser()
		w.put(t, theirs, string(sent))
		same(t, w.read(t, theirs).Values, values)
		w.issue(t, ours, bridge.Session{Values: values})
		same(t, w.visit(t, ours, "who", nil).Values, values)
		if t.Failed() {
			t.Fatalf("session %d of %d: %s", i, n, sent)
		}
	}
}

// all: the walk of a store meets every session, and ends.
func (w *world) all(t *testing.T) {
	if w.config.Redis == nil {
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
		w.put(t, b, `{"walked": 1}`)
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

// rotation: what Rails wrote under the former secret is read with it in Rotated, as
// Rails reads it, and what we issue is under the new one.
func rotation(t *testing.T, all map[string]*world) {
	before, now, both := all["of before"], all["GCM, SHA-1"], all["rotated"]
	b := framework.NewBrowser()
	before.put(t, b, `{"a": "of before"}`)
	_, err := now.source.Read(b.Request())
	var setting *bridge.SettingError
	if !errors.As(err, &setting) || setting.Setting != "rails.Config.SecretKeyBase or Rotated" {
		t.Errorf("without the former secret: got %v", err)
	}
	got := both.read(t, b)
	if there := both.visit(t, b, "who", nil); string(got.Values["a"]) != `"of before"` || string(there.Values["a"]) != `"of before"` {
		t.Errorf("with the former secret: we have %s, Rails has %s", got.Values["a"], there.Values["a"])
	}
	b = framework.NewBrowser()
	both.issue(t, b, got)
	if there := now.visit(t, b, "who", nil); string(there.Values["a"]) != `"of before"` {
		t.Errorf("what was issued: Rails with the new secret has %s", there.Values["a"])
	}
	if there := before.visit(t, b, "who", nil); len(there.Values) > 1 {
		t.Errorf("what was issued: Rails with the former secret has %s", there.Values)
	}
}

// marshal: what :marshal wrote is refused by name; :hybrid reads it, writes JSON, and
// that we read.
func marshal(t *testing.T, all map[string]*world) {
	b := framework.NewBrowser()
	all["marshal"].put(t, b, `{"a": 1}`)
	_, err := all["hybrid"].source.Read(b.Request())
	var refused *bridge.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.What, "Marshal") {
		t.Errorf("of :marshal: got %v, want a refusal of Marshal", err)
	}
	all["hybrid"].put(t, b, `{"b": 2}`)
	got := all["hybrid"].read(t, b)
	if string(got.Values["a"]) != "1" || string(got.Values["b"]) != "2" {
		t.Errorf("of :hybrid: got %s", got.Values)
	}
	b = framework.NewBrowser()
	all["hybrid"].issue(t, b, got)
	if there := all["marshal"].visit(t, b, "who", nil); string(there.Values["b"]) != "2" {
		t.Errorf("Rails with :marshal has %s of what was issued", there.Values)
	}
}
