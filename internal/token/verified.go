package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"sync"
)

// A verified remembers the MACs of tokens that were genuine a moment ago, so that
// the next request with one need not compute it again. There is no token in it: an
// id is a hash, and a MAC opens nothing without the random part. Each set of keys
// has its own, since name and secret are in the MAC (decision 93).
type verified struct {
	shards [64]verifiedShard
}

type verifiedShard struct {
	mu      sync.RWMutex
	entries [16]verifiedMAC
}

type verifiedMAC struct {
	id  [sha256.Size]byte
	key [4]byte
	mac [macSize]byte
}

// place is where an id belongs: the other bytes than those that choose the shard.
func (v *verified) place(id *[sha256.Size]byte) (*verifiedShard, *verifiedMAC) {
	shard := &v.shards[id[1]%byte(len(v.shards))]
	return shard, &shard.entries[id[2]%byte(len(shard.entries))]
}

// has reports whether that MAC of that token was genuine. It does not wait for who
// adds one: whoever is second computes it. How long it takes tells somebody who has the token whether
// it was used here lately, and nobody else anything.
func (v *verified) has(id *[sha256.Size]byte, key, mac []byte) bool {
	shard, e := v.place(id)
	if !shard.mu.TryRLock() {
		return false
	}
	defer shard.mu.RUnlock()
	return e.id == *id && string(e.key[:]) == string(key) && subtle.ConstantTimeCompare(e.mac[:], mac) == 1
}

// add remembers a MAC that is genuine, in the place of another.
func (v *verified) add(id *[sha256.Size]byte, key, mac []byte) {
	shard, e := v.place(id)
	if !shard.mu.TryLock() {
		return
	}
	defer shard.mu.Unlock()
	e.id, e.key, e.mac = *id, [4]byte(key), [macSize]byte(mac)
}
