package php

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A Cipher is Laravel's app.cipher.
type Cipher int

// The zero value is Laravel's default. With those of 128 bits the keys have 16 bytes.
const (
	AES256CBC Cipher = iota
	AES256GCM
	AES128CBC
	AES128GCM
)

func (c Cipher) aead() bool { return c == AES256GCM || c == AES128GCM }

func (c Cipher) keySize() int {
	if c == AES128CBC || c == AES128GCM {
		return 16
	}
	return 32
}

func (c Cipher) valid() bool { return c >= AES256CBC && c <= AES128GCM }

func (c Cipher) String() string {
	names := [...]string{"AES-256-CBC", "AES-256-GCM", "AES-128-CBC", "AES-128-GCM"}
	if c.valid() {
		return names[c]
	}
	return fmt.Sprintf("Cipher(%d)", int(c))
}

// appKey reads an APP_KEY: base64: and the key, or the key itself.
func appKey(text string, c Cipher) ([]byte, error) {
	key := []byte(text)
	if encoded, ok := strings.CutPrefix(text, "base64:"); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return nil, errors.New("what stands behind base64: is no base64")
		}
	}
	if len(key) != c.keySize() {
		return nil, fmt.Errorf("%d bytes; %s wants %d", len(key), c, c.keySize())
	}
	return key, nil
}

// envelope is what Laravel's Encrypter makes, base64 of JSON.
type envelope struct {
	IV    string `json:"iv"`
	Value string `json:"value"`
	MAC   string `json:"mac"`
	Tag   string `json:"tag"`
}

var (
	errEnvelope = errors.New("not what Laravel's Encrypter writes")
	errKey      = errors.New("encrypted under another key")
	errCipher   = errors.New("encrypted with another cipher")
)

// other is the cipher of the same size of keys.
func (c Cipher) other() Cipher { return c ^ 1 }

func parseEnvelope(text string) (e envelope, _ error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &e) != nil || e.IV == "" || e.Value == "" {
		return envelope{}, errEnvelope
	}
	return e, nil
}

// decrypt opens an envelope.
func (c Cipher) decrypt(key []byte, text string) ([]byte, error) {
	e, err := parseEnvelope(text)
	if err != nil {
		return nil, err
	}
	iv, err1 := base64.StdEncoding.DecodeString(e.IV)
	value, err2 := base64.StdEncoding.DecodeString(e.Value)
	tag, err3 := base64.StdEncoding.DecodeString(e.Tag)
	if err1 != nil || err2 != nil || err3 != nil {
		return nil, errEnvelope
	}
	// With CBC there is a MAC and no tag, with GCM a tag and no MAC.
	if c.aead() != (len(tag) > 0 && e.MAC == "") {
		return nil, errCipher
	}
	if c.aead() {
		return openGCM(key, iv, value, tag)
	}
	if !hmac.Equal([]byte(e.MAC), []byte(macOf(key, e.IV+e.Value))) {
		return nil, errKey
	}
	return openCBC(key, iv, value)
}

func macOf(key []byte, text string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

func openGCM(key, iv, value, tag []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(iv) != gcm.NonceSize() || len(tag) != gcm.Overhead() {
		return nil, errCipher
	}
	plain, err := gcm.Open(nil, iv, append(value, tag...), nil)
	if err != nil {
		return nil, errKey
	}
	return plain, nil
}

// openCBC is called once the MAC is known to be right.
func openCBC(key, iv, value []byte) ([]byte, error) {
	if len(iv) != aes.BlockSize || len(value) == 0 || len(value)%aes.BlockSize != 0 {
		return nil, errEnvelope
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(value))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, value)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.HasSuffix(plain, bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errEnvelope
	}
	return plain[:len(plain)-pad], nil
}

// encrypt is the way back.
func (c Cipher) encrypt(key, plain []byte) (string, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	b64 := base64.StdEncoding.EncodeToString
	var e envelope
	if c.aead() {
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return "", err
		}
		iv := random(gcm.NonceSize())
		sealed := gcm.Seal(nil, iv, plain, nil)
		e = envelope{IV: b64(iv), Value: b64(sealed[:len(plain)]), Tag: b64(sealed[len(plain):])}
	} else {
		iv := random(aes.BlockSize)
		pad := aes.BlockSize - len(plain)%aes.BlockSize
		padded := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
		e = envelope{IV: b64(iv), Value: b64(padded)}
		e.MAC = macOf(key, e.IV+e.Value)
	}
	raw, err := json.Marshal(e)
	return b64(raw), err
}

// prefix is what Laravel puts before a cookie's value, so that the value of one cookie
// is none of another.
func prefix(cookie string, key []byte) string {
	h := hmac.New(sha1.New, key)
	h.Write([]byte(cookie + "v2"))
	return hex.EncodeToString(h.Sum(nil)) + "|"
}
