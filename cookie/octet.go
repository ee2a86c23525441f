package cookie

// octets holds the bytes that a cookie value may have: cookie-octet of RFC
// 6265bis §4.1.1, printable ASCII without space, quote, comma, semicolon and
// backslash.
var octets = func() (t [256]bool) {
	for b := 0x21; b < 0x7f; b++ {
		t[b] = b != '"' && b != ',' && b != ';' && b != '\\'
	}
	return t
}()

// badOctet returns the index of the first byte that a cookie value may not
// have, or -1.
func badOctet(s string) int {
	for i := range len(s) {
		if !octets[s[i]] {
			return i
		}
	}
	return -1
}
