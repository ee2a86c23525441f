package coatcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/wait"
	"github.com/coatcheck/coatcheck/store"
)

// A Session is the session of one request. It is loaded when it is first used
// and committed before the first byte of the response; From returns it.
//
// Methods that change it return nothing. What goes wrong is kept: Err tells it,
// later changes are refused, and it replaces the response ([Config.OnError]), so
// that no client is told of a change that did not happen. After a failed load
// User is "" and nothing can be changed.
//
// A Session is safe for concurrent use by the goroutines of its request. Once
// the handler has returned every change is [ErrLate].
type Session struct {
	x  *exchange
	mu wait.Mutex

	// What the cookie and the store said.
	base snapshot // as loaded or last committed if live, else at most the ID of what was

	cookie  cookieState // before it is read nothing of what follows is known
	life    lifeState
	failed  bool // see failure
	missing bool // a value was asked for where the cookie is absent

	// What is to be committed.
	loggedOut   bool // the cookie is to be cleared
	cleared     bool // the values of base do not count
	tokenChange tokenChange

	namesakes bool // the request had several cookies of our name
	*changes       // nil until there is one
}

// The changes of a session that wait for the commit, and its room to work in.
// Most requests change nothing and so have none. They are reached through the session
// alone, with its mutex held, and are another's when the request has ended.
type changes struct {
	asked
	planned
	write pendingWrite
	lent  bool // write, to the commit under way, or to others since
}

// What a request changes of the values, with room for the usual few changes.
type planned struct {
	ops     []op
	blind   bool           // some of them promise the handler a change
	applied int            // how many of ops view holds
	lasting bool           // what the latest op found and left does not expire
	altered bool           // and differs
	looked  time.Time      // when the session was loaded, if then there were changes
	view    []record.Entry // the names that ops changed, as they then are

	opsRoom  [1]op
	viewRoom [2]record.Entry
}

// What a request has asked for beside changes of values, or done. The texts stand last,
// so that whether there is anything is one look at what stands before them.
type asked struct {
	endingID     store.ID      // by Logout
	brought      store.ID      // by the browser, ended or replaced before a login here made a session of its own
	beforeLogout *snapshot     // what Logout took away, for who panics before it is done
	revoker      *revocation   // what may concern its own session
	wishes       *wishes       // for a login after a commit
	proof        *proof        // of package dbsc, to be noted
	authAt       int64         // what a login records, where it is not the request's start, in microseconds since 1970
	remember     time.Duration // of Remember
	followed     bool          // Logout is for what the other system has ended: EndAdopted
	logoutDone   bool          // a Logout of this request is done
	unproven     cookieState   // what cookie was before Logout, if that; for the same

	endingUser string // by Logout
	user       string // of a login
	device     string // of Config.Device, at a login
}

// A cookieState is what the request brought of a session cookie.
type cookieState uint8

const (
	cookieUnread         cookieState = iota
	cookieBrought                    // one or more, genuine or not
	cookieAbsent                     // none that is ours
	cookieMayBeWithheld              // absent, perhaps because the browser withheld it
	cookieWithheld                   // absent, and its marker is there in its place (G7)
	cookieJoined                     // perhaps behind a comma, where a proxy put it
	cookieUnproven                   // bound to a device, which the request has not shown: it counts as withheld
	cookieUnprovenForNow             // and the browser says that it could not show it
	cookieAlone                      // without the foreign one, which the browser may have withheld: see Manager.MissAdopted
)

// absent reports whether the request had no session cookie at all.
func (c cookieState) absent() bool { return cookieAbsent <= c && c <= cookieWithheld }

// hidden reports whether there may be a session that the request does not show;
// from cookieWithheld on one is taken to be there.
func (c cookieState) hidden() bool { return c >= cookieMayBeWithheld }

// A lifeState is what has become of the session: from ended on it is over.
type lifeState uint8

const (
	noSession         lifeState = iota // none, or an empty one that nothing keeps yet
	live                               // base is its record
	ended                              // nobody knows how, or the browser never had it: only a login goes on
	replacedElsewhere                  // by a login or renewal, whose answer the browser is about to have
	finished                           // by anything else: the browser is to be told
)

