// Package device is a browser in process that binds its sessions to a key (package
// dbsc), as Chromium does it over the network; and a thief of its cookies, who
// signs what it likes. It is for tests.
package device

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

var B64 = base64.RawURLEncoding

// A Signer is the key of a device.
type Signer interface {
	Alg() string
	JWK() map[string]any
	Sign(signed []byte) []byte
}

type ECKey struct{ *ecdsa.PrivateKey }

func NewECKey(t testing.TB) ECKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return ECKey{k}
}

func (k ECKey) Alg() string { return "ES256" }

func (k ECKey) JWK() map[string]any {
	point, err := k.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return map[string]any{"kty": "EC", "crv": "P-256", "x": B64.EncodeToString(point[1:33]), "y": B64.EncodeToString(point[33:])}
}

func (k ECKey) Sign(signed []byte) []byte {
	sum := sha256.Sum256(signed)
	r, s, err := ecdsa.Sign(rand.Reader, k.PrivateKey, sum[:])
	if err != nil {
		panic(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig
}

type RSAKey struct{ *rsa.PrivateKey }

func NewRSAKey(t testing.TB, bits int) RSAKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return RSAKey{k}
}

func (k RSAKey) Alg() string { return "RS256" }

func (k RSAKey) JWK() map[string]any {
	return map[string]any{"kty": "RSA", "n": B64.EncodeToString(k.N.Bytes()), "e": B64.EncodeToString(big.NewInt(int64(k.E)).Bytes())}
}

func (k RSAKey) Sign(signed []byte) []byte {
	sum := sha256.Sum256(signed)
	sig, err := rsa.SignPKCS1v15(rand.Reader, k.PrivateKey, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return sig
}

// JWS makes a proof of any header and payload.
func JWS(k Signer, header, payload map[string]any) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return B64.EncodeToString(b)
	}
	signed := part(header) + "." + part(payload)
	return signed + "." + B64.EncodeToString(k.Sign([]byte(signed)))
}

// Registration and Refreshing are proofs as Chromium makes them.
func Registration(k Signer, challenge string) string {
	return JWS(k, map[string]any{"alg": k.Alg(), "jwk": k.JWK(), "typ": "dbsc+jwt"}, map[string]any{"jti": challenge})
}

func Refreshing(k Signer, challenge string) string {
	return JWS(k, map[string]any{"alg": k.Alg(), "typ": "dbsc+jwt"}, map[string]any{"jti": challenge})
}

// A Device is a browser in process, with the protocol or without: it keeps cookies
// for as long as they live, registers where it is asked to, and proves its key
// before a request whose bound cookie is missing.
type Device struct {
	t       testing.TB
	Handler http.Handler
	From    string // address
	Jar     map[string]Kept

	Key       Signer // nil: a browser that does not know the protocol
	ID        string // of the binding; empty = none
	Refresh   string
	Cookie    string
	Challenge string // kept for the next refresh
	Signed    int    // proofs made so far
}

// Kept is a cookie.
type Kept struct {
	Value   string
	Expires time.Time // zero = none
}

func New(t testing.TB, h http.Handler, key Signer) *Device {
	return &Device{t: t, Handler: h, From: "192.0.2.1:1234", Jar: make(map[string]Kept), Key: key}
}

// Thief is a client elsewhere with the same cookies, and no key.
func (d *Device) Thief() *Device {
	c := New(d.t, d.Handler, nil)
	c.From = "203.0.113.66:4321"
	for name, k := range d.Jar {
		c.Jar[name] = k
	}
	return c
}

func (d *Device) CookieValue(name string) string {
	k, ok := d.Jar[name]
	if !ok || !k.Expires.IsZero() && !k.Expires.After(time.Now()) {
		return ""
	}
	return k.Value
}

// Raw sends one request and keeps the cookies of the answer.
func (d *Device) Raw(method, path string, headers ...string) *httptest.ResponseRecorder {
	d.t.Helper()
	r := httptest.NewRequest(method, "https://app.test"+path, nil)
	r.RemoteAddr = d.From
	for name := range d.Jar {
		if v := d.CookieValue(name); v != "" {
			r.AddCookie(&http.Cookie{Name: name, Value: v})
		}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.Handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		k := Kept{Value: c.Value}
		switch {
		case c.MaxAge < 0:
			delete(d.Jar, c.Name)
			continue
		case c.MaxAge > 0:
			k.Expires = time.Now().Add(time.Duration(c.MaxAge) * time.Second)
		}
		d.Jar[c.Name] = k
	}
	return w
}

