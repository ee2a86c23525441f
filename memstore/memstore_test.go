package memstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
)

func newStore(t *testing.T) store.Store {
	st := memstore.New(memstore.Config{})
	t.Cleanup(func() { audit(t, st) })
	return st
}

func audit(t *testing.T, st *memstore.Store) {
	t.Helper()
	if err := st.Audit(); err != nil {
		t.Errorf("the store's accounts are wrong:\n%v", err)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newStore)
}

func TestRace(t *testing.T) {
	t.Parallel()
	storetest.Race(t, newStore, 1000)
}

// Check leaves nothing live behind, and all that it leaves can be swept.
func TestCheck(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	if err := storetest.Check(t.Context(), st); err != nil {
		t.Error(err)
	}
	if stats, _ := st.Stats(t.Context()); stats.Sessions != 0 || stats.Users != 0 {
		t.Errorf("Check left %+v", stats)
	}
	sweepAll(t, st, time.Now().Add(24*time.Hour))
	if stats, _ := st.Stats(t.Context()); stats != (store.Stats{}) {
		t.Errorf("after Sweep: got %+v, want nothing", stats)
	}
	audit(t, st)
}

var start = time.Date(2025, time.June, 1, 12, 0, 0, 0, time.UTC)

// record returns a session of user that began at start and so many seconds.
func record(user string, second int) store.Record {
	t := start.Add(time.Duration(second) * time.Second)
	rec := store.Record{
		Version: 1, User: user, AuthTime: t, Created: t, Seen: t,
		Expires: t.Add(time.Hour), Deadline: t.Add(12 * time.Hour), Data: make([]byte, 100),
	}
	rand.Read(rec.ID[:])
	rand.Read(rec.Data)
	return rec
}

