package simulation_test

import (
	"context"
	"errors"
	"time"

	"github.com/coatcheck/coatcheck"
)

// A handler and a goroutine beside it use one session: which of them commits what
// the other did is not known, so each change is a fact of its own.

// startBeside reports whether the request has a session that a goroutine may use.
func (l *log) startBeside() bool {
	if !l.looked || l.over || l.base.IsZero() || len(l.pending) > 0 {
		return false
	}
	l.beside = make(chan struct{})
	return true
}

// single makes one change, of the handler or of the goroutine beside it.
func (l *log) single(s step, a *actor) {
	thread := 0
	if a == l.q.other {
		thread = 1
	}
	begin := time.Now()
	f := &fact{kind: isCommit, from: l.base, to: l.base, thread: thread, begin: begin, login: l.q.began}
	switch s.verb {
	case "look":
		l.view()
		return
	case "commit":
		l.seen(l.s.Commit())
		return
	case "touch":
		l.s.Touch()
		l.seen(l.s.Err())
		return
	case "count", "pop", "flashes":
		f.changes = []change{l.atOnce(s)}
		l.q.w.note(a, "  %v %v beside another, begun %v", l.q, s, l.q.w.since(begin))
		f.end = time.Now()
	default:
		f.changes = []change{l.wait(s)}
		l.q.w.note(a, "  %v %v beside another, begun %v", l.q, s, l.q.w.since(begin))
	}
	a.sleep(context.Background(), 0) // so as not to ask at the instant at which the other may go on
	l.keepSingle(f, l.s.Err())
}

func (l *log) keepSingle(f *fact, err error) {
	if !certain(f.changes) {
		f.begin = l.begun
	}
	l.seen(err)
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	// The error may be of what the other did since.
	if f.must = err == nil || f.changes[0].gave(); !f.must {
		f.end, f.changes = forever, unknown(f.changes)
	}
	l.singles = append(l.singles, f)
}

// seen takes note of an error that the handler could see.
func (l *log) seen(err error) {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	switch {
	case errors.Is(err, coatcheck.ErrLate):
		l.refused = 1
	case err != nil:
		l.failed = true
	}
}

// endSingles decides what became of the changes, when the request is answered.
func (l *log) endSingles(err error) {
	if l.q.visit.method == "HEAD" { // keeps nothing
		return
	}
	for _, c := range l.pending { // of before the goroutine
		l.singles = append(l.singles, &fact{kind: isCommit, from: l.base, to: l.base, changes: []change{c}, begin: l.begun, login: l.q.began, must: true})
	}
	for _, f := range l.singles {
		switch {
		case f.must && !f.end.IsZero(): // committed at once
		case !f.must && f.begin.After(l.q.returned):
			continue // refused
		case !f.must:
		case err != nil || l.failed || l.panicked || l.q.replacedAny():
			f.must, f.end = false, forever
			f.changes = unknown(f.changes)
		default:
			f.end = time.Now()
		}
		l.keep(f)
	}
}

func (q *request) replacedAny() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, err := range q.replaced {
		if err != nil {
			return true
		}
	}
	return q.status == 408
}
