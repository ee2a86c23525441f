package storetest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
)

func TestSoundStorePasses(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return newNaive("") })
	storetest.Race(t, func(*testing.T) store.Store { return newNaive("") }, 200)
	if err := storetest.Check(t.Context(), newNaive("")); err != nil {
		t.Error(err)
	}
}

// faults are what stores get wrong, and the rule that says so.
var faults = []struct {
	fault, rule string
	rounds      int  // needed where it is a matter of chance
	notByCheck  bool // which cannot tell it from what others do, or has too few rounds
}{
	{fault: "takes an unknown id for an empty record", rule: "S1"},
	{fault: "folds the case of ids", rule: "S1"},
	{fault: "cuts ids at a zero byte", rule: "S1"},

	{fault: "upserts in Create", rule: "S2"},
	{fault: "creates over a tombstone", rule: "S2"},
	{fault: "creates in two steps", rule: "S2", rounds: 100, notByCheck: true},

	{fault: "upserts in Update", rule: "S3"},
	{fault: "updates over a tombstone", rule: "S3"},
	{fault: "forgets versions", rule: "S3"},
	{fault: "tells what it was given of a conflict", rule: "S3"},
	{fault: "updates in two steps", rule: "S3", rounds: 100, notByCheck: true},
	{fault: "stores a commit of before a touch", rule: "S3"},
	{fault: "changes the user in Update", rule: "S3"},

	{fault: "forgets versions in Replace", rule: "S4"},
	{fault: "leaves the old session", rule: "S4"},
	{fault: "leaves the old index entry", rule: "S4"},
	{fault: "names no successor", rule: "S4"},
	{fault: "leaves short tombstones", rule: "S4"},
	{fault: "makes the new session first", rule: "S4"},
	{fault: "replaces what is unknown", rule: "S4"},
	{fault: "replaces onto a live id", rule: "S4"},
	{fault: "replaces in two steps", rule: "S4", rounds: 100, notByCheck: true},

	{fault: "moves a touch back", rule: "S5"},
	{fault: "moves both times or none", rule: "S5"},
	{fault: "counts a touch as a change", rule: "S5"},
	{fault: "refuses an old touch", rule: "S5"},
	{fault: "touches what is gone", rule: "S5"},
	{fault: "touches in two steps", rule: "S5", rounds: 100, notByCheck: true},

	{fault: "deletes without a tombstone", rule: "S6"},
	{fault: "ignores the end of an unknown id", rule: "S6"},
	{fault: "leaves the index entry of an ended session", rule: "S6"},
	{fault: "keeps the first until", rule: "S6"},
	{fault: "keeps the last until", rule: "S6"},
	{fault: "forgets the successor", rule: "S6"},
	{fault: "ends in two steps", rule: "S6", rounds: 100, notByCheck: true},

	{fault: "lets Replace revive a tombstone", rule: "S7"},
	{fault: "updates over a tombstone", rule: "S7"},
	{fault: "creates over a tombstone", rule: "S7"},

	{fault: "revokes nothing", rule: "S8"},
	{fault: "revokes no Replace", rule: "S8"},
	{fault: "revokes before at only", rule: "S8"},
	{fault: "revokes every later login", rule: "S8"},
	{fault: "revokes everybody", rule: "S8"},
	{fault: "revokes as the last call says", rule: "S8"},
	{fault: "revokes after it has ended", rule: "S8", rounds: 100, notByCheck: true},
	{fault: "checks revocations too early", rule: "S8", rounds: 100, notByCheck: true},
	{fault: "ends the old session though refused", rule: "S8"},
	{fault: "ends whose AuthTime is earlier", rule: "S8"},
	{fault: "keeps nothing", rule: "S8"},
	{fault: "keeps one id only", rule: "S8"},
	{fault: "keeps what is named only", rule: "S8"},
	{fault: "keeps the zero id", rule: "S8"},
	{fault: "returns no ids", rule: "S8"},

	{fault: "folds the case of users", rule: "S9"},
	{fault: "trims users", rule: "S9"},
	{fault: "composes users", rule: "S9"},
	{fault: "cuts users", rule: "S9"},
	{fault: "separates by a colon", rule: "S9"},
	{fault: "takes a dash for the end", rule: "S9"},
	{fault: "lists by pattern", rule: "S9"},
	{fault: "indexes anonymous sessions", rule: "S9"},

	{fault: "loses the index in Update", rule: "S10"},
	{fault: "loses the index in Replace", rule: "S10"},
	{fault: "unlists what it keeps", rule: "S10"},
	{fault: "moves the index in two steps", rule: "S10", rounds: 100, notByCheck: true},

	{fault: "sweeps nothing", rule: "S11"},
	{fault: "sweeps no tombstones", rule: "S11"},
	{fault: "sweeps no revocations", rule: "S11"},
	{fault: "sweeps every tombstone", rule: "S11"},
	{fault: "sweeps every revocation", rule: "S11"},
	{fault: "sweeps past the index", rule: "S11"},
	{fault: "sweeps by its own clock", rule: "S11", notByCheck: true},
	{fault: "sweeps without bound", rule: "S11"},
	{fault: "counts no more than one", rule: "S11", notByCheck: true},

	{fault: "keeps milliseconds", rule: "S12"},
	{fault: "keeps local times", rule: "S12"},
	{fault: "keeps 63 bits of a version", rule: "S12"},
	{fault: "keeps 64 KiB less a byte", rule: "S12"},
	{fault: "keeps no data", rule: "S12"},
	{fault: "keeps text", rule: "S12"},
	{fault: "reuses a buffer", rule: "S12", notByCheck: true},
	{fault: "writes into bytes it returned", rule: "S12", notByCheck: true},
	{fault: "updates part by part", rule: "S12", rounds: 100, notByCheck: true},

	{fault: "ignores a cancelled context", rule: "S13"},
	{fault: "replaces half on a cancelled context", rule: "S13"},

	{fault: "hides what has expired", rule: "S14", notByCheck: true},

	{fault: "refuses and yet writes", rule: "S15"},
}

