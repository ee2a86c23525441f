package coatcheck

import (
	"fmt"
	"net/http"
	"strings"
)

// Describe returns the policy in force as text, for a start-up log, a review,
// or the documentation that ASVS 7.1.1 to 7.1.3 ask for.
func (m *Manager) Describe() string {
	c := &m.cfg
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-18s %s\n", what, fmt.Sprintf(format, args...))
	}
	if m.bearer {
		line("token", "in %s: Bearer; a new one comes in %s", authorization, TokenHeader)
	} else {
		line("cookie", "%s", m.sid.Name())
		line("attributes", "%s", attributes(m))
	}
	line("user", "idle %v, lifetime %v, remembered at most %v", c.Idle, c.Lifetime, c.MaxRemember)
	line("anonymous", "idle %v, lifetime %v", c.AnonymousIdle, c.AnonymousLifetime)
	switch {
	case c.MaxPerUser == 0:
		line("sessions per user", "not limited")
	case c.AtLimit == Refuse:
		line("sessions per user", "%d, another login is refused", c.MaxPerUser)
	default:
		line("sessions per user", "%d, another login ends the oldest", c.MaxPerUser)
	}
	line("kept", "%s", map[bool]string{false: "in the store, by a hash of the token", true: "in the cookie, encrypted"}[m.carrier.inCookie()])
	line("after logout", "%s", afterLogout(m))
	line("from other sites", "%s", fromOtherSites(m))
	line("known as", "%s", map[bool]string{false: "what Host says", true: "what Host says, and " + strings.Join(c.Origins, ", ")}[len(c.Origins) > 0])
	line("client address", "%s", clientAddress(c))
	return b.String()
}

// clientAddress says which address stands in lists of devices.
func clientAddress(c *Config) string {
	if len(c.Proxies) == 0 {
		return "of the connection"
	}
	return fmt.Sprintf("by %s, of proxies at %s", c.ProxyHeader, strings.Trim(fmt.Sprint(c.Proxies), "[]"))
}

// afterLogout is what the client is told to forget.
func afterLogout(m *Manager) string {
	switch {
	case m.bearer:
		return "the client is told to forget the token"
	case m.cfg.KeepSiteData:
		return "the browser keeps caches and storage of the site"
	}
	return "the browser clears caches and storage of the site"
}

// fromOtherSites is what a request is that another site caused (G7).
func fromOtherSites(m *Manager) string {
	switch c := &m.cfg; {
	case m.bearer:
		return "nothing that browsers do by themselves; unsafe methods without a token are refused"
	case c.Cookie.SameSite == http.SameSiteNoneMode:
		return "logged in, whatever the request; unsafe methods are refused"
	case c.Cookie.SameSite == http.SameSiteLaxMode:
		return "logged in where a link leads here, otherwise anonymous"
	case c.Landing != nil:
		return "anonymous, but for the pages of Config.Landing"
	}
	return "anonymous, and nothing is written"
}

// attributes are those of a Set-Cookie line, as browsers will see them.
func attributes(m *Manager) string {
	c, err := http.ParseSetCookie(m.sid.Expired())
	if err != nil {
		return err.Error()
	}
	c.Name, c.Value, c.MaxAge, c.RawExpires = "x", "", 0, ""
	c.Expires = c.Expires.AddDate(-1000, 0, 0) // not valid, so not written
	return strings.TrimPrefix(c.String(), "x=; ")
}