// doubt takes note that base is no ground for having nothing to do: it was read
// too long ago. In a cookie there is nobody to ask.
func (s *Session) doubt() {
	s.base.sure = s.x.m.carrier.inCookie()
}

// Format prints that this is a session and nothing of it, whatever the verb:
// log its Handle.
func (s *Session) Format(f fmt.State, _ rune) { io.WriteString(f, "{session}") }

// A tokenChange is what a commit does to the token.
type tokenChange uint8

const (
	keepToken tokenChange = iota
	renewToken
	authenticateAgain
	logIn
)

// The marks of a session that are made without its mutex.
const (
	stuck      uint32 = 1 << iota // a call did not get the mutex
	loadPolled                    // the store has asked whether the first look is over
	loadEnded                     // and it is
	callPolled                    // the same of calling
	callEnded
	callsEnd // and from here on when its time is over, in milliseconds after the request came
)

// errStuck is what a call finds that waited in vain for another.
var errStuck = errors.New("coatcheck: session used by the function given to Update, or by a call that did not end")

// A failure is what has gone wrong in a request. The session's mutex guards it.
type failure struct {
	err        error
	clientGone bool // err is the client's absence: no event, no 503
	turned     bool // away by a Require…, where nothing was pending: OnError may change the session
	toldLost   bool // that it was changed where nothing is kept
}

// err is the error that the handler is told, if the session has failed. The mutex is
// held.
func (s *Session) err() error {
	if !s.failed {
		return nil
	}
	return s.x.extra().err
}

// setErr takes note of an error, or that there is none any more.
func (s *Session) setErr(err error) {
	if s.failed || err != nil {
		s.failed, s.x.extra().err = err != nil, err
	}
}

// leaves takes note that the load has failed because the client left.
func (s *Session) leaves(err error) {
	s.setErr(err)
	s.x.extra().clientGone = true
}

// fail keeps the first error and tells of it. The mutex is held.
func (s *Session) fail(err error) { s.failTold(err, false) }

// failTold is fail for an error of which an event has perhaps told already.
func (s *Session) failTold(err error, told bool) {
	if s.failed {
		return
	}
	err = s.orUnproven(err)
	s.setErr(err)
	if !told {
		s.tell(err)
	}
}

func (s *Session) handle() string {
	return handleOf(s.base.ID)
}

// refuse ends the request with an error of its own.
func (s *Session) refuse(err error) {
	if s.lock() {
		s.fail(err)
		s.unlock()
	}
}

// turnAway is refuse where the session is as it should be, and nothing waits.
func (s *Session) turnAway(err error) {
	if s.lock() {
		s.fail(err)
		s.x.extra().turned = s.err() == err
		s.unlock()
	}
}

// readmit lets OnError change a session of which only the user was refused, until
// its answer begins.
func (s *Session) readmit() {
	if s.lock() {
		s.setErr(nil)
		s.unlock()
	}
}

// refuseTold is refuse for an error that was told before.
func (s *Session) refuseTold(err error) {
	if s.lock() {
		s.failTold(err, true)
		s.unlock()
	}
}

// tellLost tells of a change where an error is answered: nobody looks at Err there, and
// nothing is kept (G4).
func (s *Session) tellLost() {
	if s.failed && s.x.phase() == replaced && !s.x.extra().toldLost {
		s.x.extra().toldLost = true
		s.x.event(Event{Kind: Late, Handle: s.handle(), User: s.base.User, Reason: reasonAnswered, Err: s.err()})
	}
}

// orEnded is ErrEnded where that is the better answer than err.
func (s *Session) orEnded(err error) error {
	if s.life >= ended {
		return s.why()
	}
	return err
}

// nobody is the error of what needs a user where there is none.
func (s *Session) nobody() error {
	if s.isWithheld() {
		return ErrHeldBack
	}
	return s.orEnded(ErrLoginRequired)
}

// looksWithheld looks at the session and reports whether there is one that the request
// does not show: its cookie was withheld or joined to another, or its device not proven.
func (s *Session) looksWithheld() bool {
	if !s.lock() {
		return false
	}
	defer s.unlock()
	s.ensureLoaded()
	return s.cookie >= cookieWithheld
}

