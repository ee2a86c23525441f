// Package history checks what clients saw of sessions, or of a store, against a
// model: whether there is an order of all calls, each at one moment between its
// begin and its end, in which the model gives the same answers.
//
// A call whose outcome nobody knows may have taken effect at any time after its
// begin, or never.
package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// An Outcome says what the caller of a Call knows.
type Outcome string

const (
	Done    Outcome = "done"
	Ended   Outcome = "ended" // the session was over; nothing was stored
	Unknown Outcome = "unknown"
)

// A Call is one operation on the session of one browser. A request that does
// several things makes several, of the same length.
type Call struct {
	Client     int
	Process    int
	Begin, End time.Duration // since the start of the history
	Op         string
	Key, Arg   string
	Token      int // number of the token that the request carried
	Outcome    Outcome
	New        int // number of the token that the answer set
	Val        string
	OK         bool
	// When the handler began, and when it made its call: µs on the machine's clock.
	Began, Called int64
}

func (c *Call) reads() bool {
	return c.Outcome == Ended || c.Outcome == Done && slices.Contains([]string{"get", "list", "see", "none", "listed"}, c.Op)
}

func (c *Call) String() string {
	text := fmt.Sprintf("%s(%s)", c.Op, strings.Trim(c.Key+" "+c.Arg, " "))
	if c.Token != 0 {
		text += fmt.Sprintf(" with token %d", c.Token)
	}
	switch {
	case c.Outcome != Done:
		text += ": " + string(c.Outcome)
	case c.New != 0:
		text += fmt.Sprintf(": token %d", c.New)
	case c.Op == "listed", c.Op == "get", c.Op == "pop", c.Op == "list", c.Op == "take":
		text += fmt.Sprintf(": %q, %t", c.Val, c.OK)
	case c.Val != "":
		text += fmt.Sprintf(": %q", c.Val)
	}
	return fmt.Sprintf("%s [process %d, client %d]", text, c.Process, c.Client)
}

// lifecycle operations concern every key.
var lifecycle = []string{"login", "renew", "reauth", "remember", "logout", "revoked", "revokedone", "others", "clear", "none", "listed"}

// A session is the model's state: the tokens that made one another, of which
// the last is good unless it is lost; the user; and the value of the one key
// that is looked at. No tokens: there is no session.
type session struct{ tokens, user, val string }

// lost is the token of a session whose answer never came.
const lost = " ?"

func token(n int) string { return fmt.Sprintf(" %d", n) }

func (s session) live(n int) bool { return n != 0 && strings.HasSuffix(s.tokens, token(n)) }

// had reports whether the session had that token once: logout follows it (G2).
func (s session) had(n int) bool { return slices.Contains(strings.Fields(s.tokens), fmt.Sprint(n)) }

// step applies a call to the state, or says that its answer cannot be.
func (s session) step(c *Call) (session, bool) {
	live := s.live(c.Token)
	switch {
	case c.Outcome == Ended: // G2: a write that finds the end is never reported as done
		return s, !live
	case c.Outcome == Unknown:
		return s.perhaps(c, live), true
	case slices.Contains(lifecycle, c.Op):
		return s.identity(c, live)
	case !live: // G2, G3: neither values nor writes for an ended or replaced token
		return s, false
	}
	return s.value(c)
}

// perhaps is the state after a call that was applied, if it could be.
func (s session) perhaps(c *Call, live bool) session {
	switch {
	case c.Op == "login" && !live:
		return session{tokens: lost, user: c.Arg}
	case c.Op == "logout" || c.Op == "revoked" || c.Op == "revokedone" || c.Op == "others" || c.Op == "none" || c.Op == "login":
		s, _ = s.identity(c, live)
	case !live:
	case slices.Contains(lifecycle, c.Op):
		s, _ = s.identity(c, live)
	default:
		s.val = s.apply(c)
	}
	return s
}

