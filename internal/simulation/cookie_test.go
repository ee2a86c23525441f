package simulation_test

import (
	"time"
)

// Sessions in their cookies: what a cookie holds is what the cookie that its
// request brought held, and what the request made of it.

// lookInCookie compares what the session shows with what its cookie holds.
func (l *log) lookInCookie(m mark, v *view) {
	w := l.q.w
	w.mu.Lock()
	held, known := w.cookies[l.q.brought[l.store]]
	w.mu.Unlock()
	switch live, certain := w.standing(held, m.at, time.Now()); {
	case !known:
		if *v != (view{}) {
			w.breaks("%v: a cookie that nobody set shows %v", l.q, v)
		}
		return
	case v.user == "" && held.user != "":
		if certain && live {
			w.breaks("G2: %v: nobody, and its cookie holds %+v and was not revoked", l.q, held)
		}
		return
	case certain && !live:
		w.breaks("G2: %v: saw %v after the user was revoked", l.q, v)
		return
	case !v.shows(&held, m.at, time.Now()):
		w.breaks("G1: %v: saw %v, and its cookie holds %+v", l.q, v, held)
	}
}

// knowCookie takes what the cookie holds for what the request has, unless the
// user was revoked.
func (l *log) knowCookie() {
	l.q.w.mu.Lock()
	held := l.q.w.cookies[l.q.brought[l.store]]
	l.q.w.mu.Unlock()
	if l.s.User() == held.user {
		l.local = held
	}
}

// keepCookie takes note of what the answer's cookie holds.
func (l *log) keepCookie() {
	if l.q.sent == nil || l.kept {
		return
	}
	l.kept = true
	if value, _ := setCookie(l.q.sent, cookieNames[l.store]); value != "" && l.inCookie() {
		l.q.w.mu.Lock()
		l.q.w.cookies[value] = l.local
		l.q.w.mu.Unlock()
	}
}

// standing reports whether a session that its cookie holds is live between the
// two times, and whether that is certain.
func (w *world) standing(v values, begin, end time.Time) (live, certain bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	live, certain = true, true
	if v.user == "" {
		return
	}
	for _, r := range w.revoked {
		if r.user != v.user || r.begin.After(end) || v.began.After(r.end) {
			continue
		}
		if r.must && r.end.Before(begin) && v.began.Before(r.begin) {
			return false, true
		}
		certain = false
	}
	for _, c := range w.calls { // of a revocation under way
		if c.kind != "Load" && c.answered.IsZero() {
			certain = false
		}
	}
	return live, certain
}

// acceptInCookie takes note of a commit: the next cookie of this request holds it.
func (l *log) acceptInCookie(m mark) {
	if l.logout {
		l.local = values{}
	}
	for _, c := range l.pending {
		if !l.local.apply(c) {
			l.q.w.breaks("G1: %v: %v gave %+v of %+v", l.q, c, c, l.local)
		}
		if c.verb == "login" || c.verb == "reauth" {
			l.local.began = l.fresh
		}
	}
	l.pending, l.logout = nil, false
	v := l.view()
	if l.s.Err() == nil && !v.shows(&l.local, m.at, time.Now()) {
		l.q.w.breaks("G1: %v: the session shows %v after a commit of %+v", l.q, v, l.local)
	}
}
