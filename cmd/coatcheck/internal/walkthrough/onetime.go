package walkthrough

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
)

const (
	codeLife = 5 * time.Minute
	maxCodes = 20 // open at once in one session
	codeKeys = "one-time/"
)

func (s *Site) routeOneTime(mux *http.ServeMux) {
	mux.Handle("POST /one-time", s.sessions.Require(http.HandlerFunc(issueCode)))
	mux.Handle("POST /one-time/redeem", s.sessions.Require(http.HandlerFunc(redeemCode)))
}

// codeKey is the session's key for one code. It is named after a hash, so that
// the store holds no code that could be redeemed, a wrong code touches no right
// one, and nothing needs to be compared.
func codeKey(code string) coatcheck.Key[bool] {
	sum := sha256.Sum256([]byte(code))
	return coatcheck.NewKey[bool](codeKeys + hex.EncodeToString(sum[:16]))
}

func issueCode(w http.ResponseWriter, r *http.Request) {
	s := coatcheck.From(r.Context())
	code := rand.Text()
	codeKey(code).SetFor(s, true, codeLife)
	// Counted after the commit, so that requests at once see each other's.
	if s.Commit() == nil && openCodes(s) > maxCodes {
		codeKey(code).Delete(s)
		answer(w, http.StatusTooManyRequests, "Too many open codes: want at most %d", maxCodes)
		return
	}
	answer(w, http.StatusOK, "%s", code)
}

func openCodes(s *coatcheck.Session) int {
	n := 0
	for _, name := range s.Keys() {
		if strings.HasPrefix(name, codeKeys) {
			n++
		}
	}
	return n
}

// redeemCode accepts a code once: of any number of requests at the same time
// Pop gives the value to one.
func redeemCode(w http.ResponseWriter, r *http.Request) {
	code, ok := field(w, r, "code", func(string) bool { return true })
	if !ok {
		return
	}
	if _, ok := codeKey(code).Pop(coatcheck.From(r.Context())); !ok {
		answer(w, http.StatusForbidden, "Refused")
		return
	}
	answer(w, http.StatusOK, "Accepted")
}
