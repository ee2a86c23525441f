package exact

import "strings"

// Plain reports whether s stands between quotes in JSON as it is, in the spelling
// of encoding/json, which escapes < > & as well.
func Plain[S string | []byte](s S) bool {
	for i := range len(s) {
		if !plain[s[i]] {
			return false
		}
	}
	return true
}

// AppendString appends a plain s as JSON, or reports that it is not plain.
func AppendString(b []byte, s string) ([]byte, bool) {
	if !Plain(s) {
		return b, false
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"'), true
}

// CutString returns what stands between the quotes of a JSON string that needs no
// unescaping.
func CutString(raw []byte) (s []byte, ok bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return nil, false
	}
	s = raw[1 : len(raw)-1]
	return s, Plain(s)
}

var plain = func() (t [256]bool) {
	for b := ' '; b <= '~'; b++ {
		t[b] = !strings.ContainsRune(`"\<>&`, b)
	}
	return t
}()
