package flask_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
)

const secret = "secret of today in the tests of the bridge"

// ages is longer than the vectors will be kept.
const ages = 200 * 365 * 24 * time.Hour

func source(t testing.TB, c flask.Config) *flask.Source {
	t.Helper()
	if c.SecretKey == "" {
		c.SecretKey = secret
	}
	s, err := flask.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What Flask wrote is read as it was.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range foreigntest.Vectors(t, "flask.json") {
		s := source(t, flask.Config{SecretKey: v.Settings["secret"], Digest: v.Settings["digest"], Derivation: v.Settings["derivation"], Salt: v.Settings["salt"], Lifetime: ages})
		got, err := s.Read(foreigntest.Request(v.Cookies...))
		v.Check(t, got, err)
		if made := time.Unix(v.Made, 0); got.Written.Sub(made).Abs() > 2*time.Second {
			t.Errorf("%s: made at %v, want %v", v.Name, got.Written, made)
		}
		if !flask.Recognize(v.Cookies[1]) {
			t.Errorf("%s: not recognized", v.Name)
		}
		changed(t, s, v, got.ID)
	}
}

// changed: no byte of a cookie can be another, but for the bits at a signature's
// end that say nothing; then it is the same session, by the same ID.
func changed(t *testing.T, s *flask.Source, v foreigntest.Vector, id string) {
	value := v.Cookies[1]
	for i := range len(value) {
		for _, c := range []byte("AZaz09-_.") {
			if value[i] == c {
				continue
			}
			got, err := s.Open(t.Context(), value[:i]+string(c)+value[i+1:])
			if err == nil && got.ID != id {
				t.Fatalf("%s: another byte at %d is another session", v.Name, i)
			}
			if err == nil && i < len(value)-1 || err != nil && !errors.Is(err, bridge.ErrForged) {
				t.Fatalf("%s: another byte at %d: %v", v.Name, i, err)
			}
		}
	}
}

