package cookie

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// errUTF8 is for text that encoding/json would change without saying so.
var errUTF8 = errors.New("it has text that is not UTF-8, which JSON cannot carry; want a []byte")

// appendJSON appends v as encoding/json writes it (C11).
func appendJSON[T any](b []byte, v T) ([]byte, error) {
	if s, ok := any(v).(string); ok && simple(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"'), nil
	}
	j, err := json.Marshal(v)
	if err != nil {
		return b, err
	}
	if coerced(j) {
		return b, errUTF8
	}
	return append(b, j...), nil
}

// parseJSON reads a payload. Beside false stands no T that means anything.
func parseJSON[T any](b []byte) (v T, ok bool) {
	if p, isString := any(&v).(*string); isString && len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		if inner := b[1 : len(b)-1]; simple(inner) {
			*p = string(inner)
			return v, true
		}
	}
	return v, json.Unmarshal(b, &v) == nil
}

// simple reports whether s stands between quotes in JSON as it is, in the
// spelling of encoding/json, which escapes < > & as well.
func simple[S string | []byte](s S) bool {
	for i := range len(s) {
		if !unescaped[s[i]] {
			return false
		}
	}
	return true
}

var unescaped = func() (t [256]bool) {
	for b := ' '; b <= '~'; b++ {
		t[b] = !strings.ContainsRune(`"\<>&`, b)
	}
	return t
}()

// coerced reports whether encoding/json replaced bytes that are not UTF-8. It
// writes a \ufffd for each, while it writes the character itself as UTF-8.
func coerced(j []byte) bool {
	for {
		i := bytes.Index(j, []byte(`\ufffd`))
		if i < 0 {
			return false
		}
		slashes := 0
		for slashes < i && j[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return true
		}
		j = j[i+1:] // an escaped backslash before the letters ufffd
	}
}
