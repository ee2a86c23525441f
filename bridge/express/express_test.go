package express_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/express"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/cookie"
)

var (
	_ bridge.Source = (*express.Source)(nil)
	_ bridge.Opener = (*express.Source)(nil)
	_ bridge.Walker = (*express.Source)(nil)
	_ bridge.Source = (*express.CookieSource)(nil)
	_ bridge.Opener = (*express.CookieSource)(nil)
)

func newSource(t testing.TB, kv bridge.KV, cfg express.Config) *express.Source {
	t.Helper()
	cfg.Store = express.Redis(kv, "")
	if cfg.Secrets == nil {
		cfg.Secrets = []string{"new", "one"}
	}
	s, err := express.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newCookieSource(t testing.TB, cfg express.CookieConfig) *express.CookieSource {
	t.Helper()
	if cfg.Keys == nil {
		cfg.Keys = []string{"new", "k1"}
	}
	s, err := express.NewCookie(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVectors(t *testing.T) {
	for _, v := range foreigntest.Vectors(t, "express.json") {
		kv := &foreigntest.KV{}
		var source bridge.Source = newCookieSource(t, express.CookieConfig{})
		var wrong bridge.Source = newCookieSource(t, express.CookieConfig{Keys: []string{"x"}})
		if v.Key != "" {
			_ = kv.Set(t.Context(), v.Key, v.Record, 0)
			source, wrong = newSource(t, kv, express.Config{}), newSource(t, kv, express.Config{Secrets: []string{"x"}})
			if !express.Recognize(v.Cookies[1]) {
				t.Errorf("%s: not recognized", v.Name)
			}
		}
		s, err := source.Read(foreigntest.Request(v.Cookies...))
		if v.Key != "" {
			foreigntest.Identity(t, source, foreigntest.Request(v.Cookies...), s)
		}
		v.Check(t, s, err)
		var setting *bridge.SettingError
		if _, err := wrong.Read(foreigntest.Request(v.Cookies...)); !errors.As(err, &setting) || !strings.HasPrefix(setting.Setting, "express.C") {
			t.Errorf("%s: with a wrong secret: %v", v.Name, err)
		}
		if v.Key != "" {
			_ = kv.Del(t.Context(), v.Key)
			if _, err := source.Read(foreigntest.Request(v.Cookies...)); !errors.Is(err, bridge.ErrEnded) {
				t.Errorf("%s: out of the store: %v", v.Name, err)
			}
		}
	}
}

func TestIssueAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := &foreigntest.KV{}
		policy := cookie.Policy{SameSite: http.SameSiteLaxMode, Path: "/app"}
		for _, source := range []bridge.Source{
			newSource(t, kv, express.Config{MaxAge: time.Hour, Policy: policy, UserKey: "auth.id", NumericUser: true}),
			newCookieSource(t, express.CookieConfig{MaxAge: time.Hour, UserKey: "auth.id", NumericUser: true}),
		} {
			in := bridge.Session{User: "7", Values: map[string]json.RawMessage{"auth": json.RawMessage(`{"id":1,"way":"sso"}`), "n": json.RawMessage("1")}}
			w := httptest.NewRecorder()
			if err := source.Issue(w, foreigntest.Request(), in); err != nil {
				t.Fatal(err)
			}
			r := foreigntest.Next(w)
			s, err := source.Read(r)
			if err != nil || s.User != "7" || string(s.Values["n"]) != "1" || !foreigntest.EqualJSON(s.Values["auth"], json.RawMessage(`{"id":7,"way":"sso"}`)) {
				t.Fatalf("%v, user %q, %s", err, s.User, s.Values)
			}
			if _, stored := source.(*express.Source); stored {
				if !s.Expires.Equal(time.Now().Add(time.Hour)) {
					t.Errorf("expires %v, want in an hour", s.Expires)
				}
				w = httptest.NewRecorder()
				if err := source.Issue(w, r, in); err != nil || kv.Len() != 1 {
					t.Errorf("%v: %d records after a second login of one browser", err, kv.Len())
				}
				r = foreigntest.Next(w)
			}
			w = httptest.NewRecorder()
			if err := source.End(w, r); err != nil || kv.Len() != 0 {
				t.Errorf("after End: %v, %d records", err, kv.Len())
			}
			for _, c := range w.Result().Cookies() {
				if c.MaxAge >= 0 {
					t.Errorf("after End the browser keeps %s", c.Name)
				}
			}
			for _, bad := range []bridge.Session{{User: "no number"}, {User: "1", Values: map[string]json.RawMessage{"auth": json.RawMessage("1")}}, {Expires: time.Now()}} {
				w = httptest.NewRecorder()
				if err := source.Issue(w, r, bad); err == nil || kv.Len() != 0 || len(w.Header()) != 0 {
					t.Errorf("%q: %v, %d records, %v", bad.User, err, kv.Len(), w.Header())
				}
			}
		}
	})
}

