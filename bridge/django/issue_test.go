package django_test

import (
	"context"
	"crypto/fips140"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/django"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
)

const secret = "a secret of this test's, long enough"

func source(t *testing.T, c django.Config) *django.Source {
	t.Helper()
	c.SecretKey = secret
	s, err := django.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func passwords(of map[string]string) func(context.Context, string) (string, error) {
	return func(_ context.Context, user string) (string, error) { return of[user], nil }
}

// issued returns the cookies that Issue or End set, for a next request.
func issued(t *testing.T, answer *httptest.ResponseRecorder) (cookies []string, session *http.Cookie) {
	t.Helper()
	for _, c := range answer.Result().Cookies() {
		if err := c.Valid(); err != nil {
			t.Error(err)
		}
		if c.Name == "sessionid" {
			session = c
		}
		cookies = append(cookies, c.Name, c.Value)
	}
	return cookies, session
}

func TestIssue(t *testing.T) {
	hashes := map[string]string{"7": "hash"}
	for name, c := range map[string]django.Config{
		"cookies": {Engine: django.SignedCookies},
		"cache":   {Engine: django.Cache, Cache: memory{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.PasswordHash = passwords(hashes)
				s := source(t, c)
				want := bridge.Session{User: "7", Values: map[string]json.RawMessage{
					"text":          json.RawMessage(`"Grüße 🧥 <&>"`),
					"_auth_user_id": json.RawMessage(`"somebody else"`),
					"list":          json.RawMessage(`[1, 2.5, null, {"é": true}]`),
				}}
				answer := httptest.NewRecorder()
				if err := s.Issue(answer, request(), want); err != nil {
					t.Fatal(err)
				}
				cookies, cookie := issued(t, answer)
				if cookie == nil || !cookie.Secure || !cookie.HttpOnly || cookie.MaxAge != 14*24*3600 || cookie.SameSite != http.SameSiteLaxMode {
					t.Errorf("the cookie is %v", cookie)
				}
				got, err := s.Read(request(cookies...))
				if err != nil || got.User != "7" || got.CSRF == "" {
					t.Fatalf("got user %q, %v", got.User, err)
				}
				foreigntest.Identity(t, s, request(cookies...), got)
				for _, name := range []string{"text", "list"} {
					same(t, name, got.Values[name], want.Values[name])
				}

				hashes["7"] = "another"
				if _, err := s.Read(request(cookies...)); !errors.Is(err, bridge.ErrEnded) {
					t.Errorf("after a change of the password: %v, want ErrEnded", err)
				}
				delete(hashes, "7")
				if _, err := s.Read(request(cookies...)); !errors.Is(err, bridge.ErrEnded) {
					t.Errorf("of a user who is no more: %v, want ErrEnded", err)
				}
				hashes["7"] = "hash"

				answer = httptest.NewRecorder()
				if err := s.End(answer, request(cookies...)); err != nil {
					t.Fatal(err)
				}
				if _, cookie := issued(t, answer); cookie == nil || cookie.MaxAge >= 0 {
					t.Errorf("at the end the cookie is %v", cookie)
				}
				if _, err := s.Read(request(cookies...)); name != "cookies" && !errors.Is(err, bridge.ErrEnded) {
					t.Errorf("after the end: %v, want ErrEnded", err)
				}
			})
		})
	}
}

// A second Issue ends the session that the request brought.
func TestIssueReplaces(t *testing.T) {
	kept := memory{}
	s := source(t, django.Config{Engine: django.Cache, Cache: kept})
	first := httptest.NewRecorder()
	if err := s.Issue(first, request(), bridge.Session{}); err != nil {
		t.Fatal(err)
	}
	cookies, _ := issued(t, first)
	if err := s.Issue(httptest.NewRecorder(), request(cookies...), bridge.Session{}); err != nil {
		t.Fatal(err)
	}
	if len(kept) != 1 {
		t.Errorf("%d sessions are kept, want the second only", len(kept))
	}
}

// Nobody is logged in by values alone, in a session that is issued without a user.
func TestIssueNobody(t *testing.T) {
	s := source(t, django.Config{Engine: django.SignedCookies})
	answer := httptest.NewRecorder()
	err := s.Issue(answer, request(), bridge.Session{Values: map[string]json.RawMessage{
		"_auth_user_id": json.RawMessage(`"7"`), "_auth_user_hash": json.RawMessage(`"x"`), "_auth_user_backend": json.RawMessage(`"y"`),
	}})
	if err != nil {
		t.Fatal(err)
	}
	cookies, _ := issued(t, answer)
	if got, err := s.Read(request(cookies...)); err != nil || got.User != "" || len(got.Values) > 0 {
		t.Errorf("got user %q, %v, %v", got.User, got.Values, err)
	}
}

