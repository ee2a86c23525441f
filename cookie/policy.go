package cookie

import (
	"fmt"
	"net/http"
	"time"
)

// Limits that browsers keep to (RFC 6265bis §5.5, §5.6): what is beyond them is
// cut or dropped without a word, so that here it is an error.
const (
	maxSize      = 4096                 // bytes of name and value
	maxAttribute = 1024                 // bytes of one attribute's value
	maxLifetime  = 400 * 24 * time.Hour // Max-Age
)

// A Policy is a cookie's attributes. The zero Policy is the safest one: Secure,
// HttpOnly, SameSite=Strict, Path=/, the host that set it and no other, and gone
// when the browser closes. Most programs set MaxAge and nothing else.
//
// What browsers would refuse or ignore is an error when the cookie is declared.
type Policy struct {
	// MaxAge is the cookie's lifetime, at most 400 days, rounded up to whole
	// seconds. It goes out as Max-Age and as Expires. Zero is until the browser closes; a signed or sealed cookie
	// then is valid for 24 hours, because browsers that restore their windows
	// keep such cookies for ever.
	MaxAge time.Duration

	// Path limits the cookie to requests at and below it. Empty is "/". It is
	// no protection: pages of the same origin reach each other's cookies
	// (RFC 6265bis §8.5).
	Path string

	// Domain also sends the cookie to every host below this domain, which can
	// then overwrite it as well. Empty is the host alone.
	Domain string

	// SameSite limits the cookie on requests that other sites cause. Zero is
	// Strict. Lax also sends it with a click on a link elsewhere: choose it
	// for a cookie that is read and written back on GET.
	SameSite http.SameSite

	// AllowInsecureHTTP leaves Secure out: the cookie travels in the clear,
	// and whoever listens can use and replace it.
	AllowInsecureHTTP bool

	// AllowScripts leaves HttpOnly out: every script in the page can read the
	// cookie.
	AllowScripts bool

	// AllowCaching leaves Cache-Control alone: caches between here and the
	// browser may then hand the cookie to other visitors.
	AllowCaching bool

	// Partitioned keeps one cookie for each site that embeds this one.
	Partitioned bool
}

// check returns what is wrong with a cookie of that name and policy.
func (p Policy) check(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := checkPath(p.Path); err != nil {
		return err
	}
	if err := checkDomain(p.Domain); err != nil {
		return err
	}
	if err := checkMaxAge("Policy.MaxAge", p.MaxAge); err != nil {
		return err
	}
	switch p.SameSite {
	case 0, http.SameSiteStrictMode, http.SameSiteLaxMode:
	case http.SameSiteNoneMode:
		if p.AllowInsecureHTTP {
			return fmt.Errorf("cookie: Policy.SameSite of %q is None with AllowInsecureHTTP; browsers want Secure with it", name)
		}
	default:
		return fmt.Errorf("cookie: Policy.SameSite of %q is %d; want http.SameSiteStrictMode, Lax or None", name, p.SameSite)
	}
	if p.Partitioned && p.AllowInsecureHTTP {
		return fmt.Errorf("cookie: Policy.Partitioned of %q with AllowInsecureHTTP; browsers want Secure with it", name)
	}
	return p.checkPrefix(name)
}

func checkMaxAge(field string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("cookie: %s is %v; want >= 0", field, d)
	}
	if d > maxLifetime {
		return fmt.Errorf("cookie: %s is %v; browsers keep cookies for at most 400 days (%v)", field, d, maxLifetime)
	}
	return nil
}

// attributes renders what stands between Max-Age and Expires.
func (p Policy) attributes() string {
	path := p.Path
	if path == "" {
		path = "/"
	}
	s := "; Path=" + path
	if p.Domain != "" {
		s += "; Domain=" + p.Domain
	}
	if !p.AllowInsecureHTTP {
		s += "; Secure"
	}
	if !p.AllowScripts {
		s += "; HttpOnly"
	}
	switch p.SameSite {
	case http.SameSiteLaxMode:
		s += "; SameSite=Lax"
	case http.SameSiteNoneMode:
		s += "; SameSite=None"
	default:
		s += "; SameSite=Strict"
	}
	if p.Partitioned {
		s += "; Partitioned"
	}
	return s
}
