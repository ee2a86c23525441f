package simulation_test

import (
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// administer does what concerns all sessions of a user.
func (l *log) administer(s step) {
	m := l.mark()
	l.s.Commit() // as these calls do: so that its fate is known
	l.know(m)
	l.settled(m, l.s.Err())
	m = l.mark()
	switch s.verb {
	case "list", "revoke":
		l.list(s, m)
	case "revokeall":
		n, err := l.m.RevokeAll(l.ctx, s.value)
		l.q.w.note(l.q.actor, "  %v %v begun %v: %d, %v", l.q, s, l.q.w.since(m.at), n, err)
		l.endedUser(s.value, nil, m, err)
	case "revokeothers":
		user := l.s.User()
		keep := []store.ID{l.present()}
		n, err := l.m.RevokeOthers(l.ctx)
		l.q.w.note(l.q.actor, "  %v %v begun %v: %d, %v", l.q, s, l.q.w.since(m.at), n, err)
		if user != "" && !l.inCookie() {
			l.endedUser(user, keep, m, err)
		}
		if err != nil && !l.over && !l.inCookie() && l.present().IsZero() && !keep[0].IsZero() {
			l.dead(m)
		}
	}
	if !l.over && l.looked {
		l.base = l.present()
	}
}

func (l *log) endedUser(user string, keep []store.ID, m mark, err error) {
	f := &fact{kind: isEndUser, user: user, ids: keep, begin: m.at, end: time.Now(), must: err == nil}
	if err != nil {
		if !l.asked("EndUser", m.at) && !l.inCookie() {
			return
		}
		f.end = forever
	} else {
		l.fresh = time.Now() // a login of this request counts as after it (G11)
	}
	if l.local.user == user && err == nil {
		l.local = values{}
	}
	w := l.q.w
	w.mu.Lock()
	w.revoked = append(w.revoked, revocation{f, l.process(), user})
	w.mu.Unlock()
	l.keep(f)
}

// A revocation is that of a user, and where.
type revocation struct {
	*fact
	process int
	user    string
}

// wasRevoked reports whether somebody revoked, or tried to revoke, the user.
func (w *world) wasRevoked(user string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.revoked {
		if r.user == user || user == "" {
			return true
		}
	}
	// Or is being, by a call that has not come back.
	for _, c := range w.calls {
		if c.kind == "EndUser" {
			return true
		}
	}
	return false
}

// asked reports whether the request has made such a call since then.
func (l *log) asked(kind string, since time.Time) bool {
	w := l.q.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.request == l.q && c.store == l.store && c.kind == kind && !c.began.Before(since) {
			return true
		}
	}
	return false
}

// list asks for a user's sessions, and ends one of them if that is the step.
func (l *log) list(s step, m mark) {
	infos, err := l.m.Sessions(l.ctx, s.value)
	l.q.w.note(l.q.actor, "  %v %v begun %v: %d, %v", l.q, s, l.q.w.since(m.at), len(infos), err)
	if err != nil || l.inCookie() {
		return
	}
	f := &fact{kind: isList, user: s.value, begin: m.at, end: time.Now(), must: true}
	for _, info := range infos {
		f.ids = append(f.ids, l.q.w.idOf(info.Handle))
	}
	l.keep(f)
	if s.verb == "list" || len(infos) == 0 {
		return
	}
	m = l.mark()
	handle := infos[l.q.actor.draw(len(infos))].Handle
	found, err := l.m.Revoke(l.ctx, s.value, handle)
	l.q.w.note(l.q.actor, "  %v revokes %s, begun %v: %v, %v", l.q, l.q.w.label(l.q.w.idOf(handle)), l.q.w.since(m.at), found, err)
	if !found && err == nil {
		return
	}
	end := &fact{kind: isRevoke, user: s.value, from: l.q.w.idOf(handle), begin: m.at, end: time.Now(), must: err == nil}
	if err != nil {
		end.end = forever
	}
	l.keep(end)
}