// Err returns what went wrong in this request, or nil: a failed load or commit,
// a change that was refused. It calls no store.
func (s *Session) Err() error {
	if !s.lock() {
		return errStuck
	}
	defer s.unlock()
	return s.err()
}

// User returns the logged-in user, or "": nobody is, or the session could not
// be loaded (see Err, and [Manager.Require] for routes with effects).
func (s *Session) User() string {
	if !s.lock() {
		return ""
	}
	defer s.unlock()
	s.ensureLoaded()
	return s.currentUser()
}

// Identify is User for templates, with its error: the load that failed, or
// [ErrLate] where the session is first asked after the answer has begun, as by a
// template whose first part has left already. User then says "", which looks like
// a visitor; a template that calls Identify fails instead, and its Execute returns
// the error:
//
//	{{with .Session.Identify}}Hello {{.}}{{else}}<a href="/login">Log in</a>{{end}}
//
// Within Require, the usual way, the session is loaded before the handler, and
// nothing comes too late.
func (s *Session) Identify() (user string, err error) {
	if !s.lock() {
		return "", errStuck
	}
	defer s.unlock()
	s.ensureLoaded()
	if s.failed {
		return "", s.err()
	}
	return s.currentUser(), nil
}

// AuthTime returns when the request began in which the user logged in or
// authenticated again, or the zero time where nobody is logged in.
func (s *Session) AuthTime() time.Time {
	if !s.lock() {
		return time.Time{}
	}
	defer s.unlock()
	s.ensureLoaded()
	switch {
	case s.currentUser() == "":
		return time.Time{}
	case s.tokenChange >= authenticateAgain:
		return s.authTime()
	}
	return s.base.AuthTime()
}

// authTime is what a login or re-authentication records. In a live session of the
// same user it never goes back: where another server's clock is ahead, a
// revocation that the login came after would cover what only proves it again.
func (s *Session) authTime() time.Time {
	if s.life == live && (s.tokenChange != logIn || s.base.User == s.user) {
		return latest(s.base.AuthTime(), s.loginTime())
	}
	return s.loginTime()
}

// loginTime is what a login records: the start of the request, or just after a
// revocation that the request made.
func (s *Session) loginTime() time.Time {
	if s.changes != nil && s.changes.authAt != 0 {
		return time.UnixMicro(s.changes.authAt).UTC()
	}
	return s.x.began()
}

// Handle returns the session's public name for logs and lists, or "" where
// there is no stored session yet, or the next commit gives it another. It is
// useless as a cookie. It changes with the token, by Login, Reauthenticate, Renew
// and Remember; a label does not, see SetLabel.
func (s *Session) Handle() string {
	if !s.lock() {
		return ""
	}
	defer s.unlock()
	s.ensureLoaded()
	if s.life != live || s.newToken() {
		return ""
	}
	return s.base.ID.Handle()
}

// Keys returns the names of the values, sorted. Flashes and labels are not among
// them.
func (s *Session) Keys() []string {
	if !s.lock() {
		return nil
	}
	defer s.unlock()
	s.ensureLoaded()
	now := time.Now().UnixMilli()
	var names []string
	if !s.cleared {
		for e := range record.All(s.entries()) {
			if !record.Named(s.viewed(), []byte(e.Name)) && e.At(now).Raw != nil {
				names = append(names, e.Name)
			}
		}
	}
	for _, e := range s.viewed() {
		if e.At(now).Raw != nil {
			names = append(names, e.Name)
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n[0] == 0 }) // our own
	slices.Sort(names)
	return names
}

// Clear removes every value and flash. The user stays logged in, under the same
// labels.
func (s *Session) Clear() {
	if !s.lock() {
		return
	}
	defer s.unlock()
	if s.mayChange(false) {
		labels := s.pendingLabels()
		s.clearValues()
		s.label(labels)
		s.blind = true
	}
}

// clearValues forgets all values, stored and pending.
func (s *Session) clearValues() {
	s.cleared = true
	s.ops, s.view, s.applied = nil, nil, 0
}

