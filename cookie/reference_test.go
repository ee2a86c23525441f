package cookie_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"testing"
)

// A reference makes frames as docs/spec/cookie.md says, with nothing shared with
// the package: every part of what a frame is bound to can be chosen, so that
// tests can make what the package never would.
type reference struct {
	label, kind, purpose string // C5; the defaults are those of the version
	version              byte
	secret, app, name    string
	kid                  []byte // of the secret unless given
	issued, ttl          int64
}

func lp(ss ...string) []byte {
	var b []byte
	for _, s := range ss {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

func expand(t testing.TB, prk []byte, info []byte, n int) []byte {
	t.Helper()
	key, err := hkdf.Expand(sha256.New, prk, string(info), n)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (r reference) withDefaults() reference {
	defaults := map[byte][2]string{1: {"signed", "cookie-sign"}, 2: {"sealed", "cookie-encrypt"}}[r.version]
	if r.label == "" {
		r.label = "coatcheck/v1"
	}
	if r.kind == "" {
		r.kind = defaults[0]
	}
	if r.purpose == "" {
		r.purpose = defaults[1]
	}
	return r
}

// keys returns the key id and the key of C2 and C3.
func (r reference) keys(t testing.TB) (kid, key []byte) {
	t.Helper()
	prk, err := hkdf.Extract(sha256.New, []byte(r.secret), []byte(r.label))
	if err != nil {
		t.Fatal(err)
	}
	return expand(t, prk, []byte("kid"), 4), expand(t, prk, append([]byte("key:"), lp(r.purpose, r.app)...), 32)
}

// subkey returns the key of the hour (C9).
func (r reference) subkey(t testing.TB) []byte {
	t.Helper()
	r = r.withDefaults()
	_, key := r.keys(t)
	info := binary.BigEndian.AppendUint64(lp(r.label, r.kind, r.purpose, r.app, r.name), uint64(r.issued/3600))
	return expand(t, key, info, 32)
}

// frame returns a frame with this payload, before base64url.
func (r reference) frame(t testing.TB, payload string) []byte {
	t.Helper()
	r = r.withDefaults()
	kid, key := r.keys(t)
	if r.kid != nil {
		kid = r.kid
	}
	header := append([]byte{r.version}, kid...)
	header = append(header, binary.BigEndian.AppendUint64(nil, uint64(r.issued))[3:]...)
	header = binary.BigEndian.AppendUint32(header, uint32(r.ttl))
	context := lp(r.label, r.kind, r.purpose, r.app, r.name)
	if r.kind == "signed" {
		mac := hmac.New(sha256.New, key)
		mac.Write(context)
		mac.Write(header)
		mac.Write([]byte(payload))
		return mac.Sum(append(header, payload...))
	}
	block, err := aes.NewCipher(r.subkey(t))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead.Seal(header, nil, []byte(payload), append(context, header...))
}

// value returns the cookie value with this payload.
func (r reference) value(t testing.TB, payload string) string {
	t.Helper()
	return base64.RawURLEncoding.EncodeToString(r.frame(t, payload))
}
