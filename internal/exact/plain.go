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

var plain = func() (t [256]bool) {
	for b := ' '; b <= '~'; b++ {
		t[b] = !strings.ContainsRune(`"\<>&`, b)
	}
	return t
}()
