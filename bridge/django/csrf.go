package django

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
)

const (
	csrfSecret = 32
	csrfChars  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
)

// csrf returns the CSRF cookie of a request, if it is one.
func (s *Source) csrf(r *http.Request) string {
	cookie, err := r.Cookie(s.config.CSRFCookie)
	if err != nil {
		return ""
	}
	if _, ok := unmask(cookie.Value); !ok {
		return ""
	}
	return cookie.Value
}

// rotateCSRF gives the browser a new CSRF cookie. It is masked, which every version
// of Django takes; 4.1 and later make none that is.
func (s *Source) rotateCSRF(w http.ResponseWriter) error {
	return foreign.Write(w, s.csrfs, mask(random(csrfSecret, csrfChars)), 365*24*time.Hour)
}

// SameCSRF reports whether two CSRF tokens of Django, such as Session.CSRF and the
// csrfmiddlewaretoken of a form that Django made, are of one secret, in constant
// time. Both may be masked or not. For a form that goes to Django, Session.CSRF
// itself is a token.
func SameCSRF(a, b string) bool {
	x, okX := unmask(a)
	y, okY := unmask(b)
	return subtle.ConstantTimeCompare([]byte(x), []byte(y)) == 1 && okX && okY
}

// mask hides a secret behind a random key, so that it is another text every time.
func mask(secret string) string {
	key := random(csrfSecret, csrfChars)
	return key + shift(secret, key, 1)
}

func unmask(token string) (secret string, ok bool) {
	if len(token) != csrfSecret && len(token) != 2*csrfSecret {
		return "", false
	}
	for _, c := range []byte(token) {
		if strings.IndexByte(csrfChars, c) < 0 {
			return "", false
		}
	}
	if len(token) == csrfSecret {
		return token, true
	}
	return shift(token[csrfSecret:], token[:csrfSecret], -1), true
}

// shift adds the places of key's characters to those of text, or takes them off.
func shift(text, key string, sign int) string {
	out := make([]byte, len(text))
	for i := range out {
		n := strings.IndexByte(csrfChars, text[i]) + sign*strings.IndexByte(csrfChars, key[i])
		out[i] = csrfChars[(n+len(csrfChars))%len(csrfChars)]
	}
	return string(out)
}