func issue(t testing.TB, s *flask.Source, session bridge.Session) (value string) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := s.Issue(w, foreigntest.Request(), session); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()[0].Value
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := source(t, flask.Config{Lifetime: time.Hour})
		value := issue(t, s, bridge.Session{User: "bob"})
		got, err := s.Open(t.Context(), value)
		if err != nil || got.User != "bob" || time.Until(got.Expires) != time.Hour+time.Second {
			t.Fatalf("%q, %v, %v left", got.User, err, time.Until(got.Expires))
		}
		time.Sleep(time.Until(got.Expires) - 1)
		if _, err := s.Open(t.Context(), value); err != nil {
			t.Errorf("just before: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := s.Open(t.Context(), value); !errors.Is(err, bridge.ErrExpired) {
			t.Errorf("at the end: %v", err)
		}
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := source(t, flask.Config{})
	for name, want := range map[string]error{
		"": bridge.ErrAbsent, "x": bridge.ErrForged, ".": bridge.ErrForged, "e30.AAAA.sig": bridge.ErrForged,
		"..": bridge.ErrForged, strings.Repeat("A", 1000) + ".AAAA." + strings.Repeat("A", 27): bridge.ErrForged,
	} {
		if _, err := s.Open(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("%.20q: %v, want %v", name, err, want)
		}
	}
	value := issue(t, s, bridge.Session{User: "bob"})
	for name, c := range map[string]flask.Config{
		"Digest": {Digest: "sha512"}, "Derivation": {Derivation: "none"}, "Salt": {Salt: "mine"},
	} {
		_, err := source(t, c).Open(t.Context(), value)
		if err == nil || !strings.Contains(err.Error(), "Config."+name) || strings.Contains(err.Error(), secret) || !errors.Is(err, bridge.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := source(t, flask.Config{SecretKey: "another"}).Open(t.Context(), value); !errors.Is(err, bridge.ErrForged) {
		t.Errorf("another secret: %v", err)
	}
	for name, c := range map[string]flask.Config{
		"SecretKey": {}, "Digest": {SecretKey: "s", Digest: "md5"}, "Derivation": {SecretKey: "s", Derivation: "x"},
		"Lifetime": {SecretKey: "s", Lifetime: 1}, "Fallbacks[0]": {SecretKey: "s", Fallbacks: []string{""}}, "CookieName": {SecretKey: "s", CookieName: "a b"},
		"RecordFormat": {SecretKey: "s", RecordFormat: 9},
	} {
		if _, err := flask.New(c); err == nil || !strings.Contains(err.Error(), "flask: Config."+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every format of Flask-Session gives back what it was given.
func TestFormats(t *testing.T) {
	t.Parallel()
	values := map[string]json.RawMessage{"n": json.RawMessage(`-12345678901`), "f": json.RawMessage(`1.5`), "u": json.RawMessage(`18446744073709551615`),
		"l": json.RawMessage(`[true,false,null,"é",[],{}]`), "m": json.RawMessage(`{"a":{"b":[1,2,3]}}`), "s": json.RawMessage(`"` + strings.Repeat("x", 300) + `"`)}
	for _, format := range []flask.Format{flask.Pickle, flask.MsgPack, flask.JSON} {
		kv := new(foreigntest.KV)
		s := source(t, flask.Config{KV: kv, RecordFormat: format, Signed: format == flask.JSON})
		w := httptest.NewRecorder()
		if err := s.Issue(w, foreigntest.Request(), bridge.Session{User: "bob", Values: values}); err != nil {
			t.Fatal(err)
		}
		r := foreigntest.Next(w)
		got, err := s.Read(r)
		if err != nil || got.User != "bob" {
			t.Fatalf("%v: %q %v", format, got.User, err)
		}
		for name, raw := range values {
			if !foreigntest.EqualJSON(got.Values[name], raw) {
				t.Errorf("%v: %s is %s", format, name, got.Values[name])
			}
		}
		for other := range 3 {
			if _, err := source(t, flask.Config{KV: kv, RecordFormat: flask.Format(other), Signed: format == flask.JSON}).Read(r); (err == nil) != (flask.Format(other) == format) {
				t.Errorf("%v read as %v: %v", format, other, err)
			}
		}
		if err := s.End(httptest.NewRecorder(), r); err != nil || kv.Len() != 0 {
			t.Errorf("%v: %d records after the end, %v", format, kv.Len(), err)
		}
		if _, err := s.Read(r); !errors.Is(err, bridge.ErrEnded) {
			t.Errorf("%v: after the end %v", format, err)
		}
	}
}

// A compressed cookie has a bound on what it becomes.
func TestBomb(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	fmt.Fprintf(z, `{"a":"%s"}`, strings.Repeat("x", 5<<20))
	z.Close()
	var refused *bridge.RefusedError
	if _, err := flask.Payload("." + base64.RawURLEncoding.EncodeToString(b.Bytes())); !errors.As(err, &refused) {
		t.Errorf("%v; want a RefusedError", err)
	}
	for _, text := range []string{`{"a":NaN}`, `{"a":-Infinity}`, strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), `{"a":1,}`, `{"a":01}`, `{"a":"\x"}`, `[]`, `{}x`, "{\"a\":\"\xff\"}"} {
		if _, _, err := flask.Object([]byte(text)); !errors.As(err, &refused) {
			t.Errorf("%.30s: %v; want a RefusedError", text, err)
		}
	}
}

// The scanner takes what encoding/json takes, and gives what it gives.
func FuzzObject(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":1}`, ` { "a" : [ 1.5e-3 , {"b":"c"} , null ] , "\u00e9" : true }`, `{"a":{" t":[1]}}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, tagged, err := flask.Object(b)
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(b, &want)
		var refused *bridge.RefusedError
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%v is no RefusedError", err)
		}
		if err == nil && wantErr != nil {
			t.Fatalf("%q is taken, encoding/json says %v", b, wantErr)
		}
		if err != nil && wantErr == nil && want != nil && bytes.Count(b, []byte("{"))+bytes.Count(b, []byte("[")) < bridge.MaxDepth && json.Valid(b) && strings.ToValidUTF8(string(b), "") == string(b) {
			t.Fatalf("%q is refused: %v", b, err)
		}
		for name, raw := range want {
			if err == nil && string(got[name]) != string(raw) {
				t.Fatalf("%q: %q is %s, want %s", b, name, got[name], raw)
			}
		}
		for _, name := range tagged {
			if raw, err := flask.Untag(got[name]); err == nil && !json.Valid(raw) {
				t.Fatalf("%s became %s", got[name], raw)
			}
		}
	})
}

// Nothing that a client or a store has makes the readers panic or grow.
func FuzzOpen(f *testing.F) {
	for _, v := range foreigntest.Vectors(f, "flask.json") {
		f.Add(v.Cookies[1], []byte("\x82\xa1a\x01\xa1b\x93\x01\xc0\xd6\xff\x00\x00\x00\x00"))
	}
	f.Add("x", []byte("\xdf\xff\xff\xff\xff"))
	f.Add("x", []byte("\xdd\x00\x00\x00\x01\xc7\x0c\xff\x00"))
	kv := new(foreigntest.KV)
	cookies := source(f, flask.Config{Lifetime: ages})
	packed := source(f, flask.Config{KV: kv, RecordFormat: flask.MsgPack})
	pickled := source(f, flask.Config{KV: kv, RecordFormat: flask.Pickle, Signed: true})
	f.Fuzz(func(t *testing.T, value string, record []byte) {
		flask.Recognize(value)
		_, _ = pickled.Open(t.Context(), value)
		if s, err := cookies.Open(t.Context(), value); err == nil && s.ID == "" {
			t.Fatal("a session without an ID")
		}
		if b, err := flask.Payload(value); err == nil && len(b) > bridge.MaxRecord {
			t.Fatalf("%d bytes", len(b))
		}
		if kv.Set(t.Context(), "session:id", record, 0) != nil {
			t.Fatal()
		}
		s, err := packed.Open(t.Context(), "id")
		if err != nil && !bridge.Skips(err) {
			t.Fatal(err)
		}
		for name, raw := range s.Values {
			if !json.Valid(raw) {
				t.Fatalf("%q is %s", name, raw)
			}
		}
	})
}

// A wrong secret is an error that names the setting, and never its value.
func TestWrongSecretIsNamed(t *testing.T) {
	t.Parallel()
	theirs, err := flask.New(flask.Config{SecretKey: "what Flask has"})
	if err != nil {
		t.Fatal(err)
	}
	ours, err := flask.New(flask.Config{SecretKey: "what was configured", Fallbacks: []string{"and before"}})
	if err != nil {
		t.Fatal(err)
	}
	value := issue(t, theirs, bridge.Session{User: "bob"})
	_, err = ours.Open(t.Context(), value)
	var setting *bridge.SettingError
	if !errors.As(err, &setting) || !strings.Contains(err.Error(), "SECRET_KEY") || !errors.Is(err, bridge.ErrForged) {
		t.Errorf("got %v; want one that names SECRET_KEY", err)
	}
	for _, secret := range []string{"what Flask", "what was", "and before"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%v", err)
		}
	}
	for _, no := range []string{"", "x", "a.b.c", "x" + value[strings.IndexByte(value, '.'):] + "x"} {
		if _, err := ours.Open(t.Context(), no); errors.As(err, &setting) {
			t.Errorf("%q, which is no cookie of Flask: %v", no, err)
		}
	}
}