func (s session) identity(c *Call, live bool) (session, bool) {
	next := lost
	if c.New != 0 {
		next = token(c.New)
	}
	switch c.Op {
	case "login": // G3: always a new token; the values are kept unless it is somebody else
		if !live {
			return session{tokens: next, user: c.Arg}, true
		}
		if s.user != "" && s.user != c.Arg {
			s.val = ""
		}
		s.tokens, s.user = s.tokens+next, c.Arg
		return s, true
	case "logout":
		if s.had(c.Token) {
			return session{}, true
		}
		return s, true
	case "revokedone": // by a handle: follows as a logout does, while the user is the same
		if s.had(c.Token) && s.user == c.Arg {
			return session{}, true
		}
		return s, true
	case "others": // what has replaced a kept token is kept too (S8)
		if !s.had(c.Token) && s.tokens != "" && s.user == c.Arg {
			return session{}, true
		}
		return s, true
	case "revoked":
		if s.tokens != "" && s.user == c.Arg {
			return session{}, true
		}
		return s, true
	case "listed": // G11: exactly the live sessions of that user
		return s, c.OK == (live && s.user == c.Arg)
	case "none": // a session that kept a value without being asked who it is
		return s, !live
	case "clear":
		s.val = ""
		return s, live
	}
	s.tokens += next // renew, reauth, remember
	return s, live
}

// value is a call about the key.
func (s session) value(c *Call) (session, bool) {
	want := c.Val == s.val && c.OK == (s.val != "")
	switch c.Op {
	case "see":
		return s, c.Val == s.user
	case "get", "list":
		return s, want
	case "pop", "take":
		s.val = ""
		return s, want
	case "flashes":
		want = c.Val == s.val
		s.val = ""
		return s, want
	case "upd":
		s.val = s.apply(c)
		return s, c.Val == s.val
	}
	s.val = s.apply(c)
	return s, true
}

// apply returns the value after a write.
func (s session) apply(c *Call) string {
	switch c.Op {
	case "set", "setfor":
		return c.Arg
	case "append", "flash":
		return strings.TrimPrefix(s.val+","+c.Arg, ",")
	case "upd":
		n := 0
		_, _ = fmt.Sscan(s.val, &n)
		return fmt.Sprint(n + 1)
	case "del", "pop", "take", "flashes":
		return ""
	}
	return s.val
}

// Keys returns the keys that the calls are about, "" for the session itself.
func Keys(calls []Call) []string {
	keys := []string{""}
	for _, c := range calls {
		if c.Key != "" && !slices.Contains(lifecycle, c.Op) && !slices.Contains(keys, c.Key) {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

// OfKey returns the part of a history that is about one key and the session's
// life; with key "" only about that. A history that has an order has one for each
// key.
func OfKey(calls []Call, key string) (part []Call) {
	for _, c := range calls {
		switch {
		case slices.Contains(lifecycle, c.Op), key != "" && c.Key == key, key == "" && c.Key == "":
			part = append(part, c)
		case key == "" && c.Outcome == Ended:
			if n := len(part) - 1; n < 0 || part[n].Outcome != Ended || part[n].Client != c.Client || part[n].Begin != c.Begin {
				part = append(part, c) // once for each request
			}
		}
	}
	return part
}

// sessionModel is the model for porcupine.
var sessionModel = porcupine.Model{
	Init: func() any { return session{} },
	Step: func(state, input, _ any) (bool, any) {
		next, ok := state.(session).step(input.(*Call))
		return ok, next
	},
	DescribeOperation: func(input, _ any) string { return input.(*Call).String() },
	DescribeState: func(state any) string {
		s := state.(session)
		return fmt.Sprintf("tokens%s, user %q, value %q", cmp.Or(s.tokens, " none"), s.user, s.val)
	},
}

// end is when a call's effect can no longer come.
func end(c Outcome, at time.Duration) int64 {
	if c == Unknown {
		return math.MaxInt64
	}
	return int64(at)
}

func operations(calls []Call) []porcupine.Operation {
	ops := make([]porcupine.Operation, len(calls))
	for i := range calls {
		c := &calls[i]
		ops[i] = porcupine.Operation{ClientId: c.Client, Input: c, Call: int64(c.Begin), Output: c, Return: end(c.Outcome, c.End)}
	}
	return ops
}
