package dbsc

import (
	"errors"
	"net/http"
	"strings"
)

// Structured fields (RFC 9651), as far as the protocol uses them: lists whose
// members are tokens or strings with parameters of the same kinds.

// An item is a token or a string, with its parameters.
type item struct {
	value      string
	parameters []parameter
}

type parameter struct{ name, value string }

// parameter returns the value of a parameter, the last of that name.
func (i item) parameter(name string) string {
	value := ""
	for _, p := range i.parameters {
		if p.name == name {
			value = p.value
		}
	}
	return value
}

// maxField bounds what is read of a field; no browser sends as much.
const maxField = 1024

var errField = errors.New("dbsc: not a list of tokens and strings")

// parseList reads a list. The lines of one field are one list (RFC 9651 §4.2).
func parseList(lines []string) ([]item, error) {
	s := scanner{strings.Join(lines, ",")}
	if len(s.rest) > maxField {
		return nil, errField
	}
	var list []item
	s.skip(" ")
	for s.rest != "" {
		i, ok := s.item()
		if !ok {
			return nil, errField
		}
		list = append(list, i)
		s.skip(" \t")
		if s.rest == "" {
			break
		}
		if !s.take(',') {
			return nil, errField
		}
		if s.skip(" \t"); s.rest == "" { // a comma at the end
			return nil, errField
		}
	}
	return list, nil
}

type scanner struct{ rest string }

func (s *scanner) skip(set string) { s.rest = strings.TrimLeft(s.rest, set) }

func (s *scanner) take(b byte) bool {
	if s.rest == "" || s.rest[0] != b {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) item() (i item, ok bool) {
	if i.value, ok = s.bare(); !ok {
		return i, false
	}
	for s.take(';') {
		s.skip(" ")
		n := 0
		for n < len(s.rest) && inKey(s.rest[n], n == 0) {
			n++
		}
		if n == 0 {
			return i, false
		}
		p := parameter{name: s.rest[:n]}
		if s.rest = s.rest[n:]; s.take('=') {
			if p.value, ok = s.bare(); !ok {
				return i, false
			}
		}
		i.parameters = append(i.parameters, p)
	}
	return i, true
}

// bare reads a token or a string.
func (s *scanner) bare() (string, bool) {
	if s.take('"') {
		return s.quoted()
	}
	n := 0
	for n < len(s.rest) && inToken(s.rest[n], n == 0) {
		n++
	}
	token := s.rest[:n]
	s.rest = s.rest[n:]
	return token, n > 0
}

func (s *scanner) quoted() (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return b.String(), true
		case c == '\\':
			if i++; i == len(s.rest) || s.rest[i] != '"' && s.rest[i] != '\\' {
				return "", false
			}
			b.WriteByte(s.rest[i])
		case c < ' ' || c > '~':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

func inKey(c byte, first bool) bool {
	return 'a' <= c && c <= 'z' || c == '*' || !first && ('0' <= c && c <= '9' || c == '_' || c == '-' || c == '.')
}

func inToken(c byte, first bool) bool {
	letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '*'
	return letter || !first && ('0' <= c && c <= '9' || strings.IndexByte("!#$%&'+-.^_`|~:/", c) >= 0)
}

// quote writes a string; it has printable ASCII only.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// skippedReasons are the tokens of Secure-Session-Skipped that are told as they
// are: whoever sends another has made it up, or is newer than this.
var skippedReasons = [...]string{reasonUnreachable, reasonServerError, reasonQuota}

// skipped returns why the browser left out a refresh of the binding with that
// identifier, or "".
func skipped(h http.Header, identifier string) string {
	lines := h["Secure-Session-Skipped"]
	if len(lines) == 0 {
		return ""
	}
	list, err := parseList(lines)
	if err != nil {
		return ""
	}
	for _, i := range list {
		if of := i.parameter("session_identifier"); of != "" && of != identifier {
			continue
		}
		for _, known := range skippedReasons {
			if i.value == known {
				return known
			}
		}
		return reasonAnother
	}
	return ""
}
