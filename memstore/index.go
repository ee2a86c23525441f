package memstore

// An index finds slots by 32 bits of a hash. It is a hash table with linear
// probing, of one word for each slot: hash<<32 | slot, 0 where it is free.
// Go's map takes three times the memory, and one more cache miss where there
// are a million. Several slots may have one hash; whoever asks compares.
//
// The words stand in the order of their hashes, none before its home and all from there
// on without a gap: so the search for a hash that nobody has, as that of every new
// session, ends at the first greater one, and a larger table is written from one end
// to the other.
//
// Its hashes are of SHA-256 or seeded, so nobody can choose them: many that stand at the
// very end would make the table large.
type index struct {
	words []uint64   // the last one is always free
	items []location // beside the words, where the slots' items lie, of ids only
	homes int        // so many words are homes; behind them is room for what comes late
	count int
	ofIDs bool
}

// home is where the search for a hash begins.
func (x *index) home(hash uint32) int { return int(uint64(hash) * uint64(x.homes) >> 32) }

// seek returns the first slot of a hash, or with at the next one after that
// place, and 0 where there is none.
func (x *index) seek(hash uint32, at int) (slot uint32, place int) {
	if x.count == 0 {
		return 0, 0
	}
	i := at + 1
	if at == fromStart {
		i = x.home(hash)
	}
	for ; x.words[i] != 0; i++ {
		if found := uint32(x.words[i] >> 32); found == hash {
			return uint32(x.words[i]), i
		} else if found > hash {
			break
		}
	}
	return 0, 0
}

// fromStart is where a search begins that has found nothing yet.
const fromStart = -1

func (x *index) add(hash uint32, slot uint32) {
	if 8*x.count >= 7*x.homes {
		x.grow()
	}
	i, end := x.gap(hash)
	for end == len(x.words)-1 {
		x.grow()
		i, end = x.gap(hash)
	}
	copy(x.words[i+1:end+1], x.words[i:end])
	x.words[i] = uint64(hash)<<32 | uint64(slot)
	if x.ofIDs {
		copy(x.items[i+1:end+1], x.items[i:end])
		x.items[i] = nowhere // yet
	}
	x.count++
}

// gap returns where a hash is to stand, and the first free word from there on.
func (x *index) gap(hash uint32) (place, end int) {
	i := x.home(hash)
	for x.words[i] != 0 && uint32(x.words[i]>>32) <= hash {
		i++
	}
	end = i
	for x.words[end] != 0 {
		end++
	}
	return i, end
}

// late is how much room there is behind the last home of a table that is not small.
const late = 64

// grow moves the words to a table a quarter larger. The indexes are many and so
// each is small: at a million sessions this takes a tenth of a millisecond.
func (x *index) grow() {
	words, items := x.words, x.items
	for {
		x.homes += x.homes/4 + 8
		x.words = make([]uint64, x.homes+min(x.homes, late)+x.homes/late)
		if x.ofIDs {
			x.items = make([]location, len(x.words))
		}
		if x.fill(words, items) {
			return
		}
	}
}

// fill writes the words of another table to this empty one, if they fit.
func (x *index) fill(words []uint64, items []location) bool {
	next := 0
	for n, w := range words {
		if w == 0 {
			continue
		}
		i := max(next, x.home(uint32(w>>32)))
		if i >= len(x.words)-1 {
			return false
		}
		x.words[i], next = w, i+1
		if x.ofIDs {
			x.items[i] = items[n]
		}
	}
	return true
}

// place returns where a slot stands. It does.
func (x *index) place(hash uint32, slot uint32) int {
	i := x.home(hash)
	for uint32(x.words[i]) != slot {
		i++
	}
	return i
}

// moved notes where the item of a slot lies now.
func (x *index) moved(hash uint32, slot uint32, to location) { x.items[x.place(hash, slot)] = to }

// change puts another slot in the place of one.
func (x *index) change(hash uint32, slot, to uint32) {
	x.words[x.place(hash, slot)] = uint64(hash)<<32 | uint64(to)
}

// remove forgets a slot and closes the gap, as far as words stand behind their homes.
func (x *index) remove(hash uint32, slot uint32) {
	gap := x.place(hash, slot)
	end := gap + 1
	for x.words[end] != 0 && x.home(uint32(x.words[end]>>32)) < end {
		end++
	}
	copy(x.words[gap:], x.words[gap+1:end])
	if x.ofIDs {
		copy(x.items[gap:], x.items[gap+1:end])
	}
	x.words[end-1] = 0
	x.count--
}