func TestToldApart(t *testing.T) {
	source, inCookie := newSource(t, &foreigntest.KV{}, express.Config{}), newCookieSource(t, express.CookieConfig{})
	for value, want := range map[string]error{"": bridge.ErrAbsent, "sid": bridge.ErrForged, "s%3A.x": bridge.ErrForged, "s%3Aid.x": bridge.ErrForged, "s%3": bridge.ErrForged} {
		if _, err := source.Read(foreigntest.Request("connect.sid", value)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", value, err, want)
		}
	}
	for _, c := range []struct {
		cookies []string
		want    error
	}{
		{nil, bridge.ErrAbsent}, {[]string{"session", "e30="}, bridge.ErrForged}, {[]string{"session", "e30=", "session.sig", strings.Repeat("A", 27)}, bridge.ErrForged},
	} {
		if _, err := inCookie.Read(foreigntest.Request(c.cookies...)); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.cookies, err, c.want)
		}
	}
	var refused *bridge.RefusedError
	if _, err := inCookie.Open(t.Context(), "e30=; "+strings.Repeat("A", 43)); !errors.As(err, &refused) {
		t.Errorf("a signature by SHA-256: %v", err)
	}
}

func TestConfig(t *testing.T) {
	kv := &foreigntest.KV{}
	for field, cfg := range map[string]express.Config{
		"Store": {Secrets: []string{"s"}}, "Secrets": {Store: kv}, "Secrets: that at index 0": {Store: kv, Secrets: []string{""}},
		"MaxAge": {Store: kv, Secrets: []string{"s"}, MaxAge: -1}, "TTL": {Store: kv, Secrets: []string{"s"}, TTL: -1}, "Policy": {Store: kv, Secrets: []string{"s"}, Name: "a b"},
	} {
		if _, err := express.New(cfg); err == nil || !strings.Contains(err.Error(), "express.Config."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for field, cfg := range map[string]express.CookieConfig{"Keys": {}, "MaxAge": {Keys: []string{"s"}, MaxAge: -1}, "Policy": {Keys: []string{"s"}, Name: "a b"}} {
		if _, err := express.NewCookie(cfg); err == nil || !strings.Contains(err.Error(), "express.CookieConfig."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// FuzzOpen: whatever cookies and records are, nothing panics and the error tells what it is.
func FuzzOpen(f *testing.F) {
	for _, v := range foreigntest.Vectors(f, "express.json") {
		f.Add(strings.Join(v.Cookies, ";"), v.Record)
	}
	f.Fuzz(func(t *testing.T, value string, record []byte) {
		kv := &foreigntest.KV{}
		_ = kv.Set(t.Context(), "sess:id", record, 0)
		source, inCookie := newSource(t, kv, express.Config{}), newCookieSource(t, express.CookieConfig{})
		for _, open := range []func() (bridge.Session, error){
			func() (bridge.Session, error) { return source.Open(t.Context(), value) },
			func() (bridge.Session, error) { return inCookie.Open(t.Context(), value) },
		} {
			if _, err := open(); err != nil && !bridge.Skips(err) {
				t.Error(err)
			}
		}
		for s, err := range source.All(t.Context()) {
			if err != nil && !bridge.Skips(err) {
				t.Error(s, err)
			}
		}
	})
}
