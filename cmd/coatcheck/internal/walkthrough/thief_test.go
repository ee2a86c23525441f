package walkthrough_test

import (
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
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/walkthrough"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// The thief has the coat of a browser that binds nothing. Of one that does, the
// ticket alone opens nothing, and the pair nothing once the proof is over.
func TestThief(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
		if err != nil {
			t.Fatal(err)
		}
		site, err := walkthrough.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer site.Close()
		jar := make(map[string]string)
		do := func(method, path string, headers ...string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, "https://localhost"+path, nil)
			for name, value := range jar {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			for i := 0; i+1 < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			w := httptest.NewRecorder()
			site.ServeHTTP(w, r)
			for _, c := range w.Result().Cookies() {
				jar[c.Name] = c.Value
			}
			return w
		}
		says := func(path, want string) {
			t.Helper()
			if w := do("POST", path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %d %s, want %q", path, w.Code, w.Body, want)
			}
		}
		offer := do("POST", "/login").Header().Get("Secure-Session-Registration")
		says("/thief", `With the ticket alone: 200 "User 123"`)
		challenge := regexp.MustCompile(`challenge="([^"]+)"`).FindStringSubmatch(offer)
		if challenge == nil {
			t.Fatalf("offer %q", offer)
		}
		if w := do("POST", "/dbsc/register", "Secure-Session-Response", proof(t, challenge[1])); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if page := do("GET", "/").Body.String(); !strings.Contains(page, "bound to a key of this device (ES256)") || !strings.Contains(page, "the proof beside it") {
			t.Error("the page does not show the binding")
		}
		time.Sleep(31 * time.Second)
		says("/thief", `with all your cookies: 200 "User 123". With the ticket alone: 401`)
		time.Sleep(4*time.Minute + 28*time.Second)
		says("/thief/again", `With what he copied 4 min 28 s ago. The thief, with all your cookies: 200 "User 123"`)
		again := do("POST", "/thief/again")
		time.Sleep(2 * time.Second) // the owner's own proof is over too: nobody refreshes here
		if w := do("POST", "/thief/again"); w.Code != http.StatusUnauthorized || again.Code != http.StatusOK {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// proof is that of a new key.
func proof(t *testing.T, challenge string) string {
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
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b64.EncodeToString(b)
	}
	signed := part(map[string]any{"alg": "ES256", "typ": "dbsc+jwt", "jwk": map[string]string{
		"kty": "EC", "crv": "P-256", "x": b64.EncodeToString(point[1:33]), "y": b64.EncodeToString(point[33:])}}) + "." + part(map[string]string{"jti": challenge})
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
