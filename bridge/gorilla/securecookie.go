package gorilla

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A KeyPair is what a gorilla application passes to NewCookieStore two by two.
type KeyPair struct {
	Hash  []byte // authenticates; required
	Block []byte // encrypts, with AES: 16, 24 or 32 bytes; nil for a cookie that is only signed
}

// Format prints what this is and nothing of it, whatever the verb: it holds secrets.
func (KeyPair) Format(f fmt.State, _ rune) { io.WriteString(f, "{gorilla.KeyPair}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (k KeyPair) MarshalText() ([]byte, error) { return fmt.Append(nil, k), nil }

// opened is a value that one of the keys has signed.
type opened struct {
	payload []byte
	at      time.Time
	signed  []byte // what the signature is over, and nobody without the key can vary
}

var errShape = errors.New("not a securecookie")

// open gives the signed value of a cookie, or of a file, of this name. It does not look at
// the time: who does, knows the application's MaxAge.
func (p KeyPair) open(name, value string) (opened, error) {
	date, text, mac, err := parse(value)
	if err != nil {
		return opened{}, err
	}
	signed := []byte(date + "|" + text)
	if len(mac) != sha256.Size {
		return opened{}, errHash
	}
	if !hmac.Equal(p.mac(name, signed), []byte(mac)) {
		return opened{}, errMAC
	}
	at, err := strconv.ParseInt(date, 10, 64)
	if err != nil {
		return opened{}, errShape
	}
	payload, err := base64.URLEncoding.DecodeString(text)
	if err != nil {
		return opened{}, errShape
	}
	if payload, err = p.decrypt(payload); err != nil {
		err = errBlock
	}
	return opened{payload, time.Unix(at, 0), signed}, err
}

// parse takes a cookie apart. Nothing of it is verified.
func parse(value string) (date, text, mac string, err error) {
	raw, err := base64.URLEncoding.DecodeString(value)
	parts := strings.SplitN(string(raw), "|", 3)
	if err != nil || len(parts) != 3 || parts[0] == "" || strings.Trim(parts[0], "0123456789") != "" {
		return "", "", "", errShape
	}
	return parts[0], parts[1], parts[2], nil
}

var (
	errBlock = errors.New("not encrypted with this block key")
	errMAC   = errors.New("signed with another key")
	errHash  = errors.New("signed with another hash function than SHA-256")
)

func (p KeyPair) mac(name string, signed []byte) []byte {
	h := hmac.New(sha256.New, p.Hash)
	h.Write([]byte(name + "|"))
	h.Write(signed)
	return h.Sum(nil)
}

// seal is the way back.
func (p KeyPair) seal(name string, payload []byte, at time.Time) (string, error) {
	payload, err := p.encrypt(payload)
	if err != nil {
		return "", err
	}
	signed := fmt.Appendf(nil, "%d|%s", at.Unix(), base64.URLEncoding.EncodeToString(payload))
	raw := append(append(signed, '|'), p.mac(name, signed)...)
	return base64.URLEncoding.EncodeToString(raw), nil
}

// decrypt is AES in counter mode, with the counter's start before the text. That the MAC
// is over it is what protects it.
func (p KeyPair) decrypt(text []byte) ([]byte, error) {
	if p.Block == nil {
		return text, nil
	}
	block, err := aes.NewCipher(p.Block)
	if err != nil {
		return nil, err
	}
	if len(text) <= aes.BlockSize {
		return nil, errShape
	}
	plain := make([]byte, len(text)-aes.BlockSize)
	cipher.NewCTR(block, text[:aes.BlockSize]).XORKeyStream(plain, text[aes.BlockSize:])
	return plain, nil
}

func (p KeyPair) encrypt(plain []byte) ([]byte, error) {
	if p.Block == nil {
		return plain, nil
	}
	block, err := aes.NewCipher(p.Block)
	if err != nil {
		return nil, err
	}
	text := make([]byte, aes.BlockSize+len(plain))
	_, _ = rand.Read(text[:aes.BlockSize]) // never fails
	cipher.NewCTR(block, text[:aes.BlockSize]).XORKeyStream(text[aes.BlockSize:], plain)
	return text, nil
}

// check refuses keys that the application itself could not use.
func (p KeyPair) check() error {
	if len(p.Hash) == 0 {
		return errors.New("its Hash is empty")
	}
	switch len(p.Block) {
	case 0, 16, 24, 32:
		return nil
	}
	return fmt.Errorf("its Block has %d bytes; want 16, 24 or 32", len(p.Block))
}
