package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// A StoreCall is one call of a store about the sessions of one user, whose ids
// have numbers from 1 on. Times are microseconds.
type StoreCall struct {
	Client     int
	Process    int
	Begin, End time.Duration
	Op         string // the method
	ID, Old    int
	Version    uint64 // that a record has which is written
	Was        uint64
	User       string
	Began      int64
	Seen       int64 // Expires is always the same later
	At, Until  int64
	Keep       []int
	Free       bool // which ids it names does not matter
	// The answer.
	Unknown  bool
	Err      string // ended, absent, exists, conflict, or none
	Got      uint64 // the version that Load found
	GotUser  string
	GotSeen  int64
	Next     int
	GotUntil int64
	IDs      []int
}

func (c *StoreCall) reads() bool {
	return !c.Unknown && (c.Op == "Load" || c.Op == "User" || c.Err != "")
}

func (c *StoreCall) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s(", c.Op)
	switch c.Op {
	case "Create", "Update":
		fmt.Fprintf(&b, "%d, version %x, was %x, seen %d, began %d", c.ID, c.Version, c.Was, c.Seen, c.Began)
	case "Replace":
		fmt.Fprintf(&b, "%d, was %x, by %d, version %x, began %d", c.Old, c.Was, c.ID, c.Version, c.Began)
	case "EndUser":
		fmt.Fprintf(&b, "at %d, until %d, keep %d", c.At, c.Until, c.Keep)
	case "User":
	default:
		fmt.Fprintf(&b, "%d, seen %d, until %d", c.ID, c.Seen, c.Until)
	}
	b.WriteString("): ")
	switch {
	case c.Unknown:
		b.WriteString("unknown")
	case c.Err != "":
		fmt.Fprintf(&b, "%s, next %d, until %d", c.Err, c.Next, c.GotUntil)
	case c.Op == "Load":
		fmt.Fprintf(&b, "version %x, seen %d", c.Got, c.GotSeen)
	case c.Op == "User", c.Op == "EndUser":
		fmt.Fprint(&b, c.IDs)
	default:
		fmt.Fprintf(&b, "done, next %d", c.Next)
	}
	return fmt.Sprintf("%s [process %d, client %d]", b.String(), c.Process, c.Client)
}

// MaxIDs bounds the ids of a history.
const MaxIDs = 12

// A row is what the store has under one id.
type row struct {
	state byte // 0 unknown, live, ended
	ver   uint64
	user  string
	seen  int64
	until int64
	next  int
}

const (
	live  = 'l'
	ended = 'e'
)

// A shop is the model's state: the rows, and the latest revocation of the user.
type shop struct {
	rows  [MaxIDs + 1]row
	at    int64 // of the revocations
	kept  [MaxIDs + 1]bool
	times int // how many there were: none, one, several
	only  int // the one id that is looked at, or 0 for all
}

// refused reports whether a revocation refuses a record with that Began (S8).
func (s *shop) refused(c *StoreCall) bool { return s.times > 0 && c.User != "" && c.Began <= s.at }

// step applies a call, or says that its answer cannot be. The rules are those of
// store.Store.
func (s shop) step(c *StoreCall) (shop, bool) {
	want, next := s.expect(c)
	if c.Unknown {
		return next, true
	}
	if s.endedUnmade(c) {
		s.rows[s.only] = row{state: ended}
		return s, true
	}
	if !slices.Contains(want, c.Err) {
		return s, false
	}
	if c.Err != "" {
		return s, c.Err != "ended" || c.Op != "Load" || s.tombstone(c)
	}
	return next, s.answered(c)
}

// endedUnmade reports whether a call found the end of what was never there: in a
// Cluster EndUser also ends what a Create or Replace has announced and not made.
func (s *shop) endedUnmade(c *StoreCall) bool {
	if s.only == 0 || s.times == 0 || c.Err != "ended" || s.rows[s.only].state != 0 {
		return false
	}
	return c.ID == s.only && (c.Op == "Load" || c.Op == "Update" || c.Op == "Touch")
}

// tombstone checks what Load says of an ended id (S6).
func (s *shop) tombstone(c *StoreCall) bool {
	r := s.rows[c.ID]
	return c.Next == r.next && c.GotUntil >= r.until
}

