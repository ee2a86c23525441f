// Package binding is how package dbsc takes part in the requests of a
// coatcheck.Manager. It holds what both must agree on, and no policy.
package binding

import (
	"context"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// An Outcome is what becomes of a request that brings a genuine session.
type Outcome uint8

const (
	Serve    Outcome = iota // it has the session
	Unproven                // it has not shown that it comes from the session's device
	Later                   // nor could it: the browser says that its proof failed for now
	Unbound                 // the session is not bound, and the route wants one that is
)

// Elsewhere reports whether another origin made the request, of another site or a
// sibling host: before it a browser proves nothing.
func Elsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// A Verdict is the answer of a Guard's Look.
type Verdict struct {
	Outcome Outcome
	Reason  string // of the event, of Unproven and Unbound; empty = there is none to tell of
	Skipped string // what the browser says of a refresh that it left out, for an event; empty = nothing
	Copy    bool   // a browser that has the key would not have sent it so: from another network it is a copy
	Stale   bool   // a cookie of the binding's name came that serves no more: the answer takes it away
	Offer   bool   // of Serve: the session is not bound, and may be offered it once more
	Entry   []byte // if not nil, the entry's value from now on
}

// A Guard is what package dbsc adds to a manager. It is asked with the session in
// use and must not use it.
type Guard interface {
	// Look decides on a session that was just loaded. entry is the value of
	// record.Bound, nil if there is none.
	Look(r *http.Request, user string, entry []byte, now time.Time) Verdict

	// Offer returns the value of Secure-Session-Registration for an answer that
	// sets the cookie of a session with that id, or "".
	Offer(id [32]byte, entry []byte, now time.Time) string

	// Clear returns the Set-Cookie line for an answer that clears the session's
	// cookie, or "".
	Clear(h http.Header) string

	// Owns reports whether cookies of that name are the guard's.
	Owns(name string) bool

	// Fail answers, in place of Config.OnError, a request of the guard's own. over
	// says that its session has ended, and that no renewal has replaced it.
	Fail(w http.ResponseWriter, over bool)
}

// A View is a session as one request has it.
type View struct {
	ID       [32]byte
	User     string
	Entry    []byte    // the value of record.Bound
	Began    time.Time // the request: at its begin a cookie is judged
	Live     bool
	Replaced bool // not Live: a login or renewal has just replaced its token
	Withheld bool // not Live: nobody can tell from this request what session the browser has
}

// Sessions is what a manager offers to its Guard.
type Sessions struct {
	Cookie  string        // the session cookie's name
	Policy  cookie.Policy // and its attributes
	Origins []string
	Keys    *cookie.Keys

	// Admit returns the session of a request of the guard's own, whatever the
	// guard's Look says of it, and View the session as the application has it.
	Admit, View func(ctx context.Context) (View, error)

	// Change replaces the entry's value by what f makes of it, and commits. f is
	// pure and may run several times. The handler returns after an error: the
	// answer is Fail's.
	Change func(ctx context.Context, f func(old []byte) []byte) error

	// SetCookie adds a Set-Cookie line of a name that the guard owns to the answer.
	// One that comes from elsewhere does not leave.
	SetCookie func(ctx context.Context, h http.Header, line string)

	// Refuse ends a request whose session is not bound, or cannot be proven for now
	// (Later), which an event has told.
	Refuse func(ctx context.Context, why Outcome)

	// Tell is told of what happened to the session.
	Tell func(ctx context.Context, kind, reason string)
}

// An Attacher makes g the guard of a *coatcheck.Manager, which has at most one.
// Before that prepare gets what the manager offers, and may refuse it.
type Attacher func(manager any, g Guard, prepare func(*Sessions) error) (*Sessions, error)

// attach is the core's side. It is written once, when the core is initialised.
var attach Attacher

// Provide is called by the core, once.
func Provide(f Attacher) struct{} {
	attach = f
	return struct{}{}
}

// Attach is the core's Attacher.
func Attach(manager any, g Guard, prepare func(*Sessions) error) (*Sessions, error) {
	return attach(manager, g, prepare)
}
