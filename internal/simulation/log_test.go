package simulation_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/store"
)

// The values that the sessions of a world hold.
var (
	theme = coatcheck.NewKey[string]("theme") // one of a few
	note  = coatcheck.NewKey[string]("note")  // never the same twice
	cart  = coatcheck.NewKey[[]string]("cart")
	count = coatcheck.NewKey[int]("count")
	brief = coatcheck.NewKey[string]("brief") // expires on its own
)

const briefly = 20 * time.Second

// A log is what one request saw of one session, and made of it.
type log struct {
	q     *request
	store int
	m     *coatcheck.Manager
	s     *coatcheck.Session
	ctx   context.Context

	cookie   store.ID  // that the browser sent
	base     store.ID  // of the session as the request has it; zero = none
	looked   bool      // base is known
	begun    time.Time // when the request's knowledge of the session began: its look, or its latest commit
	pending  []change
	leaving  store.ID // of a logout that waits for the commit
	brought  store.ID // by the browser, where that is another session: the logout is of it too
	logout   bool
	flushed  bool      // the first byte has left
	over     bool      // an error was seen: nothing more is committed
	entered  bool      // by Login in this request
	fresh    time.Time // the request's start for logins, later if it revoked
	markEnd  mark      // the handler's return
	panicked bool
	meddled  bool // the request itself ended sessions

	local values // in the cookie: what the session holds
	kept  bool   // the same is known of the answer's cookie

	// A request with a goroutine beside its handler.
	beside  chan struct{}
	singles []*fact
	last    [2]*fact // of the handler and of the goroutine
	refused int      // changes that were, with ErrLate
	failed  bool     // something that the handler was told of
}

// A mark is where a commit begins.
type mark struct {
	at     time.Time
	begun  time.Time
	looked bool
}

func (l *log) mark() mark {
	m := mark{time.Now(), l.begun, l.looked}
	if m.begun.IsZero() {
		m.begun = m.at
	}
	return m
}

func (l *log) process() int { return l.q.visit.process }

func (l *log) inCookie() bool { return l.q.w.plan.shape == inCookie }

// alone reports whether nobody but the handler uses the session.
func (l *log) alone() bool { return l.beside == nil }

// know finds out which session the request has, after a call that looked.
func (l *log) know(m mark) {
	if l.looked || l.over {
		return
	}
	l.looked, l.begun = true, m.begun
	l.base = l.present()
	l.fresh = l.q.began
	if l.inCookie() {
		l.knowCookie()
	}
}

// present is the session's id as the request has it now.
func (l *log) present() store.ID {
	if l.inCookie() {
		return store.ID{}
	}
	id := l.q.w.idOf(l.s.Handle())
	if id.IsZero() && l.looked && l.q.visit.method == "HEAD" {
		return l.base // a login that is only rehearsed hides it
	}
	return id
}

// do does a step and keeps what came of it.
func (l *log) do(s step) {
	m := l.mark()
	if renews([]change{{verb: s.verb}}) { // from then on the session has no handle
		l.s.Handle()
		l.know(m)
	}
	l.meddled = l.meddled || s.verb == "logout" || strings.HasPrefix(s.verb, "revoke")
	switch s.verb {
	case "look":
		l.look(m)
	case "list", "revokeall", "revokeothers", "revoke":
		l.administer(s)
	case "commit":
		l.s.Commit()
		l.know(m)
		l.settled(m, l.s.Err())
	case "count", "pop", "flashes":
		c := l.atOnce(s)
		l.know(m)
		l.q.w.note(l.q.actor, "  %v %v begun %v: %d %q, %v", l.q, s, l.q.w.since(m.at), c.number, c.value, l.s.Err())
		l.committed(m, l.s.Err(), c)
	case "touch":
		l.s.Touch()
		l.know(m)
		l.note(s, m)
		l.check(m, l.s.Err())
	default:
		l.deferred(s, m)
	}
}

func (l *log) note(s step, m mark) {
	l.q.w.note(l.q.actor, "  %v %v begun %v: %v", l.q, s, l.q.w.since(m.at), l.s.Err())
}