// answered checks what a call that succeeded gave.
func (s *shop) answered(c *StoreCall) bool {
	r := s.rows[c.ID]
	switch c.Op {
	case "Load": // S3, S5, S12
		return c.Got == r.ver && c.GotUser == r.user && c.GotSeen == r.seen
	case "End": // S6
		return c.Free || c.Next == r.next
	case "User": // S9, S10
		return c.Free || slices.Equal(sorted(c.IDs), s.of(c.User, nil))
	case "EndUser": // S8
		return c.Free || slices.Equal(sorted(c.IDs), s.of(c.User, s.keeps(c)))
	}
	return true
}

func sorted(ids []int) []int {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}

// keeps lists what EndUser keeps: also what has replaced that. Of one id alone
// only the answer tells.
func (s *shop) keeps(c *StoreCall) (ids []int) {
	if s.only != 0 && len(c.Keep) > 0 && !c.Unknown && !slices.Contains(c.IDs, s.only) {
		return []int{s.only}
	}
	for _, id := range c.Keep {
		for ; id != 0 && !slices.Contains(ids, id); id = s.rows[id].next {
			ids = append(ids, id)
		}
	}
	return ids
}

// of lists the live ids of a user but those that are kept.
func (s *shop) of(user string, keep []int) (ids []int) {
	for id, r := range s.rows {
		if r.state == live && r.user == user && !slices.Contains(keep, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// expect returns which errors a call may give, "" for none, and the state if it
// gives none.
func (s shop) expect(c *StoreCall) (errs []string, next shop) {
	next = s
	r := &next.rows[c.ID]
	switch c.Op {
	case "Load":
		return []string{problem(r)}, next
	case "Create":
		return s.create(c)
	case "Update": // S3
		if errs = s.writable(c.ID, c.Was); errs[0] == "" {
			r.ver, r.seen = c.Version, max(r.seen, c.Seen)
		}
		return errs, next
	case "Replace":
		if s.only != 0 {
			return s.replaceHalf(c)
		}
		return s.replace(c)
	case "Touch": // S5
		if r.state == live {
			r.seen = max(r.seen, c.Seen)
		}
		return []string{problem(r)}, next
	case "End": // S6
		*r = row{state: ended, until: max(r.until, c.Until), next: r.next} // a live row has neither
		return []string{""}, next
	case "EndUser": // S8
		keep := s.keeps(c)
		for _, id := range s.of(c.User, keep) {
			next.rows[id] = row{state: ended, until: c.Until}
		}
		next.times, next.at = min(s.times+1, 2), max(s.at, c.At)
		next.kept = [MaxIDs + 1]bool{}
		for _, id := range keep {
			next.kept[id] = true
		}
		return []string{""}, next
	}
	return []string{""}, next // User and Sweep change nothing that the calls are about
}

// problem is the error for an id that is not live.
func problem(r *row) string {
	switch r.state {
	case live:
		return ""
	case ended:
		return "ended"
	}
	return "absent"
}

// writable is what Update and Replace say of the id that they find.
func (s *shop) writable(id int, ifVersion uint64) []string {
	r := &s.rows[id]
	if r.state == live && r.ver != ifVersion {
		return []string{"conflict"}
	}
	return []string{problem(r)}
}

func (s shop) create(c *StoreCall) (errs []string, next shop) { // S2, S7, S8
	switch s.rows[c.ID].state {
	case live:
		errs = append(errs, "exists")
	case ended:
		errs = append(errs, "ended")
	}
	if s.refused(c) {
		errs = append(errs, "ended")
	}
	if errs == nil {
		s.rows[c.ID] = row{state: live, ver: c.Version, user: c.User, seen: c.Seen}
		errs = []string{""}
	}
	if s.only != 0 { // EndUser refuses before it has ended each
		errs = append(errs, "ended")
	}
	return errs, s
}

// replacedFor is the life of a tombstone that Replace leaves (S4), in µs.
const replacedFor = 60_000_000

func (s shop) replace(c *StoreCall) (errs []string, next shop) { // S4, S8
	if problem := s.writable(c.Old, c.Was); problem[0] != "" {
		errs = problem
	}
	switch s.rows[c.ID].state {
	case live:
		errs = append(errs, "exists")
	case ended:
		errs = append(errs, "ended")
	}
	kept, refused := s.kept[c.Old], s.refused(c)
	if refused && !kept {
		errs = append(errs, "ended")
	}
	if errs != nil {
		return errs, s
	}
	if errs = []string{""}; refused && s.times > 1 { // S8: side by side, or one
		errs = append(errs, "ended")
	}
	s.rows[c.Old] = row{state: ended, next: c.ID, until: c.Seen + replacedFor}
	s.rows[c.ID] = row{state: live, ver: c.Version, user: c.User, seen: c.Seen}
	if kept {
		s.kept[c.ID] = true
	}
	return errs, s
}

// replaceHalf is a Replace as one of its two ids sees it.
func (s shop) replaceHalf(c *StoreCall) (errs []string, next shop) {
	errs = []string{"absent", "ended", "conflict", "exists"} // perhaps because of the other one
	next = s
	if c.Old == s.only {
		if s.writable(c.Old, c.Was)[0] == "" {
			next.rows[c.Old] = row{state: ended, next: c.ID, until: c.Seen + replacedFor}
			errs = append(errs, "")
		}
		return errs, next
	}
	if s.rows[c.ID].state == 0 {
		next.rows[c.ID] = row{state: live, ver: c.Version, user: c.User, seen: c.Seen}
		errs = append(errs, "")
	}
	return errs, next
}

// storeModel is the model for porcupine of all ids, or of one.
func storeModel(only int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return shop{only: only} },
		Step: func(state, input, _ any) (bool, any) {
			next, ok := state.(shop).step(input.(*StoreCall))
			return ok, next
		},
		DescribeOperation: func(input, _ any) string { return input.(*StoreCall).String() },
		DescribeState:     func(state any) string { s := state.(shop); return s.String() },
	}
}

func (s *shop) String() string {
	var b strings.Builder
	for id, r := range s.rows {
		switch r.state {
		case live:
			fmt.Fprintf(&b, "%d live %x seen %d; ", id, r.ver, r.seen)
		case ended:
			fmt.Fprintf(&b, "%d ended, next %d; ", id, r.next)
		}
	}
	if s.times > 0 {
		fmt.Fprintf(&b, "revoked at %d", s.at)
	}
	return b.String()
}

// CheckStore checks the history of one user's sessions: as a whole, where a call
// about several ids takes effect at once, or else id by id but for those in skip.
func CheckStore(calls []StoreCall, whole bool, timeout time.Duration, skip ...int) (verdicts []Verdict) {
	calls = slices.Clone(calls)
	slices.SortFunc(calls, func(a, b StoreCall) int { return cmp.Compare(a.Begin, b.Begin) })
	if whole {
		return []Verdict{checkStore(calls, 0, timeout)}
	}
	for id := 1; id <= MaxIDs; id++ {
		if part := ofID(calls, id); len(part) > 0 && !slices.Contains(skip, id) {
			verdicts = append(verdicts, checkStore(part, id, timeout))
		}
	}
	return verdicts
}

// ofID returns what a history says of one id.
func ofID(calls []StoreCall, id int) (part []StoreCall) {
	for _, c := range calls {
		switch c.Op {
		case "User", "EndUser":
			c.IDs = only(c.IDs, id)
		default:
			if c.ID != id && c.Old != id {
				continue
			}
		}
		part = append(part, c)
	}
	return part
}

func only(ids []int, id int) []int {
	return slices.DeleteFunc(slices.Clone(ids), func(other int) bool { return other != id })
}

func checkStore(calls []StoreCall, id int, timeout time.Duration) Verdict {
	ops := make([]porcupine.Operation, len(calls))
	lines := make([]string, len(calls))
	for i := range calls {
		c := &calls[i]
		outcome := Done
		if c.Unknown {
			outcome = Unknown
		}
		ops[i] = porcupine.Operation{ClientId: c.Client, Input: c, Call: int64(c.Begin), Output: c, Return: end(outcome, c.End)}
		lines[i] = line(c.Begin, c.End, c.String())
	}
	v := Verdict{Part: "store", Why: noOrder, model: storeModel(id), ops: ops, lines: lines}
	if id != 0 {
		v.Part = fmt.Sprintf("store, id %d", id)
	}
	v.Result = porcupine.CheckOperationsTimeout(v.model, ops, timeout)
	return v
}
