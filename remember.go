package coatcheck

import (
	"fmt"
	"time"

	"github.com/coatcheck/coatcheck/internal/record"
)

var slidingEntry = record.Entry{Name: record.Sliding, Raw: []byte("true")}

// Remember makes this session last for at least d from now on, idle or not: "keep
// me logged in". It never ends earlier than it would have. It renews the token, so
// that one that was stolen before is not prolonged too, and may come before or
// after Login in the same request, or days later: then it extends the session
// again, up to Config.MaxRemember after the login or Reauthenticate; what it cannot
// extend it leaves as it is. More than MaxRemember at once is ErrValue. A later
// Login without it drops it.
func (s *Session) Remember(d time.Duration) { s.rememberFor(d, false) }

// RememberSliding is Remember for a session that lasts as long as the user comes
// every d, up to Config.MaxRemember after the login or Reauthenticate. One call at
// login is enough: requests that look at the session move its idle end, and no
// cookie is set anew. Repeated it does nothing.
func (s *Session) RememberSliding(d time.Duration) { s.rememberFor(d, true) }

func (s *Session) rememberFor(d time.Duration, sliding bool) {
	if !s.lock() {
		return
	}
	defer s.unlock()
	if !s.mayChange(true) {
		return
	}
	if d < time.Second || d > s.x.m.cfg.MaxRemember {
		s.fail(fmt.Errorf("%w: Remember for %v; want 1s to %v", ErrValue, d, s.x.m.cfg.MaxRemember))
		return
	}
	s.remember = max(s.remember, d.Truncate(time.Second))
	s.blind = true
	w := s.wish()
	w.remember, w.sliding = max(w.remember, s.remember), w.sliding || sliding
}

// slides reports whether the session is remembered as long as its user comes, by
// its record or by what is pending.
func (s *Session) slides() bool {
	return s.changes != nil && s.remember != 0 && s.wishes.sliding || s.stored(record.Sliding).Raw != nil
}

// span is how long a session of that kind may be idle and live.
func (c *Config) span(user string, remember time.Duration, slides bool) (idle, lifetime time.Duration) {
	idle, lifetime = c.AnonymousIdle, c.AnonymousLifetime
	if user != "" {
		idle, lifetime = c.Idle, c.Lifetime
	}
	if remember != 0 && slides {
		lifetime = max(lifetime, c.MaxRemember)
	}
	return max(idle, remember), max(lifetime, remember)
}

// prolonged is the deadline that Remember gives a session that has one: never an
// earlier one, and none beyond MaxRemember after the login.
func (s *Session) prolonged(now time.Time) time.Time {
	end, limit := now.Add(s.remember), s.base.AuthTime.Add(s.x.m.cfg.MaxRemember)
	if s.slides() || end.After(limit) {
		end = limit
	}
	return latest(s.base.Deadline, end)
}

// prolongs reports whether Remember has anything to do for a live session.
func (s *Session) prolongs(now time.Time) bool {
	return s.remember > time.Duration(s.remembered)*time.Second || s.prolonged(now).After(s.base.Deadline) ||
		s.slides() && s.stored(record.Sliding).Raw == nil
}
