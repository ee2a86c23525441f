package rails

// Sealer returns what encrypts the contents of a cookie, whatever they are.
func Sealer(s Secret) func([]byte) string {
	e, err := newEncryptor(s)
	if err != nil {
		panic(err)
	}
	return e.seal
}
