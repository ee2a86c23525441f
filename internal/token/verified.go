package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"sync/atomic"
)

// A verified remembers the MACs of tokens that were made, or genuine, a moment ago, so that
// the next request with one need not compute it again. There is no token in it: an
// id is a hash, and a MAC opens nothing without the random part. Each set of keys
// has its own, since name and secret are in the MAC (decision 93).
type verified struct {
	entries [1024]verifiedMAC
}

// A verifiedMAC is read without a lock, to which all cores would write: turn is 0 as long
// as nothing is there, odd while somebody writes, and another after that.
type verifiedMAC struct {
	turn atomic.Uint32
	key  atomic.Uint32
	id   [sha256.Size / 8]atomic.Uint64
	mac  [macSize / 8]atomic.Uint64
	_    [8]byte // to a cache line
}

// place is where an id belongs.
func (v *verified) place(id *[sha256.Size]byte) *verifiedMAC {
	return &v.entries[int(binary.LittleEndian.Uint16(id[1:]))%len(v.entries)]
}

// has reports whether that MAC of that token was genuine. It does not wait for who
// adds one: whoever is second computes it. How long it takes tells somebody who has the token whether
// it was used here lately, and nobody else anything.
func (v *verified) has(id *[sha256.Size]byte, key, mac []byte) bool {
	e := v.place(id)
	return e.holds(e.turn.Load(), id, key, mac)
}

// holds is has where it was that turn when the look began: if it is another at the end,
// half of what was seen may be another's.
func (e *verifiedMAC) holds(turn uint32, id *[sha256.Size]byte, key, mac []byte) bool {
	le := binary.LittleEndian
	same := turn != 0 && turn%2 == 0 && e.key.Load() == le.Uint32(key) && // no loop: it is on the way of every request
		e.id[0].Load() == le.Uint64(id[:]) && e.id[1].Load() == le.Uint64(id[8:]) &&
		e.id[2].Load() == le.Uint64(id[16:]) && e.id[3].Load() == le.Uint64(id[24:])
	var genuine [macSize]byte
	le.PutUint64(genuine[:], e.mac[0].Load())
	le.PutUint64(genuine[8:], e.mac[1].Load())
	same = same && subtle.ConstantTimeCompare(genuine[:], mac) == 1
	return same && e.turn.Load() == turn
}

// add remembers a MAC that is genuine, in the place of another.
func (v *verified) add(id *[sha256.Size]byte, key, mac []byte) {
	e := v.place(id)
	turn := e.turn.Load()
	if turn%2 == 1 || !e.turn.CompareAndSwap(turn, turn+1) {
		return
	}
	e.key.Store(binary.LittleEndian.Uint32(key))
	for i := range e.id {
		e.id[i].Store(binary.LittleEndian.Uint64(id[8*i:]))
	}
	for i := range e.mac {
		e.mac[i].Store(binary.LittleEndian.Uint64(mac[8*i:]))
	}
	e.turn.Store(turn + 2)
}
