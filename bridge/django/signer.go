package django

import (
	"bytes"
	"compress/zlib"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
)

// The salts of SessionBase.key_salt and of the engine signed_cookies. The engines
// db and cached_db share one: the salt names the class, and both are SessionStore.
const (
	saltCookies = "django.contrib.sessions.backends.signed_cookies"
	saltRecords = "django.contrib.sessions.SessionStore"
)

// A signer is django.core.signing.TimestampSigner: payload, ":", the time in
// base 62, ":", HMAC-SHA-256 of both.
type signer struct {
	secrets [][]byte // SECRET_KEY, then SECRET_KEY_FALLBACKS
	salt    string
}

// mac is django.utils.crypto.salted_hmac: the key is a hash of salt and secret.
func mac(h func() hash.Hash, salt string, secret, value []byte) []byte {
	k := h()
	k.Write([]byte(salt))
	k.Write(secret)
	m := hmac.New(h, k.Sum(nil))
	m.Write(value)
	return m.Sum(nil)
}

func (s signer) mac(h func() hash.Hash, secret, value []byte) string {
	return base64.RawURLEncoding.EncodeToString(mac(h, s.salt+"signer", secret, value))
}

// sign returns data as signing.dumps(compress=True) does at the time.
func (s signer) sign(data []byte, now time.Time) string {
	payload := base64.RawURLEncoding.EncodeToString(data)
	if z := deflate(data); len(z) < len(data)-1 {
		payload = "." + base64.RawURLEncoding.EncodeToString(z)
	}
	value := payload + ":" + base62(now.Unix())
	return value + ":" + s.mac(sha256.New, s.secrets[0], []byte(value))
}

// open verifies signed and returns what was signed, and when.
func (s signer) open(signed string) (data []byte, at time.Time, err error) {
	dot := strings.LastIndexByte(signed, ':')
	if dot < 0 {
		return nil, time.Time{}, bridge.ErrForged
	}
	value, sig := signed[:dot], signed[dot+1:]
	if !s.signed(sha256.New, value, sig) {
		return nil, time.Time{}, s.why(value, sig)
	}
	payload, stamp, ok := strings.Cut(value, ":") // base64 has no colon
	seconds, valid := base62Decode(stamp)
	if !ok || !valid {
		return nil, time.Time{}, bridge.Refused("a signature without a time, as Django's Signer makes")
	}
	data, err = unpack(payload)
	return data, time.Unix(seconds, 0), err
}

func (s signer) signed(h func() hash.Hash, value, sig string) bool {
	for _, secret := range s.secrets {
		if hmac.Equal([]byte(sig), []byte(s.mac(h, secret, []byte(value)))) {
			return true
		}
	}
	return false
}

// why says which setting does not match, as far as it can be found out: whoever
// can make one of these signatures has the secret.
func (s signer) why(value, sig string) error {
	if !fips140.Enforced() && s.signed(sha1.New, value, sig) {
		return bridge.Refused("a signature by SHA-1, as of Django before 3.1 and of DEFAULT_HASHING_ALGORITHM = 'sha1'")
	}
	for salt, engine := range map[string]string{saltCookies: "SignedCookies", saltRecords: "DB or CachedDB"} {
		if o := (signer{s.secrets, salt}); salt != s.salt && o.signed(sha256.New, value, sig) {
			return &bridge.SettingError{Setting: "django.Config.Engine, which says the salt,", Want: engine}
		}
	}
	if shape(value + ":" + sig) {
		return &bridge.SettingError{Setting: "django.Config.SecretKey or SecretKeyFallbacks"}
	}
	return bridge.ErrForged
}

// shape reports whether a value has the form of what signing.dumps makes.
func shape(value string) bool {
	parts := strings.Split(value, ":")
	if len(parts) != 3 || len(parts[2]) != base64.RawURLEncoding.EncodedLen(sha256.Size) {
		return false
	}
	_, stamped := base62Decode(parts[1])
	return stamped && urlSafe(strings.TrimPrefix(parts[0], ".")) && urlSafe(parts[2])
}

func urlSafe(s string) bool {
	for _, c := range []byte(s) {
		if strings.IndexByte(digits62, c) < 0 && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// unpack decodes a payload; a dot in front says that it is compressed.
func unpack(payload string) ([]byte, error) {
	coded, compressed := strings.CutPrefix(payload, ".")
	data, err := base64.RawURLEncoding.DecodeString(coded)
	if err != nil {
		return nil, bridge.Refused("a payload that is not base64")
	}
	if !compressed {
		return data, nil
	}
	return bridge.Inflate(data, bridge.MaxRecord)
}

func deflate(data []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(data) // a Buffer takes all
	_ = w.Close()
	return b.Bytes()
}

const digits62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func base62(n int64) string {
	if n <= 0 {
		return "0"
	}
	var b [11]byte // 62^11 > 2^63
	i := len(b)
	for ; n > 0; n /= 62 {
		i--
		b[i] = digits62[n%62]
	}
	return string(b[i:])
}

// base62Decode takes at most eight digits, which is the year 6,918,000.
func base62Decode(s string) (n int64, ok bool) {
	if s == "" || len(s) > 8 {
		return 0, false
	}
	for _, c := range []byte(s) {
		d := strings.IndexByte(digits62, c)
		if d < 0 {
			return 0, false
		}
		n = n*62 + int64(d)
	}
	return n, true
}
