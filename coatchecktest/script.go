package coatchecktest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// NewScript returns a Browser without cookies in front of a handler that obeys
// nothing, as an attacker's program may: it keeps every cookie under its name and
// sends it everywhere, whatever Path, Domain and lifetime say, until the server
// deletes it. What it does not get, the server has refused.
func NewScript(h http.Handler) *Browser {
	b := withJar(&url.URL{Scheme: "https", Host: "example.com"}, noServer, &loot{cookies: make(map[string]string)})
	b.Handler = h
	return b
}

// Clone returns another browser at the same site with a copy of the cookies: those
// of somebody who has stolen them, and obeys nothing, as one of NewScript.
func (b *Browser) Clone() *Browser {
	server := b.Transport
	if p, ok := server.(paths); ok {
		server = p.server
	}
	c := withJar(b.site, server, &loot{cookies: b.Cookies()})
	c.Handler, c.CheckRedirect, c.Timeout = b.Handler, b.CheckRedirect, b.Timeout
	return c
}

// Cookies returns the cookies that the browser has at the site, by name; of two
// with one name, at different paths, either. The map is a copy.
func (b *Browser) Cookies() map[string]string {
	cookies := make(map[string]string)
	for _, c := range b.jar.all() {
		cookies[c.Name] = c.Value
	}
	return cookies
}

// SetCookie gives the browser a cookie for the whole site that no answer has set,
// as somebody may who plants one, in place of what it has under this name. An
// empty value takes the cookie away. A browser that keeps to rules drops what it
// would refuse from a server, without a word; one of NewScript keeps it.
func (b *Browser) SetCookie(name, value string) { b.jar.set(name, value) }

// A loot has cookies by their names, and keeps to nothing else.
type loot struct {
	mu      sync.Mutex
	cookies map[string]string
}

func (l *loot) Format(f fmt.State, _ rune) { io.WriteString(f, "{coatchecktest jar}") }

func (l *loot) SetCookies(_ *url.URL, cookies []*http.Cookie) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range cookies {
		if c.MaxAge < 0 {
			delete(l.cookies, c.Name)
		} else {
			l.cookies[c.Name] = c.Value
		}
	}
}

func (l *loot) Cookies(*url.URL) []*http.Cookie { return l.all() }

func (l *loot) all() (list []*http.Cookie) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(l.cookies)) {
		list = append(list, &http.Cookie{Name: name, Value: l.cookies[name]})
	}
	return list
}

func (l *loot) set(name, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if value == "" {
		delete(l.cookies, name)
	} else {
		l.cookies[name] = value
	}
}
