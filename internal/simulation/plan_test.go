package simulation_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A shape says how the processes hold sessions.
type shape int

const (
	stored   shape = iota // two processes share a store
	limited               // the same, and a user has at most so many sessions
	stacked               // each request passes two managers with stores of their own
	inCookie              // the sessions live in their cookies
	closing               // stored, and goroutines write while their handlers return
)

var shapeNames = [...]string{"stored", "limited", "stacked", "in the cookie", "closing"}

// A plan is all that happens in a world but what the library does.
type plan struct {
	seed   uint64
	shape  shape
	clock  time.Duration // of the second process, less the first one's
	faults int           // one call of so many goes wrong; 0 = none
	slow   time.Duration // how long a call takes at most, usually
	limit  int           // sessions of a user, if limited
	visits []visit
}

// A visit is one request of a browser's tab. Tabs are used one request after
// another; those of one browser share its cookies.
type visit struct {
	number       int
	browser, tab int
	process      int
	method       string
	foreign      bool          // from a page of another site
	pause        time.Duration // since the tab's last answer
	travel       time.Duration // of the answer's headers to the browser
	leaves       time.Duration // after which the client leaves; 0 = it stays
	panics       bool          // the handler, in the end
	steps        []step
	beside       []step // of a goroutine of the handler
}

// A step is something that a handler does.
type step struct {
	verb  string
	value string
	wait  time.Duration // before it
	outer bool          // with the outer of two managers
}

func (s step) String() string {
	text := s.verb
	if s.value != "" {
		text += " " + s.value
	}
	if s.outer {
		text = "outer " + text
	}
	if s.wait > 0 {
		text = fmt.Sprintf("(%v) %s", s.wait, text)
	}
	return text
}

func (v visit) String() string {
	var parts []string
	for _, s := range v.steps {
		parts = append(parts, s.String())
	}
	text := fmt.Sprintf("request %d: browser %d tab %d, %v after, %s at process %d: %s",
		v.number, v.browser+1, v.tab+1, v.pause, v.method, v.process+1, strings.Join(parts, ", "))
	if len(v.beside) > 0 {
		text += fmt.Sprintf("; beside it %v", v.beside)
	}
	if v.foreign {
		text += "; from another site"
	}
	if v.panics {
		text += "; panics"
	}
	if v.leaves > 0 {
		text += fmt.Sprintf("; the client leaves after %v", v.leaves)
	}
	return text
}

// A planner draws a plan.
type planner struct {
	*rand.Rand
	plan *plan
	next int // number for the next unique value
}

func newPlan(seed uint64) *plan {
	r := &planner{Rand: rand.New(rand.NewPCG(seed, 0x636f6174)), plan: &plan{seed: seed}}
	p := r.plan
	p.shape = shape(r.weighted(50, 14, 14, 14, 8))
	switch r.weighted(40, 30, 15, 15) {
	case 1:
		p.clock = -2 * time.Second
	case 2:
		p.clock = 2 * time.Second
	case 3:
		p.clock = time.Duration(r.IntN(200)-100) * time.Millisecond
	}
	if p.shape == inCookie {
		p.clock = 0 // there the time is inside the cookie
	}
	p.faults = []int{0, 0, 30, 10, 5}[r.IntN(5)]
	p.slow = []time.Duration{time.Millisecond, 5 * time.Millisecond, 50 * time.Millisecond, 500 * time.Millisecond}[r.IntN(4)]
	if p.shape == limited {
		p.limit = 1 + r.IntN(2)
	}
	if p.shape == closing {
		p.faults, p.clock = 0, 0
	}
	browsers := 1 + r.weighted(60, 35, 5)
	for b := range browsers {
		for tab := range 1 + r.weighted(35, 45, 20) {
			for i := range 1 + r.IntN(6-tab) {
				r.visit(b, tab, i)
			}
		}
	}
	return p
}

// weighted draws an index with these weights.
func (r *planner) weighted(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	n := r.IntN(sum)
	for i, w := range weights {
		if n -= w; n < 0 {
			return i
		}
	}
	return 0
}

func (r *planner) oneIn(n int) bool { return r.IntN(n) == 0 }

func (r *planner) pick(options ...string) string { return options[r.IntN(len(options))] }

func (r *planner) unique(prefix string) string {
	r.next++
	return fmt.Sprintf("%s%d", prefix, r.next)
}

// wait draws how long something takes: mostly nearly nothing, sometimes longer
// than a tombstone stands.
func (r *planner) wait(weights ...int) time.Duration {
	switch r.weighted(weights...) {
	case 0:
		return 0
	case 1:
		return time.Duration(r.IntN(3_000)) * time.Microsecond
	case 2:
		return time.Duration(r.IntN(300)) * time.Millisecond
	case 3:
		return time.Duration(1000+r.IntN(5_000)) * time.Millisecond
	default:
		return time.Duration(30+r.IntN(65)) * time.Second
	}
}