// Touch counts as activity: it moves the idle end. Requests that look at the
// session do so by themselves; an open stream or websocket does not.
//
// Of a session in its cookie only requests that load a page do so by themselves,
// each of which brings a new cookie. An application that fetches and loads no page
// calls Touch in one of its requests, GET /api/me every few minutes for one, before
// the answer begins: once it has begun a Touch that is due is [ErrLate], and after 50
// seconds [ErrTooOld]. The cost is that of every change in a cookie: of requests at
// once the cookie that comes last wins.
func (s *Session) Touch() {
	if !s.lock() {
		return
	}
	defer s.unlock()
	switch {
	case !s.usable():
		return
	case s.dead():
		s.fail(s.why())
		return
	case s.life != live:
		return
	}
	id := s.base.ID
	switch err := s.touch(clock(), true); {
	case err == nil:
	case errors.Is(err, ErrLate), errors.Is(err, ErrTooOld), errors.Is(err, ErrHeldBack): // for its cookie
		s.fail(err)
	case isOver(err):
		s.endedBy(err)
		s.markEnded()
		s.fail(ErrEnded)
	default:
		told := s.x.storeError(id, "touch", err)
		s.failTold(fmt.Errorf("coatcheck: touch session: %w", err), told)
	}
}

// Commit stores now what is pending, instead of before the first byte, and
// returns Err. Most programs need it only in streams and websockets.
func (s *Session) Commit() error {
	if !s.lock() {
		return errStuck
	}
	defer s.unlock()
	if s.x.phase() == closed && !s.failed && s.pending() {
		s.fail(ErrLate)
	}
	s.commit(s.x.phase())
	return s.err()
}

// markEnded takes note that the session has ended. Nothing sets its cookie any more.
func (s *Session) markEnded() {
	s.life = max(s.life, ended)
	s.base = snapshot{ID: s.base.ID}
	if s.changes != nil {
		s.view, s.applied = nil, 0 // what the ops made of the values that are gone
	}
	if s.life == finished && s.x.ours().sid != "" && s.x.phase() == open {
		s.life = ended // the browser never had it
	}
	s.x.setSession("", "")
	s.x.m.endWaiters.end(s.base.ID)
}

// Reload asks the store for the session as it is now, for a request that waits for
// what another one does. Get then finds what others stored meanwhile; changes of
// this request that are not committed yet are made on it. Update and Pop need no
// Reload: they ask by themselves.
//
// It is [ErrEnded] where the session has ended: the request goes on as anonymous, and
// its changes are refused. When the store fails Err says so, and the answer is
// replaced, as after a failed load. Without a session there is nothing to ask. A
// session in its cookie is known to nobody else: errors.ErrUnsupported.
func (s *Session) Reload() error {
	if !s.lock() {
		return errStuck
	}
	defer s.unlock()
	fresh := s.cookie == cookieUnread
	switch {
	case !s.usable():
		return s.err()
	case s.x.m.carrier.inCookie():
		return fmt.Errorf("coatcheck: Reload of a session in its cookie: %w", errors.ErrUnsupported)
	case s.life != live:
		return s.orEnded(nil)
	case fresh:
		return nil // just asked
	}
	s.edit() // which rebase works in
	if err := s.ask(); err != nil {
		if errors.Is(err, ErrEnded) {
			s.markEnded()
		}
		return err
	}
	s.replayNow()
	return s.err()
}

// loadContext is the context of a load that is not the first look.
func (s *Session) loadContext() *wait.Context {
	return &wait.Context{Parent: s.x.parent(), At: time.Now().Add(loadTimeout)}
}

// ask loads the base anew.
func (s *Session) ask() error {
	m, id := s.x.m, s.base.ID
	ctx := s.loadContext()
	defer ctx.End()
	rec, err := m.carrier.Load(ctx, id)
	switch {
	case err == nil && expired(&rec, clock()):
		s.x.event(Event{Kind: Expired, Handle: id.Handle(), User: rec.User, Reason: whyOver(&rec, clock())})
		return ErrEnded
	case err == nil:
		now := snapshotOf(&rec)
		return s.rebase(&now, true)
	case isOver(err):
		s.endedBy(err)
		return ErrEnded
	case errors.Is(s.x.parent().Err(), context.Canceled):
		s.leaves(err)
	default:
		told := s.x.storeError(id, "load", err)
		s.failTold(fmt.Errorf("coatcheck: load session: %w", err), told)
	}
	return s.err()
}
