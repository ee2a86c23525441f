package memstore

import (
	"encoding/binary"

	"github.com/coatcheck/coatcheck/store"
)

// An item is what has no fixed size:
//
//	4 length of data | 1 length of user | 32 id | user | data
//
// Once written, id, user and data never change, also when the item is no longer
// used: somebody may still hold what Load returned (S12). Space is not used
// again; a block of which less than two thirds are in use is copied to the end
// of the arena, and the garbage collector takes it when its last reader is gone.
// The first bit is set where the item is no longer used.
const (
	unused    = 1 << 31
	atUser    = 4
	atID      = atUser + 1
	itemHead  = atID + len(store.ID{})
	blockSize = 8 << 10
	loneItem  = blockSize / 8 // from here on an item has a block of its own
)

// An arena holds the items of one shard, under its lock.
type arena struct {
	entries *entries
	ids     *index // which are told where items lie
	blocks  []block
	spare   []uint32 // numbers of blocks that are gone
	near    uint32   // so many blocks have a location

	// The numbers, plus one, of the blocks that take the next item: of sessions, and
	// of tombstones. These live for a minute, and a session that is logged in again
	// and again for less: among its items they would be copied each time.
	filling [2]uint32
}

type block struct {
	buf  []byte // what is written; the capacity is the block's size
	used int    // bytes of items in use
}

// A location is a place in an arena: the number of the block and, in the last
// offBits, the offset there.
type location uint32

const (
	offBits = 13 // of blockSize

	// nowhere is where the entry has to be asked, as it has more room for that:
	// beyond half a million blocks of a shard, 4 GB.
	nowhere  = ^location(0)
	nearMost = uint32(nowhere >> offBits)
)

func (a *arena) locationOf(block uint32, off uint16) location {
	if block >= a.near {
		return nowhere
	}
	return location(block)<<offBits | location(off)
}

// has reports whether the item of an entry, which lies there, is of the id.
func (a *arena) has(e *entry, at location, id *store.ID) bool {
	block, off := uint32(at>>offBits), uint16(at&(1<<offBits-1))
	if at == nowhere {
		block, off = e.block, e.off
	}
	return store.ID(a.blocks[block].buf[off:][atID:itemHead]) == *id
}

// head returns the item of an entry and all that follows in its block.
func (a *arena) head(e *entry) []byte { return a.blocks[e.block].buf[e.off:] }

// id returns that of an entry.
func (a *arena) id(e *entry) store.ID { return store.ID(a.head(e)[atID:itemHead]) }

// item returns user and data of an entry. Nobody may write to either.
func (a *arena) item(e *entry) (user, data []byte) {
	return split(a.head(e))
}

// split returns user and data of the item that begins there.
func split(head []byte) (user, data []byte) {
	from := itemHead + int(head[atUser])
	to := from + int(binary.BigEndian.Uint32(head)&^unused)
	return head[itemHead:from:from], head[from:to:to]
}

// record returns the record of a live entry.
func (a *arena) record(e *entry) (rec store.Record) {
	a.read(e, &rec)
	return rec
}

// read is record for who has room for one: it is so large that a copy of it is seen.
func (a *arena) read(e *entry, rec *store.Record) {
	head := a.head(e)
	user, data := split(head)
	rec.ID, rec.Version, rec.User, rec.Data = store.ID(head[atID:itemHead]), e.version, string(user), data
	rec.AuthTime, rec.Created, rec.Seen = micro(e.began), micro(e.created), micro(e.seen)
	rec.Expires, rec.Deadline = micro(e.expires), micro(e.deadline)
}

// successor returns what a tombstone's item holds.
func (a *arena) successor(e *entry) (next store.ID) {
	_, data := a.item(e)
	copy(next[:], data)
	return next
}

// put writes an item for the slot, whose id has the index already, and points its
// entry and the index there.
func (a *arena) put(slot uint32, e *entry, id store.ID, user, data []byte) {
	size := itemHead + len(user) + len(data)
	if size >= loneItem {
		e.block = a.add(size)
	} else {
		e.block = a.room(a.fills(e), size)
	}
	b := &a.blocks[e.block]
	e.off = uint16(len(b.buf))
	buf := binary.BigEndian.AppendUint32(b.buf, uint32(len(data)))
	buf = append(buf, byte(len(user)))
	buf = append(buf, id[:]...)
	buf = append(buf, user...)
	b.buf = append(buf, data...)
	b.used += size
	a.ids.moved(hashOf(&id), slot, a.locationOf(e.block, e.off))
}

// fills returns which block takes the item of an entry.
func (a *arena) fills(e *entry) *uint32 {
	if e.state() == isEnded {
		return &a.filling[1]
	}
	return &a.filling[0]
}

// room returns the number of a block that has room for so many bytes, if need be
// another than the one that was filled.
func (a *arena) room(filling *uint32, size int) uint32 {
	for {
		if *filling != 0 {
			if b := a.blocks[*filling-1]; cap(b.buf)-len(b.buf) >= size {
				return *filling - 1
			}
		}
		full := *filling
		*filling = a.add(blockSize) + 1
		if full != 0 {
			a.tidy(full - 1)
		}
	}
}

// isFilling reports whether a block takes the next item.
func (a *arena) isFilling(block uint32) bool {
	return block+1 == a.filling[0] || block+1 == a.filling[1]
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
	b.buf[e.off] |= unused >> 24
	a.tidy(i)
}

// replace gives an entry another item.
func (a *arena) replace(slot uint32, e *entry, user, data []byte) {
	// The old item first: putting the new one may move what is in use.
	id := a.id(e)
	a.drop(e)
	a.put(slot, e, id, user, data)
}

// tidy gives up a block of which less than two thirds are in use, after copying
// those. It spares those that are being filled.
func (a *arena) tidy(i uint32) {
	b := a.blocks[i]
	if a.isFilling(i) || 3*b.used >= 2*cap(b.buf) {
		return
	}
	a.blocks[i] = block{}
	for off := 0; b.used > 0; {
		head := b.buf[off:]
		user, data := split(head)
		size := itemHead + len(user) + len(data)
		if head[0]&(unused>>24) == 0 {
			id := store.ID(head[atID:itemHead])
			slot, e := a.whose(&id, i, uint16(off))
			a.put(slot, e, id, user, data)
			b.used -= size
		}
		off += size
	}
	a.spare = append(a.spare, i)
}

// whose returns the slot and the entry of an item that is in use.
func (a *arena) whose(id *store.ID, block uint32, off uint16) (uint32, *entry) {
	hash, there := hashOf(id), a.locationOf(block, off)
	for slot, at := a.ids.seek(hash, fromStart); slot != 0; slot, at = a.ids.seek(hash, at) {
		if a.ids.items[at] != there {
			continue
		}
		if e := a.entries.at(slot); there != nowhere || e.block == block && e.off == off {
			return slot, e
		}
	}
	return 0, nil // which cannot be
}
