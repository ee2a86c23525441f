package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/coatcheck/coatcheck"
)

// maxShown bounds the events that a page shows.
const maxShown = 100

// A userPage is what is known of one user.
type userPage struct {
	User    string
	Devices []device
	Away    string // why they are not known
	Now     time.Time
	Mine    string // the handle of the operator's own session
	Done    *done
	Events  []event
	More    bool
	Since   time.Time
	Fresh   bool
}

// A done is what the operator has just ended.
type done struct{ Ended []event }

func (c *Console) user(w http.ResponseWriter, r *http.Request) {
	user := r.URL.Query().Get("q")
	if user == "" {
		c.say(w, r, http.StatusBadRequest, "Which user?", "Write the user into the field above, as the application logs them in.")
		return
	}
	rec := c.cfg.Recorder
	p := userPage{User: user, Now: time.Now(), Fresh: c.fresh(r)}
	p.Devices, p.Away = c.devices(r, user, noValue)
	if c.cfg.Operators == c.sessions {
		p.Mine = c.sessions.From(r.Context()).Handle()
	}
	if after, err := strconv.ParseUint(r.URL.Query().Get("done"), 10, 64); err == nil {
		p.Done = c.done(r, user, after)
	}
	list, more := rec.find(filter{User: user}, 0, maxShown)
	p.Events, p.More = newestFirst(list), more
	p.Since, _ = rec.reach()
	c.render(w, r, http.StatusOK, "user", page{Title: "User " + show(user), Query: user, Body: p})
}

// devices asks the store for the sessions of a user: one call.
func (c *Console) devices(r *http.Request, user string, show func(user, name string) bool) (list []device, away string) {
	kept := c.cfg.Recorder.store
	if !isUser(user) {
		return nil, whyNot(coatcheck.ErrValue)
	}
	if kept == nil {
		return nil, whyNot(errors.ErrUnsupported)
	}
	ctx, cancel := limited(r)
	defer cancel()
	records, err := kept.User(ctx, user)
	if err != nil {
		return nil, whyNot(err)
	}
	return devicesOf(records, time.Now(), show), ""
}

// done says what this operator has ended of the user's since an event.
func (c *Console) done(r *http.Request, user string, after uint64) *done {
	who, d := c.who(r), new(done)
	list, _ := c.cfg.Recorder.find(filter{User: user, Group: "ends"}, after, maxShown)
	for _, e := range list {
		if e.Kind == coatcheck.Revoked && e.By == who && who != "" {
			d.Ended = append(d.Ended, newEvent(e))
		}
	}
	return d
}

func newestFirst(list []entry) []event {
	all := make([]event, len(list))
	for i, e := range list {
		all[i] = newEvent(e)
	}
	slices.Reverse(all)
	return all
}

// A sessionPage is what is known of one session.
type sessionPage struct {
	Handle string
	User   string
	Device *device
	Away   string
	Cost   string // what was asked, where it was not found
	Now    time.Time
	Mine   bool
	Fresh  bool
	Events []event
	Since  time.Time
}

func (c *Console) session(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p := sessionPage{Handle: q.Get("q"), User: q.Get("user"), Now: time.Now(), Fresh: c.fresh(r)}
	if p.Handle == "" {
		c.say(w, r, http.StatusBadRequest, "Which session?", "Write its handle into the field above, as lists and logs show it.")
		return
	}
	if p.User == "" {
		p.User = c.cfg.Recorder.userOf(p.Handle)
	}
	c.lookUp(r, &p)
	if p.Device != nil {
		p.User = p.Device.User
	}
	p.Mine = c.cfg.Operators == c.sessions && c.sessions.From(r.Context()).Handle() == p.Handle
	list, _ := c.cfg.Recorder.find(filter{Handle: p.Handle}, 0, maxShown)
	p.Events = newestFirst(list)
	p.Since, _ = c.cfg.Recorder.reach()
	status := http.StatusOK
	if p.Device == nil && p.Away == "" && len(p.Events) == 0 {
		status = http.StatusNotFound
	}
	c.render(w, r, status, "session", page{Title: "Session " + show(p.Handle), Query: p.Handle, Body: p})
}

// lookUp finds a session by its handle. The store knows ids and users, and no handle
// leads to an id: so it is found in the list of its user, where that is known, or by
// the id, where the session began here in the last hour. Either is one call. To go
// through all sessions would cost as much as all of them.
func (c *Console) lookUp(r *http.Request, p *sessionPage) {
	if p.User != "" {
		var list []device
		list, p.Away = c.devices(r, p.User, c.showing(r))
		for i := range list {
			if list[i].Handle == p.Handle {
				p.Device = &list[i]
			}
		}
		return
	}
	id, ok := c.cfg.Recorder.idOf(p.Handle)
	if !ok {
		return
	}
	ctx, cancel := limited(r)
	defer cancel()
	rec, err := c.cfg.Recorder.store.Load(ctx, id)
	switch now := time.Now(); {
	case failed(err):
		p.Away = whyNot(err)
	case err == nil && rec.Expires.After(now) && rec.Deadline.After(now):
		d := deviceOf(rec, now, c.showing(r))
		p.Device = &d
	}
}