// atOnce makes a change that is committed before it returns.
func (l *log) atOnce(s step) change {
	c := change{verb: s.verb, value: s.value, known: true}
	switch s.verb {
	case "count":
		c.number = count.Update(l.s, func(n int) int { return n + 1 })
	case "pop":
		c.value, c.ok = note.Pop(l.s)
	case "flashes":
		c.value = strings.Join(l.s.Flashes(), ",")
	}
	return c
}

// wait makes a change that waits for the commit.
func (l *log) wait(s step) change {
	c := change{verb: s.verb, value: s.value, known: true}
	switch s.verb {
	case "dim":
		theme.Set(l.s, s.value)
	case "set":
		note.Set(l.s, s.value)
	case "setfor":
		c.expires = time.Now().Add(briefly).UnixMilli()
		brief.SetFor(l.s, s.value, briefly)
	case "delete":
		if s.value == "theme" {
			theme.Delete(l.s)
		} else {
			note.Delete(l.s)
		}
	case "append":
		coatcheck.Append(l.s, cart, s.value)
	case "flash":
		l.s.Flash(s.value)
	case "clear":
		l.s.Clear()
	case "login":
		l.s.Login(s.value)
	case "renew":
		l.s.Renew()
	case "reauth":
		l.s.Reauthenticate()
	case "remember":
		l.s.Remember(24 * time.Hour)
	}
	return c
}

func (l *log) deferred(s step, m mark) {
	if s.verb == "logout" {
		l.doLogout(s, m)
		return
	}
	user := ""
	if renews([]change{{verb: s.verb}}) { // with a new token pending the session has no handle
		user = l.s.User()
		l.know(m)
	}
	c := l.wait(s)
	l.know(m)
	l.note(s, m)
	if l.check(m, l.s.Err()) {
		if s.verb == "login" {
			l.entered = true
			if user != "" && user != s.value {
				l.pending = append(l.pending[:0:0], change{verb: "clear"})
			}
		}
		l.pending = append(l.pending, c)
	}
}

func (l *log) doLogout(s step, m mark) {
	l.s.User()
	l.know(m)
	base := l.base
	l.s.Logout()
	l.note(s, m)
	if err := l.s.Err(); err != nil && !l.flushed {
		l.check(m, err)
		return
	}
	l.pending, l.entered = nil, false
	if l.logout = true; l.leaving.IsZero() {
		if l.leaving = base; base.IsZero() {
			l.leaving = l.cookie
		} else if l.ownSession(base) {
			l.brought = l.cookie
		}
	}
	if l.base = (store.ID{}); l.flushed {
		l.settled(m, l.s.Err())
	}
}

// ownSession reports whether the request itself has made the session.
func (l *log) ownSession(id store.ID) bool {
	for {
		c := l.q.w.madeBy(l.store, id)
		switch {
		case c == nil || c.request != l.q:
			return false
		case c.kind == "Create":
			return true
		}
		id = c.id
	}
}

// leaves keeps the facts of a logout.
func (l *log) leaves(f fact) {
	for _, id := range [...]store.ID{l.leaving, l.brought} {
		if l.logout && !id.IsZero() {
			f := f
			f.kind, f.from = isLogout, id
			l.keep(&f)
		}
	}
}

// check looks at the session's error and reports whether there is none. The
// first one ends the request's use of the session: what waited is dropped.
func (l *log) check(m mark, err error) bool {
	switch {
	case l.over:
		return false
	case err == nil:
		return true
	}
	l.over = true
	if errors.Is(err, coatcheck.ErrEnded) {
		l.dead(m)
	}
	return false
}

// dead states that the session of the request was not live at some time since
// the request looked at it.
func (l *log) dead(m mark) {
	id := l.base
	if id.IsZero() {
		id = l.cookie
	}
	old := time.Since(l.q.began) >= 49*time.Second
	if id.IsZero() || l.inCookie() || old && (l.base.IsZero() || renews(l.pending) || l.q.visit.method == "HEAD") {
		return // ErrEnded may mean that the request is too old for a cookie
	} else if c := l.q.w.madeBy(l.store, id); old && c != nil && c.request == l.q {
		return // or for the one that it has made
	}
	l.keep(&fact{kind: isDead, from: id, begin: m.begun, end: time.Now(), must: true})
}

