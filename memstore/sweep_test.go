package memstore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// S11: this store finds all that is over, also where a Touch, an End or an
// Update moved the time.
func TestSweepFindsAll(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	ctx := t.Context()
	tick := time.Microsecond
	idle, touched, ended, shortened, replaced, kept :=
		record("", 0), record("", 0), record("a", 0), record("a", 0), record("", 0), record("", 0)
	over := map[string]time.Time{}
	for _, rec := range []store.Record{idle, touched, ended, shortened, replaced, kept} {
		create(t, st, rec)
	}
	over["idle"] = idle.Expires
	over["touched"] = touched.Expires.Add(time.Minute)
	_ = st.Touch(ctx, touched.ID, touched.Seen, over["touched"])
	over["ended"] = start.Add(time.Second)
	_, _ = st.End(ctx, ended.ID, over["ended"])
	over["shortened"] = start.Add(2 * time.Second)
	short := shortened
	short.Version, short.Deadline = 2, over["shortened"]
	if err := st.Update(ctx, short, 1); err != nil {
		t.Fatal(err)
	}
	over["replaced"] = start.Add(time.Minute)
	_ = st.Replace(ctx, replaced.ID, 1, func() store.Record {
		rec := record("b", 0)
		rec.Expires, rec.Deadline = start.Add(100*time.Hour), start.Add(100*time.Hour)
		return rec
	}(), start.Add(time.Minute))
	_ = st.Touch(ctx, kept.ID, kept.Seen, start.Add(24*time.Hour))
	over["kept, past its Deadline"] = kept.Deadline
	ids := map[string]store.ID{
		"idle": idle.ID, "touched": touched.ID, "ended": ended.ID, "shortened": shortened.ID,
		"replaced": replaced.ID, "kept, past its Deadline": kept.ID,
	}
	names := slices.SortedFunc(maps.Keys(over), func(a, b string) int { return over[a].Compare(over[b]) })
	for _, name := range names {
		if n := sweepAll(t, st, over[name]); n != 0 {
			t.Errorf("Sweep when the %s session is just not over: removed %d", name, n)
		}
		if n := sweepAll(t, st, over[name].Add(tick)); n != 1 {
			t.Errorf("Sweep when the %s session is over: removed %d, want 1", name, n)
		}
		if got := is(t, st, ids[name]); got != "unknown" {
			t.Errorf("the %s session after Sweep: got %s, want unknown", name, got)
		}
		audit(t, st)
	}
}

// What an Update ends earlier is found also where nothing else makes Sweep look.
func TestSweepFindsShortened(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	rec := create(t, st, record("a", 0))
	sweepAll(t, st, start)
	short := rec
	short.Version, short.Deadline = 2, start.Add(time.Second)
	if err := st.Update(t.Context(), short, 1); err != nil {
		t.Fatal(err)
	}
	audit(t, st)
	if n := sweepAll(t, st, start.Add(2*time.Second)); n != 1 {
		t.Errorf("Sweep: removed %d, want 1", n)
	}
}

// What is over at now is not past it, whatever else Sweep finds.
func TestSweepBoundary(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	now := start.Add(time.Minute)
	before, at := record("", 0), record("", 0)
	_, _ = st.End(t.Context(), before.ID, now.Add(-time.Microsecond))
	_, _ = st.End(t.Context(), at.ID, now)
	sweepAll(t, st, now)
	want(t, "after Sweep", states(t, st, before, at), "[unknown ended]")
}

// A Sweep that its context stops says how far it came.
func TestSweepStops(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	for range 500 {
		create(t, st, record("", 0))
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopping := &cancelAfter{Context: ctx, calls: 3, cancel: cancel}
	n, err := st.Sweep(stopping, start.Add(100*time.Hour), 1000)
	stats, _ := st.Stats(t.Context())
	if !errors.Is(err, context.Canceled) || n == 0 || int64(500-n) != stats.Sessions {
		t.Errorf("got %d and error %v with %d sessions left, want the number removed and %v", n, err, stats.Sessions, context.Canceled)
	}
}

type cancelAfter struct {
	context.Context
	calls  int
	cancel context.CancelFunc
}

func (c *cancelAfter) Err() error {
	if c.calls--; c.calls == 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// Thousands of sessions of all sizes come, change and go; the store is compared
// with a map all the time, and its accounts with a count. Wherever their items lie,
// the index finds them, also where many ids look alike to it.
func TestAgainstMap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		steps  int
		near   uint32 // blocks that the index knows
		hashes int    // how many different ones ids have
	}{
		{"as it is", 60_000, 1 << 18, 1 << 24}, {"no item is near", 20_000, 0, 1 << 24}, {"few items are near", 20_000, 3, 1 << 24},
		{"few hashes", 20_000, 1 << 18, 300}, {"few hashes, few items near", 20_000, 3, 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			st := memstore.New(memstore.Config{})
			st.Near(c.near)
			againstMap(t, st, c.steps, c.hashes)
		})
	}
}

