package coatcheck

import (
	"context"
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
	"github.com/coatcheck/coatcheck/store"
)

// The token in the session cookie (docs/spec/record.md, T1–T4):
//
//	1 version | 4 key id | 18 random | 16 MAC   = 39 bytes = 52 characters
const (
	tokenVersion = 1
	tokenRandom  = 18
	tokenMAC     = 16
	tokenHead    = 1 + 4 + tokenRandom
	tokenSize    = tokenHead + tokenMAC
	tokenText    = tokenSize / 3 * 4

	tokenPurpose = "session-token"
	idLabel      = "coatcheck/session-id/v1\x00"
)

var tokenEncoding = base64.RawURLEncoding.Strict()

// Why a cookie was refused; reasons of EventRefused.
var (
	errMalformed  = errors.New("malformed")
	errForged     = errors.New("forged")
	errUnknownKey = fmt.Errorf("%w: unknown key", errForged)
)

// A tokenKey signs and checks tokens under one secret.
type tokenKey struct {
	id   [4]byte
	macs sync.Pool // of *tokenMACer
}

// A tokenMACer is keyed once and reset for each use. It has room for what it
// works on, which would otherwise be moved to the heap for each token.
type tokenMACer struct {
	hash hash.Hash
	head [tokenHead]byte
	sum  [sha256.Size]byte
}

// sum writes the MAC of the token's head behind it.
func (k *tokenKey) sum(head []byte, mac *[tokenMAC]byte) {
	m := k.macs.Get().(*tokenMACer)
	m.hash.Reset()
	copy(m.head[:], head)
	m.hash.Write(m.head[:])
	m.hash.Sum(m.sum[:0])
	copy(mac[:], m.sum[:])
	k.macs.Put(m)
}

// tokens is the carrier of sessions that a Store keeps: the cookie is a token,
// the token's hash the record's key.
type tokens struct {
	store.Store
	keys []*tokenKey // the first signs
}

func newTokens(st store.Store, keys *cookie.Keys, purpose string) *tokens {
	t := &tokens{Store: st}
	for _, sub := range keys.Derive(purpose) {
		key := &tokenKey{id: sub.ID}
		secret := sub.Key
		key.macs.New = func() any { return &tokenMACer{hash: hmac.New(sha256.New, secret[:])} }
		t.keys = append(t.keys, key)
	}
	return t
}

func (t *tokens) open(value string) (ticket, error) {
	if len(value) != tokenText {
		return ticket{}, errMalformed
	}
	// Decode through arrays of known size: nothing here grows with the input.
	var text [tokenText]byte
	var token [tokenSize]byte
	copy(text[:], value)
	n, err := tokenEncoding.Decode(token[:], text[:])
	if err != nil || n != tokenSize || token[0] != tokenVersion {
		return ticket{}, errMalformed
	}
	err = errUnknownKey
	for _, key := range t.keys {
		if string(key.id[:]) != string(token[1:5]) {
			continue
		}
		err = errForged
		var mac [tokenMAC]byte
		key.sum(token[:tokenHead], &mac)
		if subtle.ConstantTimeCompare(mac[:], token[tokenHead:]) == 1 {
			return ticket{id: tokenID(token[5:tokenHead])}, nil
		}
	}
	return ticket{}, err
}

func (t *tokens) load(ctx context.Context, tk ticket) (store.Record, error) {
	return t.Load(ctx, tk.id)
}

func (t *tokens) inCookie() bool { return false }

// seal gives a fresh record its id and returns the token; an update keeps the
// cookie that the browser has.
func (t *tokens) seal(rec *store.Record, fresh bool) (string, error) {
	if !fresh {
		return "", nil
	}
	var token [tokenSize]byte
	key := t.keys[0]
	token[0] = tokenVersion
	copy(token[1:], key.id[:])
	rand.Read(token[5:tokenHead]) // never fails: the runtime ends the program instead
	key.sum(token[:tokenHead], (*[tokenMAC]byte)(token[tokenHead:]))
	rec.ID = tokenID(token[5:tokenHead])
	var text [tokenText]byte
	tokenEncoding.Encode(text[:], token[:])
	return string(text[:]), nil
}

// tokenID is the record's key: a hash without a key, so that new secrets log
// nobody out, of 144 random bits, so that it cannot be guessed or reversed.
func tokenID(random []byte) store.ID {
	var b [len(idLabel) + tokenRandom]byte
	copy(b[:], idLabel)
	copy(b[len(idLabel):], random)
	return sha256.Sum256(b[:])
}

// Unwrap lets As find what the store offers.
func (t *tokens) Unwrap() store.Store { return t.Store }
