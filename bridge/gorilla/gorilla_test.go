package gorilla_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/gorilla"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
)

var (
	_ bridge.Source = (*gorilla.Source)(nil)
	_ bridge.Opener = (*gorilla.Source)(nil)
	_ bridge.Walker = (*gorilla.Source)(nil)
)

// The keys with which the vectors were made.
var (
	encrypted = gorilla.KeyPair{Hash: []byte(strings.Repeat("1", 64)), Block: []byte(strings.Repeat("a", 32))}
	signed    = gorilla.KeyPair{Hash: []byte(strings.Repeat("2", 32))}
)

func newSource(t testing.TB, cfg gorilla.Config) *gorilla.Source {
	t.Helper()
	cfg.Name, cfg.UserKey = "mysession", "user"
	if cfg.Keys == nil {
		cfg.Keys = []gorilla.KeyPair{signed, encrypted}
	}
	s, err := gorilla.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// config is that of the application which made a vector.
func config(v foreigntest.Vector, kv *foreigntest.KV) (cfg gorilla.Config) {
	if v.Settings["Serializer"] == "JSON" {
		cfg.Serializer = gorilla.JSON{}
	}
	if v.Settings["RecordSerializer"] == "JSON" {
		cfg.RecordSerializer = gorilla.JSON{}
	}
	if v.Key != "" {
		cfg.Store = gorilla.Redis(kv, "")
	}
	return cfg
}

func at(t *testing.T, made int64, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(made, 0)))
		f(t)
	})
}

func TestVectors(t *testing.T) {
	for _, v := range foreigntest.Vectors(t, "gorilla.json") {
		at(t, v.Made, func(t *testing.T) {
			kv := &foreigntest.KV{}
			if err := kv.Set(t.Context(), v.Key, v.Record, 0); err != nil {
				t.Fatal(err)
			}
			source := newSource(t, config(v, kv))
			s, err := source.Read(foreigntest.Request(v.Cookies...))
			foreigntest.Identity(t, source, foreigntest.Request(v.Cookies...), s)
			v.Check(t, s, err)
			if !gorilla.Recognize(v.Cookies[1]) {
				t.Errorf("%s: not recognized", v.Name)
			}
			// In another writing of base64 it is the same session.
			if again, err := source.Open(t.Context(), v.Cookies[1][:8]+"\n"+v.Cookies[1][8:]); err != nil || again.ID != s.ID {
				t.Errorf("%s: written otherwise: %v, the same ID %v", v.Name, err, again.ID == s.ID)
			}
			time.Sleep(30*24*time.Hour + 2*time.Second)
			if _, err := source.Read(foreigntest.Request(v.Cookies...)); !errors.Is(err, bridge.ErrExpired) {
				t.Errorf("%s: after 30 days: %v", v.Name, err)
			}
			cfg := config(v, kv)
			cfg.MaxAge = gorilla.NoMaxAge
			if s, err := newSource(t, cfg).Read(foreigntest.Request(v.Cookies...)); err != nil || !s.Expires.IsZero() {
				t.Errorf("%s: with NoMaxAge: %v, expires %v", v.Name, err, s.Expires)
			}
		})
	}
}

// TestSettings: what does not match is named.
func TestSettings(t *testing.T) {
	other := []byte(strings.Repeat("x", 32))
	for _, v := range foreigntest.Vectors(t, "gorilla.json") {
		at(t, v.Made, func(t *testing.T) {
			kv := &foreigntest.KV{}
			_ = kv.Set(t.Context(), v.Key, v.Record, 0)
			want := func(change func(*gorilla.Config), setting string) {
				t.Helper()
				cfg := config(v, kv)
				change(&cfg)
				_, err := newSource(t, cfg).Read(foreigntest.Request(v.Cookies...))
				var named *bridge.SettingError
				if !errors.As(err, &named) || !strings.HasPrefix(named.Setting, setting) || !errors.Is(err, bridge.ErrForged) {
					t.Errorf("%s: %v, want %s named", v.Name, err, setting)
				}
			}
			want(func(c *gorilla.Config) { c.Keys = []gorilla.KeyPair{{Hash: other}} }, "gorilla.Config.Keys")
			want(func(c *gorilla.Config) {
				c.Keys = []gorilla.KeyPair{{Hash: encrypted.Hash, Block: other}, {Hash: signed.Hash, Block: other}}
			}, "gorilla.Config.Keys")
			if v.Key != "" {
				want(func(c *gorilla.Config) { c.Store = nil }, "gorilla.Config.Store")
			} else {
				want(func(c *gorilla.Config) { c.Store = kv }, "gorilla.Config.Store")
				want(func(c *gorilla.Config) {
					if c.Serializer == nil {
						c.Serializer = gorilla.JSON{}
					} else {
						c.Serializer = nil
					}
				}, "gorilla.Config.Serializer")
			}
		})
	}
}

func TestIssueAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, stored := range []bool{false, true} {
			kv, cfg := &foreigntest.KV{}, gorilla.Config{Lifetime: time.Hour}
			if stored {
				cfg.Store = kv
			}
			source := newSource(t, cfg)
			w := httptest.NewRecorder()
			in := bridge.Session{User: "u", Values: map[string]json.RawMessage{"user": json.RawMessage(`"other"`), "n": json.RawMessage("1")}}
			if err := source.Issue(w, foreigntest.Request(), in); err != nil {
				t.Fatal(err)
			}
			r := foreigntest.Next(w)
			s, err := source.Read(r)
			foreigntest.Identity(t, source, r, s)
			if err != nil || s.User != "u" || string(s.Values["n"]) != "1" || !strings.HasPrefix(s.ID, "gorilla:") {
				t.Fatalf("%v, user %q", err, s.User)
			}
			w = httptest.NewRecorder()
			if err := source.Issue(w, r, in); err != nil || kv.Len() > 1 {
				t.Errorf("%v: %d records after a second login of one browser", err, kv.Len())
			}
			if _, err := source.Read(r); stored && !errors.Is(err, bridge.ErrEnded) {
				t.Errorf("the first session after the second login: %v", err)
			}
			r, w = foreigntest.Next(w), httptest.NewRecorder()
			if err := source.End(w, r); err != nil || kv.Len() != 0 || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
				t.Errorf("after End: %v, %d records, %s", err, kv.Len(), w.Header())
			}
			long := bridge.Session{Values: map[string]json.RawMessage{"n": json.RawMessage(`"` + strings.Repeat("x", 5000) + `"`)}}
			w = httptest.NewRecorder()
			if err := source.Issue(w, r, long); stored != (err == nil) || stored != (len(w.Header()["Set-Cookie"]) > 0) {
				t.Errorf("a session of 5,000 bytes, stored %v: %v", stored, err)
			}
		}
	})
}

func TestToldApart(t *testing.T) {
	source := newSource(t, gorilla.Config{})
	for value, want := range map[string]error{
		"": bridge.ErrAbsent, "MTIz": bridge.ErrForged, base64.URLEncoding.EncodeToString([]byte("1|e30=|" + strings.Repeat("m", 32))): bridge.ErrForged,
	} {
		if _, err := source.Read(foreigntest.Request("mysession", value)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", value, err, want)
		}
	}
	var refused *bridge.RefusedError
	if _, err := source.Open(t.Context(), base64.URLEncoding.EncodeToString([]byte("1|e30=|"+strings.Repeat("m", 20)))); !errors.As(err, &refused) {
		t.Errorf("a signature by SHA-1: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for field, cfg := range map[string]gorilla.Config{
		"Keys is empty": {Name: "n", UserKey: "u"}, "Keys[0]: its Hash": {Keys: []gorilla.KeyPair{{}}, Name: "n", UserKey: "u"},
		"Keys[0]: its Block": {Keys: []gorilla.KeyPair{{Hash: []byte("h"), Block: []byte("b")}}, Name: "n", UserKey: "u"},
		"UserKey":            {Keys: []gorilla.KeyPair{signed}, Name: "n"}, "Name": {Keys: []gorilla.KeyPair{signed}, UserKey: "u"},
		"MaxAge": {Keys: []gorilla.KeyPair{signed}, Name: "n", UserKey: "u", MaxAge: -2}, "Lifetime": {Keys: []gorilla.KeyPair{signed}, Name: "n", UserKey: "u", Lifetime: -1},
	} {
		if _, err := gorilla.New(cfg); err == nil || !strings.Contains(err.Error(), "gorilla.Config."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// FuzzOpen: whatever a cookie is, nothing panics and the error tells what it is.
func FuzzOpen(f *testing.F) {
	for _, v := range foreigntest.Vectors(f, "gorilla.json") {
		f.Add(v.Cookies[1])
	}
	source := newSource(f, gorilla.Config{MaxAge: gorilla.NoMaxAge})
	f.Fuzz(func(t *testing.T, value string) {
		if _, err := source.Open(t.Context(), value); err != nil && !bridge.Skips(err) {
			t.Error(err)
		}
		gorilla.Recognize(value)
	})
}
