package dbsc

import (
	"crypto/subtle"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck/internal/binding"
)

// genuine remembers bound cookies whose MAC was checked: a browser sends the same
// one with each request for minutes, and to compare it costs a quarter of a MAC. Only
// what is genuine enters; a cookie that pushes another out costs that one a MAC.
type genuine struct {
	seed  maphash.Seed
	slots [genuineSlots]atomic.Pointer[checked]
}

const genuineSlots = 1024 // 100 KiB, if all are in use

type checked struct {
	text   [cookieText]byte
	id     [binding.IDSize]byte
	issued time.Time
}

// bound is that of the tagger.
func (g *genuine) bound(t tagger, value string) (id [binding.IDSize]byte, issued time.Time, ok bool) {
	if len(value) != cookieText {
		return id, issued, false
	}
	var text [cookieText]byte
	copy(text[:], value)
	slot := &g.slots[maphash.Bytes(g.seed, text[:])%genuineSlots]
	if c := slot.Load(); c != nil && subtle.ConstantTimeCompare(c.text[:], text[:]) == 1 {
		return c.id, c.issued, true
	}
	if id, issued, ok = t.bound(value); ok {
		slot.Store(&checked{text, id, issued})
	}
	return id, issued, ok
}
