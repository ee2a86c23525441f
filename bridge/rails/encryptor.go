package rails

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coatcheck/coatcheck/bridge"
)

// The salts that Rails gives its key generator, unless an application changes them.
const (
	saltGCM  = "authenticated encrypted cookie"
	saltCBC  = "encrypted cookie"
	saltHMAC = "signed encrypted cookie"
)

// rounds are those of Rails.application.key_generator. It stretches a secret that is
// long already, so that a thousand do.
const rounds = 1000

// An encryptor is ActiveSupport::MessageEncryptor under the keys of one Secret.
type encryptor struct {
	aead  cipher.AEAD  // nil with CBC
	block cipher.Block // of CBC
	mac   []byte
}

func newEncryptor(s Secret) (*encryptor, error) {
	if fips140.Enforced() && (s.CBC || s.Digest == SHA1) {
		return nil, errors.New("CBC, or the Digest SHA1, needs SHA-1, which FIPS 140-only mode does not allow")
	}
	derive := func(salt string, n int) ([]byte, error) {
		h := sha256.New
		if s.Digest == SHA1 {
			h = sha1.New
		}
		return pbkdf2.Key(h, s.KeyBase, []byte(salt), rounds, n)
	}
	if s.CBC {
		key, err := derive(saltCBC, 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		mac, err := derive(saltHMAC, 64)
		return &encryptor{block: block, mac: mac}, err
	}
	key, err := derive(saltGCM, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &encryptor{aead: aead}, err
}

// Sizes of AES-GCM.
const (
	nonceSize = 12
	tagSize   = 16
)

// open returns what message holds; false where this is not what made it.
func (e *encryptor) open(message string) ([]byte, bool) {
	if e.aead == nil {
		return e.openCBC(message)
	}
	parts := strings.Split(message, "--")
	if len(parts) != 3 {
		return nil, false
	}
	data, ok := decode(parts[0])
	nonce, okNonce := decode(parts[1])
	tag, okTag := decode(parts[2])
	if !ok || !okNonce || !okTag || len(nonce) != nonceSize || len(tag) != tagSize {
		return nil, false
	}
	plain, err := e.aead.Open(nil, nil, slices.Concat(nonce, data, tag), nil)
	return plain, err == nil
}

// openCBC checks the HMAC before anything is decrypted, so that the padding tells
// nothing.
func (e *encryptor) openCBC(message string) ([]byte, bool) {
	coded, sign, ok := strings.Cut(message, "--")
	got, err := hex.DecodeString(sign)
	if !ok || err != nil || sign != strings.ToLower(sign) || !hmac.Equal(got, e.sign(coded)) {
		return nil, false
	}
	inner, ok := decode(coded)
	if !ok {
		return nil, false
	}
	first, second, _ := strings.Cut(string(inner), "--")
	data, ok := decode(first)
	iv, okIV := decode(second)
	if !ok || !okIV || len(iv) != aes.BlockSize || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, false
	}
	cipher.NewCBCDecrypter(e.block, iv).CryptBlocks(data, data)
	pad := int(data[len(data)-1])
	if pad == 0 || pad > aes.BlockSize || !bytes.HasSuffix(data, bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, false
	}
	return data[:len(data)-pad], true
}

func (e *encryptor) sign(coded string) []byte {
	m := hmac.New(sha1.New, e.mac)
	m.Write([]byte(coded))
	return m.Sum(nil)
}

// seal is the way back.
func (e *encryptor) seal(plain []byte) string {
	code := base64.StdEncoding.EncodeToString
	if e.aead == nil {
		pad := aes.BlockSize - len(plain)%aes.BlockSize
		data := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
		iv := random(aes.BlockSize)
		cipher.NewCBCEncrypter(e.block, iv).CryptBlocks(data, data)
		coded := code([]byte(code(data) + "--" + code(iv)))
		return coded + "--" + hex.EncodeToString(e.sign(coded))
	}
	sealed := e.aead.Seal(nil, nil, plain, nil) // nonce, data, tag
	end := len(sealed) - tagSize
	return code(sealed[nonceSize:end]) + "--" + code(sealed[:nonceSize]) + "--" + code(sealed[end:])
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// decode is Base64.strict_decode64, which knows one form of each text only.
func decode(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil
}

// shape reports whether a message has the form of what either encryptor makes.
func shape(message string) bool {
	parts := strings.Split(message, "--")
	for i, part := range parts[:len(parts)-1] {
		if b, ok := decode(part); !ok || i == 1 && len(b) != nonceSize {
			return false
		}
	}
	last := parts[len(parts)-1]
	switch len(parts) {
	case 2:
		b, err := hex.DecodeString(last)
		return err == nil && len(b) == sha1.Size && parts[0] != ""
	case 3:
		b, ok := decode(last)
		return ok && len(b) == tagSize
	}
	return false
}

// A diagnosis is an encryptor of other settings, and what to say if it opens a message.
type diagnosis struct {
	encryptor *encryptor
	err       error
}

// diagnoses makes those of the same secrets. They are made once, when the first
// message asks for them: to derive keys takes long.
func diagnoses(secrets []Secret) (all []diagnosis) {
	for _, s := range secrets {
		for _, d := range []Digest{SHA256, SHA1} {
			for _, cbc := range []bool{false, true} {
				other := Secret{s.KeyBase, d, cbc}
				if e, err := newEncryptor(other); err == nil && other != s {
					all = append(all, diagnosis{e, mismatch(s, other)})
				}
			}
		}
	}
	return all
}

// why says which setting does not match, as far as it can be found out.
func (s *Source) why(message string) error {
	if !shape(message) {
		return bridge.ErrForged
	}
	for _, d := range s.diagnoses() {
		if _, ok := d.encryptor.open(message); ok {
			return d.err
		}
	}
	return &bridge.SettingError{Setting: "rails.Config.SecretKeyBase or Rotated"}
}

func mismatch(got, want Secret) error {
	if got.Digest != want.Digest {
		return &bridge.SettingError{Setting: "rails.Config.Digest", Want: map[Digest]string{SHA256: "SHA256", SHA1: "SHA1"}[want.Digest]}
	}
	return &bridge.SettingError{Setting: "rails.Config.CBC", Want: fmt.Sprint(want.CBC)}
}
