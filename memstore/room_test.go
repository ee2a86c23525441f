package memstore_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

func small(t *testing.T, sessions int) *memstore.Store {
	st := memstore.New(memstore.Config{MaxSessions: sessions})
	t.Cleanup(func() { audit(t, st) })
	return st
}

func full(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("%s: got error %v, want ErrFull", what, err)
	}
}

func states(t *testing.T, st store.Store, recs ...store.Record) string {
	t.Helper()
	var s []string
	for _, rec := range recs {
		s = append(s, is(t, st, rec.ID))
	}
	return fmt.Sprint(s)
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

// G14: anonymous sessions go first, those first that were idle the longest.
func TestAnonymousGoFirst(t *testing.T) {
	t.Parallel()
	st := small(t, 4)
	login := create(t, st, record("a", 0))
	one := create(t, st, record("", 1))
	two := create(t, st, record("", 2))
	three := create(t, st, record("", 3))
	if err := st.Touch(t.Context(), one.ID, three.Seen.Add(time.Second), three.Expires); err != nil {
		t.Fatal(err)
	}
	create(t, st, record("b", 4))
	want(t, "the first was touched, so the second goes", states(t, st, login, one, two, three), "[live live unknown live]")
	create(t, st, record("", 5))
	want(t, "the third is the oldest now", states(t, st, login, one, two, three), "[live live unknown unknown]")
	create(t, st, record("", 6))
	want(t, "a touch saves a session once", states(t, st, login, one, two, three), "[live unknown unknown unknown]")
}

// G14: no login is ever pushed out, and no tombstone before its time.
func TestLoginsAndTombstonesStay(t *testing.T) {
	t.Parallel()
	st := small(t, 4)
	a, b := create(t, st, record("a", 0)), create(t, st, record("b", 0))
	ended := create(t, st, record("a", 0))
	never := record("", 0)
	until := start.Add(time.Minute)
	for _, id := range []store.ID{ended.ID, never.ID} {
		if _, err := st.End(t.Context(), id, until); err != nil {
			t.Fatal(err)
		}
	}
	full(t, "Create of a login", st.Create(t.Context(), record("c", 0)))
	full(t, "Create of an anonymous session", st.Create(t.Context(), record("", 0)))
	full(t, "Replace", st.Replace(t.Context(), a.ID, a.Version, record("a", 1), time.Now().Add(time.Minute)))
	_, err := st.End(t.Context(), record("", 0).ID, until)
	full(t, "End of an unknown id", err)
	want(t, "a full store", states(t, st, a, b, ended, never), "[live live ended ended]")

	if _, err := st.End(t.Context(), b.ID, until); err != nil {
		t.Errorf("End of a session in a full store: %v", err)
	}
	if n := sweepAll(t, st, until.Add(time.Microsecond)); n != 3 {
		t.Errorf("Sweep: removed %d, want 3", n)
	}
	create(t, st, record("c", 0))
	want(t, "after Sweep", states(t, st, a, b, ended, never), "[live unknown unknown unknown]")
}

// A revocation finds room also where there is none, and counts.
func TestRevocationIsNeverRefused(t *testing.T) {
	t.Parallel()
	st := small(t, 2)
	a := create(t, st, record("a", 0))
	anonymous := create(t, st, record("", 0))
	until := start.Add(time.Minute)
	for _, user := range []string{"b", "c", "a"} {
		if _, err := st.EndUser(t.Context(), user, start, until); err != nil {
			t.Errorf("EndUser(%q) in a full store: %v", user, err)
		}
	}
	want(t, "after three revocations", states(t, st, a, anonymous), "[ended unknown]")
	full(t, "Create", st.Create(t.Context(), record("d", 0)))
	if n := sweepAll(t, st, until.Add(time.Microsecond)); n != 4 {
		t.Errorf("Sweep: removed %d, want a tombstone and three revocations", n)
	}
	if stats, _ := st.Stats(t.Context()); stats != (store.Stats{}) {
		t.Errorf("after Sweep: got %+v, want nothing", stats)
	}
}

// A login from an anonymous session pushes out others, but never that one.
func TestReplaceMakesRoom(t *testing.T) {
	t.Parallel()
	st := small(t, 3)
	mine := create(t, st, record("", 0))
	one, two := create(t, st, record("", 1)), create(t, st, record("", 2))
	login := record("a", 3)
	if err := st.Replace(t.Context(), mine.ID, mine.Version, login, login.Seen.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	want(t, "after a login", states(t, st, mine, login, one, two), "[ended live unknown live]")
	again := record("b", 4)
	full(t, "Replace with nothing but itself to push out", st.Replace(t.Context(), two.ID, two.Version, again, again.Seen.Add(time.Minute)))
	want(t, "after a login that was refused", states(t, st, mine, login, two, again), "[ended live live unknown]")
	if err := st.Replace(t.Context(), two.ID, 99, again, again.Seen.Add(time.Minute)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Replace from another version in a full store: got %v, want ErrConflict", err)
	}
}

// S4: an Update that comes while Replace is making room makes it a conflict,
// and what Replace had reserved is given back.
func TestUpdateDuringReplace(t *testing.T) {
	t.Parallel()
	st := small(t, 2)
	mine, victim := record("", 0), record("", 1)
	mine.ID[31], victim.ID[31] = 1, 2 // of two shards
	create(t, st, mine)
	create(t, st, victim)
	release := st.HoldShard(victim.ID)
	login, replaced := record("a", 2), make(chan error)
	go func() { replaced <- st.Replace(t.Context(), mine.ID, mine.Version, login, login.Seen.Add(time.Minute)) }()
	for range 1_000_000 { // until Replace waits for the victim's shard
		if st.Busy() {
			break
		}
		runtime.Gosched()
	}
	for range 10_000 {
		runtime.Gosched()
	}
	changed := mine
	changed.Version = 2
	if err := st.Update(t.Context(), changed, mine.Version); err != nil {
		t.Error(err)
	}
	release()
	if err := <-replaced; !errors.Is(err, store.ErrConflict) {
		t.Errorf("Replace: got %v, want ErrConflict", err)
	}
	want(t, "after the conflict", states(t, st, mine, login), "[live unknown]")
}

// A Create passes over a bounded number of sessions that were used.
func TestSecondChancesEnd(t *testing.T) {
	t.Parallel()
	st := small(t, 20)
	var recs []store.Record
	for i := range 20 {
		rec := create(t, st, record("", i))
		if err := st.Touch(t.Context(), rec.ID, rec.Seen, rec.Expires); err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
	create(t, st, record("", 20))
	want(t, "after one Create", states(t, st, recs[0], recs[15], recs[16], recs[17]), "[live live unknown live]")
}

func TestMaxBytes(t *testing.T) {
	t.Parallel()
	const each = memstore.EntryCost + 100
	st := memstore.New(memstore.Config{MaxBytes: 3 * (each + 1)})
	a := create(t, st, record("a", 0))
	one, two := create(t, st, record("", 1)), create(t, st, record("", 2))

	huge := record("b", 0)
	huge.Data = make([]byte, 4*each)
	full(t, "Create of what could never fit", st.Create(t.Context(), huge))
	want(t, "nothing goes in vain", states(t, st, a, one, two), "[live live live]")

	grown := a
	grown.Version, grown.Data = 2, make([]byte, 150)
	if err := st.Update(t.Context(), grown, 1); err != nil {
		t.Errorf("Update that pushes out another: %v", err)
	}
	want(t, "after an update that grew", states(t, st, a, one, two), "[live unknown live]")

	// The session that grows is itself the next to go, and does not.
	grown = two
	grown.Version, grown.Data = 2, make([]byte, 1000)
	full(t, "Update beyond the bound", st.Update(t.Context(), grown, 1))
	if stored, err := st.Load(t.Context(), two.ID); err != nil || stored.Version != 1 {
		t.Errorf("after a refused Update: got version %d and error %v, want it as it was", stored.Version, err)
	}
	grown.Data = make([]byte, 99)
	if err := st.Update(t.Context(), grown, 1); err != nil {
		t.Errorf("Update that shrinks: %v", err)
	}
	audit(t, st)
}

// A flood of anonymous visitors fills the store and no more, and every login
// survives it.
func TestFlood(t *testing.T) {
	t.Parallel()
	const bound, logins = 1000, 500
	st := small(t, bound)
	var users []store.Record
	for i := range logins {
		users = append(users, create(t, st, record(fmt.Sprint("user", i), i)))
	}
	for i := range 20 * bound {
		create(t, st, record("", i))
	}
	for _, rec := range users {
		if got := is(t, st, rec.ID); got != "live" {
			t.Fatalf("a login is %s, want live", got)
		}
	}
	if stats, _ := st.Stats(t.Context()); stats.Sessions != bound {
		t.Errorf("got %d sessions, want %d", stats.Sessions, bound)
	}
}

// The bounds hold also while many write at once.
func TestBoundsUnderLoad(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{MaxSessions: 300, MaxBytes: 300 * (memstore.EntryCost + 60)})
	ctx := t.Context()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				rec := record("", i)
				if (i+worker)%3 == 0 {
					rec.User = fmt.Sprint("user", i%20)
				}
				if err := st.Create(ctx, rec); err != nil && !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrEnded) {
					t.Error(err)
				}
				grown := rec
				grown.Version, grown.Data = 2, make([]byte, i%300)
				_ = st.Update(ctx, grown, 1)
				_ = st.Touch(ctx, rec.ID, rec.Seen.Add(time.Second), rec.Expires)
				switch i % 5 {
				case 0:
					_ = st.Replace(ctx, rec.ID, 2, record("user", i), rec.Seen.Add(time.Minute))
				case 1:
					_, _ = st.End(ctx, rec.ID, rec.Seen)
				case 2:
					_, _ = st.EndUser(ctx, fmt.Sprint("user", i%20), rec.Seen, rec.Seen.Add(time.Second))
				case 3:
					_, _ = st.Sweep(ctx, rec.Seen.Add(time.Hour), 20)
				}
				if stats, err := st.Stats(ctx); err != nil || stats.Sessions+stats.Tombstones > 300 {
					t.Errorf("got %+v and error %v, want at most 300", stats, err)
				}
			}
		})
	}
	wg.Wait()
	audit(t, st)
	sweepAll(t, st, start.Add(1000*time.Hour))
	if stats, _ := st.Stats(ctx); stats != (store.Stats{}) {
		t.Errorf("after Sweep: got %+v, want nothing", stats)
	}
}