// Every fault is found, and named by its rule.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		t.Run(f.fault+" "+f.rule, func(t *testing.T) {
			t.Parallel()
			found := storetest.RunErrors(t.Context(), func() store.Store { return newNaive(f.fault) }, f.rounds)
			if found[f.rule] == nil {
				t.Errorf("Run: a store that %s: got %v, want a violation of %s", f.fault, found, f.rule)
			}
		})
	}
}

func TestCheckFindsFaults(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		if f.notByCheck {
			continue
		}
		err := storetest.Check(t.Context(), newNaive(f.fault))
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+f.rule+": ") {
			t.Errorf("Check: a store that %s: got %v, want a line that begins with %s", f.fault, err, f.rule)
		}
	}
}

// Check is for databases in use: it disturbs nobody and leaves nothing live.
func TestCheckCleansUp(t *testing.T) {
	t.Parallel()
	st := newNaive("")
	theirs := store.Record{ID: store.ID{1}, Version: 1, User: "theirs"}
	expired := store.Record{ID: store.ID{2}, Version: 2}
	for _, rec := range []*store.Record{&theirs, &expired} {
		rec.AuthTime = timeOf(2020)
		rec.Expires, rec.Deadline = timeOf(2020), timeOf(2020)
		if err := st.Create(t.Context(), *rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := storetest.Check(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	for _, row := range st.rows {
		if row.ended == nil && row.rec.ID != theirs.ID && row.rec.ID != expired.ID {
			t.Fatalf("Check left %v live", row.rec)
		}
	}
	if _, err := st.Load(t.Context(), theirs.ID); err != nil {
		t.Errorf("another's session: got %v, want it as it was", err)
	}
	if _, err := st.Load(t.Context(), expired.ID); err != nil {
		t.Errorf("another's expired session: got %v, want it as it was", err)
	}
	for user := range st.revoked {
		if !strings.HasPrefix(user, "storetest-") {
			t.Errorf("Check revoked %q", user)
		}
	}
}

// A caller that gives up gets the context's error, and nothing is left live.
func TestCheckStops(t *testing.T) {
	t.Parallel()
	st := newNaive("")
	ctx, cancel := context.WithCancel(t.Context())
	counting := &stopping{naive: st, left: 50, stop: cancel}
	if err := storetest.Check(ctx, counting); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	for _, row := range st.rows {
		if row.ended == nil {
			t.Errorf("Check left %v live", row.rec)
		}
	}
}

// A stopping store cancels its caller's context after some Creates.
type stopping struct {
	*naive
	left int
	stop context.CancelFunc
}

func (s *stopping) Create(ctx context.Context, rec store.Record) error {
	if s.left--; s.left == 0 {
		s.stop()
	}
	return s.naive.Create(ctx, rec)
}

func timeOf(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
