package dbsc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"math/big"

	"github.com/coatcheck/coatcheck/internal/binding"
)

// Sizes of an RSA modulus that is accepted, in bits.
const (
	minModulus = 2048
	maxModulus = 4096
)

// exponent is the only one that is accepted: nobody's hardware has another.
const exponent = "AQAB"

const coordinate = 32 // bytes of a coordinate of P-256

// parseKey reads the JWK of a registration (RFC 7517) and returns the key as the
// session's record holds it. Members that belong to a private key refuse it: what
// everybody has seen proves nothing.
func parseKey(algorithm byte, raw json.RawMessage) ([]byte, error) {
	jwk, err := members(raw)
	if err != nil {
		return nil, reasonKey
	}
	for _, private := range [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, has := jwk[private]; has {
			return nil, reasonKey
		}
	}
	switch kty, _ := jwk.text("kty"); {
	case algorithm == binding.ES256 && kty == "EC":
		return parsePoint(jwk)
	case algorithm == binding.RS256 && kty == "RSA":
		return parseModulus(jwk)
	}
	return nil, reasonKey
}

func parsePoint(jwk object) ([]byte, error) {
	if crv, _ := jwk.text("crv"); crv != "P-256" {
		return nil, reasonKey
	}
	point := []byte{4} // uncompressed
	for _, name := range [...]string{"x", "y"} {
		b, ok := jwk.bytes(name)
		if !ok || len(b) != coordinate {
			return nil, reasonKey
		}
		point = append(point, b...)
	}
	if _, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point); err != nil { // not on the curve
		return nil, reasonKey
	}
	return point, nil
}

func parseModulus(jwk object) ([]byte, error) {
	n, ok := jwk.bytes("n")
	if e, _ := jwk.text("e"); !ok || e != exponent || len(n) == 0 || n[0] == 0 {
		return nil, reasonKey
	}
	if bits := new(big.Int).SetBytes(n).BitLen(); bits < minModulus || bits > maxModulus || n[len(n)-1]&1 == 0 {
		return nil, reasonKey
	}
	return n, nil
}

// verify reports whether sig is that of the key over signed.
func verify(algorithm byte, key, signed, sig []byte) bool {
	sum := sha256.Sum256(signed)
	switch algorithm {
	case binding.ES256:
		pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), key)
		if err != nil || len(sig) != 2*coordinate {
			return false
		}
		r, s := new(big.Int).SetBytes(sig[:coordinate]), new(big.Int).SetBytes(sig[coordinate:])
		return ecdsa.Verify(pub, sum[:], r, s)
	case binding.RS256:
		pub := &rsa.PublicKey{N: new(big.Int).SetBytes(key), E: 1<<16 + 1}
		return len(sig) == len(key) && rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], sig) == nil
	}
	return false
}
