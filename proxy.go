package coatcheck

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// The headers in which proxies tell the addresses that they saw.
const (
	forwardedFor = "X-Forwarded-For"
	forwarded    = "Forwarded" // RFC 7239
)

// appendAddress adds the client's IP address: that of the connection, or where
// that is one of our proxies, the last that no proxy of ours has. It adds nothing
// where that is no address: whoever is not one of our proxies writes what they
// like. ASVS 4.1.3
func appendAddress(b []byte, r *http.Request, c *Config) []byte {
	at := address(r.RemoteAddr) // not valid over a Unix socket, which is a proxy's
	if len(c.Proxies) > 0 && (!at.IsValid() || c.ours(at)) {
		at = netip.Addr{}
		lines := r.Header[c.ProxyHeader]
		for i := len(lines) - 1; i >= 0; i-- {
			var outer bool
			if at, outer = c.lastClient(lines[i], at); outer {
				break
			}
		}
	}
	if at.IsValid() {
		b = at.AppendTo(b)
	}
	return b
}

// lastClient walks through a line from the right, and returns the last address
// that it found and whether to go no further: that one is not a proxy's of ours.
// What is no address was written by nobody that we know.
func (c *Config) lastClient(line string, at netip.Addr) (last netip.Addr, stop bool) {
	elements := strings.Split(line, ",")
	if c.ProxyHeader == forwarded {
		elements = splitQuoted(line, ',')
	}
	for _, e := range slices.Backward(elements) {
		e = strings.Trim(e, " \t")
		if c.ProxyHeader == forwarded {
			e = forParameter(e)
		}
		if at = address(e); !at.IsValid() || !c.ours(at) {
			return at, true
		}
	}
	return at, false
}

// ours reports whether one of our proxies has the address.
func (c *Config) ours(at netip.Addr) bool {
	return slices.ContainsFunc(c.Proxies, func(p netip.Prefix) bool { return p.Contains(at) })
}

// address reads an IP address, with or without a port. The zero Addr is none.
func address(s string) netip.Addr {
	withPort, err := netip.ParseAddrPort(s) // as connections have it: the other way makes an error
	at := withPort.Addr()
	if err != nil {
		if at, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err != nil {
			return netip.Addr{}
		}
	}
	return at.Unmap().WithZone("")
}

// forParameter returns the value of "for" in an element of Forwarded.
func forParameter(element string) string {
	for _, pair := range splitQuoted(element, ';') {
		name, value, _ := strings.Cut(pair, "=")
		if strings.EqualFold(strings.Trim(name, " \t"), "for") {
			value = strings.Trim(value, " \t")
			if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
				value = value[1 : n-1]
			}
			return value
		}
	}
	return ""
}

// splitQuoted splits s at sep outside of quoted strings. A part with a quote that
// does not end is empty: a client could swallow with it what a proxy adds.
func splitQuoted(s string, sep byte) (parts []string) {
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	if quoted {
		return append(parts, "")
	}
	return append(parts, s[start:])
}

// checkProxy wants a prefix as it matches: one that no address is in, or that
// everybody's is in, is a mistake.
func checkProxy(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return errors.New("want one of netip.ParsePrefix")
	case p.Addr().Is4In6():
		return errors.New("want an IPv4 prefix as such")
	case p != p.Masked():
		return errors.New("want " + p.Masked().String() + ", or all bits for one address")
	case p.Bits() == 0:
		return errors.New("want the addresses of your proxies: with everybody's the header is anybody's word")
	}
	return nil
}
