package history

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// A Verdict is what the checker says of one part of a history.
type Verdict struct {
	Result porcupine.CheckResult
	Part   string // which key, or what
	Why    string // for Illegal
	model  porcupine.Model
	ops    []porcupine.Operation
	lines  []string
}

// Illegal reports whether the history cannot have been.
func (v *Verdict) Illegal() bool { return v.Result == porcupine.Illegal }

// Keep writes the calls, and the picture in which one can look at them, to a
// folder, and returns the files' names.
func (v *Verdict) Keep(dir, name string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	text := filepath.Join(dir, name+".txt")
	lines := append([]string{v.Part + ": " + v.Why}, v.lines...)
	if v.ops == nil {
		return []string{text}, os.WriteFile(text, []byte(strings.Join(lines, "\n")+"\n"), 0o666)
	}
	core := v.core()
	lines = append(lines, "", "Without the reads that do not matter:")
	for _, op := range core {
		lines = append(lines, line(time.Duration(op.Call), time.Duration(op.Return), v.model.DescribeOperation(op.Input, op.Output)))
	}
	if err := os.WriteFile(text, []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
		return nil, err
	}
	picture := filepath.Join(dir, name+".html")
	_, info := porcupine.CheckOperationsVerbose(v.model, core, coreTimeout)
	return []string{text, picture}, porcupine.VisualizePath(v.model, info, picture)
}

// coreTimeout bounds the check of one candidate for a core, and coreTries their number.
const (
	coreTimeout = time.Second
	coreTries   = 400
)

// reader is a call that may be one which changes nothing.
type reader interface{ reads() bool }

