package simulation_test

import (
	"errors"
	"fmt"
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
		l.s.Commit()
		return
	case "touch":
		l.s.Touch()
		return
	case "count", "pop", "flashes":
		f.changes = []change{l.atOnce(s)}
		f.end = time.Now()
	default:
		f.changes = []change{l.wait(s)}
		l.q.w.note(a, "  %v %v begun %v: %v", l.q, s, l.q.w.since(begin), l.s.Err())
	}
	l.keepSingle(f, l.s.Err())
}

func (l *log) keepSingle(f *fact, err error) {
	if !certain(f.changes) {
		f.begin = l.begun
	}
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	switch {
	case err == nil:
		f.must = true
	case errors.Is(err, coatcheck.ErrLate):
		l.refused = 1
		return
	case f.end.IsZero() || isAny(err, coatcheck.ErrEnded, coatcheck.ErrReadOnly, coatcheck.ErrHeldBack, coatcheck.ErrFull, coatcheck.ErrValue):
		return
	default:
		f.end = forever
		f.changes = unknown(f.changes)
	}
	l.singles = append(l.singles, f)
}

// endSingles decides what became of the changes, when the request is answered.
func (l *log) endSingles(err error) {
	for _, c := range l.pending { // of before the goroutine
		l.singles = append(l.singles, &fact{kind: isCommit, from: l.base, to: l.base, changes: []change{c}, begin: l.begun, login: l.q.began, must: true})
	}
	for _, f := range l.singles {
		if !f.end.IsZero() { // committed at once
			l.keep(f)
			continue
		}
		switch f.end = time.Now(); {
		case err != nil || l.panicked || l.q.replacedAny():
			f.must, f.end = false, forever
			f.changes = unknown(f.changes)
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

// hammer lets a goroutine set a value again and again while the handler returns,
// until that is refused: the last one that was not must have been stored (G4).
// It is the one thing here that the scheduler of Go decides.
func (l *log) hammer(prefix string) {
	if l.over || l.base.IsZero() {
		return
	}
	l.beside = make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(l.beside)
		<-ready
		begin, last := time.Now(), ""
		for i := range 300 {
			value := fmt.Sprintf("%s.%d", prefix, i)
			note.Set(l.s, value)
			if err := l.s.Err(); err != nil {
				if errors.Is(err, coatcheck.ErrLate) {
					l.refused = 1
				}
				break
			}
			last = value
		}
		if last != "" {
			f := &fact{kind: isCommit, from: l.base, to: l.base, changes: []change{{verb: "set", value: last}}, thread: 1, begin: begin, login: l.q.began, must: true}
			l.q.mu.Lock()
			l.singles = append(l.singles, f)
			l.q.mu.Unlock()
		}
	}()
	close(ready)
}
