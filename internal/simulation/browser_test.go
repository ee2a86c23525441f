package simulation_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A browser keeps cookies as RFC 6265bis says: with a __Host- name only Secure
// ones for the whole host, Strict ones back to their own pages only, Lax ones also
// where a page of another site leads here.
type browser struct {
	w   *world
	mu  sync.Mutex
	jar map[string]kept
}

type kept struct {
	value    string
	sameSite http.SameSite
	expires  time.Time // zero = when the browser closes
}

func newBrowser(w *world) *browser { return &browser{w: w, jar: make(map[string]kept)} }

// cookies is the Cookie header of a request; foreign says that it comes from a
// page of another site.
func (b *browser) cookies(foreign bool) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var pairs []string
	for i := range 6 {
		name := cookieNames[[...]int{inner, outer}[i/3]] + [...]string{"", "-lax", "-over"}[i%3]
		c, ok := b.jar[name]
		if ok && (c.expires.IsZero() || c.expires.After(time.Now())) && (!foreign || c.sameSite == http.SameSiteLaxMode) {
			pairs = append(pairs, name+"="+c.value)
		}
	}
	return strings.Join(pairs, "; ")
}

func (b *browser) get(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.jar[name].value
}

// keep takes the cookies of an answer.
func (b *browser) keep(header http.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range header["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		switch {
		case err != nil || !c.Secure || c.Path != "/" || c.Domain != "":
			b.w.breaks("G6: no browser keeps %s", line)
		case c.MaxAge < 0:
			delete(b.jar, c.Name)
		default:
			k := kept{value: c.Value, sameSite: c.SameSite}
			if c.MaxAge > 0 {
				k.expires = time.Now().Add(time.Duration(c.MaxAge) * time.Second)
			}
			b.jar[c.Name] = k
		}
	}
}

// tokenID is the id that a session cookie's value stands for (T1, T3).
func tokenID(value string) store.ID {
	token, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(token) != 39 {
		return store.ID{}
	}
	return sha256.Sum256(append([]byte("coatcheck/session-id/v1\x00"), token[5:23]...))
}

// setCookie returns the value that an answer sets for the name, and whether it
// has a line for it at all; a deletion is "".
func setCookie(header http.Header, name string) (value string, ok bool) {
	for _, line := range header["Set-Cookie"] {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == name {
			if c.MaxAge < 0 {
				return "", true
			}
			return c.Value, true
		}
	}
	return "", false
}
