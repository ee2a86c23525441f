package simulation_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/store"
)

// judge looks, when all has happened, whether it can be explained.
func (w *world) judge() {
	slices.SortFunc(w.requests, func(a, b *request) int { return a.visit.number - b.visit.number })
	for _, f := range w.last {
		f()
	}
	if w.plan.shape == inCookie {
		return
	}
	for st := range layers {
		for _, l := range w.lineages(st) {
			if !l.explained() {
				w.breaks("G1: no order explains what happened to %s:\n%s", w.names(l.ids), l.list())
			}
		}
		if w.plan.limit > 0 {
			w.checkLimit(st)
		}
	}
}

// later keeps what can be said of a request only in the end.
func (w *world) later(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = append(w.last, f)
}

func (w *world) clockOf(process int) time.Duration {
	if process == 1 {
		return w.plan.clock
	}
	return 0
}

func (w *world) names(ids []store.ID) string {
	var names []string
	for _, id := range ids {
		names = append(names, w.label(id))
	}
	return strings.Join(names, ", ")
}

func (l *lineage) list() string {
	var b strings.Builder
	for _, f := range l.facts {
		b.WriteString("    " + l.w.describe(f) + "\n")
	}
	return b.String()
}

// lineages sorts the facts of a store by the sessions they speak of.
func (w *world) lineages(st int) []*lineage {
	var all []*lineage
	of := make(map[store.ID]*lineage)
	for _, c := range w.calls { // in the order of their begin; an old id is known before it is replaced
		made := c.kind == "Create" || c.kind == "Replace"
		if c.store != st || !c.applied || !made {
			continue
		}
		if c.kind == "Create" {
			l := &lineage{w: w, store: st, ids: []store.ID{c.id}}
			all, of[c.id] = append(all, l), l
		}
	}
	for range w.calls {
		for _, c := range w.calls {
			if l := of[c.id]; c.kind == "Replace" && c.store == st && c.applied && l != nil && of[c.next] == nil {
				l.ids, of[c.next] = append(l.ids, c.next), l
			}
		}
	}
	for _, f := range w.facts[st] {
		l := of[f.from]
		if f.from.IsZero() {
			l = of[f.to]
		}
		switch f.kind {
		case isEndUser, isList:
			for _, l := range all {
				l.facts = append(l.facts, f)
			}
			continue
		}
		if l != nil {
			w.limits(f, all)
			l.facts = append(l.facts, w.forgiving(f))
		}
	}
	for _, c := range w.calls { // what an old request made is not sent any more, and so ended
		if q := c.request; q != nil && c.store == st && c.applied && (c.kind == "Create" || c.kind == "Replace") && q.sentAt.Sub(q.began) > 50*time.Second {
			if l := of[madeID(c)]; l != nil {
				l.facts = append(l.facts, &fact{kind: isLogout, q: q, store: st, from: madeID(c), begin: q.began.Add(50 * time.Second), end: forever})
			}
		}
	}
	for _, l := range all {
		l.facts = append(slices.DeleteFunc(l.facts, l.foreign), l.end())
	}
	return all
}

// foreign reports whether a fact is about a user who never had this session.
func (l *lineage) foreign(f *fact) bool {
	if f.kind != isEndUser && f.kind != isList && f.kind != isLimit || slices.ContainsFunc(l.ids, func(id store.ID) bool { return slices.Contains(f.ids, id) }) {
		return false
	}
	return !slices.ContainsFunc(l.facts, func(g *fact) bool {
		return slices.ContainsFunc(g.changes, func(c change) bool { return c.verb == "login" && c.value == f.user })
	})
}

// madeID is the id that a Create or Replace makes live.
func madeID(c *call) store.ID {
	if c.kind == "Replace" {
		return c.next
	}
	return c.id
}

// forgiving is the fact, with no claim on what replaced an id so long ago that
// nobody need remember.
func (w *world) forgiving(f *fact) *fact {
	if f.kind != isLogout && f.kind != isRevoke || !f.must {
		return f
	}
	if at := w.replacedAt(f.store, f.from); !at.IsZero() && f.end.After(at.Add(55*time.Second)) {
		late := *f
		late.must = false
		return &late
	}
	return f
}

// limits lets a login end other sessions of its user.
func (w *world) limits(f *fact, all []*lineage) {
	if w.plan.limit == 0 || f.kind != isCommit {
		return
	}
	for _, c := range f.changes {
		if c.verb == "login" {
			for _, l := range all {
				if !slices.Contains(l.ids, f.to) {
					l.facts = append(l.facts, &fact{kind: isLimit, q: f.q, store: f.store, begin: f.begin, end: forever, user: c.value, to: f.to})
				}
			}
		}
	}
}

// replacedAt is when the id was replaced, or zero.
func (w *world) replacedAt(st int, id store.ID) time.Time {
	for _, c := range w.calls {
		if c.kind == "Replace" && c.store == st && c.applied && c.id == id {
			return c.effected
		}
	}
	return time.Time{}
}

// end is what the store holds of the session at last.
func (l *lineage) end() *fact {
	now := time.Now()
	f := &fact{kind: isEnd, store: l.store, begin: now, end: now.Add(1), must: true}
	for _, id := range l.ids {
		if rec, err := l.w.stores[l.store].Load(context.Background(), id); err == nil {
			f.from, f.view = id, show(rec)
		} else if !isAny(err, coatcheck.ErrEnded, store.ErrNotFound) {
			l.w.breaks("S1: %v", err)
		}
	}
	return f
}

// show reads a record as docs/spec/record.md says.
func show(rec store.Record) *view {
	v := &view{user: rec.User, all: true}
	b := rec.Data[1:]
	number := func() uint64 {
		n, size := binary.Uvarint(b)
		b = b[size:]
		return n
	}
	text := func() string {
		n := number()
		s := string(b[:n])
		b = b[n:]
		return s
	}
	number()            // Remember
	_ = text() + text() // device, address
	for len(b) > 0 {
		name, expires, raw := text(), number(), []byte(text())
		var list []string
		switch {
		case expires != 0 && int64(expires) <= time.Now().UnixMilli():
		case name == "theme":
			json.Unmarshal(raw, &v.theme)
		case name == "note":
			json.Unmarshal(raw, &v.note)
		case name == "brief":
			json.Unmarshal(raw, &v.brief)
		case name == "count":
			json.Unmarshal(raw, &v.count)
		case name == "cart":
			json.Unmarshal(raw, &list)
			v.cart = strings.Join(list, ",")
		case name == "\x00flash":
			json.Unmarshal(raw, &list)
			v.flashes = strings.Join(list, ",")
		}
	}
	return v
}

// checkLimit counts the sessions of each user, where nothing went wrong.
func (w *world) checkLimit(st int) {
	if w.plan.faults > 0 {
		return
	}
	for _, user := range users {
		list, err := w.stores[st].User(context.Background(), user)
		if err != nil || len(list) > w.plan.limit {
			w.breaks("G11: %s has %d sessions in the end, want at most %d, %v", user, len(list), w.plan.limit, err)
		}
	}
}
