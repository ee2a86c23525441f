//go:build linux

package scs_test

import (
	"crypto/sha256"
	"encoding/base64"
)

// hash is what scs stores of a token with HashTokenInStore.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func realPart(c complex128) float64 { return real(c) }
