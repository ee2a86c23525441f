package history_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/coatcheck/coatcheck/integration/internal/history"
)

// at makes calls that follow one another, a millisecond each, in the order given;
// with and after them calls may overlap.
func at(calls ...history.Call) []history.Call {
	for i := range calls {
		calls[i].Client = i
		if calls[i].End == 0 {
			calls[i].Begin, calls[i].End = time.Duration(2*i)*time.Millisecond, time.Duration(2*i+1)*time.Millisecond
		}
		if calls[i].Outcome == "" {
			calls[i].Outcome = history.Done
		}
	}
	return calls
}

func login(token, next int, user string) history.Call {
	return history.Call{Op: "login", Token: token, New: next, Arg: user}
}

func call(op, key, arg string, token int) history.Call {
	return history.Call{Op: op, Key: key, Arg: arg, Token: token}
}

func read(op, key string, token int, val string) history.Call {
	return history.Call{Op: op, Key: key, Token: token, Val: val, OK: val != ""}
}

func ended(c history.Call) history.Call {
	c.Outcome = history.Ended
	return c
}

func unknown(c history.Call) history.Call {
	c.Outcome, c.New = history.Unknown, 0
	return c
}

// during makes a call take that time.
func during(begin, end int, c history.Call) history.Call {
	c.Begin, c.End = time.Duration(begin)*time.Millisecond, time.Duration(end)*time.Millisecond
	return c
}

// TestSession: what may have been, and what may not.
func TestSession(t *testing.T) {
	in := login(0, 1, "u")
	for _, c := range []struct {
		name  string
		calls []history.Call
		want  bool
	}{
		{"set and get", at(in, call("set", "r", "a", 1), read("get", "r", 1, "a")), true},
		{"G1: a set is lost", at(in, call("set", "r", "a", 1), read("get", "r", 1, "")), false},
		{"G1: a delete is lost", at(in, call("set", "r", "a", 1), call("del", "r", "", 1), read("get", "r", 1, "a")), false},
		{"G1: an increment is lost", at(in, read("upd", "c", 1, "1"), read("upd", "c", 1, "1")), false},
		{"G1: a value is popped twice", at(in, call("set", "r", "a", 1), read("pop", "r", 1, "a"), read("pop", "r", 1, "a")), false},
		{"G1: an element is lost", at(in, call("append", "l", "a", 1), call("append", "l", "b", 1), read("list", "l", 1, "b")), false},
		{"G1: an element is there twice", at(in, call("append", "l", "a", 1), read("list", "l", 1, "a,a")), false},
		{"G1: elements change places", at(in, call("append", "l", "a", 1), call("append", "l", "b", 1), read("take", "l", 1, "b,a")), false},
		{"G1: a flash comes twice", at(in, call("flash", "f", "a", 1), read("flashes", "f", 1, "a"), read("flashes", "f", 1, "a")), false},
		{"at once, in either order", at(in, during(10, 20, call("set", "r", "a", 1)), during(10, 20, call("set", "r", "b", 1)), during(30, 31, read("get", "r", 1, "a"))), true},
		{"perhaps applied", at(in, unknown(call("set", "r", "a", 1)), read("get", "r", 1, "a")), true},
		{"perhaps not applied", at(in, unknown(call("set", "r", "a", 1)), read("get", "r", 1, "")), true},
		{"applied late", at(in, unknown(call("set", "r", "a", 1)), read("get", "r", 1, ""), read("get", "r", 1, "a")), true},
		{"applied and undone", at(in, unknown(call("set", "r", "a", 1)), read("get", "r", 1, "a"), read("get", "r", 1, "")), false},
		{"G2: a value after the end", at(in, call("set", "r", "a", 1), call("logout", "", "", 1), read("get", "r", 1, "a")), false},
		{"G2: a write after the end", at(in, call("logout", "", "", 1), call("set", "r", "a", 1)), false},
		{"G2: the end is seen", at(in, call("logout", "", "", 1), ended(call("set", "r", "a", 1)), call("none", "", "", 1)), true},
		{"G2: an end without a reason", at(in, ended(call("set", "r", "a", 1))), false},
		{"G2: a logout with an old token ends the new one", at(in, login(1, 2, "u"), call("logout", "", "", 1), read("see", "", 2, "u")), false},
		{"G2: perhaps ended", at(in, unknown(call("logout", "", "", 1)), read("see", "", 1, "u"), call("none", "", "", 1)), true},
		{"G2: perhaps ended, and back", at(in, unknown(call("logout", "", "", 1)), call("none", "", "", 1), read("see", "", 1, "u")), false},
		{"G2: revoked", at(in, call("revoked", "", "u", 0), read("see", "", 1, "u")), false},
		{"G2: somebody else is revoked", at(in, call("revoked", "", "v", 0), read("see", "", 1, "u")), true},
		{"G3: the old token works", at(in, login(1, 2, "u"), call("set", "r", "a", 1)), false},
		{"G3: the same user keeps the values", at(in, call("set", "r", "a", 1), login(1, 2, "u"), read("get", "r", 2, "")), false},
		{"G3: another user has the values", at(in, call("set", "r", "a", 1), login(1, 2, "v"), read("get", "r", 2, "a")), false},
		{"G3: a login after the end has the values", at(in, call("set", "r", "a", 1), call("logout", "", "", 1), login(1, 2, "u"), read("get", "r", 2, "a")), false},
		{"G3: a renewal that nobody heard of", at(in, unknown(call("renew", "", "", 1)), call("none", "", "", 1)), true},
		{"G11: not listed", at(in, history.Call{Op: "listed", Token: 1, Arg: "u"}), false},
		{"G11: listed after the end", at(in, call("logout", "", "", 1), history.Call{Op: "listed", Token: 1, Arg: "u", OK: true}), false},
	} {
		got := true
		for _, v := range history.CheckSession(c.calls, history.Keys(c.calls), time.Minute) {
			if v.Illegal() {
				got = false
				keep(t, v)
			}
		}
		if got != c.want {
			t.Errorf("%s: got possible %t, want %t", c.name, got, c.want)
		}
	}
}

