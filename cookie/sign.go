package cookie

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

const purposeSign = "cookie-sign"

// A signer is the scheme of version 1 (C8):
//
//	payload | HMAC-SHA-256(key, context | header | payload)
type signer struct {
	kid     [4]byte
	context []byte
	macs    sync.Pool // of hash.Hash: setting one up costs more than using it
}

func newSignedFramer(name string, keys *Keys, max int64) *framer {
	f := &framer{name: name, version: versionSigned, overhead: sha256.Size, max: max}
	for _, k := range keys.Derive(purposeSign) {
		s := &signer{kid: k.ID, context: contextOf("signed", purposeSign, keys.app, name)}
		key := k.Key
		s.macs.New = func() any { return hmac.New(sha256.New, key[:]) }
		f.schemes = append(f.schemes, s)
	}
	return f
}

func (k *signer) id() [4]byte { return k.kid }

func (k *signer) protect(s *scratch, _ int64, payload []byte) error {
	s.frame = append(s.frame, payload...)
	s.frame = append(s.frame, k.mac(s, s.frame)...)
	return nil
}

func (k *signer) open(s *scratch, _ int64) ([]byte, bool) {
	signed, mac := s.frame[:len(s.frame)-sha256.Size], s.frame[len(s.frame)-sha256.Size:]
	return signed[headerSize:], hmac.Equal(k.mac(s, signed), mac)
}

// mac returns the MAC of header and payload, in s.sum.
func (k *signer) mac(s *scratch, signed []byte) []byte {
	h := k.macs.Get().(hash.Hash)
	h.Reset()
	h.Write(k.context)
	h.Write(signed)
	sum := h.Sum(s.sum[:0])
	k.macs.Put(h)
	return sum
}