func (l *log) keep(f *fact) {
	f.q, f.store, f.process = l.q, l.store, l.process()
	f.blur()
	l.q.w.mu.Lock()
	defer l.q.w.mu.Unlock()
	if f.must && (f.kind == isLook || f.kind == isCommit) {
		f.before, l.last[f.thread] = l.last[f.thread], f
	}
	l.q.w.facts[l.store] = append(l.q.w.facts[l.store], f)
}

// look reads everything that the session shows.
func (l *log) look(m mark) {
	first := !l.looked
	v := l.view()
	l.know(m)
	l.q.w.note(l.q.actor, "  %v look begun %v: %s %v, %v", l.q, l.q.w.since(m.at), l.q.w.label(l.base), v, l.s.Err())
	if !l.check(m, l.s.Err()) || !first || len(l.pending) > 0 {
		return
	}
	if l.inCookie() {
		l.lookInCookie(m, v)
		return
	}
	id := l.base
	if id.IsZero() {
		v, id = nil, l.cookie
	}
	if !id.IsZero() {
		l.keep(&fact{kind: isLook, from: id, view: v, begin: m.begun, end: time.Now(), must: true})
	}
}

// view is what the session shows now.
func (l *log) view() *view {
	v := &view{user: l.s.User()}
	v.theme, _ = theme.Get(l.s)
	v.note, _ = note.Get(l.s)
	list, _ := cart.Get(l.s)
	v.cart = strings.Join(list, ",")
	v.count, _ = count.Get(l.s)
	v.brief, _ = brief.Get(l.s)
	return v
}

// committed takes note of a commit that its own change asked for.
func (l *log) committed(m mark, err error, c change) {
	if !l.over {
		l.pending = append(l.pending, c)
	}
	l.settled(m, err)
}

// settled takes note of a commit of what was pending; err is what came of it.
func (l *log) settled(m mark, err error) {
	switch {
	case l.over || len(l.pending) == 0 && !l.logout && err == nil:
		l.pending = nil
	case l.q.visit.method == "HEAD" && err == nil: // rehearsed, and not kept (G4)
		l.pending, l.leaving, l.brought, l.logout = nil, store.ID{}, store.ID{}, false
	case err == nil:
		l.accept(m)
	default:
		l.reject(m, err)
	}
}

// accept takes note of a commit that was confirmed.
func (l *log) accept(m mark) {
	if l.inCookie() {
		l.acceptInCookie(m)
		return
	}
	now := time.Now()
	l.leaves(fact{begin: m.at, end: now, must: true})
	from, to := l.base, l.present()
	if !m.looked && from == to && !from.IsZero() && from != l.cookie {
		from = store.ID{} // made by the call that looked first
	}
	if len(l.pending) > 0 && !to.IsZero() {
		f := l.group(from, to, m, now, true)
		// What others committed in the same call is seen too.
		l.keep(&fact{kind: isLook, from: to, view: l.view(), begin: f.begin, end: now, must: true})
		l.begun = f.begin
	}
	if _, made := l.madeSince(m.at); made != nil && to.IsZero() && len(l.pending) > 0 { // and dropped: the answer comes too late
		l.group(from, madeID(made), m, now, true)
	}
	l.base, l.pending, l.leaving, l.brought, l.logout = to, nil, store.ID{}, store.ID{}, false
}

// group keeps the fact of a commit, and returns it. Where all its changes may
// change nothing it may stand for what the request knew before. A login that
// found its clock behind takes another token in the same commit.
func (l *log) group(from, to store.ID, m mark, end time.Time, must bool) *fact {
	f := &fact{kind: isCommit, from: from, to: to, changes: l.pending, begin: m.at, end: end, must: must, login: l.fresh}
	if from == to && !certain(l.pending) {
		f.begin = m.begun
	}
	tokens := l.tokens(from, to, m)
	f.to = tokens[0]
	if c := l.q.w.madeBy(l.store, f.to); from != f.to && c != nil && c.kind == "Create" {
		if !from.IsZero() { // a login whose session had ended
			l.keep(&fact{kind: isDead, from: from, begin: m.begun, end: end, must: true})
		}
		f.from = store.ID{}
	}
	l.keep(f)
	for i, id := range tokens[1:] {
		l.keep(&fact{kind: isCommit, from: tokens[i], to: id, begin: m.at, end: end, must: must})
	}
	return f
}