// A forged cookie costs a few MACs and derives no key, however long it is.
func TestForgedIsBounded(t *testing.T) {
	s, err := flask.New(flask.Config{SecretKey: "a secret", Fallbacks: []string{"b"}})
	if err != nil {
		t.Fatal(err)
	}
	sign := strings.Repeat("A", 27)
	for name, c := range map[string]struct {
		value  string
		allocs float64
	}{"short": {"eyJhIjoxfQ.aaaaaa." + sign, 10}, "long": {strings.Repeat("A", 16000) + ".aaaaaa." + sign, 10}} {
		got := math.Inf(1)
		for range 50 {
			got = min(got, testing.AllocsPerRun(1, func() { _, err = s.Open(t.Context(), c.value) }))
		}
		most := c.allocs
		if poolsDrop() { // and keys are made anew from their derived form, which is not derived again
			most *= 10
		}
		if got > most || !errors.Is(err, bridge.ErrForged) {
			t.Errorf("%s: %v allocations, %v; want at most %v", name, got, err, most)
		}
	}
}

// poolsDrop reports whether the race detector runs: with it a sync.Pool drops some of
// what is put into it.
func poolsDrop() bool {
	var p sync.Pool
	for range 200 {
		if p.Put(new(int)); p.Get() == nil {
			return true
		}
	}
	return false
}

func BenchmarkForged(b *testing.B) {
	s, err := flask.New(flask.Config{SecretKey: "a secret of Flask"})
	if err != nil {
		b.Fatal(err)
	}
	value := "eyJfdXNlcl9pZCI6IjEyMyIsImNhcnQiOlsidGVhIl19.aaaaaa." + strings.Repeat("A", 27)
	for b.Loop() {
		if _, err := s.Open(b.Context(), value); err == nil {
			b.Fatal("it opened")
		}
	}
}
