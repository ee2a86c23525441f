package token

import (
	"crypto/sha256"
	"testing"
)

// entryOf is what a genuine token would have, all of it made of n.
func entryOf(n byte) (id *[sha256.Size]byte, key, mac []byte) {
	id = new([sha256.Size]byte)
	for i := range id {
		if i < 1 || i > 2 { // all have one place
			id[i] = n
		}
	}
	return id, []byte{n, n, n, n}, []byte{n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n}
}

// G8: A MAC is genuine for the id and the key that it was genuine for, and not before
// it is there.
func TestVerified(t *testing.T) {
	t.Parallel()
	v := new(verified)
	id0, key0, mac0 := entryOf(0)
	if v.has(id0, key0, mac0) {
		t.Error("zeros are genuine where nothing was")
	}
	id1, key1, mac1 := entryOf(1)
	id2, key2, mac2 := entryOf(2)
	for range 3 {
		if v.add(id1, key1, mac1); !v.has(id1, key1, mac1) {
			t.Error("it was not remembered")
		}
		if v.has(id2, key1, mac1) || v.has(id1, key2, mac1) || v.has(id1, key1, mac2) {
			t.Error("another id, key or MAC is genuine")
		}
		for i := range id1 {
			if i == 1 || i == 2 {
				continue // another place
			}
			if id1[i] ^= 1; v.has(id1, key1, mac1) {
				t.Errorf("an id that differs in byte %d is genuine", i)
			}
			id1[i] ^= 1
		}
		for i := range mac1 {
			if mac1[i] ^= 1; v.has(id1, key1, mac1) {
				t.Errorf("a MAC that differs in byte %d is genuine", i)
			}
			mac1[i] ^= 1
		}
		if v.add(id2, key2, mac2); !v.has(id2, key2, mac2) || v.has(id1, key1, mac1) {
			t.Error("the one before was not replaced")
		}
	}
	e := v.place(id2)
	began := e.turn.Load()
	v.add(id1, key1, mac1)
	if e.holds(began, id1, key1, mac1) {
		t.Error("what was written while it was looked at is genuine")
	}
	v.add(id2, key2, mac2)
	turn := &e.turn
	turn.Add(1) // somebody writes
	if v.add(id1, key1, mac1); v.has(id2, key2, mac2) || v.has(id1, key1, mac1) {
		t.Error("what is being written is genuine")
	}
	turn.Add(1)
	if !v.has(id2, key2, mac2) {
		t.Error("it was written by two")
	}
}
