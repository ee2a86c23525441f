package rails

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

const csrfSize = 32

// SameCSRF reports whether token, such as the authenticity_token of a form that Rails
// made, is of the session with the CSRF token session, which is Session.CSRF, in
// constant time. Tokens that per_form_csrf_tokens made are not known: they are of one
// path and method. For a form that goes to Rails, Session.CSRF itself is a token.
func SameCSRF(session, token string) bool {
	secret, ok := csrfBytes(session)
	if !ok || len(secret) != csrfSize {
		return false
	}
	given, ok := csrfBytes(token)
	if !ok || len(given) != csrfSize && len(given) != 2*csrfSize {
		return false
	}
	if len(given) == 2*csrfSize { // masked: a random key, and what it was mixed with
		subtle.XORBytes(given[csrfSize:], given[csrfSize:], given[:csrfSize])
		given = given[csrfSize:]
	}
	global := hmac.New(sha256.New, secret)
	global.Write([]byte("!real_csrf_token"))
	return hmac.Equal(given, secret) || hmac.Equal(given, global.Sum(nil))
}

// csrfBytes takes both alphabets of base64: urlsafe_csrf_tokens says which.
func csrfBytes(s string) ([]byte, bool) {
	if len(s) > 4*csrfSize {
		return nil, false
	}
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawURLEncoding.DecodeString(s)
	return b, err == nil
}
