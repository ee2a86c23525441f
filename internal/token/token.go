// Package token makes and opens the token in the session cookie. The format is
// that of docs/spec/record.md, T1 to T4; package coatcheck says what it opens.
package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/coatcheck/coatcheck/cookie"
)

// The token in the session cookie (docs/spec/record.md, T1–T4):
//
//	1 version | 4 key id | 18 random | 16 MAC   = 39 bytes = 52 characters
const (
	version    = 1
	randomSize = 18
	macSize    = 16
	headSize   = 1 + 4 + randomSize
	size       = headSize + macSize

	// TextSize is how long the token is as it stands in a cookie.
	TextSize = size / 3 * 4

	// Purpose begins that of the keys of session tokens; the cookie's name follows.
	Purpose = "session-token"

	idLabel = "coatcheck/session-id/v1\x00"
)

var encoding = base64.RawURLEncoding.Strict()

// Why a token is refused.
var (
	ErrMalformed  = errors.New("malformed")
	ErrForged     = errors.New("forged")
	ErrUnknownKey = fmt.Errorf("%w: unknown key", ErrForged)
)

// A key signs and checks tokens under one secret.
type key struct {
	id   [4]byte
	macs sync.Pool // of *macer
}

// A macer is keyed once and reset for each use. It has room for what it
// works on, which would otherwise be moved to the heap for each token.
type macer struct {
	hash hash.Hash
	head [headSize]byte
	sum  [sha256.Size]byte
}

// sum writes the MAC of the token's head behind it.
func (k *key) sum(head []byte, mac *[macSize]byte) {
	m := k.macs.Get().(*macer)
	m.hash.Reset()
	copy(m.head[:], head)
	m.hash.Write(m.head[:])
	m.hash.Sum(m.sum[:0])
	copy(mac[:], m.sum[:])
	k.macs.Put(m)
}

// Keys sign and check the tokens of one cookie. They are safe for concurrent use.
type Keys struct {
	keys []*key // the first signs
	seen *verified
}

// New returns the keys that the keyring has for a purpose.
func New(keyring *cookie.Keys, purpose string) Keys {
	k := Keys{seen: new(verified)}
	for _, sub := range keyring.Derive(purpose) {
		made := &key{id: sub.ID}
		secret := sub.Key
		made.macs.New = func() any { return &macer{hash: hmac.New(sha256.New, secret[:])} }
		k.keys = append(k.keys, made)
	}
	return k
}

// Empty reports whether there is no key, so that nothing can be sealed.
func (k Keys) Empty() bool { return len(k.keys) == 0 }

// Open returns the id of the session that the token opens. An error says why it
// is none of ours; it is a reason for an event, never for the client.
func (k Keys) Open(value string) (id [sha256.Size]byte, err error) {
	if len(value) != TextSize {
		return id, ErrMalformed
	}
	// Decode through arrays of known size: nothing here grows with the input. With
	// room to spare Decode takes eight characters at a time to the end.
	var text [TextSize]byte
	var room [size + 8]byte
	copy(text[:], value)
	n, err := encoding.Decode(room[:], text[:])
	if err != nil || n != size || room[0] != version {
		return id, ErrMalformed
	}
	token := room[:size]
	id = idOf(token[5:headSize])
	if k.seen.has(&id, token[1:5], token[headSize:]) {
		return id, nil
	}
	err = ErrUnknownKey
	for _, key := range k.keys {
		if string(key.id[:]) != string(token[1:5]) {
			continue
		}
		err = ErrForged
		var mac [macSize]byte
		key.sum(token[:headSize], &mac)
		if subtle.ConstantTimeCompare(mac[:], token[headSize:]) == 1 {
			k.seen.add(&id, token[1:5], token[headSize:])
			return id, nil
		}
	}
	return [sha256.Size]byte{}, err
}

// Seal appends a new token to b and returns the id of the session that it opens.
func (k Keys) Seal(b []byte) (value []byte, id [sha256.Size]byte) {
	var random [randomSize]byte
	rand.Read(random[:]) // never fails: the runtime ends the program instead
	token, id := k.keys[0].seal(&random)
	k.seen.add(&id, token[1:5], token[headSize:]) // the next request comes with it
	return encoding.AppendEncode(b, token[:]), id
}

// seal makes the token with that random part.
func (k *key) seal(random *[randomSize]byte) (token [size]byte, id [sha256.Size]byte) {
	token[0] = version
	copy(token[1:], k.id[:])
	copy(token[5:], random[:])
	k.sum(token[:headSize], (*[macSize]byte)(token[headSize:]))
	return token, idOf(random[:])
}

// spell writes a token as it stands in a cookie.
func spell(token *[size]byte) string { return encoding.EncodeToString(token[:]) }

// idOf is the record's key: a hash without a key, so that new secrets log nobody
// out, of 144 random bits, so that it cannot be guessed or reversed.
func idOf(random []byte) [sha256.Size]byte {
	var b [len(idLabel) + randomSize]byte
	copy(b[:], idLabel)
	copy(b[len(idLabel):], random)
	return sha256.Sum256(b[:])
}