// core takes reads out of an illegal history for as long as it stays illegal.
func (v *Verdict) core() []porcupine.Operation {
	core := slices.Clone(v.ops)
	slices.SortFunc(core, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	for i, tries := len(core)-1, 0; i >= 0 && tries < coreTries; i-- {
		if !core[i].Input.(reader).reads() {
			continue
		}
		tries++
		fewer := slices.Delete(slices.Clone(core), i, i+1)
		if porcupine.CheckOperationsTimeout(v.model, fewer, coreTimeout) == porcupine.Illegal {
			core = fewer
		}
	}
	return core
}

func line(begin, end time.Duration, what string) string {
	if end == math.MaxInt64 {
		return fmt.Sprintf("%12s – %12s  %s", begin.Round(time.Microsecond), "", what)
	}
	return fmt.Sprintf("%12s – %12s  %s", begin.Round(time.Microsecond), end.Round(time.Microsecond), what)
}

// CheckSession checks what the history of one browser says of these keys, for at
// most so long per key.
func CheckSession(calls []Call, keys []string, timeout time.Duration) (verdicts []Verdict) {
	for _, key := range keys {
		part := withoutUnseen(OfKey(calls, key))
		v := Verdict{Part: "key " + strconv.Quote(key), model: sessionModel, lines: describe(part)}
		if v.Why = exact(part, key); v.Why != "" {
			v.Result = porcupine.Illegal
		} else {
			v.ops, v.Why = operations(part), noOrder
			v.Result = porcupine.CheckOperationsTimeout(sessionModel, v.ops, timeout)
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// withoutUnseen takes out writes of which nobody knows whether they were applied,
// and whose value nobody saw: if there is an order with one, there is one without.
// It leaves out values that were written twice.
func withoutUnseen(calls []Call) []Call {
	written, seen := make(map[string]int), make(map[string]bool)
	for _, c := range calls {
		if writes(&c) {
			written[c.Arg]++
		}
		for v := range strings.SplitSeq(c.Val, ",") {
			seen[v] = true
		}
	}
	return slices.DeleteFunc(calls, func(c Call) bool {
		return writes(&c) && c.Outcome == Unknown && written[c.Arg] == 1 && !seen[c.Arg]
	})
}

func writes(c *Call) bool {
	return c.Op == "set" || c.Op == "setfor" || c.Op == "append" || c.Op == "flash"
}

const noOrder = "no order of these calls explains their answers"

func describe(calls []Call) (lines []string) {
	sorted := slices.Clone(calls)
	slices.SortFunc(sorted, func(a, b Call) int { return int(a.Begin - b.Begin) })
	for _, c := range sorted {
		lines = append(lines, line(c.Begin, c.End, c.String()))
	}
	return lines
}

// exact looks for what no order allows, without looking for one: a number that
// Update answered twice, a value that was popped twice, an element that is there
// twice or before one that was there first (G1). It holds for histories in which
// every value that is written is another.
func exact(calls []Call, key string) string {
	seen := make(map[string]bool)
	first := firstUpdate(calls, key)
	counts := !slices.ContainsFunc(calls, func(c Call) bool { return resets(&c) && (c.Outcome == Unknown || c.End > first) })
	for _, c := range calls {
		if c.Key != key || c.Outcome != Done {
			continue
		}
		var once []string
		switch c.Op {
		case "upd":
			if counts {
				once = []string{c.Val}
			}
		case "pop":
			once = []string{c.Val}
		case "take", "flashes":
			once = strings.Split(c.Val, ",")
		}
		for _, v := range once {
			if v != "" && seen[v] {
				return fmt.Sprintf("%s answered %q twice (G1)", c.Op, v)
			}
			seen[v] = true
		}
	}
	return inOrder(calls, key)
}

// firstUpdate is when the first Update of the key began.
func firstUpdate(calls []Call, key string) time.Duration {
	first := time.Duration(math.MaxInt64)
	for _, c := range calls {
		if c.Op == "upd" && c.Key == key {
			first = min(first, c.Begin)
		}
	}
	return first
}

// resets reports whether a counter may begin anew after the call.
func resets(c *Call) bool {
	return c.Op == "clear" || c.Op == "logout" || c.Op == "revoked" || c.Op == "revokedone" || c.Op == "others" || c.Op == "login" || c.Op == "del" || c.Op == "pop"
}

// inOrder looks at lists: no element twice, and none before one whose Append had
// ended before its own began.
func inOrder(calls []Call, key string) string {
	added := make(map[string]*Call)
	for i, c := range calls {
		if c.Key == key && (c.Op == "append" || c.Op == "flash") {
			added[c.Arg] = &calls[i]
		}
	}
	for _, c := range calls {
		if c.Key != key || c.Outcome != Done || c.Op != "list" && c.Op != "take" && c.Op != "flashes" || c.Val == "" {
			continue
		}
		list := strings.Split(c.Val, ",")
		for i, e := range list {
			if slices.Contains(list[:i], e) {
				return fmt.Sprintf("%q is twice in the list", e)
			}
			for _, before := range list[:i] {
				if a, b := added[e], added[before]; a != nil && b != nil && a.Outcome == Done && a.End < b.Begin {
					return fmt.Sprintf("%q is before %q, which was there first", before, e)
				}
			}
		}
	}
	return ""
}

// Confirmed returns what a history is to be held to where a failover may lose what
// was not confirmed, and somebody may have seen: that what ended is over, after
// the first call of which nobody knows, is then only asked of confirmed ends.
func Confirmed(calls []Call) []Call {
	first := time.Duration(math.MaxInt64)
	for _, c := range calls {
		if c.Outcome == Unknown && slices.Contains(lifecycle, c.Op) {
			first = min(first, c.Begin)
		}
	}
	return slices.DeleteFunc(slices.Clone(calls), func(c Call) bool {
		return c.End > first && (c.Outcome == Ended || c.Op == "none" || c.Op == "listed" && !c.OK)
	})
}

// ConfirmedStore is the same for a store. Of the ids that it returns, which may
// have been made, nothing is asked.
func ConfirmedStore(calls []StoreCall) (kept []StoreCall, perhaps []int) {
	first := time.Duration(math.MaxInt64)
	for _, c := range calls {
		if c.Unknown {
			first = min(first, c.Begin)
			if c.Op == "Create" || c.Op == "Replace" {
				perhaps = append(perhaps, c.ID)
			}
		}
	}
	for _, c := range calls {
		c.Free = c.End > first
		if !c.Free || c.Err == "" {
			kept = append(kept, c)
		}
	}
	return kept, perhaps
}

// CheckRevocations looks for a session that outlived a RevokeAll although the
// request of its login began before it (G3), which an order of calls allows where
// they overlap. All processes must have had the same clock.
func CheckRevocations(calls []Call) Verdict {
	for _, login := range calls {
		if login.Op != "login" || login.Outcome != Done {
			continue
		}
		for _, revoked := range calls {
			if revoked.Op != "revoked" || revoked.Outcome != Done || revoked.Arg != login.Arg || revoked.Called <= login.Began {
				continue
			}
			for _, c := range calls {
				if c.Token == login.New && c.Outcome == Done && c.Begin > max(login.End, revoked.End) && !slices.Contains(lifecycle, c.Op) {
					return Verdict{Result: porcupine.Illegal, Part: "revocations", lines: describe(calls),
						Why: fmt.Sprintf("%s: the request began before %s, and yet then came %s", &login, &revoked, &c)}
				}
			}
		}
	}
	return Verdict{Result: porcupine.Ok, Part: "revocations"}
}