func create(t *testing.T, st store.Store, rec store.Record) store.Record {
	t.Helper()
	if err := st.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

func sweepAll(t *testing.T, st store.Store, now time.Time) (total int) {
	t.Helper()
	for {
		n, err := st.Sweep(t.Context(), now, 100)
		if err != nil {
			t.Fatal(err)
		}
		if total += n; n == 0 {
			return total
		}
	}
}

// is returns what the store has under an id.
func is(t *testing.T, st store.Store, id store.ID) string {
	t.Helper()
	switch _, err := st.Load(t.Context(), id); {
	case err == nil:
		return "live"
	case errors.Is(err, store.ErrEnded):
		return "ended"
	case errors.Is(err, store.ErrNotFound):
		return "unknown"
	default:
		t.Fatal(err)
		return ""
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  memstore.Config
		want string
	}{
		{memstore.Config{MaxSessions: -1}, "memstore: Config.MaxSessions is -1; want 0 (1000000) to 2147483647"},
		{memstore.Config{MaxBytes: -1}, "memstore: Config.MaxBytes is -1; want >= 0"},
	} {
		st, ctx := memstore.New(c.cfg), t.Context()
		_, load := st.Load(ctx, store.ID{1})
		_, end := st.End(ctx, store.ID{1}, start)
		_, endUser := st.EndUser(ctx, "a", start, start)
		_, user := st.User(ctx, "a")
		_, sweep := st.Sweep(ctx, start, 1)
		_, stats := st.Stats(ctx)
		for call, err := range map[string]error{
			"Load": load, "End": end, "EndUser": endUser, "User": user, "Sweep": sweep, "Stats": stats,
			"Create":  st.Create(ctx, record("", 0)),
			"Update":  st.Update(ctx, record("", 0), 1),
			"Replace": st.Replace(ctx, store.ID{1}, 1, record("", 0), time.Now()),
			"Touch":   st.Touch(ctx, store.ID{1}, start, start),
		} {
			if err == nil || err.Error() != c.want {
				t.Errorf("%s: got %v, want %s", call, err, c.want)
			}
		}
	}
}

// A context whose Done is costly is never asked for it.
type noDone struct {
	context.Context
	t *testing.T
}

func (c noDone) Done() <-chan struct{} {
	c.t.Error("Done was called")
	return nil
}

func TestNeverWaits(t *testing.T) {
	t.Parallel()
	st, ctx := memstore.New(memstore.Config{}), noDone{context.Background(), t}
	a, b := record("a", 0), record("a", 1)
	_ = st.Create(ctx, a)
	_ = st.Update(ctx, a, 1)
	_ = st.Replace(ctx, a.ID, 1, b, b.Seen.Add(time.Minute))
	_ = st.Touch(ctx, b.ID, b.Seen, b.Expires)
	_, _ = st.Load(ctx, b.ID)
	_, _ = st.User(ctx, "a")
	_, _ = st.End(ctx, b.ID, start)
	_, _ = st.EndUser(ctx, "a", start, start)
	_, _ = st.Sweep(ctx, start, 1)
}

// What Load returns cannot be grown into the store's memory.
func TestReturnedDataHasNoRoom(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	for _, size := range []int{0, 1, 100, 5000, 64 << 10} {
		rec := record("a", 0)
		rec.Data = make([]byte, size)
		create(t, st, rec)
		stored, err := st.Load(t.Context(), rec.ID)
		if err != nil || len(stored.Data) != size || cap(stored.Data) != size {
			t.Errorf("%d bytes: got %d of %d and error %v, want no more room than there is data", size, len(stored.Data), cap(stored.Data), err)
		}
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	counter, ok := store.As[store.Counter](st)
	if !ok {
		t.Fatal("the store is no store.Counter")
	}
	a := create(t, st, record("alice", 0))
	create(t, st, record("alice", 0))
	create(t, st, record("bob", 0))
	create(t, st, record("", 0))
	if _, err := st.End(t.Context(), a.ID, start); err != nil {
		t.Fatal(err)
	}
	got, err := counter.Stats(t.Context())
	want := store.Stats{Sessions: 3, Tombstones: 1, Users: 2, Bytes: 4*memstore.EntryCost + 3*100 + int64(len("alicebob"))}
	if err != nil || got != want {
		t.Errorf("got %+v and error %v, want %+v", got, err, want)
	}
}

func TestWhatNoEntryHolds(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	rec := record(strings.Repeat("x", 256), 0)
	old := create(t, st, record("a", 0))
	for call, err := range map[string]error{
		"Create":  st.Create(t.Context(), rec),
		"Replace": st.Replace(t.Context(), old.ID, old.Version, rec, rec.Seen.Add(time.Minute)),
	} {
		if err == nil || errors.Is(err, store.ErrFull) {
			t.Errorf("%s with a user of 256 bytes: got %v, want an error that says so", call, err)
		}
	}
	if got := is(t, st, rec.ID) + " " + is(t, st, old.ID); got != "unknown live" {
		t.Errorf("got %s, want nothing changed", got)
	}
}

// Ids and users that share a place in the indexes are still told apart (S1, S9).
func TestCollisions(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	users := colliding(t, st)
	var recs []store.Record
	for i := range 200 {
		rec := record(users[i%2], 0)
		clear(rec.ID[:8])
		rec.ID[31] = 7
		recs = append(recs, create(t, st, rec))
	}
	for i, user := range users {
		list, err := st.User(t.Context(), user)
		if err != nil || len(list) != 100 {
			t.Fatalf("User: got %d sessions and error %v, want 100", len(list), err)
		}
		for _, rec := range list {
			if rec.User != users[i] {
				t.Fatalf("User(%q) lists a session of %q", user, rec.User)
			}
		}
	}
	for i := 0; i < len(recs); i += 3 {
		if _, err := st.End(t.Context(), recs[i].ID, start); err != nil {
			t.Fatal(err)
		}
	}
	audit(t, st)
	sweepAll(t, st, start.Add(time.Second))
	for i, rec := range recs {
		want := "live"
		if i%3 == 0 {
			want = "unknown"
		}
		if got := is(t, st, rec.ID); got != want {
			t.Fatalf("session %d: got %s, want %s", i, got, want)
		}
	}
	audit(t, st)
	ended, err := st.EndUser(t.Context(), users[0], start, start)
	if err != nil || len(ended) != 66 {
		t.Errorf("EndUser: ended %d and error %v, want 66", len(ended), err)
	}
	if list, err := st.User(t.Context(), users[1]); err != nil || len(list) != 67 {
		t.Errorf("User: got %d sessions and error %v, want 67: those of the other user", len(list), err)
	}
	audit(t, st)
}

// colliding returns two users whose sessions share a chain.
func colliding(t *testing.T, st *memstore.Store) [2]string {
	t.Helper()
	seen := make(map[uint64]int)
	for i := range 8_000_000 { // a pair is expected among the first million
		chain := st.Chain(fmt.Sprint(i))
		if other, ok := seen[chain]; ok {
			return [2]string{fmt.Sprint(other), fmt.Sprint(i)}
		}
		seen[chain] = i
	}
	t.Fatal("no two users share a chain")
	return [2]string{}
}
