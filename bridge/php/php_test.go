package php_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/php"
)

var (
	_ bridge.Source = (*php.Source)(nil)
	_ bridge.Opener = (*php.Source)(nil)
	_ bridge.Walker = (*php.Source)(nil)
	_ bridge.Source = (*php.LaravelSource)(nil)
	_ bridge.Opener = (*php.LaravelSource)(nil)
	_ bridge.Walker = (*php.LaravelSource)(nil)
)

const (
	key1 = "base64:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE=" // of the vectors
	key2 = "22222222222222222222222222222222"
	id   = "abcdefghijklmnopqrstuvwxyz"
)

var handlers = map[string]php.Handler{"php": php.HandlerPHP, "php_binary": php.HandlerBinary, "php_serialize": php.HandlerSerialize}

func newSource(t testing.TB, cfg php.Config) *php.Source {
	t.Helper()
	cfg.UserKey = "user"
	s, err := php.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newLaravel(t testing.TB, cfg php.LaravelConfig) *php.LaravelSource {
	t.Helper()
	if cfg.Keys == nil {
		cfg.Keys = []string{key2, key1}
	}
	s, err := php.NewLaravel(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVectors(t *testing.T) {
	for _, v := range foreigntest.Vectors(t, "php.json") {
		kv := &foreigntest.KV{}
		_ = kv.Set(t.Context(), v.Key, v.Record, 0)
		handler := handlers[v.Settings["Handler"]]
		source := newSource(t, php.Config{Store: php.Redis(kv, ""), Handler: handler})
		s, err := source.Read(foreigntest.Request(v.Cookies...))
		foreigntest.Identity(t, source, foreigntest.Request(v.Cookies...), s)
		v.Check(t, s, err)
		if !php.Recognize(v.Cookies[1]) {
			t.Errorf("%s: not recognized", v.Name)
		}
		for name, other := range handlers {
			if other == handler {
				continue
			}
			_, err := newSource(t, php.Config{Store: php.Redis(kv, ""), Handler: other}).Read(foreigntest.Request(v.Cookies...))
			var setting *bridge.SettingError
			if !errors.As(err, &setting) || setting.Want != handler.String() {
				t.Errorf("%s, read as %s: %v", v.Name, name, err)
			}
		}
	}
}

func TestLaravelVectors(t *testing.T) {
	for _, v := range foreigntest.Vectors(t, "laravel.json") {
		kv := &foreigntest.KV{}
		_ = kv.Set(t.Context(), v.Key, v.Record, 0)
		cfg := php.LaravelConfig{Store: php.LaravelRedis(kv, "laravel_database_laravel_cache:"), Encrypt: v.Settings["Encrypt"] == "true"}
		if v.Settings["Cipher"] == "AES-256-GCM" {
			cfg.Cipher = php.AES256GCM
		}
		s, err := newLaravel(t, cfg).Read(foreigntest.Request(v.Cookies...))
		foreigntest.Identity(t, newLaravel(t, cfg), foreigntest.Request(v.Cookies...), s)
		v.Check(t, s, err)
		if s.CSRF == "" || !strings.HasPrefix(s.ID, "php:laravel:") || !php.Recognize(v.Cookies[1]) {
			t.Errorf("%s: the token %q, the id %q", v.Name, s.CSRF, s.ID)
		}
		for setting, change := range map[string]func(*php.LaravelConfig){
			"Keys":    func(c *php.LaravelConfig) { c.Keys = []string{key2} },
			"Cipher":  func(c *php.LaravelConfig) { c.Cipher ^= 1 },
			"Encrypt": func(c *php.LaravelConfig) { c.Encrypt = !c.Encrypt },
			"Name":    func(c *php.LaravelConfig) { c.Name = "other" },
		} {
			wrong := cfg
			change(&wrong)
			source, cookies := newLaravel(t, wrong), v.Cookies
			if setting == "Name" {
				cookies = []string{"other", v.Cookies[1]}
			}
			_, err := source.Read(foreigntest.Request(cookies...))
			var named *bridge.SettingError
			if !errors.As(err, &named) || named.Setting != "php.LaravelConfig."+setting || strings.Contains(err.Error(), key2) {
				t.Errorf("%s, another %s: %v", v.Name, setting, err)
			}
		}
	}
}

// issueAndEnd is what holds for every source.
func issueAndEnd(t *testing.T, source bridge.Source, records func() int) {
	t.Helper()
	in := bridge.Session{User: "u", CSRF: "t", Values: map[string]json.RawMessage{"n": json.RawMessage("1"), "l": json.RawMessage(`[1,"a",{"b":1.5}]`)}}
	w := httptest.NewRecorder()
	if err := source.Issue(w, foreigntest.Request(), in); err != nil {
		t.Fatal(err)
	}
	r := foreigntest.Next(w)
	s, err := source.Read(r)
	if err != nil || s.User != "u" || s.CSRF != "t" || !foreigntest.EqualJSON(s.Values["l"], in.Values["l"]) {
		t.Fatalf("%v, user %q, token %q, %s", err, s.User, s.CSRF, s.Values)
	}
	w = httptest.NewRecorder()
	if err := source.Issue(w, r, in); err != nil || records() != 1 {
		t.Errorf("%v: %d records after a second login of one browser", err, records())
	}
	if _, err := source.Read(r); !errors.Is(err, bridge.ErrEnded) {
		t.Errorf("the first session after the second login: %v", err)
	}
	r, w = foreigntest.Next(w), httptest.NewRecorder()
	if err := source.End(w, r); err != nil || records() != 0 || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("after End: %v, %d records, %s", err, records(), w.Header())
	}
	w = httptest.NewRecorder()
	if err := source.Issue(w, r, bridge.Session{Expires: time.Now()}); err == nil || records() != 0 || len(w.Header()) != 0 {
		t.Errorf("an ended session: %v", err)
	}
}

func TestIssueAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := &foreigntest.KV{}
		for _, handler := range handlers {
			issueAndEnd(t, newSource(t, php.Config{Store: php.Redis(kv, ""), Handler: handler, CSRFKey: "csrf"}), kv.Len)
		}
		for _, cipher := range []php.Cipher{php.AES256CBC, php.AES256GCM} {
			for _, encrypt := range []bool{false, true} {
				issueAndEnd(t, newLaravel(t, php.LaravelConfig{Store: php.LaravelRedis(kv, "l:"), Cipher: cipher, Encrypt: encrypt}), kv.Len)
			}
		}
	})
}

func TestFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("PHP's files are locked by flock")
	}
	dir := t.TempDir()
	records := func() int {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	source := newSource(t, php.Config{Store: php.Files(dir), CSRFKey: "csrf"})
	issueAndEnd(t, source, records)
	issueAndEnd(t, newLaravel(t, php.LaravelConfig{Store: php.LaravelFiles(dir)}), records)
	for name, want := range map[string]error{
		"../secret": bridge.ErrForged, "a/b": bridge.ErrForged, "a.b": bridge.ErrForged, strings.Repeat("a", 257): bridge.ErrForged, id: bridge.ErrEnded,
	} {
		if _, err := source.Open(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
	}
	file := filepath.Join(dir, "sess_"+id)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(t.Context(), id); !errors.Is(err, bridge.ErrEnded) {
		t.Errorf("a file without anything in it: %v", err)
	}
	if err := os.WriteFile(file, make([]byte, bridge.MaxRecord+1), 0o600); err != nil {
		t.Fatal(err)
	}
	var refused *bridge.RefusedError
	if _, err := source.Open(t.Context(), id); !errors.As(err, &refused) {
		t.Errorf("a file that is too large: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(t.Context(), id); !errors.Is(err, bridge.ErrForged) || strings.Contains(err.Error(), id) {
		t.Errorf("a folder: %v; want ErrForged, without the id", err)
	}
}

// What was left out is named, as in the packages of other languages.
func TestRefused(t *testing.T) {
	kv := &foreigntest.KV{}
	_ = kv.Set(t.Context(), id, []byte(`user|s:1:"u";cart|O:4:"Cart":0:{}n|d:NAN;t|s:1:"`+"\xff"+`";r|R:1;`), 0)
	s, err := newSource(t, php.Config{Store: kv}).Open(t.Context(), id)
	want := map[string]string{
		"cart": `an object of the PHP class "Cart"`, "n": "NaN or Infinity, numbers that JSON does not have", "t": "text that is no UTF-8", "r": "a PHP reference",
	}
	if err != nil || s.User != "u" || !maps.Equal(s.Refused, want) {
		t.Errorf("%v, user %q, refused %q; want %q", err, s.User, s.Refused, want)
	}
}

func TestConfig(t *testing.T) {
	kv := &foreigntest.KV{}
	for field, cfg := range map[string]php.Config{
		"Store": {UserKey: "u"}, "UserKey": {Store: kv}, "Handler": {Store: kv, UserKey: "u", Handler: 3}, "MaxLifetime": {Store: kv, UserKey: "u", MaxLifetime: -1},
		"CookieLifetime": {Store: kv, UserKey: "u", CookieLifetime: -1}, "Name": {Store: kv, UserKey: "u", Name: "a b"},
	} {
		if _, err := php.New(cfg); err == nil || !strings.Contains(err.Error(), "php.Config."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for field, cfg := range map[string]php.LaravelConfig{
		"Store": {Keys: []string{key1}}, "Keys": {Store: kv}, "Keys[1]": {Store: kv, Keys: []string{key1, "base64:c2hvcnQ="}}, "Keys[0]": {Store: kv, Keys: []string{"base64:!"}},
		"Cipher": {Store: kv, Keys: []string{key1}, Cipher: 4}, "Lifetime": {Store: kv, Keys: []string{key1}, Lifetime: -1}, "Name": {Store: kv, Keys: []string{key1}, Name: "a b"},
	} {
		if _, err := php.NewLaravel(cfg); err == nil || !strings.Contains(err.Error(), "php.LaravelConfig."+field) || strings.Contains(err.Error(), "c2hvcnQ") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// FuzzRecord: whatever is in the store, nothing panics and the error tells what it is.
func FuzzRecord(f *testing.F) {
	for _, name := range []string{"php.json", "laravel.json"} {
		for _, v := range foreigntest.Vectors(f, name) {
			f.Add(v.Record)
		}
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		kv := &foreigntest.KV{}
		_ = kv.Set(context.Background(), id, record, 0)
		for _, handler := range handlers {
			s, err := newSource(t, php.Config{Store: kv, Handler: handler}).Open(t.Context(), id)
			if err != nil && !bridge.Skips(err) {
				t.Error(err)
			}
			for name, raw := range s.Values {
				if !json.Valid(raw) {
					t.Errorf("%q is no JSON", name)
				}
			}
		}
		for _, encrypt := range []bool{false, true} {
			for _, err := range newLaravel(t, php.LaravelConfig{Store: php.LaravelRedis(kv, ""), Encrypt: encrypt}).All(t.Context()) {
				if err != nil && !bridge.Skips(err) {
					t.Error(err)
				}
			}
		}
	})
}

// FuzzCookie is the same for Laravel's cookie.
func FuzzCookie(f *testing.F) {
	for _, v := range foreigntest.Vectors(f, "laravel.json") {
		f.Add(v.Cookies[1])
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, cipher := range []php.Cipher{php.AES256CBC, php.AES256GCM} {
			if _, err := newLaravel(t, php.LaravelConfig{Store: &foreigntest.KV{}, Cipher: cipher}).Open(t.Context(), value); err != nil && !bridge.Skips(err) {
				t.Error(err)
			}
		}
	})
}
