package flask

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strings"
	"sync"

	"github.com/coatcheck/coatcheck/bridge"
)

const (
	defaultSalt = "cookie-session"
	serverSalt  = "flask-session" // of Flask-Session's signed ids
)

var digests = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

// derivations make the key of a salt and a secret, as itsdangerous does.
var derivations = map[string]func(h func() hash.Hash, salt, secret string) []byte{
	"hmac": func(h func() hash.Hash, salt, secret string) []byte {
		mac := hmac.New(h, []byte(secret))
		mac.Write([]byte(salt))
		return mac.Sum(nil)
	},
	"django-concat": func(h func() hash.Hash, salt, secret string) []byte { return sumOf(h, salt+"signer"+secret) },
	"concat":        func(h func() hash.Hash, salt, secret string) []byte { return sumOf(h, salt+secret) },
	"none":          func(_ func() hash.Hash, _, secret string) []byte { return []byte(secret) },
}

func sumOf(h func() hash.Hash, text string) []byte {
	sum := h()
	sum.Write([]byte(text))
	return sum.Sum(nil)
}

// encoding is that of signatures. They are decoded, not compared as text: the last
// character has bits that say nothing, and a signature is no part of what
// identifies a session.
var encoding = base64.RawURLEncoding

// A signer is itsdangerous' Signer.
type signer struct {
	salt, digest, derivation string
	secrets                  []string // the first signs
	keys                     []*macs
	other                    map[string]func() []diagnosis // by digest, for why
}

// macs are keyed HMACs that wait to be used again.
type macs struct{ sync.Pool }

// A mac is one, with room for what it works on.
type mac struct {
	hash.Hash
	want, got [sha512.Size]byte
	text      [2 * sha512.Size]byte
}

func newSigner(salt, digest, derivation string, secrets []string) *signer {
	s := &signer{salt: salt, digest: digest, derivation: derivation, secrets: secrets}
	h := digests[digest]
	for _, secret := range secrets {
		key := derivations[derivation](h, salt, secret)
		k := new(macs)
		k.New = func() any { return &mac{Hash: hmac.New(h, key)} }
		s.keys = append(s.keys, k)
	}
	s.other = make(map[string]func() []diagnosis, len(digests))
	for name := range digests {
		s.other[name] = sync.OnceValue(func() []diagnosis { return s.diagnoses(name) })
	}
	return s
}

// sign returns text with a signature behind it.
func (s *signer) sign(text string) string {
	m := s.keys[0].Get().(*mac)
	defer s.keys[0].Put(m)
	m.Reset()
	m.Write([]byte(text))
	return text + "." + encoding.EncodeToString(m.Sum(m.want[:0]))
}

// open returns what stands before a genuine signature.
func (s *signer) open(value string) (string, error) {
	at := strings.LastIndexByte(value, '.')
	if at < 0 {
		return "", bridge.ErrForged
	}
	text, sig := value[:at], value[at+1:]
	for _, k := range s.keys {
		if k.verifies(text, sig) {
			return text, nil
		}
	}
	return "", s.why(text, sig)
}

func (k *macs) verifies(text, sig string) bool {
	m := k.Get().(*mac)
	defer k.Put(m)
	if len(sig) != encoding.EncodedLen(m.Size()) {
		return false
	}
	copy(m.text[:], sig)
	n, err := encoding.Decode(m.got[:], m.text[:len(sig)])
	if err != nil {
		return false
	}
	m.Reset()
	for rest := text; rest != ""; { // without a copy of the whole on the heap
		part := copy(m.text[:], rest)
		m.Write(m.text[:part])
		rest = rest[part:]
	}
	return subtle.ConstantTimeCompare(m.Sum(m.want[:0]), m.got[:n]) == 1
}

// A diagnosis is a key of other settings, and what to say if it has signed a cookie.
type diagnosis struct {
	key *macs
	err error
}

// maxDiagnosis is the longest cookie that is looked at for what is wrong, and
// maxSecrets how many secrets are tried: browsers keep no longer one, and whoever
// sends made-up cookies must not have much done for each.
const (
	maxDiagnosis = 4096
	maxSecrets   = 3
)

// diagnoses makes those of one digest under the same secrets, once: to derive keys
// takes longer than to try them.
func (s *signer) diagnoses(digest string) (all []diagnosis) {
	seen := make(map[string]bool)
	secrets := s.secrets[:min(len(s.secrets), maxSecrets)]
	for _, derivation := range []string{s.derivation, "hmac", "django-concat", "concat", "none"} {
		for _, salt := range []string{s.salt, defaultSalt, serverSalt, "itsdangerous", "itsdangerous.Signer"} {
			name := derivation + " " + salt
			if derivation == "none" {
				name = derivation // the salt has no part in it
			}
			if seen[name] || digest == s.digest && derivation == s.derivation && salt == s.salt {
				continue
			}
			seen[name] = true
			for _, k := range newSigner(salt, digest, derivation, secrets).keys {
				all = append(all, diagnosis{k, s.mismatch(digest, derivation, salt)})
			}
		}
	}
	return all
}

// mismatch names the setting that is another here.
func (s *signer) mismatch(digest, derivation, salt string) error {
	switch {
	case digest != s.digest:
		return &bridge.SettingError{Setting: "flask.Config.Digest", Want: digest}
	case derivation != s.derivation:
		return &bridge.SettingError{Setting: "flask.Config.Derivation", Want: derivation}
	case s.salt == serverSalt:
		return &bridge.SettingError{Setting: "flask.Config.Signed", Want: "a signed cookie without Flask-Session (KV is nil)"}
	}
	return &bridge.SettingError{Setting: "flask.Config.Salt", Want: salt}
}

// why tries what else the application may be configured to, with the same secrets: at
// most 16 MACs for each of three. Where none fits and the cookie looks like one of
// Flask, the secret is another.
func (s *signer) why(text, sig string) error {
	digest := ""
	for name, h := range digests {
		if len(sig) == encoding.EncodedLen(h().Size()) {
			digest = name
		}
	}
	if digest == "" || len(text) > maxDiagnosis || !Recognize(text+"."+sig) {
		return bridge.ErrForged
	}
	for _, d := range s.other[digest]() {
		if d.key.verifies(text, sig) {
			return d.err
		}
	}
	if digest != s.digest { // of another length: it cannot be ours, whatever the secret
		return &bridge.SettingError{Setting: "flask.Config.Digest or SecretKey"}
	}
	return &bridge.SettingError{Setting: "flask.Config.SecretKey, which is Flask's SECRET_KEY, or Fallbacks"}
}