func (r *planner) visit(browser, tab, i int) {
	p := r.plan
	v := visit{number: len(p.visits), browser: browser, tab: tab, process: r.IntN(2), method: "POST"}
	v.pause = r.wait(40, 25, 20, 12, 3)
	if tab > 0 && i == 0 && !r.oneIn(4) { // usually after the first tab's login
		v.pause += time.Second
	}
	v.travel = r.wait(50, 30, 19, 1, 0)
	switch {
	case r.oneIn(3):
		v.method = "GET"
	case r.oneIn(25):
		v.method = "HEAD"
	}
	v.foreign = r.oneIn(25)
	v.panics = r.oneIn(25)
	if r.oneIn(12) {
		v.leaves = 1 + r.wait(20, 30, 30, 20, 0)
	}
	v.steps = r.script(tab == 0 && i == 0)
	if p.shape == closing {
		v.panics, v.leaves, v.foreign, v.method = false, 0, false, "POST"
		v.steps, v.beside = r.closingScript(i)
	} else if p.shape != inCookie && r.oneIn(6) && plain(v.steps) {
		v.beside = r.besideScript()
	}
	p.visits = append(p.visits, v)
}

// plain reports whether the steps change values only.
func plain(steps []step) bool {
	for _, s := range steps {
		switch s.verb {
		case "look", "set", "dim", "delete", "append", "count", "pop", "flash", "flashes", "setfor", "commit", "write", "wait", "touch":
		default:
			return false
		}
	}
	return true
}

func (r *planner) script(first bool) []step {
	var steps []step
	add := func(verb, value string) {
		s := step{verb: verb, value: value, wait: r.wait(50, 30, 13, 4, 3)}
		s.outer = r.plan.shape == stacked && r.oneIn(3)
		steps = append(steps, s)
	}
	if !r.oneIn(4) {
		add("look", "")
	}
	if first && r.oneIn(2) {
		add("login", r.pick("u1", "u1", "u2"))
	}
	for range 1 + r.weighted(45, 30, 15, 10) {
		add(r.verb())
	}
	if r.oneIn(8) {
		add("write", "")
		for range r.IntN(3) {
			add(r.verb())
		}
	}
	return steps
}

func (r *planner) verb() (verb, value string) {
	switch r.weighted(12, 14, 5, 5, 10, 4, 5, 4, 3, 3, 9, 4, 2, 2, 5, 2, 4, 3, 2, 2, 2, 1) {
	case 0:
		return "look", ""
	case 1:
		return "dim", r.pick("dark", "light", "dark", "light", "red")
	case 2:
		return "delete", r.pick("theme", "theme", "note")
	case 3:
		return "set", r.unique("n")
	case 4:
		return "count", ""
	case 5:
		return "append", r.unique("c")
	case 6:
		return "pop", ""
	case 7:
		return "flash", r.unique("f")
	case 8:
		return "flashes", ""
	case 9:
		return "clear", ""
	case 10:
		return "login", r.pick("u1", "u1", "u2")
	case 11:
		return "renew", ""
	case 12:
		return "reauth", ""
	case 13:
		return "remember", ""
	case 14:
		return "logout", ""
	case 15:
		return "touch", ""
	case 16:
		return "commit", ""
	case 17:
		return "list", r.pick("u1", "u2")
	case 18:
		return "revokeall", r.pick("u1", "u1", "u2")
	case 19:
		return "revokeothers", ""
	case 20:
		return "revoke", r.pick("u1", "u2")
	default:
		return "setfor", r.unique("t")
	}
}

// besideScript is what a goroutine does around the handler's return.
func (r *planner) besideScript() []step {
	var steps []step
	for range 1 + r.IntN(2) {
		s := step{wait: r.wait(30, 40, 20, 10, 0)}
		switch r.IntN(4) {
		case 0:
			s.verb, s.value = "set", r.unique("b")
		case 1:
			s.verb, s.value = "append", r.unique("b")
		case 2:
			s.verb = "count"
		default:
			s.verb, s.value = "flash", r.unique("b")
		}
		steps = append(steps, s)
	}
	return steps
}

// closingScript is a handler that returns while it and a goroutine change values.
func (r *planner) closingScript(i int) (steps, beside []step) {
	if i == 0 {
		return []step{{verb: "login", value: "u1"}}, nil
	}
	steps = append(steps, step{verb: "look"})
	if r.oneIn(2) {
		steps = append(steps, step{verb: "set", value: r.unique("n")})
	}
	if r.oneIn(2) {
		steps = append(steps, step{verb: "write"})
	}
	if r.oneIn(2) {
		steps = append(steps, step{verb: "append", value: r.unique("c")})
	}
	return steps, r.besideScript()
}
