package cookie

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// label names the family of formats in everything that is derived or
// authenticated (C2, C5).
const label = "coatcheck/v1"

// Keys is the keyring: one or more secrets, of which the first signs and seals
// and all verify and open. Rotating a secret takes three steps where several
// instances run, each everywhere before the next: the new one goes behind the old
// one, then first, and when the longest lifetime in use is over the old one goes.
//
// Keys never changes after it was made, is safe for concurrent use, and prints
// as [redacted] in every form. The zero value and nil hold no secret; whatever
// needs one refuses them.
type Keys struct {
	ring *ring // behind a pointer, so that printing a struct around Keys shows an address
	app  string
}

type ring struct{ secrets []extracted }

// extracted is what is kept of a secret: the HKDF pseudorandom key and the id.
type extracted struct {
	prk []byte
	id  [4]byte
}

// NewKeys makes a keyring of secrets, the first of which signs. A secret is its
// bytes as they are given, never decoded: at least 32, of which at least 10 are
// different, not a repetition of something shorter, and no known placeholder.
// Most programs need only [KeysFromEnv] (ASVS 5.0 13.3.1).
func NewKeys(secrets ...string) (*Keys, error) {
	named := make([]namedSecret, len(secrets))
	for i, s := range secrets {
		named[i] = namedSecret{fmt.Sprintf("secret %d", i+1), s}
	}
	return newKeys(named)
}

// A namedSecret is a secret and where it comes from, for errors.
type namedSecret struct{ where, secret string }

func newKeys(secrets []namedSecret) (*Keys, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("cookie: no secret; make one with `coatcheck keygen`")
	}
	r := new(ring)
	for i, s := range secrets {
		if why := weakness(s.secret); why != "" {
			return nil, fmt.Errorf("cookie: %s %s; make one with `coatcheck keygen`", s.where, why)
		}
		x, err := extract(s.secret)
		if err != nil {
			return nil, fmt.Errorf("cookie: %s: %w", s.where, err)
		}
		for j, other := range r.secrets {
			if hmac.Equal(x.prk, other.prk) {
				return nil, fmt.Errorf("cookie: %s is the same as %s; want each secret once", secrets[i].where, secrets[j].where)
			}
		}
		r.secrets = append(r.secrets, x)
	}
	return &Keys{ring: r}, nil
}

// extract is C2: prk and key id of a secret.
func extract(secret string) (extracted, error) {
	var x extracted
	prk, err := hkdf.Extract(sha256.New, []byte(secret), []byte(label))
	if err != nil {
		return x, err
	}
	id, err := hkdf.Expand(sha256.New, prk, "kid", len(x.id))
	if err != nil {
		return x, err
	}
	x.prk = prk
	copy(x.id[:], id)
	return x, nil
}

// Application returns a keyring of the same secrets for another application:
// nothing made under it is accepted under another name, so that programs which
// share a secret do not accept each other's cookies (ASVS 5.0 9.2.3). The
// default application is the empty name. It replaces a name given before.
func (k *Keys) Application(name string) *Keys {
	if k == nil {
		return nil
	}
	return &Keys{ring: k.ring, app: name}
}

// Derive returns one key for purpose from each secret, in the order of the
// secrets: the first is for making, all are for checking. The keys differ for
// every purpose and application. Two may have the same ID; try both. It returns
// nothing where there is no secret.
func (k *Keys) Derive(purpose string) []Subkey {
	if k == nil || k.ring == nil {
		return nil
	}
	info := string(appendLP(appendLP([]byte("key:"), purpose), k.app))
	keys := make([]Subkey, len(k.ring.secrets))
	for i, x := range k.ring.secrets {
		key, err := hkdf.Expand(sha256.New, x.prk, info, sha256.Size)
		if err != nil {
			return nil // not with a 32-byte prk; no key rather than a zero one
		}
		keys[i].ID = x.id
		copy(keys[i].Key[:], key)
	}
	return keys
}

// appendLP appends s with its length before it, so that no two lists of
// strings have the same encoding (C1).
func appendLP(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}
