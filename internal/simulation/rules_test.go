package simulation_test

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/store"
)

// What can be seen without looking for an order.

// checkHeaders looks at an answer as it leaves.
func (q *request) checkHeaders() {
	looked, lines := false, len(q.sent["Set-Cookie"]) > 0
	for st, l := range q.logs {
		if l == nil {
			continue
		}
		looked = looked || l.looked
		q.checkToken(st, l)
	}
	vary, control := strings.Join(q.sent["Vary"], ","), strings.Join(q.sent["Cache-Control"], ",")
	if looked && !strings.Contains(vary, "Cookie") {
		q.w.breaks("G12: %v looked at a session, and Vary is %q", q, vary)
	}
	if (looked || lines) && control != "no-store" {
		q.w.breaks("G12: %v looked at a session, and Cache-Control is %q", q, control)
	}
}

// checkToken looks at the answer's session cookie of one store.
func (q *request) checkToken(st int, l *log) {
	value, ok := setCookie(q.sent, cookieNames[st])
	age := q.sentAt.Sub(q.began)
	if ok && value != "" && age > time.Minute {
		q.w.breaks("G2: %v sets a session cookie after %v", q, age)
	}
	made := q.made(st)
	// Unless it was the login that was refused, of a user whom somebody revoked
	// meanwhile: what the request stored before it stays.
	kept := l.entered && (l.inCookie() || !made.IsZero() && q.w.alive(st, made))
	if err := q.errorOf(st); ok && errors.Is(err, coatcheck.ErrEnded) && !kept && (value != "" || !l.meddled) {
		q.w.breaks("G2: %v finds its session ended and has a Set-Cookie", q)
	}
	if l.inCookie() || made.IsZero() || age > 50*time.Second || l.logout || l.entered && !q.w.alive(st, made) {
		return
	}
	if q.w.alive(st, made) && tokenID(value) != made {
		q.w.breaks("G5 in the %s: %v was told that %s is live, and does not send its token", storeNames[st], q, q.w.label(made))
	}
}

// made is the last session that a store confirmed to have made for the request,
// or zero.
func (q *request) made(st int) (id store.ID) {
	q.w.mu.Lock()
	defer q.w.mu.Unlock()
	for _, c := range q.w.calls {
		if c.request != q || c.store != st || c.err != nil || !c.applied || c.answered.IsZero() {
			continue
		}
		switch c.kind {
		case "Create":
			id = c.id
		case "Replace":
			id = c.next
		}
	}
	return id
}

// checkDelivery looks at an answer as it reaches the browser: it must not take
// away a cookie that came of its own and is in use.
func (q *request) checkDelivery() {
	if q.w.plan.shape == inCookie {
		return
	}
	for st, l := range q.logs {
		value, ok := setCookie(q.sent, cookieNames[st])
		has, brought := tokenID(q.browser.get(cookieNames[st])), tokenID(q.brought[st])
		if !ok || l == nil || has.IsZero() || brought.IsZero() || has == brought || has == tokenID(value) ||
			!q.w.becameOf(st, brought, has) || !q.w.alive(st, has) {
			continue
		}
		if value == "" {
			q.w.breaks("G2: %v removes the cookie of %s, which lives: that came of its own %s meanwhile", q, q.w.label(has), q.w.label(brought))
		} else if made := q.w.madeBy(st, tokenID(value)); value != "" && !l.entered && made != nil && made.kind == "Create" {
			q.w.breaks("G2: %v puts a new cookie over that of %s, which lives: that came of its own %s meanwhile", q, q.w.label(has), q.w.label(brought))
		}
	}
}

// unknownSince reports whether a call that was to replace the id, or to put it in
// the place of another, got no answer.
func unknownSince(calls []call, id store.ID) bool {
	return slices.ContainsFunc(calls, func(c call) bool { return c.kind == "Replace" && (c.id == id || c.next == id) && c.err != nil })
}

// checkLooks looks at the store calls of an answered request: what was applied
// without an answer, and could be looked up, must have been found (G5). And a
// login's own commit must not have ended it (G11).
func (q *request) checkLooks() {
	if q.w.plan.shape == inCookie {
		return
	}
	calls := q.calls()
	for i, c := range calls {
		if !c.applied {
			continue
		}
		made := madeID(&c)
		if c.kind != "Create" && c.kind != "Replace" {
			continue
		}
		value, _ := setCookie(q.sent, cookieNames[c.store])
		unknown := unknownSince(calls[i:], made) // it is 503, and neither of the two tokens stays
		if c.lookPossible && tokenID(value) != made && q.w.alive(c.store, made) && q.sentAt.Sub(q.began) < 50*time.Second && !q.logs[c.store].logout && !unknown {
			q.w.breaks("G5 in the %s: %v made %s, whose answer was lost, could have looked and does not send its token", storeNames[c.store], q, q.w.label(made))
		}
		for _, end := range calls[i:] {
			if end.kind == "End" && end.applied && end.id == made && !unknown && !q.logs[c.store].meddled && q.sentAt.Sub(q.began) < 50*time.Second {
				q.w.breaks("G11: %v made %s and ended it by the same commit", q, q.w.label(made))
			}
		}
	}
}

// calls are those that the request has made, as they are now.
func (q *request) calls() (calls []call) {
	q.w.mu.Lock()
	defer q.w.mu.Unlock()
	for _, c := range q.w.calls {
		if c.request == q {
			calls = append(calls, *c)
		}
	}
	return calls
}
