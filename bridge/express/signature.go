package express

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

var (
	errShape  = errors.New("not a signed cookie of Express")
	errSigned = errors.New("signed with another secret")
)

// unsign gives what a cookie of express-session holds: s:id.signature, percent-encoded.
func unsign(value string, secrets []string) (string, error) {
	value, err := url.PathUnescape(value)
	if err != nil {
		return "", errShape
	}
	value, signed := strings.CutPrefix(value, "s:")
	dot := strings.LastIndexByte(value, '.')
	if !signed || dot < 1 {
		return "", errShape
	}
	id, signature := value[:dot], value[dot+1:]
	for _, secret := range secrets {
		if hmac.Equal([]byte(signature), []byte(signature256(id, secret))) {
			return id, nil
		}
	}
	return "", errSigned
}

// sign is the way back.
func sign(id, secret string) string {
	return url.QueryEscape("s:" + id + "." + signature256(id, secret))
}

// signature256 is that of the package cookie-signature.
func signature256(id, secret string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(id))
	return base64.RawStdEncoding.EncodeToString(h.Sum(nil))
}

// keygrip is the signature of the package keygrip, by which cookie-session signs the
// name and the value. SHA-1 is what it uses; as an HMAC it stands.
func keygrip(name, value, key string) string {
	h := hmac.New(sha1.New, []byte(key))
	h.Write([]byte(name + "=" + value))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// verified reports whether one of the keys has signed the cookie.
func verified(name, value, signature string, keys []string) bool {
	for _, key := range keys {
		if hmac.Equal([]byte(signature), []byte(keygrip(name, value, key))) {
			return true
		}
	}
	return false
}