// keep sees that a finding can be kept.
func keep(t *testing.T, v history.Verdict) {
	t.Helper()
	dir := t.TempDir()
	files, err := v.Keep(dir, "finding")
	if err != nil || len(files) == 0 || filepath.Dir(files[0]) != dir {
		t.Errorf("Keep: got %v, %v", files, err)
	}
}

// TestRevocations: a login whose request began before the revocation does not
// outlive it (G3).
func TestRevocations(t *testing.T) {
	for began, want := range map[int64]porcupine.CheckResult{1: porcupine.Illegal, 3: porcupine.Ok} {
		in, out := login(0, 1, "u"), call("revoked", "", "u", 0)
		in.Began, out.Called = began, 2
		calls := at(during(1, 10, in), during(2, 9, out), during(20, 21, read("see", "", 1, "u")))
		if v := history.CheckRevocations(calls); v.Result != want {
			t.Errorf("began at %d, revoked at 2: got %v, want %v", began, v.Result, want)
		}
	}
}

// TestStore: the rules of store.Store, one by one.
func TestStore(t *testing.T) {
	type c = history.StoreCall
	make1 := c{Op: "Create", ID: 1, User: "u", Version: 11, Began: 5, Seen: 100}
	replace2 := c{Op: "Replace", Old: 1, ID: 2, User: "u", Was: 11, Version: 21, Began: 8, Seen: 100}
	for _, h := range []struct {
		name  string
		calls []c
		want  bool
	}{
		{"made and found", []c{make1, {Op: "Load", ID: 1, Got: 11, GotUser: "u", GotSeen: 100}}, true},
		{"S1", []c{{Op: "Load", ID: 1, Got: 11}}, false},
		{"S2", []c{make1, make1}, false},
		{"S3: a version that is not there", []c{make1, {Op: "Update", ID: 1, Was: 12, Version: 13}}, false},
		{"S3: lost", []c{make1, {Op: "Update", ID: 1, Was: 11, Version: 13}, {Op: "Load", ID: 1, Got: 11, GotUser: "u", GotSeen: 100}}, false},
		{"S3: a conflict without a reason", []c{make1, {Op: "Update", ID: 1, Was: 11, Version: 13, Err: "conflict"}}, false},
		{"S3: Seen moved back", []c{make1, {Op: "Update", ID: 1, Was: 11, Version: 13, Seen: 50}, {Op: "Load", ID: 1, Got: 13, GotUser: "u", GotSeen: 50}}, false},
		{"S4", []c{make1, {Op: "Replace", Old: 1, ID: 2, User: "u", Was: 11, Version: 21, Seen: 100}, {Op: "Load", ID: 1, Err: "ended", Next: 2, GotUntil: 100 + 60_000_000}}, true},
		{"S4: both live", []c{make1, {Op: "Replace", Old: 1, ID: 2, User: "u", Was: 11, Version: 21, Seen: 100}, {Op: "Load", ID: 1, Got: 11, GotUser: "u", GotSeen: 100}}, false},
		{"S4: no successor", []c{make1, {Op: "Replace", Old: 1, ID: 2, User: "u", Was: 11, Version: 21, Seen: 100}, {Op: "Load", ID: 1, Err: "ended", GotUntil: 100 + 60_000_000}}, false},
		{"S5", []c{make1, {Op: "Touch", ID: 1, Seen: 90}, {Op: "Load", ID: 1, Got: 11, GotUser: "u", GotSeen: 90}}, false},
		{"S6: a tombstone that stands too short", []c{make1, {Op: "End", ID: 1, Until: 500}, {Op: "Load", ID: 1, Err: "ended", GotUntil: 400}}, false},
		{"S7", []c{make1, {Op: "End", ID: 1, Until: 500}, make1}, false},
		{"S8: a login that began before", []c{{Op: "EndUser", User: "u", At: 7}, make1}, false},
		{"S8: one that began later", []c{{Op: "EndUser", User: "u", At: 4}, make1}, true},
		{"S8: kept", []c{make1, {Op: "EndUser", User: "u", At: 7, Keep: []int{1}}, {Op: "Replace", Old: 1, ID: 2, User: "u", Was: 11, Version: 21, Began: 5, Seen: 100}}, true},
		{"S8: what has replaced it is kept", []c{make1, replace2, {Op: "EndUser", User: "u", At: 7, Keep: []int{1}}}, true},
		{"S8: not ended", []c{make1, {Op: "EndUser", User: "u", At: 7}}, false},
		{"S10", []c{make1, {Op: "User", User: "u"}}, false},
		{"S15", []c{{Op: "Create", ID: 1, User: "u", Version: 11, Seen: 100, Unknown: true}, {Op: "Load", ID: 1, Got: 11, GotUser: "u", GotSeen: 100}}, true},
	} {
		for i := range h.calls {
			h.calls[i].Client, h.calls[i].Begin, h.calls[i].End = i, time.Duration(2*i), time.Duration(2*i+1)
		}
		for _, whole := range []bool{true, false} {
			got := true
			for _, v := range history.CheckStore(h.calls, whole, time.Minute) {
				if v.Illegal() {
					got = false
					keep(t, v)
				}
			}
			if got != h.want {
				t.Errorf("%s (as a whole: %t): got possible %t, want %t", h.name, whole, got, h.want)
			}
		}
	}
}
