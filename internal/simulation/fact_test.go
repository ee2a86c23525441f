package simulation_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// forever is the end of what nobody knows to have happened.
var forever = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

type kind int

const (
	isLook    kind = iota // from was live and held what view shows; without a view it was not live
	isCommit              // changes were made to from, which went on as to; a zero from: to began with them
	isDead                // from was not live
	isLogout              // from ended, and what had replaced it
	isRevoke              // from ended, and what had replaced it while it was the user's
	isEndUser             // all of the user's sessions ended but those kept
	isLimit               // a login may have ended another session of the user
	isList                // the user's live sessions were these
	isEnd                 // what the store holds in the end
)

var kindNames = [...]string{"look", "commit", "dead", "logout", "revoke", "end user", "limit", "list", "in the end"}

// A fact is what a request, or whoever made it, was told: that at some time
// between begin and end something was so, or was done. What need not have
// happened is no must.
type fact struct {
	kind       kind
	q          *request
	store      int
	process    int
	thread     int // of the request: 0 the handler, 1 the goroutine beside it
	before     *fact
	begin, end time.Time
	must       bool
	from, to   store.ID
	user       string
	ids        []store.ID // kept, or listed
	changes    []change
	view       *view
	login      time.Time // what a login records, in true time
}

func (w *world) describe(f *fact) string {
	s := fmt.Sprintf("%12v to %-12v %s", w.since(f.begin), w.since(f.end), kindNames[f.kind])
	if f.end == forever {
		s = fmt.Sprintf("%12v to %-12s %s", w.since(f.begin), "?", kindNames[f.kind])
	}
	if f.q != nil {
		s += fmt.Sprintf(" by %v", f.q)
	}
	if !f.must {
		s += ", perhaps"
	}
	s += " " + w.label(f.from)
	if f.to != f.from {
		s += " to " + w.label(f.to)
	}
	if f.user != "" {
		s += " of " + f.user
	}
	for _, id := range f.ids {
		s += " " + w.label(id)
	}
	if len(f.changes) > 0 {
		s += fmt.Sprintf(" %v", f.changes)
	}
	if f.view != nil {
		s += fmt.Sprintf(", saw %v", f.view)
	} else if f.kind == isLook {
		s += ", saw nobody"
	}
	return s
}

// A change is one operation on a session's values, and what it gave.
type change struct {
	verb    string
	value   string
	number  int
	ok      bool
	known   bool // what it gave
	expires int64
}

func (c change) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s", c.verb, c.value))
}

// gave reports whether the change gave something back, which it does only once
// it is committed.
func (c change) gave() bool {
	return c.verb == "count" && c.number > 0 || c.verb == "pop" && c.ok || c.verb == "flashes" && c.value != ""
}

// blur takes the claim out of values that expired before they were committed, or
// perhaps.
func (f *fact) blur() {
	for i, c := range f.changes {
		if c.verb == "setfor" && c.expires <= f.end.UnixMilli() {
			f.changes = slices.Clone(f.changes)
			f.changes[i].verb = "blur"
		}
	}
}

// unknown is the changes without what they gave.
func unknown(changes []change) []change {
	changes = slices.Clone(changes)
	for i := range changes {
		changes[i].known = false
	}
	return changes
}

// certain reports whether the changes leave another session behind, whatever it
// was before.
func certain(changes []change) bool {
	sure := make(map[string]bool)
	for _, c := range changes {
		switch c.verb {
		case "login", "renew", "reauth", "remember":
			sure["token"] = true
		case "clear":
			sure = map[string]bool{"token": sure["token"]}
		case "set":
			sure["note"] = true
		case "pop":
			sure["note"] = false
		case "delete":
			sure[c.value] = false
		case "append", "count", "flash":
			sure[c.verb] = true
		case "flashes":
			sure["flash"] = false
		}
	}
	for _, yes := range sure {
		if yes {
			return true
		}
	}
	return false
}

func renews(changes []change) bool {
	return slices.ContainsFunc(changes, func(c change) bool {
		return c.verb == "login" || c.verb == "renew" || c.verb == "reauth" || c.verb == "remember"
	})
}

// values are what a session holds.
type values struct {
	user, theme, note, cart, flashes, brief string
	briefEnds                               int64 // Unix milliseconds
	count                                   int
	began                                   time.Time // the login, in the cookie
}

// apply makes a change and reports whether it gave what was told.
func (v *values) apply(c change) bool {
	switch c.verb {
	case "dim":
		v.theme = c.value
	case "set":
		v.note = c.value
	case "setfor":
		v.brief, v.briefEnds = c.value, c.expires
	case "blur":
		v.brief = "?"
	case "delete":
		if c.value == "theme" {
			v.theme = ""
		} else {
			v.note = ""
		}
	case "append":
		v.cart = join(v.cart, c.value)
	case "count":
		v.count++
		return !c.known || v.count == c.number
	case "pop":
		was := v.note
		v.note = ""
		return !c.known || c.ok == (was != "") && c.value == was
	case "flash":
		v.flashes = join(v.flashes, c.value)
	case "flashes":
		was := v.flashes
		v.flashes = ""
		return !c.known || c.value == was
	case "clear":
		*v = values{user: v.user, began: v.began}
	case "login":
		v.user = c.value
	}
	return true
}

func join(list, elem string) string {
	if list == "" {
		return elem
	}
	return list + "," + elem
}

// A view is what a session showed.
type view struct {
	user, theme, note, cart, brief string
	count                          int
	flashes                        string // only in the end
	all                            bool   // flashes are known too
}

func (v *view) String() string {
	if v == nil {
		return "nobody"
	}
	return fmt.Sprintf("{%s theme %s note %s cart %s count %d brief %s}", v.user, v.theme, v.note, v.cart, v.count, v.brief)
}

// shows reports whether the view is of these values, at a time between the two.
func (v *view) shows(s *values, begin, end time.Time) bool {
	if v.user != s.user || v.theme != s.theme || v.note != s.note || v.cart != s.cart || v.count != s.count || v.all && v.flashes != s.flashes {
		return false
	}
	switch {
	case s.brief == "?":
	case v.brief != "":
		return v.brief == s.brief && s.briefEnds >= begin.UnixMilli()
	case s.brief != "":
		return s.briefEnds <= end.UnixMilli()
	}
	return true
}
