package console

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck"
)

// A whyPage answers "why was I logged out".
type whyPage struct {
	Asked    string
	At       string
	BadAt    bool
	User     string
	Handle   string
	Verdicts []verdict
	Devices  []device
	Away     string
	Events   []event
	More     bool
	HeldBack int // requests without their cookie around that time
	Since    time.Time
	Now      time.Time
}

// A verdict is one answer, the nearest to the time that was asked for first.
type verdict struct {
	event
	Near bool // within a minute of that time
}

func (c *Console) why(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p := whyPage{Asked: q.Get("q"), At: strings.TrimSpace(q.Get("at")), Now: time.Now()}
	at, ok := timeOfDay(p.At, p.Now)
	p.BadAt = !ok
	rec := c.cfg.Recorder
	p.Since, _ = rec.reach()
	if p.Asked != "" {
		c.answer(r, &p, at)
	}
	title := "Why was I logged out?"
	if p.Asked != "" {
		title = "Why was " + show(p.Asked) + " logged out?"
	}
	c.render(w, r, http.StatusOK, "why", page{Title: title, Query: p.Asked, Body: p})
}

// answer finds out whether a user or a session is meant, and what became of it.
func (c *Console) answer(r *http.Request, p *whyPage, at time.Time) {
	rec := c.cfg.Recorder
	f := filter{User: p.Asked}
	list, more := rec.find(f, 0, maxShown)
	if len(list) == 0 {
		if byHandle, m := rec.find(filter{Handle: p.Asked}, 0, maxShown); len(byHandle) > 0 {
			list, more, f = byHandle, m, filter{Handle: p.Asked}
			p.Handle, p.User = p.Asked, rec.userOf(p.Asked)
		}
	}
	if p.Handle == "" {
		p.User = p.Asked
	}
	if p.User != "" {
		p.Devices, p.Away = c.devices(r, p.User, noValue)
	}
	p.Events, p.More = newestFirst(list), more
	// All of them: the end that is asked for may be followed by many.
	endings, _ := rec.find(filter{User: f.User, Handle: f.Handle, Group: "ends"}, 0, 2*rec.Keep)
	p.Verdicts = verdicts(endings, at)
	if !at.IsZero() {
		held, _ := rec.find(filter{Group: "turned-away"}, 0, rec.Keep)
		for _, e := range held {
			if e.Kind == coatcheck.HeldBack && near(e.Time, at) {
				p.HeldBack++
			}
		}
	}
}

// verdicts are the latest ends, the latest first; with a time the nearest to that
// before them, however long ago it was.
func verdicts(list []entry, at time.Time) []verdict {
	list = slices.Clone(list)
	slices.Reverse(list)
	if best := nearest(list, at); best > 0 {
		e := list[best]
		copy(list[1:best+1], list[:best])
		list[0] = e
	}
	list = list[:min(len(list), maxShown)]
	all := make([]verdict, len(list))
	for i, e := range list {
		all[i] = verdict{newEvent(e), !at.IsZero() && near(e.Time, at)}
	}
	return all
}

// nearest returns the index of what was nearest to a time; without one the first.
func nearest(list []entry, at time.Time) (best int) {
	if at.IsZero() {
		return 0
	}
	for i := range list {
		if list[i].Time.Sub(at).Abs() < list[best].Time.Sub(at).Abs() {
			best = i
		}
	}
	return best
}

// near reports whether t is in the minute that somebody named, or beside it.
func near(t, at time.Time) bool { d := t.Sub(at); return d > -time.Minute && d < 2*time.Minute }

// timeOfDay reads "14:05" or "14:05:10", UTC, as the latest such time; "" is the zero
// time.
func timeOfDay(text string, now time.Time) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		y, m, d := now.UTC().Date()
		at := time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
		if at.After(now) {
			at = at.AddDate(0, 0, -1)
		}
		return at, true
	}
	return time.Time{}, false
}

// isUser reports whether a user can be called that; see Session.Login.
func isUser(user string) bool {
	return user != "" && len(user) <= 255 && utf8.ValidString(user) && !strings.ContainsFunc(user, unicode.IsControl)
}
