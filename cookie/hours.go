package cookie

import (
	"crypto/cipher"
	"slices"
	"sync/atomic"
)

// maxHours bounds an hourCache: the newest 256 hours, about 11 days, in some
// 200 KiB. Older cookies are opened all the same, a microsecond slower.
const maxHours = 256

// An hourCache holds the AEADs of the newest hours in use under one secret. A
// reader takes no lock: the list is never edited, only exchanged.
type hourCache struct{ list atomic.Pointer[[]hourAEAD] }

// hourAEAD lists are sorted, the newest first: that is nearly always the one.
type hourAEAD struct {
	hour int64
	aead cipher.AEAD
}

func (c *hourCache) load() []hourAEAD {
	if p := c.list.Load(); p != nil {
		return *p
	}
	return nil
}

// find returns the AEAD of an hour, or nil.
func (c *hourCache) find(hour int64) cipher.AEAD {
	list := c.load()
	if i, ok := search(list, hour); ok {
		return list[i].aead
	}
	return nil
}

func search(list []hourAEAD, hour int64) (int, bool) {
	if len(list) > 0 && list[0].hour == hour {
		return 0, true
	}
	return slices.BinarySearchFunc(list, hour, func(e hourAEAD, hour int64) int {
		return int(hour - e.hour) // newest first; hours are far below 2^31
	})
}

// add puts an hour's AEAD into the list, which then loses its oldest hour if it
// is full. That may be the one given.
func (c *hourCache) add(hour int64, aead cipher.AEAD) {
	for {
		p := c.list.Load()
		old := c.load()
		i, ok := search(old, hour)
		if ok || i >= maxHours {
			return
		}
		list := slices.Insert(slices.Clip(old), i, hourAEAD{hour, aead})
		list = list[:min(len(list), maxHours)]
		if c.list.CompareAndSwap(p, &list) {
			return
		}
	}
}
