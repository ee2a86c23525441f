package memstore

// An index finds slots by 32 bits of a hash. It is a hash table with linear
// probing, of one word for each slot: hash<<32 | slot, 0 where it is free.
// Go's map takes three times the memory, and one more cache miss where there
// are a million. Several slots may have one hash; whoever asks compares.
//
// Its hashes are of SHA-256 or seeded, so nobody can choose them.
type index struct {
	words []uint64
	items []location // beside the words, where the slots' items lie, of ids only
	count int
	ofIDs bool
}

// home is where the search for a hash begins.
func (x *index) home(hash uint32) int { return int(uint64(hash) * uint64(len(x.words)) >> 32) }

func (x *index) after(i int) int {
	if i++; i == len(x.words) {
		return 0
	}
	return i
}

// seek returns the first slot of a hash, or with at the next one after that
// place, and 0 where there is none.
func (x *index) seek(hash uint32, at int) (slot uint32, place int) {
	if x.count == 0 {
		return 0, 0
	}
	i := x.home(hash)
	if at >= 0 {
		i = x.after(at)
	}
	for x.words[i] != 0 {
		if uint32(x.words[i]>>32) == hash {
			return uint32(x.words[i]), i
		}
		i = x.after(i)
	}
	return 0, 0
}

// fromStart is where a search begins that has found nothing yet.
const fromStart = -1

func (x *index) add(hash uint32, slot uint32) {
	if 8*x.count >= 7*len(x.words) {
		x.grow()
	}
	i := x.home(hash)
	for x.words[i] != 0 {
		i = x.after(i)
	}
	x.words[i] = uint64(hash)<<32 | uint64(slot)
	if x.ofIDs {
		x.items[i] = nowhere // yet
	}
	x.count++
}

// grow moves the words to a table a quarter larger. The indexes are many and so
// each is small: at a million sessions this takes a tenth of a millisecond.
func (x *index) grow() {
	words, items := x.words, x.items
	size := len(words) + len(words)/4 + 8
	x.words = make([]uint64, size)
	if x.ofIDs {
		x.items = make([]location, size)
	}
	for n, w := range words {
		if w == 0 {
			continue
		}
		i := x.home(uint32(w >> 32))
		for x.words[i] != 0 {
			i = x.after(i)
		}
		x.words[i] = w
		if x.ofIDs {
			x.items[i] = items[n]
		}
	}
}

// place returns where a slot stands. It does.
func (x *index) place(hash uint32, slot uint32) int {
	i := x.home(hash)
	for uint32(x.words[i]) != slot {
		i = x.after(i)
	}
	return i
}

// moved notes where the item of a slot lies now.
func (x *index) moved(hash uint32, slot uint32, to location) { x.items[x.place(hash, slot)] = to }

// change puts another slot in the place of one.
func (x *index) change(hash uint32, slot, to uint32) {
	x.words[x.place(hash, slot)] = uint64(hash)<<32 | uint64(to)
}

// remove forgets a slot and closes the gap, so that searches still end at the
// first free word.
func (x *index) remove(hash uint32, slot uint32) {
	gap := x.place(hash, slot)
	for i := x.after(gap); x.words[i] != 0; i = x.after(i) {
		// A word may not stand before its home, counted around the end.
		home := x.home(uint32(x.words[i] >> 32))
		if gap <= i && (home <= gap || home > i) || gap > i && home <= gap && home > i {
			x.words[gap] = x.words[i]
			if x.ofIDs {
				x.items[gap] = x.items[i]
			}
			gap = i
		}
	}
	x.words[gap] = 0
	x.count--
}
