package coatcheck

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/store"
)

// Namesakes are several cookies of our name in one request. A changed Domain or
// Path leaves two, a program on a parent domain or a neighbour has its own, an
// attacker beside us plants one; where a name has no prefix that the browser
// knows, all of them come. The one that is genuine and whose session lives counts.
// Where more than one does, nobody can tell which is the visitor's, and none does
// (G8).

// maxNamesakes is how many are looked at. Of more none counts: one that was not
// looked at could be the visitor's.
const maxNamesakes = 4

// isNamesakes reports whether reading the cookie failed because there are several.
func isNamesakes(err error) bool {
	e, ok := err.(*cookie.ForgedError)
	return ok && e.Reason == cookie.ReasonDuplicate
}

// lookAtNamesakes is the look at several cookies of our name.
func (s *Session) lookAtNamesakes() {
	s.namesakes = true
	tickets, err := s.genuine()
	switch {
	case err != nil:
		s.x.event(Event{Kind: Refused, Reason: reasonMany})
	case len(tickets) == 0 && s.mayHide(): // told
	case len(tickets) == 0:
		s.x.event(Event{Kind: Refused, Reason: reasonNoneGenuine})
	case len(tickets) == 1:
		s.loadTicket(tickets[0])
	default:
		s.loadNamesake(tickets)
	}
	if len(tickets) > 0 && s.absent() {
		s.mayHide()
	}
}

// genuine returns the tickets among several cookies of our name, each session
// once.
func (s *Session) genuine() ([]ticket, error) {
	m := s.x.m
	values, err := m.sid.ReadAll(s.x.r.Header, maxNamesakes)
	var tickets []ticket
	for _, value := range values {
		t, err := m.carrier.open(value)
		if err != nil {
			continue
		}
		same := slices.IndexFunc(tickets, func(other ticket) bool { return other.id == t.id })
		switch {
		case same < 0:
			tickets = append(tickets, t)
		case t.rec != nil && t.rec.Seen.After(tickets[same].rec.Seen):
			tickets[same] = t // a session in its cookie, as it was later
		}
	}
	return tickets, err
}

// rivals are the sessions of which none counts because more than one lives. A
// logout ends them all: one of them is the visitor's.
func (s *Session) rivals() (ids []store.ID) {
	if !s.namesakes || !s.leaving.IsZero() {
		return nil
	}
	tickets, err := s.genuine()
	if err != nil || len(tickets) < 2 {
		return nil
	}
	for _, t := range tickets {
		ids = append(ids, t.id)
	}
	return ids
}

// loadNamesake takes the only one of several genuine tickets whose session lives,
// or else the one that says most of what became of it. There is a load for each,
// since no ticket tells.
func (s *Session) loadNamesake(tickets []ticket) {
	m := s.x.m
	now := time.Now()
	s.loading.Parent, s.loading.At = s.x.Context, now.Add(loadTimeout)
	defer s.loading.End()
	var best struct {
		id   store.ID
		rec  store.Record
		err  error
		says int
	}
	for i, t := range tickets {
		rec, err := m.carrier.load(&s.loading, t)
		says := whatSays(&rec, err, now)
		switch {
		case says == saysNothing: // an outage is never "nobody" (G5)
			s.took(t.id, &rec, err, now)
			return
		case says == saysLive && best.says == saysLive && !m.oneOwner(&rec, &best.rec):
			s.x.event(Event{Kind: Refused, Reason: reasonSeveralLive})
			return
		case i == 0 || says > best.says || says == saysLive && rec.Seen.After(best.rec.Seen):
			best.id, best.rec, best.err, best.says = t.id, rec, err, says
		}
	}
	s.took(best.id, &best.rec, best.err, now)
}

// oneOwner reports whether of two sessions that live the later counts, since both
// are of one user and nobody knows that the earlier was replaced: in a cookie it
// lives on (decision 59). Who has none of that user's cannot plant one.
func (m *Manager) oneOwner(a, b *store.Record) bool {
	return m.carrier.inCookie() && a.User != "" && a.User == b.User
}

// What a load says of a session, the weightier the higher.
const (
	saysNothing = iota
	saysUnknown
	saysOver  // its time is up, or its data are damaged
	saysEnded // by a tombstone that stands
	saysLive
)

func whatSays(rec *store.Record, err error, now time.Time) int {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return saysUnknown
	case errors.Is(err, ErrEnded):
		if standing(err, now) {
			return saysEnded
		}
		return saysUnknown
	case err != nil:
		return saysNothing
	}
	if _, err := record.Open(rec.Data); err != nil || over(rec, micros(now)) {
		return saysOver
	}
	return saysLive
}

// maxFormer bounds Config.FormerCookies: each costs two lines in an answer.
const maxFormer = 4

// formerScopes are the lines that delete the cookies of our names in the scopes
// of Config.FormerCookies.
func formerScopes(cfg Config, names ...*cookie.Raw) (lines []string, err error) {
	if len(cfg.FormerCookies) > maxFormer {
		return nil, fmt.Errorf("coatcheck: Config.FormerCookies has %d policies; want at most %d", len(cfg.FormerCookies), maxFormer)
	}
	for i, former := range cfg.FormerCookies {
		p := cfg.Cookie
		p.Domain, p.Path = former.Domain, former.Path
		if p.Domain == cfg.Cookie.Domain && cmp.Or(p.Path, "/") == cmp.Or(cfg.Cookie.Path, "/") {
			return nil, fmt.Errorf("coatcheck: Config.FormerCookies[%d] has Domain and Path of Config.Cookie; want those it had before", i)
		}
		for _, own := range names {
			if own == nil {
				continue
			}
			old, err := cookie.NewRaw(own.Name(), p)
			if err != nil {
				return nil, fmt.Errorf("coatcheck: Config.FormerCookies[%d]: %w", i, err)
			}
			lines = append(lines, old.Expired())
		}
	}
	return lines, nil
}

// scopes are the Set-Cookie lines that delete the cookies of our names in the
// other scopes that the policy can name: without its Domain, and at "/" where it
// has a Path. A prefix that allows none leaves none.
func scopes(policy cookie.Policy, names ...*cookie.Raw) (lines []string) {
	for _, own := range names {
		if own == nil {
			continue
		}
		for _, domain := range []string{"", policy.Domain} {
			for _, path := range []string{"/", policy.Path} {
				p := policy
				p.Domain, p.Path = domain, cmp.Or(path, "/")
				if p.Domain == policy.Domain && p.Path == cmp.Or(policy.Path, "/") {
					continue
				}
				// The other attributes do not matter to a deletion.
				other, err := cookie.NewRaw(own.Name(), p)
				if err == nil && !slices.Contains(lines, other.Expired()) {
					lines = append(lines, other.Expired())
				}
			}
		}
	}
	return lines
}

// putScopes deletes our namesakes where the session cookie is set or cleared.
// The lines stand before those: to some clients, which do not tell a host from
// its domain, they mean the same cookie, and the later wins.
func (m *Manager) putScopes(h http.Header) {
	if len(m.scopes) > 0 {
		h["Set-Cookie"] = slices.Concat(m.scopes, h["Set-Cookie"])
	}
}
