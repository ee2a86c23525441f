package django

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
)

// The entries that Django's own applications write.
const (
	keyUser    = "_auth_user_id"
	keyBackend = "_auth_user_backend"
	keyHash    = "_auth_user_hash"
	keyExpiry  = "_session_expiry"
	keyCSRF    = "_csrftoken" // under CSRF_USE_SESSIONS
)

type values map[string]json.RawMessage

// decodeJSON reads what django.core.signing.JSONSerializer writes: JSON in ASCII,
// but for Python's NaN and Infinity. A value with one of those is left out, and
// refused says so.
func decodeJSON(data []byte) (v values, refused map[string]string, err error) {
	if len(data) > 0 && data[0] == 0x80 {
		return nil, nil, bridge.Refused("a pickle: SESSION_SERIALIZER is PickleSerializer")
	}
	if err := foreign.Measure(data); err != nil {
		return nil, nil, err
	}
	data = latin1(data)
	if json.Unmarshal(data, &v) == nil && v != nil {
		return v, nil, nil
	}
	v, refused = values{}, map[string]string{}
	for name, value := range members(data) {
		switch {
		case json.Valid(value):
			v[name] = value
		case notJSON(value):
			refused[name] = "NaN or Infinity, numbers that JSON does not have"
		default:
			return nil, nil, errContents
		}
	}
	if len(refused) == 0 {
		return nil, nil, errContents
	}
	return v, refused, nil
}

var errContents = bridge.Refused("contents that are no JSON object: SESSION_SERIALIZER is not JSONSerializer")

// members yields the names and values of an object, though some of them may be no
// JSON. What it cannot divide is one value.
func members(data []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		data = bytes.TrimSpace(data)
		if len(data) < 2 || data[0] != '{' || data[len(data)-1] != '}' {
			yield("", data)
			return
		}
		for rest := data[1 : len(data)-1]; len(rest) > 0; {
			member := rest[:until(rest, ',')]
			rest = rest[min(len(member)+1, len(rest)):]
			colon := until(member, ':')
			var name string
			if colon == len(member) || json.Unmarshal(member[:colon], &name) != nil {
				yield("", member)
				return
			}
			if !yield(name, bytes.TrimSpace(member[colon+1:])) {
				return
			}
		}
	}
}

// until returns where sign stands first outside of strings, lists and objects.
func until(data []byte, sign byte) int {
	depth, text := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == sign && depth == 0:
			return i
		}
	}
	return len(data)
}

// latin1 decodes as Django does: a byte is a character. What Django writes is
// ASCII, and stays as it is.
func latin1(data []byte) []byte {
	if ascii(data) {
		return data
	}
	out := make([]byte, 0, len(data)+len(data)/2)
	for _, b := range data {
		out = utf8.AppendRune(out, rune(b))
	}
	return out
}

func ascii(data []byte) bool {
	for _, b := range data {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// notJSON reports whether one of Python's numbers that JSON does not have stands
// outside of strings.
func notJSON(data []byte) bool {
	text := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == 'N' || c == 'I':
			return true
		}
	}
	return false
}

// encodeJSON writes v in ASCII: Django decodes the bytes as Latin-1, so that a
// character in UTF-8 would come out as two others.
func encodeJSON(v values) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("bridge: django: issue: a value is not JSON: %v", err)
	}
	var out bytes.Buffer
	for _, r := range string(data) {
		switch {
		case r < utf8.RuneSelf:
			out.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes(), nil
}

// text returns a value that is a string, or a number as it is written: a custom
// user model may keep one.
func (v values) text(name string) string {
	var s string
	if json.Unmarshal(v[name], &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(v[name], &n) == nil {
		return n.String()
	}
	return ""
}

func (v values) setText(name, text string) {
	v[name], _ = json.Marshal(text) // a string always marshals
}

// expiry returns what set_expiry was given: seconds from the last change, or a
// time. ok is false where it was not called, or with what is neither.
func (v values) expiry(changed time.Time) (end time.Time, ok bool) {
	raw, there := v[keyExpiry]
	if !there {
		return time.Time{}, false
	}
	if seconds, err := strconv.ParseInt(string(raw), 10, 64); err == nil && seconds >= 0 && seconds < math.MaxInt32 {
		return changed.Add(time.Duration(seconds) * time.Second), seconds > 0
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(layout, v.text(keyExpiry)); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
