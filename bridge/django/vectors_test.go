package django_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/django"
)

// A file of vectors, made by Django itself: testvectors/bridge/make_django.py.
type file struct {
	By       string
	At       int64
	Password string
	Vectors  []vector
	CSRF     []struct{ Cookie, Form string }
}

type vector struct {
	Name, Engine, Secret, Data string
	Values                     map[string]json.RawMessage
}

var versions = []string{"3.2", "4.2"}

func load(t testing.TB, version string) file {
	t.Helper()
	data, err := os.ReadFile("../../testvectors/bridge/django-" + version + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f file) time() time.Time { return time.Unix(f.At, 0) }

// source returns a Source that reads the vector, and the cookie of it.
func (f file) source(t testing.TB, v vector, fallbacks ...string) (*django.Source, string) {
	t.Helper()
	c := django.Config{
		SecretKey:          v.Secret,
		SecretKeyFallbacks: fallbacks,
		PasswordHash:       func(context.Context, string) (string, error) { return f.Password, nil },
	}
	cookie := "abcdefghijklmnopqrstuvwxyz012345"
	switch v.Engine {
	case "signed_cookies":
		c.Engine, cookie = django.SignedCookies, v.Data
	case "db", "cached_db":
		c.Engine = django.DB
		c.DB, c.Dialect = oneRow(t, cookie, v.Data, f.time().Add(14*24*time.Hour))
	case "cache":
		c.Engine = django.Cache
		data, err := base64.StdEncoding.DecodeString(v.Data)
		if err != nil {
			t.Fatal(err)
		}
		c.Cache = memory{":1:django.contrib.sessions.cache" + cookie: data}
	}
	s, err := django.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s, cookie
}

func request(cookies ...string) *http.Request {
	r := httptest.NewRequest("GET", "https://app.example/", nil)
	for i := 0; i+1 < len(cookies); i += 2 {
		r.AddCookie(&http.Cookie{Name: cookies[i], Value: cookies[i+1]})
	}
	return r
}

// at runs f at a time.
func at(t *testing.T, when time.Time, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(when))
		f(t)
	})
}

// same compares JSON by what it says.
func same(t *testing.T, name string, got, want json.RawMessage) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s: got %s, want %s", name, got, want)
	}
}

func TestVectors(t *testing.T) {
	for _, version := range versions {
		f := load(t, version)
		for _, v := range f.Vectors {
			if v.Values == nil {
				continue
			}
			t.Run(version+"/"+v.Engine+"/"+v.Name, func(t *testing.T) {
				at(t, f.time().Add(time.Minute), func(t *testing.T) { f.check(t, v) })
			})
		}
	}
}

func (f file) check(t *testing.T, v vector) {
	s, cookie := f.source(t, v)
	got, err := s.Read(request("sessionid", cookie))
	if err != nil {
		t.Fatal(err)
	}
	var user string
	_ = json.Unmarshal(v.Values["_auth_user_id"], &user)
	if got.User != user {
		t.Errorf("user: got %q, want %q", got.User, user)
	}
	if len(got.Values) != len(v.Values) {
		t.Errorf("got %d values, want %d", len(got.Values), len(v.Values))
	}
	for name, want := range v.Values {
		same(t, name, got.Values[name], want)
	}
	want := f.time().Add(14 * 24 * time.Hour)
	if v.Engine == "signed_cookies" && v.Name == "expiry" {
		want = f.time().Add(time.Hour)
	}
	if v.Engine != "cache" && !got.Expires.Equal(want) {
		t.Errorf("expires: got %v, want %v", got.Expires, want)
	}
	if v.Engine != "signed_cookies" {
		return
	}
	again, err := s.Open(t.Context(), cookie)
	if err != nil || again.ID != got.ID || got.ID == "" {
		t.Errorf("the second time: id %q, then %q, %v", got.ID, again.ID, err)
	}
}