// In FIPS 140-only mode SHA-1 is not even asked for.
func TestFIPS(t *testing.T) {
	if !fips140.Enforced() {
		t.Skip("not in FIPS 140-only mode; make fips is")
	}
	s := source(t, django.Config{Engine: django.SignedCookies, PasswordHash: passwords(map[string]string{"7": "hash"})})
	answer := httptest.NewRecorder()
	if err := s.Issue(answer, request(), bridge.Session{User: "7"}); err != nil {
		t.Fatal(err)
	}
	cookies, _ := issued(t, answer)
	if got, err := s.Read(request(cookies...)); err != nil || got.User != "7" {
		t.Errorf("got user %q, %v", got.User, err)
	}
	for _, v := range load(t, "3.2").Vectors {
		if _, err := s.Open(t.Context(), v.Data); v.Engine == "signed_cookies" && !errors.Is(err, bridge.ErrForged) {
			t.Errorf("%s: got %v, want ErrForged", v.Name, err)
		}
	}
}

// No sign of a cookie can be another.
func TestTampered(t *testing.T) {
	s := source(t, django.Config{Engine: django.SignedCookies})
	value := django.Sign(secret, []byte(`{"_auth_user_id":"7"}`), time.Now())
	for i := range value {
		for _, c := range []byte{'A', 'B', '.', ':', '='} {
			changed := value[:i] + string(c) + value[i+1:]
			if _, err := s.Open(t.Context(), changed); changed != value && !errors.Is(err, bridge.ErrForged) {
				t.Errorf("%q at %d: got %v, want ErrForged", c, i, err)
			}
		}
	}
}

func TestIssueLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(t, django.Config{Engine: django.SignedCookies})
		for _, c := range []struct {
			session bridge.Session
			age     int
			lives   time.Duration
		}{
			{bridge.Session{}, 14 * 24 * 3600, 14 * 24 * time.Hour},
			{bridge.Session{Expires: time.Now().Add(90 * time.Second)}, 90, 90 * time.Second},
			{bridge.Session{Values: map[string]json.RawMessage{"_session_expiry": json.RawMessage("0")}}, 0, 14 * 24 * time.Hour},
			{bridge.Session{Values: map[string]json.RawMessage{"_session_expiry": json.RawMessage("60")}}, 60, time.Minute},
		} {
			answer := httptest.NewRecorder()
			if err := s.Issue(answer, request(), c.session); err != nil {
				t.Fatal(err)
			}
			cookies, cookie := issued(t, answer)
			got, err := s.Read(request(cookies...))
			if err != nil || cookie.MaxAge != c.age || time.Until(got.Expires) != c.lives {
				t.Errorf("got Max-Age %d and an end in %v (%v), want %d and %v", cookie.MaxAge, time.Until(got.Expires), err, c.age, c.lives)
			}
		}
	})
}

// What the format cannot hold writes nothing.
func TestIssueRefuses(t *testing.T) {
	cookies := source(t, django.Config{Engine: django.SignedCookies})
	long, _ := json.Marshal(incompressible(4000))
	for name, s := range map[string]bridge.Session{
		"a user without hash": {User: "1"},
		"a long value":        {Values: map[string]json.RawMessage{"a": long}},
		"no JSON":             {Values: map[string]json.RawMessage{"a": json.RawMessage("{")}},
		"an end that is past": {Expires: time.Now().Add(-time.Minute)},
	} {
		answer := httptest.NewRecorder()
		if err := cookies.Issue(answer, request(), s); err == nil || len(answer.Header()) > 0 {
			t.Errorf("%s: error %v and headers %v", name, err, answer.Header())
		}
	}
}

func incompressible(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; x = x*1664525 + 1013904223 {
		b.WriteByte('!' + byte(x>>24)%90)
	}
	return b.String()
}

