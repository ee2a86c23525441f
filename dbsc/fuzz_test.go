package dbsc

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/binding"
)

// What parses what anybody sends panics at nothing, and what it accepts has the
// form that it says.
func FuzzProof(f *testing.F) {
	part := func(s string) string { return base64url.EncodeToString([]byte(s)) }
	jwk := `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`
	f.Add(part(`{"alg":"ES256","typ":"dbsc+jwt","jwk":`+jwk+`}`) + "." + part(`{"jti":"C","aud":["a"]}`) + "." + part("sig"))
	f.Add(part(`{"alg":"RS256","typ":"dbsc+jwt","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}`) + "." + part(`{"jti":"C"}`) + ".")
	f.Add(part(`{"alg":"none"}`) + "..")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseProof(s)
		if err != nil {
			if _, ok := err.(refusal); !ok {
				t.Errorf("%v is no reason", err)
			}
			return
		}
		if len(s) > maxProof || binding.Name(p.algorithm) == "" || strings.Count(s, ".") != 2 || !strings.HasPrefix(s, string(p.signed)+".") {
			t.Errorf("accepted: %+v", p)
		}
		if p.key != nil {
			_ = p.verify(p.key)
		}
	})
}

// A list that is accepted says the same when it is written again.
func FuzzList(f *testing.F) {
	f.Add(`quota_exceeded;session_identifier="a\"b"`)
	f.Add(`a;b=c, "d";e , f`)
	f.Fuzz(func(t *testing.T, s string) {
		list, err := parseList([]string{s})
		if err != nil {
			return
		}
		var parts []string
		for _, i := range list {
			part := quote(i.value)
			for _, p := range i.parameters {
				part += ";" + p.name + "=" + quote(p.value)
			}
			parts = append(parts, part)
		}
		again, err := parseList(parts)
		if len(strings.Join(parts, ",")) > maxField {
			return
		}
		if err != nil || len(again) != len(list) {
			t.Fatalf("%q: %v", parts, err)
		}
		for i := range list {
			if again[i].value != list[i].value || len(again[i].parameters) != len(list[i].parameters) {
				t.Fatalf("%q is not %q", again, list)
			}
		}
	})
}

// R8, R9, R10: of all texts only those that a server of ours made are bound cookies,
// challenges, or a session's entry.
func FuzzTag(f *testing.F) {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		f.Fatal(err)
	}
	t1 := newTagger(keys, "x")
	f.Add(strings.Repeat("A", cookieText))
	f.Add(`"` + strings.Repeat("A", 200) + `"`)
	f.Fuzz(func(t *testing.T, s string) {
		if _, _, ok := t1.bound(s); ok {
			t.Errorf("%q is a bound cookie", s)
		}
		if _, ok := t1.challenged(subjectOf(forRefresh, make([]byte, binding.IDSize)), s); ok {
			t.Errorf("%q is a challenge", s)
		}
		skipped(http.Header{"Secure-Session-Skipped": {s}}, "x")
		if b, ok := binding.Decode([]byte(s)); ok && string(b.Encode()) != s {
			t.Errorf("%q is written %q", s, b.Encode())
		}
	})
}
