package flask

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck/bridge"
)

// A scanner goes through JSON once: it checks it, within bounds, and finds the
// values of the outermost object. It keeps no copy.
type scanner struct {
	b      []byte
	at     int
	depth  int
	items  int
	tagged bool // since the last value of the outermost object began
}

var errJSON = bridge.Refused("a payload that is no JSON object")

// object returns the members of the object that b is, of which tagged names those
// that Flask may have given a type.
func object(b []byte) (values map[string]json.RawMessage, tagged []string, err error) {
	s := &scanner{b: b}
	s.space()
	if !s.byte('{') {
		return nil, nil, errJSON
	}
	values = make(map[string]json.RawMessage, 12)
	for s.space(); !s.byte('}'); s.space() {
		if len(values) > 0 && (!s.byte(',') || !s.spaced()) {
			return nil, nil, errJSON
		}
		name, ok := s.name()
		if !ok || !s.spaced() || !s.byte(':') || !s.spaced() {
			return nil, nil, errJSON
		}
		from := s.at
		s.tagged = false
		if err := s.value(); err != nil {
			return nil, nil, err
		}
		if s.tagged {
			tagged = append(tagged, name)
		}
		if s.items++; s.items > bridge.MaxItems {
			return nil, nil, tooMany
		}
		values[name] = json.RawMessage(b[from:s.at:s.at])
	}
	if s.space(); s.at != len(b) {
		return nil, nil, errJSON
	}
	return values, tagged, nil
}

var (
	tooMany = bridge.Refused("more than %d entries", bridge.MaxItems)
	tooDeep = bridge.Refused("lists and maps more than %d deep", bridge.MaxDepth)
)

func (s *scanner) byte(c byte) bool {
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) space() {
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) spaced() bool { s.space(); return true }

// name is a string, decoded.
func (s *scanner) name() (string, bool) {
	from := s.at
	plain, ok := s.text()
	if !ok {
		return "", false
	}
	if plain {
		return string(s.b[from+1 : s.at-1]), true
	}
	var name string
	return name, json.Unmarshal(s.b[from:s.at], &name) == nil
}

// text passes a string, and reports whether it has neither escapes nor bytes
// beyond ASCII, and whether it is one.
func (s *scanner) text() (plain, ok bool) {
	if !s.byte('"') {
		return false, false
	}
	plain = true
	from := s.at
	for s.at < len(s.b) {
		c := s.b[s.at]
		s.at++
		switch {
		case c == '"':
			return plain, plain || utf8.Valid(s.b[from:s.at-1])
		case c < ' ':
			return false, false
		case c == '\\':
			plain = false
			if !s.escape() {
				return false, false
			}
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return false, false
}

func (s *scanner) escape() bool {
	if s.at >= len(s.b) {
		return false
	}
	c := s.b[s.at]
	s.at++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if s.at >= len(s.b) || !isHex(s.b[s.at]) {
				return false
			}
			s.at++
		}
		return true
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// value passes one value.
func (s *scanner) value() error {
	if s.at >= len(s.b) {
		return errJSON
	}
	switch c := s.b[s.at]; c {
	case '"':
		if _, ok := s.text(); !ok {
			return errJSON
		}
		return nil
	case '{', '[':
		if s.depth++; s.depth > bridge.MaxDepth {
			return tooDeep
		}
		err := s.inside(c + 2) // { and }, [ and ] are two apart
		s.depth--
		return err
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	case 'N', 'I':
		return bridge.Refused("a number that is not finite")
	}
	return s.number()
}

// inside passes a list or a map up to its end.
func (s *scanner) inside(end byte) error {
	s.at++
	for n := 0; ; n++ {
		s.space()
		if n == 0 && s.byte(end) {
			return nil
		}
		if s.items++; s.items > bridge.MaxItems {
			return tooMany
		}
		if end == '}' {
			s.tagged = s.tagged || n == 0 && s.at+1 < len(s.b) && (s.b[s.at+1] == ' ' || s.b[s.at+1] == '\\')
			if _, ok := s.text(); !ok || !s.spaced() || !s.byte(':') {
				return errJSON
			}
			s.space()
		}
		if err := s.value(); err != nil {
			return err
		}
		if s.space(); s.byte(end) {
			return nil
		}
		if !s.byte(',') {
			return errJSON
		}
	}
}

func (s *scanner) word(w string) error {
	if len(s.b)-s.at < len(w) || string(s.b[s.at:s.at+len(w)]) != w {
		return errJSON
	}
	s.at += len(w)
	return nil
}

func (s *scanner) digits() bool {
	from := s.at
	for s.at < len(s.b) && '0' <= s.b[s.at] && s.b[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}

func (s *scanner) number() error {
	if s.byte('-') && s.at < len(s.b) && s.b[s.at] == 'I' {
		return bridge.Refused("a number that is not finite")
	}
	if !s.byte('0') && !s.digits() {
		return errJSON
	}
	if s.byte('.') && !s.digits() {
		return errJSON
	}
	if s.byte('e') || s.byte('E') {
		_ = s.byte('+') || s.byte('-')
		if !s.digits() {
			return errJSON
		}
	}
	return nil
}
