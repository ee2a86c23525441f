package rails_test

import (
	"crypto/fips140"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/rails"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

const secret = "a secret of this test's, long enough for all of it"

func TestIssue(t *testing.T) {
	for name, c := range map[string]rails.Config{
		"GCM":     {SecretKeyBase: secret},
		"CBC":     {SecretKeyBase: secret, Digest: rails.SHA1, CBC: true},
		"JSON":    {Redis: &foreigntest.KV{}, RedisPrefix: "rack:session:"},
		"Marshal": {Redis: &foreigntest.KV{}, RedisPrefix: "rack:session:", Marshal: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.Cookie, c.UserKey, c.UserIsNumber, c.ExpireAfter = "_shop_session", "user_id", true, time.Hour
				s, err := rails.New(c)
				if err != nil {
					t.Fatal(err)
				}
				want := bridge.Session{User: "7", Values: map[string]json.RawMessage{
					"text":       json.RawMessage(`"Grüße 🧥 <&>"`),
					"user_id":    json.RawMessage(`8`),
					"session_id": json.RawMessage(`"of before"`),
				}}
				answer := httptest.NewRecorder()
				if err := s.Issue(answer, httptest.NewRequest("GET", "/", nil), want); err != nil {
					t.Fatal(err)
				}
				cookie := answer.Result().Cookies()[0]
				if !cookie.Secure || !cookie.HttpOnly || cookie.MaxAge != 3600 || cookie.Valid() != nil {
					t.Errorf("the cookie is %v", cookie)
				}
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set("Cookie", cookie.Name+"="+cookie.Value)
				got, err := s.Read(r)
				foreigntest.Identity(t, s, r, got)
				if err != nil || got.User != "7" || time.Until(got.Expires) > time.Hour || time.Until(got.Expires) < time.Hour-time.Second {
					t.Fatalf("got user %q, an end at %v, %v", got.User, got.Expires, err)
				}
				delete(got.Values, "session_id")
				want.Values = map[string]json.RawMessage{"text": want.Values["text"], "user_id": json.RawMessage(`7`)}
				if a, b := generic(t, got.Values), generic(t, want.Values); !reflect.DeepEqual(a, b) {
					t.Errorf("got %v, want %v", a, b)
				}

				answer = httptest.NewRecorder()
				if err := s.End(answer, r); err != nil {
					t.Fatal(err)
				}
				if cookie := answer.Result().Cookies()[0]; cookie.MaxAge >= 0 {
					t.Errorf("at the end the cookie is %v", cookie)
				}
				if _, err := s.Read(r); c.Redis != nil && !errors.Is(err, bridge.ErrEnded) {
					t.Errorf("after the end: %v, want ErrEnded", err)
				}
			})
		})
	}
}

