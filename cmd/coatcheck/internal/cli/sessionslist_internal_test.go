package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/memstore"
)

// Lists say of a session whether it is bound to a device, to which kind of key, and
// when that was last proven; of one that is not they say nothing.
func TestListOfBoundSessions(t *testing.T) {
	t.Parallel()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	bound, err := dbsc.New(sessions, dbsc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/dbsc/", bound)
	mux.HandleFunc("/login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })
	send := func(path string, header http.Header) *http.Response {
		r := httptest.NewRequest("POST", "https://app.test"+path, nil)
		r.Header = header
		w := httptest.NewRecorder()
		sessions.Handler(mux).ServeHTTP(w, r)
		return w.Result()
	}
	list := func(o sessionsOptions) string {
		var out bytes.Buffer
		o.user = "123"
		if err := sessionsList(context.Background(), stdio{out: &output{Writer: &out}}, sessions, o); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	send("/login", http.Header{})
	login := send("/login", http.Header{})
	challenge := regexp.MustCompile(`challenge="([^"]+)"`).FindStringSubmatch(login.Header.Get("Secure-Session-Registration"))
	if got := list(sessionsOptions{}); challenge == nil || strings.Contains(got, "ES256") || !strings.Contains(got, "  BOUND  ") {
		t.Fatalf("%q, %s", challenge, got)
	}
	header := http.Header{"Secure-Session-Response": {registration(t, challenge[1])}}
	for _, c := range login.Cookies() {
		header.Add("Cookie", c.Name+"="+c.Value)
	}
	if resp := send("/dbsc/register", header); resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	if got := list(sessionsOptions{}); strings.Count(got, "  ES256, proven 20") != 1 || strings.Count(got, "192.0.2.1  -  ") != 1 {
		t.Errorf("sessions list: %s", got)
	}
	var rows []struct{ Binding *coatcheck.Binding }
	bindings := 0
	err = json.Unmarshal([]byte(list(sessionsOptions{json: true})), &rows)
	for _, row := range rows {
		if row.Binding != nil && row.Binding.Algorithm == "ES256" && !row.Binding.Refreshed.Before(row.Binding.Since) {
			bindings++
		}
	}
	if err != nil || len(rows) != 2 || bindings != 1 {
		t.Errorf("sessions list --json: %+v, %v", rows, err)
	}
}

// registration is the proof of a new key.
func registration(t *testing.T, challenge string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding
	signed := b64.EncodeToString([]byte(`{"alg":"ES256","typ":"dbsc+jwt","jwk":{"kty":"EC","crv":"P-256","x":"`+
		b64.EncodeToString(point[1:33])+`","y":"`+b64.EncodeToString(point[33:])+`"}}`)) + "." + b64.EncodeToString([]byte(`{"jti":"`+challenge+`"}`))
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return signed + "." + b64.EncodeToString(sig)
}