func againstMap(t *testing.T, st *memstore.Store, steps, hashes int) {
	const users = 50
	ctx := t.Context()
	chance := rand.New(rand.NewPCG(1, 2))
	live := make(map[store.ID]store.Record)
	var ids []store.ID
	var held [][2][]byte // what Load returned, and a copy of it
	size := func() int {
		switch chance.IntN(20) {
		case 0:
			return chance.IntN(20_000)
		case 1:
			return 0
		default:
			return chance.IntN(900)
		}
	}
	fresh := func(i int) store.Record {
		rec := record("", i)
		binary.LittleEndian.PutUint32(rec.ID[:], uint32(uint64(chance.IntN(hashes))<<32/uint64(hashes)))
		if chance.IntN(2) == 0 {
			rec.User = fmt.Sprint("user", chance.IntN(users))
		}
		rec.Version, rec.Data = chance.Uint64()|1, bytes.Repeat([]byte{byte(i)}, size())
		ids = append(ids, rec.ID)
		return rec
	}
	pick := func() (store.Record, bool) {
		if len(ids) == 0 {
			return store.Record{}, false
		}
		i := chance.IntN(len(ids))
		rec, ok := live[ids[i]]
		if !ok { // it is over
			ids[i] = ids[len(ids)-1]
			ids = ids[:len(ids)-1]
		}
		return rec, ok
	}
	for i := range steps {
		rec, ok := pick()
		switch op := chance.IntN(10); {
		case !ok || op < 3:
			rec = create(t, st, fresh(i))
			live[rec.ID] = rec
		case op < 6:
			ifVersion := rec.Version
			rec.Version, rec.Data = chance.Uint64()|1, bytes.Repeat([]byte{byte(i)}, size())
			if err := st.Update(ctx, rec, ifVersion); err != nil {
				t.Fatal(err)
			}
			live[rec.ID] = rec
		case op < 7:
			next := fresh(i)
			if err := st.Replace(ctx, rec.ID, rec.Version, next, next.Seen.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			delete(live, rec.ID)
			live[next.ID] = next
		case op < 9:
			stored, err := st.Load(ctx, rec.ID)
			if err != nil || stored.User != rec.User || stored.Version != rec.Version || !bytes.Equal(stored.Data, rec.Data) {
				t.Fatalf("step %d: a session is not what was stored, error %v", i, err)
			}
			held = append(held, [2][]byte{stored.Data, bytes.Clone(stored.Data)})
		default:
			if _, err := st.End(ctx, rec.ID, rec.Seen); err != nil {
				t.Fatal(err)
			}
			delete(live, rec.ID)
		}
		if i%5000 == 4999 {
			for id, rec := range live { // a third of all goes at once
				if id[0]%3 == 0 {
					_, _ = st.End(ctx, rec.ID, start)
					delete(live, id)
				}
			}
			audit(t, st)
			sweepAll(t, st, start.Add(time.Minute))
			compare(t, st, live, users)
			audit(t, st)
		}
	}
	for i := range held {
		if !bytes.Equal(held[i][0], held[i][1]) {
			t.Fatal("bytes that Load returned changed")
		}
	}
}

func compare(t *testing.T, st *memstore.Store, live map[store.ID]store.Record, users int) {
	t.Helper()
	count := make(map[string]int)
	for id, rec := range live {
		stored, err := st.Load(t.Context(), id)
		if err != nil || !bytes.Equal(stored.Data, rec.Data) {
			t.Fatalf("a live session is not what was stored, error %v", err)
		}
		count[rec.User]++
	}
	for i := range users {
		user := fmt.Sprint("user", i)
		list, err := st.User(t.Context(), user)
		if err != nil || len(list) != count[user] {
			t.Fatalf("User: got %d sessions and error %v, want %d", len(list), err, count[user])
		}
		for _, rec := range list {
			if !bytes.Equal(rec.Data, live[rec.ID].Data) {
				t.Fatal("User lists other data than was stored")
			}
		}
	}
}