// What was signed with the former secret opens by the fallback, and is told from
// what no secret signed.
func TestRotation(t *testing.T) {
	for _, version := range versions {
		f := load(t, version)
		at(t, f.time(), func(t *testing.T) {
			for _, v := range f.Vectors {
				if v.Values == nil || v.Engine == "cache" {
					continue
				}
				old := v.Secret
				v.Secret = "the-secret-of-tomorrow"
				s, cookie := f.source(t, v, "another", old)
				if _, err := s.Read(request("sessionid", cookie)); err != nil {
					t.Errorf("%s, %s: by a fallback: %v", v.Engine, v.Name, err)
				}
				s, cookie = f.source(t, v, "another")
				_, err := s.Read(request("sessionid", cookie))
				var setting *bridge.SettingError
				if !errors.Is(err, bridge.ErrForged) || !errors.As(err, &setting) || setting.Setting != "django.Config.SecretKey or SecretKeyFallbacks" {
					t.Errorf("%s, %s: without the fallback: got %v, want an error that names the setting", v.Engine, v.Name, err)
				}
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	f := load(t, "4.2")
	for _, v := range f.Vectors {
		life := 14 * 24 * time.Hour
		switch {
		case v.Values == nil || v.Engine == "cache":
			continue
		case v.Name == "expiry" && v.Engine == "signed_cookies":
			life = time.Hour
		}
		at(t, f.time().Add(life-time.Second), func(t *testing.T) {
			s, cookie := f.source(t, v)
			if _, err := s.Read(request("sessionid", cookie)); err != nil {
				t.Errorf("%s, %s: a second before the end: %v", v.Engine, v.Name, err)
			}
			time.Sleep(2 * time.Second)
			if _, err := s.Read(request("sessionid", cookie)); !errors.Is(err, bridge.ErrExpired) {
				t.Errorf("%s, %s: a second after the end: got %v, want ErrExpired", v.Engine, v.Name, err)
			}
		})
	}
}

// What this package does not read is refused with a reason.
func TestRefused(t *testing.T) {
	for _, version := range versions {
		f := load(t, version)
		want := map[string]string{
			"pickle":     "bridge: the session has a pickle: SESSION_SERIALIZER is PickleSerializer, which is refused",
			"SHA-1":      "bridge: the session has a signature by SHA-1, as of Django before 3.1 and of DEFAULT_HASHING_ALGORITHM = 'sha1', which is refused",
			"before 3.1": "bridge: the session has the form of Django before 3.1, which is refused",
		}
		at(t, f.time(), func(t *testing.T) {
			for _, v := range f.Vectors {
				if v.Values != nil {
					continue
				}
				s, cookie := f.source(t, v)
				got, err := s.Read(request("sessionid", cookie))
				if want[v.Name] == "" {
					if err != nil || len(got.Values) != 1 || string(got.Values["fine"]) != "1" || len(got.Refused) != 3 {
						t.Errorf("%s: got %v, without %v, %v", v.Name, got.Values, got.Refused, err)
					}
					continue
				}
				var refused *bridge.RefusedError
				if !errors.As(err, &refused) || err.Error() != want[v.Name] {
					t.Errorf("%s: got %v, want %q", v.Name, err, want[v.Name])
				}
			}
		})
	}
}

// A cookie of one engine under the settings of another.
func TestWrongEngine(t *testing.T) {
	f := load(t, "4.2")
	at(t, f.time(), func(t *testing.T) {
		var cookie, row vector
		for _, v := range f.Vectors {
			if v.Name == "login" && v.Engine == "signed_cookies" {
				cookie = v
			}
			if v.Name == "login" && v.Engine == "db" {
				row = v
			}
		}
		cases := []struct{ name, engine, data, value, want string }{
			{"a row in the cookie", "signed_cookies", row.Data, row.Data, "bridge: django.Config.Engine, which says the salt, does not match the session; DB or CachedDB does"},
			{"a cookie in the row", "db", cookie.Data, "", "bridge: django.Config.Engine, which says the salt, does not match the session; SignedCookies does"},
			{"a key", "signed_cookies", "", "abcdefghijklmnopqrstuvwxyz012345", "bridge: django.Config.Engine does not match the session; DB, Cache or CachedDB does"},
			{"a cookie", "db", row.Data, cookie.Data, "bridge: django.Config.Engine does not match the session; SignedCookies does"},
		}
		for _, c := range cases {
			v := vector{Engine: c.engine, Secret: cookie.Secret, Data: c.data}
			if c.engine == "signed_cookies" {
				v.Secret = row.Secret
			}
			s, value := f.source(t, v)
			if c.value != "" {
				value = c.value
			}
			_, err := s.Read(request("sessionid", value))
			if !errors.Is(err, bridge.ErrForged) || err.Error() != c.want {
				t.Errorf("%s: got %v, want %s", c.name, err, c.want)
			}
		}
	})
}

func TestCSRF(t *testing.T) {
	for _, version := range versions {
		all := load(t, version).CSRF
		for i, pair := range all {
			if !django.SameCSRF(pair.Cookie, pair.Form) || !django.SameCSRF(pair.Form, pair.Cookie) {
				t.Errorf("Django %s: the form's token is not the cookie's", version)
			}
			other := all[(i+1)%len(all)]
			if django.SameCSRF(pair.Cookie, other.Form) {
				t.Errorf("Django %s: a token of another cookie is taken", version)
			}
		}
	}
	for _, bad := range []string{"", "x", "é" + string(make([]byte, 30)), string(make([]byte, 64))} {
		if django.SameCSRF(bad, bad) {
			t.Errorf("%q is no token", bad)
		}
	}
}
