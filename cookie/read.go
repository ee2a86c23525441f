package cookie

import (
	"net/http"
	"strings"
)

// Read returns the cookie's value as the browser sent it: [ErrAbsent] if there is
// none of exactly this name, and a *ForgedError if there is more than one (a
// browser sends an attacker's, of a longer path, first), or one that is quoted,
// too long, or has bytes that no cookie value may have.
//
// It allocates nothing that grows with the header and knows no limit of the
// number of cookies, so that nobody makes a cookie vanish by adding others.
func (c *Raw) Read(h http.Header) (string, error) {
	value, err := c.find(h)
	if err == nil && badOctet(value) >= 0 {
		return "", &ForgedError{c.name, ReasonBytes}
	}
	return value, err
}

// find is Read without the check of the value's bytes.
func (c *Raw) find(h http.Header) (string, error) {
	if c == nil || c.name == "" {
		return "", errUndeclared
	}
	value, found := "", false
	for _, line := range h["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			pair = trimSpace(pair)
			if !strings.HasPrefix(pair, c.start) {
				continue
			}
			if found {
				return "", &ForgedError{c.name, ReasonDuplicate}
			}
			value, found = pair[len(c.start):], true
		}
	}
	switch {
	case !found:
		return "", ErrAbsent
	case len(c.name)+len(value) > maxSize:
		return "", &ForgedError{c.name, ReasonTooLong}
	case value != "" && value[0] == '"':
		return "", &ForgedError{c.name, ReasonQuoted}
	}
	return value, nil
}

// ReadAll returns the values of all cookies of exactly this name, in the order in
// which they came, for a caller that can tell which is its own; most programs
// need only Read. What Read would refuse by itself is left out, since nobody who
// declared the cookie has set it. The error is [ErrAbsent] if there is none of the
// name, and a *ForgedError if there are more than most.
func (c *Raw) ReadAll(h http.Header, most int) ([]string, error) {
	if c == nil || c.name == "" {
		return nil, errUndeclared
	}
	count := 0
	values := make([]string, 0, most)
	for _, line := range h["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			value, ok := strings.CutPrefix(trimSpace(pair), c.start)
			if !ok {
				continue
			}
			if count++; count > most {
				return nil, &ForgedError{c.name, ReasonDuplicate}
			}
			if len(c.name)+len(value) <= maxSize && badOctet(value) < 0 { // a quote is a bad octet
				values = append(values, value)
			}
		}
	}
	if count == 0 {
		return nil, ErrAbsent
	}
	return values, nil
}

// trimSpace cuts what RFC 9110 calls optional white space, and nothing else.
func trimSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
