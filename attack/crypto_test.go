package attack_test

import (
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"

	"github.com/coatcheck/coatcheck/coatchecktest"
)

// read gives a value to a cookie's reader.
func read(c cookie.Cookie[string], name, value string) (string, error) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", name+"="+value)
	return c.Get(r)
}

func written(t *testing.T, c cookie.Cookie[string], value string) string {
	t.Helper()
	w := httptest.NewRecorder()
	if err := c.Set(w, value); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()[0].Value
}

var hour = cookie.Policy{MaxAge: time.Hour}

// There is no second, weaker decoder: plain JSON, other versions and signed for
// sealed are all refused.
func TestDowngrade_CVE_2026_39324(t *testing.T) {
	keys := newKeys(t, secret)
	sealed, signed := cookie.NewSealed[string]("c", keys, hour), cookie.NewSigned[string]("c", keys, hour)
	fromSigned, fromSealed := written(t, signed, "x"), written(t, sealed, "x")
	raw, _ := base64.RawURLEncoding.DecodeString(fromSealed)
	for v := range 256 {
		if byte(v) == raw[0] {
			continue
		}
		other := append([]byte{byte(v)}, raw[1:]...)
		if _, err := read(sealed, "c", base64.RawURLEncoding.EncodeToString(other)); !errors.Is(err, cookie.ErrForged) {
			t.Errorf("version %d: %v", v, err)
		}
	}
	for _, value := range []string{`x`, base64.RawURLEncoding.EncodeToString([]byte(`"x"`)), fromSigned, "", "e30", "null"} {
		if _, err := read(sealed, "c", value); err == nil {
			t.Errorf("sealed reads %.20q", value)
		}
	}
	for _, value := range []string{`x`, base64.RawURLEncoding.EncodeToString([]byte(`"x"`)), fromSealed, ""} {
		if _, err := read(signed, "c", value); err == nil {
			t.Errorf("signed reads %.20q", value)
		}
	}
}

// A cookie is worth nothing under another name, kind, application, or secret.
func TestConfusion_CVE_2023_48309_CVE_2019_10911(t *testing.T) {
	keys := newKeys(t, secret)
	type maker func(string, *cookie.Keys, cookie.Policy) cookie.Cookie[string]
	type one struct {
		what, name string
		cookie     cookie.Cookie[string]
	}
	var all []one
	for kind, make := range map[string]maker{"signed": cookie.NewSigned[string], "sealed": cookie.NewSealed[string]} {
		for _, app := range []string{"", "shop", "sho"} {
			for _, name := range []string{"c", "pc", "p"} {
				all = append(all, one{kind + "/" + app + "/" + name, name, make(name, keys.Application(app), hour)})
			}
		}
		other := newKeys(t, "Wm3x_7hQeYt0Kd8uVb5nZs2RgCj9fLpA")
		all = append(all, one{kind + "/other secret", "c", make("c", other, hour)})
	}
	for i, from := range all {
		value := written(t, from.cookie, "x")
		for k, to := range all {
			if _, err := read(to.cookie, to.name, value); (err == nil) != (i == k) {
				t.Errorf("%s read by %s: %v", from.what, to.what, err)
			}
		}
	}
}

// The client learns nothing from which way a cookie is bad.
func TestErrorOracle_CVE_2010_3332(t *testing.T) {
	a := newApp(t)
	victim := loggedIn(a, "alice")
	token := victim.Cookies()[sid]
	flip := func(i int) string {
		b := []byte(token)
		if b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
		return string(b)
	}
	var first string
	for _, value := range []string{flip(0), flip(4), flip(12), flip(45), "short", strings.Repeat("A", 52), strings.Repeat("A", 5000), token + "A"} {
		j := coatchecktest.NewScript(a)
		j.SetCookie(sid, value)
		w := j.Serve(j.Request("GET", "/profile"))
		got := encode([]any{w.Code, w.Header(), w.Body.String()})
		if first == "" {
			first = got
		}
		if got != first {
			t.Errorf("cookie %.10q is answered differently:\n%s\n%s", value, got, first)
		}
	}
}

// Secrets from tutorials are refused, and so are short and simple ones.
func TestStaticSecrets_CVE_2024_6535(t *testing.T) {
	for _, s := range []string{
		"", "hunter2", "dev-secret-key", "changeme", "secr3t", strings.Repeat("a", 64), strings.Repeat("ab", 32), "dev-secret-key-dev-secret-key-dev-secret-key",
		"12345678901234567890123456789012", "your-256-bit-secret-your-256-bit-secret",
	} {
		if _, err := cookie.NewKeys(s); err == nil {
			t.Errorf("secret %q is accepted", s)
		} else if s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("the error holds the secret: %v", err)
		}
	}
}

// Nonces do not repeat under one key.
func TestNonceReuse_SP800_38D(t *testing.T) {
	c := cookie.NewSealed[string]("c", newKeys(t, secret), hour)
	seen := map[string]bool{}
	for range 1 << 14 {
		raw, err := base64.RawURLEncoding.DecodeString(written(t, c, "x"))
		if err != nil {
			t.Fatal(err)
		}
		nonce := string(raw[14:26])
		if seen[nonce] {
			t.Fatal("a nonce came twice")
		}
		seen[nonce] = true
	}
}