// tokens are those that the session had after the commit, the last one at last.
func (l *log) tokens(from, to store.ID, m mark) []store.ID {
	tokens := []store.ID{to}
	for {
		c := l.q.w.madeBy(l.store, tokens[0])
		if from == to || c == nil || c.kind != "Replace" || c.id == from {
			return tokens
		}
		if before := l.q.w.madeBy(l.store, c.id); before == nil || before.request != l.q || before.began.Before(m.at) {
			return tokens
		}
		tokens = append([]store.ID{c.id}, tokens...)
	}
}

// reject takes note of a commit that failed.
func (l *log) reject(m mark, err error) {
	l.over = true
	if l.inCookie() || isAny(err, coatcheck.ErrLate, coatcheck.ErrHeldBack, coatcheck.ErrReadOnly, coatcheck.ErrValue, coatcheck.ErrLoginRequired, coatcheck.ErrCrossOrigin) {
		return
	}
	l.leaves(fact{begin: m.at, end: forever})
	ended := errors.Is(err, coatcheck.ErrEnded)
	if ended {
		l.ended(m)
	}
	told := ended || isAny(err, coatcheck.ErrFull, coatcheck.ErrTooMany)
	pending, base := unknown(l.pending), l.base
	l.q.w.later(func() { // when all has happened the store knows better than whoever asked it
		l.pending = pending
		switch first, last := l.madeSince(m.at); {
		case first != nil && first.kind == "Create":
			l.group(store.ID{}, madeID(last), m, forever, true)
		case first != nil:
			l.group(first.id, madeID(last), m, forever, true)
		case told || renews(pending) || base.IsZero():
		default:
			l.group(base, base, m, forever, false)
		}
	})
}

// ended judges an ErrEnded.
func (l *log) ended(m mark) {
	user := ""
	for _, c := range l.pending {
		if c.verb == "login" {
			user = c.value
		}
	}
	switch {
	case user == "":
		l.dead(m)
	case time.Since(l.q.began) < 49*time.Second && !l.q.w.wasRevoked(user):
		l.q.w.breaks("G3: %v: a login as %s is told that the session has ended, and nobody revoked that user", l.q, user)
	}
}

// madeSince returns the first and the last call by which the request made a record
// since then, that were applied although the request could not know.
func (l *log) madeSince(t time.Time) (first, last *call) {
	w := l.q.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.request == l.q && c.store == l.store && !c.began.Before(t) && (c.kind == "Create" || c.kind == "Replace") && c.applied {
			if last = c; first == nil {
				first = c
			}
		}
	}
	return first, last
}

// returns takes note that the handler is about to return.
func (l *log) returns() { l.markEnd = l.mark() }

// panics drops what was not committed.
func (l *log) panics() {
	l.pending, l.leaving, l.brought, l.logout, l.panicked = nil, store.ID{}, store.ID{}, false, true
	l.markEnd = l.mark()
}

// ends takes note of the commit at the handler's return.
func (l *log) ends(err error) {
	if l.markEnd.at.IsZero() { // the handler was not called
		return
	}
	if err == nil && (l.flushed || !l.alone()) && l.toldOfLoss() > l.refused {
		err = errUnknown
	}
	if !l.alone() {
		l.endSingles(err)
		return
	}
	l.settled(l.markEnd, err)
}

// toldOfLoss counts the events since the handler's return that tell of a change
// that was not stored.
func (l *log) toldOfLoss() int {
	w := l.q.w
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.events {
		if !e.at.Before(l.markEnd.at) && e.store == l.store && e.process == l.process() &&
			(e.Kind == coatcheck.Late || e.Kind == coatcheck.WriteEnded || e.Kind == coatcheck.StoreError) {
			n++
		}
	}
	return n
}
