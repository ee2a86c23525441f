package scs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/scs"
)

var (
	_ bridge.Source = (*scs.Source)(nil)
	_ bridge.Opener = (*scs.Source)(nil)
	_ bridge.Walker = (*scs.Source)(nil)
)

const token = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func newSource(t testing.TB, cfg scs.Config) *scs.Source {
	t.Helper()
	cfg.UserKey = "userID"
	s, err := scs.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// at runs f with a clock that shows the time at which the vector was made.
func at(t *testing.T, made int64, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(made, 0)))
		f(t)
	})
}

func TestVectors(t *testing.T) {
	for _, v := range foreigntest.Vectors(t, "scs.json") {
		at(t, v.Made, func(t *testing.T) {
			kv := &foreigntest.KV{}
			cfg := scs.Config{Store: scs.Redis(kv, "")}
			if v.Settings["Codec"] == "JSON" {
				cfg.Codec = scs.JSON{}
			}
			source := newSource(t, cfg)
			if err := kv.Set(t.Context(), "scs:session:"+token, v.Record, 0); err != nil {
				t.Fatal(err)
			}
			s, err := source.Read(foreigntest.Request("session", token))
			foreigntest.Identity(t, source, foreigntest.Request("session", token), s)
			v.Check(t, s, err)
			time.Sleep(24*time.Hour + time.Second)
			if _, err := source.Read(foreigntest.Request("session", token)); !errors.Is(err, bridge.ErrExpired) {
				t.Errorf("%s: after its deadline: %v", v.Name, err)
			}
		})
	}
}

func TestIssueAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, codec := range []scs.Codec{nil, scs.JSON{}} {
			kv := &foreigntest.KV{}
			source := newSource(t, scs.Config{Store: kv, Codec: codec, HashTokenInStore: true, IdleTimeout: time.Hour})
			w := httptest.NewRecorder()
			in := bridge.Session{User: "u", Values: map[string]json.RawMessage{"userID": json.RawMessage(`"other"`), "n": json.RawMessage("1")}}
			if err := source.Issue(w, foreigntest.Request(), in); err != nil {
				t.Fatal(err)
			}
			r := foreigntest.Next(w)
			s, err := source.Read(r)
			foreigntest.Identity(t, source, r, s)
			if err != nil || s.User != "u" || string(s.Values["n"]) != "1" || !s.Expires.Equal(time.Now().Add(time.Hour)) {
				t.Fatalf("%v, user %q, expires %v", err, s.User, s.Expires)
			}
			w = httptest.NewRecorder()
			if err := source.Issue(w, r, in); err != nil || kv.Len() != 1 {
				t.Errorf("%v: %d records after a second login of one browser, want 1", err, kv.Len())
			}
			if _, err := source.Read(r); !errors.Is(err, bridge.ErrEnded) {
				t.Errorf("the first session after the second login: %v", err)
			}
			r, w = foreigntest.Next(w), httptest.NewRecorder()
			if err := source.End(w, r); err != nil || kv.Len() != 0 || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
				t.Errorf("after End: %v, %d records, %s", err, kv.Len(), w.Header())
			}
		}
	})
}

func TestToldApart(t *testing.T) {
	kv := &foreigntest.KV{}
	source := newSource(t, scs.Config{Store: kv})
	for value, want := range map[string]error{
		"": bridge.ErrAbsent, token: bridge.ErrEnded, token[1:]: bridge.ErrForged, token[1:] + "B": bridge.ErrForged, token[1:] + "!": bridge.ErrForged,
	} {
		if _, err := source.Read(foreigntest.Request("session", value)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", value, err, want)
		}
	}
	if err := source.Issue(httptest.NewRecorder(), foreigntest.Request(), bridge.Session{Values: map[string]json.RawMessage{"o": json.RawMessage(`{"a":1}`)}}); err == nil || !strings.Contains(err.Error(), `"o"`) || kv.Len() != 0 {
		t.Errorf("an object without a type: %v, %d records", err, kv.Len())
	}
}

func TestConfig(t *testing.T) {
	for field, cfg := range map[string]scs.Config{
		"Store": {UserKey: "u"}, "UserKey": {Store: &foreigntest.KV{}},
		"Lifetime": {Store: &foreigntest.KV{}, UserKey: "u", Lifetime: -1}, "IdleTimeout": {Store: &foreigntest.KV{}, UserKey: "u", IdleTimeout: -1},
		"Policy": {Store: &foreigntest.KV{}, UserKey: "u", Cookie: "a b"},
	} {
		if _, err := scs.New(cfg); err == nil || !strings.Contains(err.Error(), "scs.Config."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// FuzzRecord: whatever is in the store, nothing panics and the error tells what it is.
func FuzzRecord(f *testing.F) {
	for _, v := range foreigntest.Vectors(f, "scs.json") {
		f.Add(v.Record)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		kv := &foreigntest.KV{}
		_ = kv.Set(t.Context(), token, record, 0)
		for _, codec := range []scs.Codec{nil, scs.JSON{}} {
			source := newSource(t, scs.Config{Store: kv, Codec: codec})
			s, err := source.Open(t.Context(), token)
			if err != nil && !bridge.Skips(err) {
				t.Errorf("%v", err)
			}
			for name, raw := range s.Values {
				if !json.Valid(raw) {
					t.Errorf("%q is no JSON", name)
				}
			}
			_ = fmt.Sprint(err)
		}
	})
}