// Nobody is logged in by values alone, in a session that is issued without a user.
func TestIssueNobody(t *testing.T) {
	for name, c := range map[string]rails.Config{
		"cookie": {SecretKeyBase: secret}, "Redis": {Redis: &foreigntest.KV{}},
	} {
		c.Cookie, c.UserKey = "_shop_session", "user_id"
		s, err := rails.New(c)
		if err != nil {
			t.Fatal(err)
		}
		answer := httptest.NewRecorder()
		if err := s.Issue(answer, httptest.NewRequest("GET", "/", nil), bridge.Session{Values: map[string]json.RawMessage{"user_id": json.RawMessage(`8`)}}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Open(t.Context(), answer.Result().Cookies()[0].Value); err != nil || got.User != "" || got.Values["user_id"] != nil {
			t.Errorf("%s: got user %q, %v, %v", name, got.User, got.Values, err)
		}
	}
}

// No bit of a cookie can be another, under either cipher.
func TestTampered(t *testing.T) {
	for _, cbc := range []bool{false, true} {
		s := source(t, load(t, "7.2"), rails.Secret{KeyBase: secret, CBC: cbc})
		value := rails.Sealer(rails.Secret{KeyBase: secret, CBC: cbc})([]byte(`{"user_id":7,"more":"than a block or two"}`))
		if _, err := s.Open(t.Context(), value); err != nil {
			t.Fatal(err)
		}
		for i := range value {
			for bit := range 7 {
				changed := []byte(value)
				changed[i] ^= 1 << bit
				if _, err := s.Open(t.Context(), string(changed)); !errors.Is(err, bridge.ErrForged) {
					t.Errorf("CBC %v, bit %d of %d: got %v, want ErrForged", cbc, bit, i, err)
				}
			}
		}
		if !cbc {
			continue
		}
		// The vector of CBC turns bits of the first block; only the HMAC sees it.
		coded, sign, _ := strings.Cut(value, "--")
		inner, err := base64.StdEncoding.DecodeString(coded)
		if err != nil {
			t.Fatal(err)
		}
		first, second, _ := strings.Cut(string(inner), "--")
		iv, err := base64.StdEncoding.DecodeString(second)
		if err != nil {
			t.Fatal(err)
		}
		iv[11] ^= '7' ^ '8' // {"user_id":7
		inner = []byte(first + "--" + base64.StdEncoding.EncodeToString(iv))
		if _, err := s.Open(t.Context(), base64.StdEncoding.EncodeToString(inner)+"--"+sign); !errors.Is(err, bridge.ErrForged) {
			t.Errorf("another user by the vector of CBC: got %v, want ErrForged", err)
		}
	}
}

// In FIPS 140-only mode what works works, and the rest is an error of New.
func TestFIPS(t *testing.T) {
	if !fips140.Enforced() {
		t.Skip("not in FIPS 140-only mode; make fips is")
	}
	s := source(t, load(t, "7.2"), rails.Secret{KeyBase: secret})
	answer := httptest.NewRecorder()
	if err := s.Issue(answer, httptest.NewRequest("GET", "/", nil), bridge.Session{User: "7"}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(t.Context(), answer.Result().Cookies()[0].Value); err != nil || got.User != "7" {
		t.Errorf("got user %q, %v", got.User, err)
	}
	for _, v := range load(t, "7.2").Vectors {
		if _, err := s.Open(t.Context(), v.Data); !errors.Is(err, bridge.ErrForged) {
			t.Errorf("%s: got %v, want ErrForged", v.Name, err)
		}
		if _, err := rails.New(rails.Config{SecretKeyBase: secret, CBC: !v.GCM, Digest: v.secret().Digest, Cookie: "c", UserKey: "u"}); (err == nil) != (v.GCM && v.Digest == "SHA256") {
			t.Errorf("%s with GCM %v: %v", v.Digest, v.GCM, err)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	s, err := rails.New(rails.Config{SecretKeyBase: secret, Cookie: "c", UserKey: "u", UserIsNumber: true})
	if err != nil {
		t.Fatal(err)
	}
	long, _ := json.Marshal(strings.Repeat("x", 4000))
	for name, session := range map[string]bridge.Session{
		"a user that is no number": {User: "seven"},
		"a long value":             {Values: map[string]json.RawMessage{"a": long}},
		"no JSON":                  {Values: map[string]json.RawMessage{"a": json.RawMessage("{")}},
		"an end that is past":      {Expires: time.Now().Add(-time.Minute)},
	} {
		answer := httptest.NewRecorder()
		if err := s.Issue(answer, httptest.NewRequest("GET", "/", nil), session); err == nil || len(answer.Header()) > 0 {
			t.Errorf("%s: error %v and headers %v", name, err, answer.Header())
		}
	}
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]rails.Config{
		"Config.Cookie":        {UserKey: "u", SecretKeyBase: "x"},
		"Config.UserKey":       {Cookie: "c", SecretKeyBase: "x"},
		"Config.SecretKeyBase": {Cookie: "c", UserKey: "u"},
		"Config.ExpireAfter":   {Cookie: "c", UserKey: "u", SecretKeyBase: "x", ExpireAfter: -1},
		"Config.Rotated[1]":    {Cookie: "c", UserKey: "u", SecretKeyBase: "x", Rotated: []rails.Secret{{KeyBase: "y"}, {}}},
		"a Digest":             {Cookie: "c", UserKey: "u", SecretKeyBase: "x", Digest: 2},
		"Config.Policy":        {Cookie: "a b", UserKey: "u", SecretKeyBase: "x"},
	} {
		if _, err := rails.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that names %s", err, want)
		}
	}
}

func TestRecognize(t *testing.T) {
	for value, want := range map[string]bool{
		"":                                 false,
		"592cf4dafa84aac8b0f667d511f0f639": true,
		"592CF4DAFA84AAC8B0F667D511F0F639": false,
		load(t, "6.1").Vectors[0].Data:     true,
		load(t, "7.2").Vectors[0].Data:     true,
		"a--b--c":                          false,
		"--":                               false,
	} {
		if got := rails.Recognize(value); got != want {
			t.Errorf("%q: got %v", value, got)
		}
	}
}

func FuzzOpen(f *testing.F) {
	vectors := load(f, "7.2")
	for _, v := range vectors.Vectors {
		f.Add(v.Data)
	}
	s := source(f, vectors, rails.Secret{KeyBase: secret})
	f.Fuzz(func(t *testing.T, value string) {
		if got, err := s.Open(t.Context(), value); err == nil {
			t.Errorf("opened %q as %v", value, got.User)
		}
		rails.Recognize(value)
		rails.SameCSRF(value, value)
	})
}

// FuzzContents opens what is genuine, whatever it holds.
func FuzzContents(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"_rails":{"message":"e30=","exp":null,"pur":"cookie._shop_session"}}`, `{"_rails":{"data":{"a":1},"exp":"2999-01-01T00:00:00.000Z"}}`,
		`{"_rails":1}`, `[`, "\x04\x08{\x00", "\xcc\x80", `{"user_id":1.5,"session_id":[]}`, `{"_rails":{"message":"bnVsbA=="}}`,
	} {
		f.Add([]byte(seed))
	}
	vectors := load(f, "7.2")
	sources := []*rails.Source{source(f, vectors, rails.Secret{KeyBase: secret}), source(f, vectors, rails.Secret{KeyBase: secret, CBC: true})}
	sealers := []func([]byte) string{rails.Sealer(rails.Secret{KeyBase: secret}), rails.Sealer(rails.Secret{KeyBase: secret, CBC: true})}
	f.Fuzz(func(t *testing.T, data []byte) {
		for i, s := range sources {
			got, err := s.Open(t.Context(), sealers[i](data))
			if err != nil {
				if !bridge.Skips(err) || errors.Is(err, bridge.ErrForged) && !strings.Contains(err.Error(), "purpose") && !strings.Contains(err.Error(), "EncryptedPassword") {
					t.Errorf("what is genuine: %v", err)
				}
				continue
			}
			for name, v := range got.Values {
				if !json.Valid(v) {
					t.Errorf("%q is no JSON: %s", name, v)
				}
			}
		}
	})
}

// Rails keeps session_id through a login without reset_session. Two users of one id are
// two sessions of ours, and a cookie of before is what it was (G2, G3).
func TestOneSessionIDTwoUsers(t *testing.T) {
	t.Parallel()
	s := source(t, load(t, "7.2"), rails.Secret{KeyBase: secret})
	seal := rails.Sealer(rails.Secret{KeyBase: secret})
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	move, err := bridge.NewMove(sessions, s, bridge.MoveConfig{Until: time.Now().AddDate(0, 6, 0)})
	if err != nil {
		t.Fatal(err)
	}
	h := move.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		of := coatcheck.From(r.Context())
		if r.URL.Path == "/logout" {
			of.Logout()
		}
		fmt.Fprint(w, of.User())
	}))
	visit := func(path, user string) (who, ours string) {
		r := httptest.NewRequest("GET", path, nil)
		value := seal([]byte(`{"session_id":"592cf4dafa84aac8b0f667d511f0f639","user_id":` + user + `}`))
		r.Header.Set("Cookie", "_shop_session="+url.QueryEscape(value))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			if c.Name == "__Host-Http-sid" {
				ours = c.Value
			}
		}
		return w.Body.String(), ours
	}
	one, first := visit("/", "7")
	two, second := visit("/", "42")
	if one != "7" || two != "42" || first == second || second == "" {
		t.Errorf("got the users %q and %q, of one token: %v", one, two, first == second)
	}
	visit("/logout", "7")
	if who, _ := visit("/", "7"); who != "" {
		t.Errorf("the first, logged out here and written anew: %q", who)
	}
	if who, ours := visit("/", "42"); who != "42" || ours != second {
		t.Errorf("the other: %q", who)
	}
}
