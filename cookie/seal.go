package cookie

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

const (
	purposeSeal  = "cookie-encrypt" // of NewSealed
	purposeBytes = "cookie-sealer"  // of NewSealer: neither opens what the other sealed
	sealOverhead = 12 + 16          // nonce and tag of GCM
)

// A sealer is the scheme of version 2 (C9):
//
//	nonce 12 | ciphertext | tag 16
//
// of AES-256-GCM with a random nonce and the context and the header as
// additional data. A key may seal 2^32 messages so (SP 800-38D §8.3); each
// cookie name has a new one every hour, which nobody uses up.
type sealer struct {
	key     Subkey
	context []byte
	hours   hourCache
}

func newSealedFramer(name string, keys *Keys, max int64) *framer {
	return newFramerFor(purposeSeal, name, keys, max)
}

func newFramerFor(purpose, name string, keys *Keys, max int64) *framer {
	f := &framer{name: name, version: versionSealed, overhead: sealOverhead, max: max, early: true}
	for _, k := range keys.Derive(purpose) {
		f.schemes = append(f.schemes, &sealer{key: k, context: contextOf("sealed", purpose, keys.app, name)})
	}
	return f
}

func (k *sealer) id() [4]byte { return k.key.ID }

func (k *sealer) protect(s *scratch, issued int64, payload []byte) error {
	hour := issued / 3600
	aead := k.hours.find(hour)
	if aead == nil {
		var err error
		if aead, err = k.derive(hour); err != nil {
			return err
		}
		k.hours.add(hour, aead)
	}
	k.fillAAD(s)
	s.frame = aead.Seal(s.frame, nil, payload, s.aad)
	return nil
}

func (k *sealer) open(s *scratch, issued int64) ([]byte, bool) {
	hour := issued / 3600
	aead := k.hours.find(hour)
	known := aead != nil
	if !known {
		var err error
		if aead, err = k.derive(hour); err != nil {
			return nil, false
		}
	}
	k.fillAAD(s)
	payload, err := aead.Open(s.payload[:0], nil, s.frame[headerSize:], s.aad)
	if err != nil {
		return nil, false
	}
	s.payload = payload
	if !known {
		// Only now: the hour is the sender's word until something opens.
		k.hours.add(hour, aead)
	}
	return payload, true
}

// fillAAD makes the additional data of the frame whose header is in s.frame.
func (k *sealer) fillAAD(s *scratch) {
	s.aad = append(append(s.aad[:0], k.context...), s.frame[:headerSize]...)
}

// derive makes the AEAD of an hour (C9).
func (k *sealer) derive(hour int64) (cipher.AEAD, error) {
	info := binary.BigEndian.AppendUint64(slices.Clone(k.context), uint64(hour))
	key, err := hkdf.Expand(sha256.New, k.key.Key[:], string(info), len(k.key.Key))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