// Where nothing is compressed the bytes are Django's own.
func TestSignsAsDjango(t *testing.T) {
	f := load(t, "4.2")
	for _, v := range f.Vectors {
		if v.Engine == "signed_cookies" && (v.Name == "short" || v.Name == "empty") {
			data, _ := json.Marshal(v.Values)
			if got := django.Sign(v.Secret, []byte(strings.ReplaceAll(string(data), " ", "")), f.time()); got != v.Data {
				t.Errorf("%s: got %s, want %s", v.Name, got, v.Data)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]django.Config{
		"Config.Engine":                {SecretKey: "x"},
		"Config.SecretKey ":            {Engine: django.SignedCookies},
		"Config.DB":                    {Engine: django.DB, SecretKey: "x"},
		"Config.Cache":                 {Engine: django.Cache, SecretKey: "x"},
		"Config.CookieAge":             {Engine: django.SignedCookies, SecretKey: "x", CookieAge: time.Millisecond},
		"Config.SecretKeyFallbacks[1]": {Engine: django.SignedCookies, SecretKey: "x", SecretKeyFallbacks: []string{"y", ""}},
		"Config.Policy":                {Engine: django.SignedCookies, SecretKey: "x", Cookie: "a b"},
	} {
		if _, err := django.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that names %s", err, want)
		}
	}
}

func TestAbsent(t *testing.T) {
	s := source(t, django.Config{Engine: django.Cache, Cache: memory{}})
	if _, err := s.Read(request()); !errors.Is(err, bridge.ErrAbsent) {
		t.Errorf("no cookie: %v", err)
	}
	if _, err := s.Read(request("sessionid", "abcdefghijklmnopqrstuvwxyz012345")); !errors.Is(err, bridge.ErrEnded) {
		t.Errorf("an unknown key: %v", err)
	}
	for _, value := range []string{"short", "ABCDEFGHIJ", "../../etc", strings.Repeat("a", 41)} {
		if _, err := s.Read(request("sessionid", value)); !errors.Is(err, bridge.ErrForged) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestRecognize(t *testing.T) {
	for value, want := range map[string]bool{
		"":                                 false,
		"abcdefghijklmnopqrstuvwxyz012345": true,
		"0123456789abcdef0123456789abcdef": false,
		load(t, "4.2").Vectors[0].Data:     true,
		load(t, "3.2").Vectors[0].Data:     true,
		"a:b:c":                            false,
		"e30:1xXLMo:CbE9Ai91pUCjDCcCOpaSe6ZZcVAHPcgOR936q5simDw":   true,
		"e30:1xXL/o:CbE9Ai91pUCjDCcCOpaSe6ZZcVAHPcgOR936q5simDw":   false,
		"e30.aSe6ZZ.CbE9Ai91pUCjDCcCOpaSe6ZZcVAHPcgOR936q5simDw":   false,
		"e30:1xXLMo:CbE9Ai91pUCjDCcCOpaSe6ZZcVAHPcgOR936q5simDw:x": false,
	} {
		if got := django.Recognize(value); got != want {
			t.Errorf("%q: got %v", value, got)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, v := range load(f, "4.2").Vectors {
		if v.Engine == "signed_cookies" {
			f.Add(v.Data)
		}
	}
	s, err := django.New(django.Config{Engine: django.SignedCookies, SecretKey: secret})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if got, err := s.Open(t.Context(), value); err == nil {
			t.Errorf("opened %q as %v", value, got.User)
		}
		django.Recognize(value)
		django.SameCSRF(value, value)
	})
}

// FuzzContents opens what is genuine, whatever it holds.
func FuzzContents(f *testing.F) {
	for _, seed := range []string{`{}`, `{"_auth_user_id":1,"_session_expiry":"2026-01-01"}`, `{"a":NaN}`, `{"a":NaN,"b":[1,{"c":","}],"d":-Infinity}`, `[`, "\x80\x04.", `{"a":"\ud800é"}`} {
		f.Add([]byte(seed))
	}
	s, err := django.New(django.Config{Engine: django.SignedCookies, SecretKey: secret})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := s.Open(t.Context(), django.Sign(secret, data, time.Now()))
		if err != nil {
			if !bridge.Skips(err) {
				t.Errorf("%v says nothing of the session", err)
			}
			return
		}
		for name, v := range got.Values {
			if !json.Valid(v) {
				t.Errorf("%q is no JSON: %s", name, v)
			}
		}
		data, err = django.Encode(got.Values)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.Open(t.Context(), django.Sign(secret, data, time.Now().Add(time.Hour)))
		if err != nil {
			t.Fatalf("what was issued does not open: %v", err)
		}
		for name, v := range again.Values {
			same(t, name, v, got.Values[name])
		}
	})
}