// Do is a request of a page of the site, with all that the browser does around it.
func (d *Device) Do(method, path string, headers ...string) *httptest.ResponseRecorder {
	d.t.Helper()
	if reason := d.Prove(); reason != "" {
		headers = append(headers, "Secure-Session-Skipped", reason+`;session_identifier="`+d.ID+`"`)
	}
	w := d.Raw(method, path, headers...)
	if d.Key != nil {
		if offer := w.Header().Get("Secure-Session-Registration"); offer != "" {
			d.Register(offer)
		}
	}
	return w
}

// Offered finds path and challenge in an offer.
var Offered = regexp.MustCompile(`^\(ES256 RS256\);path="(/[^"]*)";challenge="([A-Za-z0-9_-]+)"$`)

// Register takes up an offer.
func (d *Device) Register(offer string) *httptest.ResponseRecorder {
	d.t.Helper()
	m := Offered.FindStringSubmatch(offer)
	if m == nil {
		d.t.Fatalf("offer %q", offer)
	}
	d.Signed++
	w := d.Raw("POST", m[1], "Origin", "https://app.test", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors",
		"Secure-Session-Response", Registration(d.Key, m[2]))
	if w.Code == http.StatusOK {
		d.instructed(w)
	}
	return w
}

// instructed keeps what an instruction says.
func (d *Device) instructed(w *httptest.ResponseRecorder) {
	d.t.Helper()
	var in struct {
		ID      string `json:"session_identifier"`
		Refresh string `json:"refresh_url"`
		Scope   struct {
			Origin      string `json:"origin"`
			IncludeSite *bool  `json:"include_site"`
		} `json:"scope"`
		Credentials []struct{ Type, Name, Attributes string } `json:"credentials"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &in); err != nil || len(in.Credentials) != 1 {
		d.t.Fatalf("instruction %q: %v", w.Body, err)
	}
	c := in.Credentials[0]
	lines := w.Result().Header["Set-Cookie"]
	i := 0
	for i < len(lines) && !strings.HasPrefix(lines[i], c.Name+"=") {
		i++
	}
	if i == len(lines) || c.Type != "cookie" || w.Header().Get("Content-Type") != "application/json" ||
		in.Scope.Origin != "https://app.test" || in.Scope.IncludeSite == nil || *in.Scope.IncludeSite {
		d.t.Fatalf("instruction %s with %q", w.Body, lines)
	}
	for part := range strings.SplitSeq(c.Attributes, "; ") { // or Chromium never refreshes early
		if !strings.Contains(lines[i]+";", "; "+part+";") {
			d.t.Errorf("Set-Cookie %q has not %q of the instruction", lines[i], part)
		}
	}
	d.ID, d.Refresh, d.Cookie = in.ID, in.Refresh, c.Name
	d.KeepChallenge(w)
}

var challenged = regexp.MustCompile(`^"([A-Za-z0-9_-]+)";id="([A-Za-z0-9_-]+)"$`)

func (d *Device) KeepChallenge(w *httptest.ResponseRecorder) {
	d.t.Helper()
	line := w.Header().Get("Secure-Session-Challenge")
	if line == "" {
		return
	}
	m := challenged.FindStringSubmatch(line)
	if m == nil || m[2] != d.ID {
		d.t.Fatalf("challenge %q for %q", line, d.ID)
	}
	d.Challenge = m[1]
}

// Prove refreshes the bound cookie if it is missing, and says why it did not.
func (d *Device) Prove() (skipped string) {
	d.t.Helper()
	if d.ID == "" || d.CookieValue(d.Cookie) != "" {
		return ""
	}
	for range 3 {
		headers := []string{"Sec-Secure-Session-Id", d.ID, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors"}
		proof := d.Challenge != ""
		if proof {
			d.Signed++
			headers = append(headers, "Secure-Session-Response", Refreshing(d.Key, d.Challenge))
		}
		w := d.Raw("POST", d.Refresh, headers...)
		switch {
		case w.Code == http.StatusOK:
			d.instructed(w)
			return ""
		case w.Code >= 500:
			return "server_error"
		case w.Code != http.StatusForbidden:
			d.ID = "" // for good
			return ""
		}
		d.KeepChallenge(w)
	}
	d.ID = "" // of the second proof that was refused
	return ""
}
