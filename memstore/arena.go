package memstore

import (
	"encoding/binary"

	"github.com/coatcheck/coatcheck/store"
)

// An item is what has no fixed size:
//
//	4 slot | 4 length of data | 1 length of user | user | data
//
// Once written, user and data never change, also when the item is no longer
// used: somebody may still hold what Load returned (S12). Space is not used
// again; a block of which less than two thirds are in use is copied to the end
// of the arena, and the garbage collector takes it when its last reader is gone.
// The slot is 0 where the item is no longer used.
const (
	itemHead  = 4 + 4 + 1
	blockSize = 8 << 10
	loneItem  = blockSize / 8 // from here on an item has a block of its own
)

// An arena holds the items of one shard, under its lock.
type arena struct {
	entries *entries
	blocks  []block
	spare   []uint32 // numbers of blocks that are gone
	filling uint32   // number of the block that takes the next item, plus one
}

type block struct {
	buf  []byte // what is written; the capacity is the block's size
	used int    // bytes of items in use
}

// item returns user and data of an entry. Nobody may write to either.
func (a *arena) item(e *entry) (user, data []byte) {
	head := a.blocks[e.block].buf[e.off:]
	from := itemHead + int(head[8])
	to := from + int(binary.LittleEndian.Uint32(head[4:]))
	return head[itemHead:from:from], head[from:to:to]
}

// record returns the record of a live entry.
func (a *arena) record(e *entry) store.Record {
	user, data := a.item(e)
	return store.Record{
		ID: e.id, Version: e.version, User: string(user),
		AuthTime: micro(e.began), Created: micro(e.created), Seen: micro(e.seen),
		Expires: micro(e.expires), Deadline: micro(e.deadline), Data: data,
	}
}

// successor returns what a tombstone's item holds.
func (a *arena) successor(e *entry) (next store.ID) {
	_, data := a.item(e)
	copy(next[:], data)
	return next
}

// put writes an item for the slot and points its entry there.
func (a *arena) put(slot uint32, e *entry, user, data []byte) {
	size := itemHead + len(user) + len(data)
	if size >= loneItem {
		e.block = a.add(size)
	} else {
		e.block = a.room(size)
	}
	b := &a.blocks[e.block]
	e.off = uint16(len(b.buf))
	b.buf = binary.LittleEndian.AppendUint32(b.buf, slot)
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(len(data)))
	b.buf = append(b.buf, byte(len(user)))
	b.buf = append(b.buf, user...)
	b.buf = append(b.buf, data...)
	b.used += size
}

// room returns the number of a block that has room for so many bytes.
func (a *arena) room(size int) uint32 {
	for {
		if a.filling != 0 {
			if b := a.blocks[a.filling-1]; cap(b.buf)-len(b.buf) >= size {
				return a.filling - 1
			}
		}
		full := a.filling
		a.filling = a.add(blockSize) + 1
		if full != 0 {
			a.tidy(full - 1)
		}
	}
}

// add makes a block.
func (a *arena) add(size int) uint32 {
	b := block{buf: make([]byte, 0, size)}
	if n := len(a.spare); n > 0 {
		i := a.spare[n-1]
		a.spare = a.spare[:n-1]
		a.blocks[i] = b
		return i
	}
	a.blocks = append(a.blocks, b)
	return uint32(len(a.blocks) - 1)
}

// drop marks the item of an entry as no longer used.
func (a *arena) drop(e *entry) {
	i := e.block
	b := &a.blocks[i]
	user, data := a.item(e)
	b.used -= itemHead + len(user) + len(data)
	binary.LittleEndian.PutUint32(b.buf[e.off:], 0)
	a.tidy(i)
}

// replace gives an entry another item.
func (a *arena) replace(slot uint32, e *entry, user, data []byte) {
	// The old item first: putting the new one may move what is in use.
	a.drop(e)
	a.put(slot, e, user, data)
}

// tidy gives up a block of which less than two thirds are in use, after copying
// those. It spares the one that is being filled.
func (a *arena) tidy(i uint32) {
	b := a.blocks[i]
	if i == a.filling-1 || 3*b.used >= 2*cap(b.buf) {
		return
	}
	a.blocks[i] = block{}
	for rest := b.buf; b.used > 0; {
		slot := binary.LittleEndian.Uint32(rest)
		from := itemHead + int(rest[8])
		to := from + int(binary.LittleEndian.Uint32(rest[4:]))
		if slot != 0 {
			a.put(slot, a.entries.at(slot), rest[itemHead:from], rest[from:to])
			b.used -= to
		}
		rest = rest[to:]
	}
	a.spare = append(a.spare, i)
}
