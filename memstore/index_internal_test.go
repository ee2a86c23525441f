package memstore

import (
	"math/rand/v2"
	"testing"
)

// The index finds what a map has, whatever comes and goes, also where many have one
// hash or stand at the end, and keeps its order.
func TestIndex(t *testing.T) {
	t.Parallel()
	hashes := map[string]func(*rand.Rand) uint32{
		"any":       func(r *rand.Rand) uint32 { return r.Uint32() },
		"few":       func(r *rand.Rand) uint32 { return r.Uint32N(5) << 29 },
		"the last":  func(r *rand.Rand) uint32 { return ^uint32(0) - r.Uint32N(2) },
		"the first": func(r *rand.Rand) uint32 { return r.Uint32N(2) },
		"neighbors": func(r *rand.Rand) uint32 { return 1<<31 + r.Uint32N(1<<16) },
	}
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			x := index{ofIDs: true}
			hashOf, free := make(map[uint32]uint32), []uint32{} // of a slot; slots
			for slot := range uint32(700) {
				free = append(free, slot+1)
			}
			for step := range 8000 {
				grows := step/1500%2 == 0
				if n := len(free); n > 0 && (grows && r.IntN(4) > 0 || len(hashOf) == 0) {
					slot := free[n-1]
					free = free[:n-1]
					hashOf[slot] = hash(r)
					x.add(hashOf[slot], slot)
					x.moved(hashOf[slot], slot, location(slot))
				} else {
					for slot, h := range hashOf { // any
						if to := slot + 1000; step%5 == 0 && slot < 1000 {
							x.change(h, slot, to)
							x.change(h, to, slot)
						}
						x.remove(h, slot)
						delete(hashOf, slot)
						free = append(free, slot)
						break
					}
				}
				if step%20 == 0 || step < 100 {
					checkIndex(t, &x, hashOf, hash(r))
				}
				if t.Failed() {
					t.Fatalf("at step %d", step)
				}
			}
		})
	}
}

func checkIndex(t *testing.T, x *index, want map[uint32]uint32, another uint32) {
	t.Helper()
	count, latest := 0, uint32(0)
	for i, w := range x.words {
		if w == 0 {
			continue
		}
		count++
		h := uint32(w >> 32)
		if h < latest || i < x.home(h) || i == len(x.words)-1 {
			t.Errorf("hash %x stands at %d of %d, home %d, after %x", h, i, len(x.words), x.home(h), latest)
		}
		latest = h
		for j := x.home(h); j < i; j++ {
			if x.words[j] == 0 {
				t.Errorf("hash %x stands at %d, and its way is free at %d", h, i, j)
			}
		}
		if x.items[i] != location(uint32(w)) {
			t.Errorf("slot %d has the item %d", uint32(w), x.items[i])
		}
	}
	if count != len(want) || x.count != len(want) {
		t.Errorf("%d words, count %d; want %d", count, x.count, len(want))
	}
	of := make(map[uint32]int)
	for _, h := range want {
		of[h]++
	}
	of[another] += 0
	for h, n := range of {
		found := 0
		for slot, at := x.seek(h, fromStart); slot != 0; slot, at = x.seek(h, at) {
			if found++; want[slot] != h {
				t.Errorf("hash %x finds slot %d, which has %x", h, slot, want[slot])
			}
		}
		if found != n {
			t.Errorf("hash %x finds %d slots, want %d", h, found, n)
		}
	}
}
