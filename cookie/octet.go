package cookie

// notOctets holds 1 for the bytes that a cookie value may not have: all but
// cookie-octet of RFC 6265bis §4.1.1, printable ASCII without space, quote, comma,
// semicolon and backslash.
var notOctets = func() (t [256]byte) {
	for b := range t {
		if b < 0x21 || b >= 0x7f || b == '"' || b == ',' || b == ';' || b == '\\' {
			t[b] = 1
		}
	}
	return t
}()

// badOctet returns the index of the first byte that a cookie value may not
// have, or -1.
func badOctet[V string | []byte](s V) int {
	i := 0
	for ; len(s)-i >= 8; i += 8 { // eight at a time while they are good, which all are
		b := s[i : i+8]
		if notOctets[b[0]]|notOctets[b[1]]|notOctets[b[2]]|notOctets[b[3]]|
			notOctets[b[4]]|notOctets[b[5]]|notOctets[b[6]]|notOctets[b[7]] != 0 {
			break
		}
	}
	for ; i < len(s); i++ {
		if notOctets[s[i]] != 0 {
			return i
		}
	}
	return -1
}
