package coatcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/wait"
	"github.com/coatcheck/coatcheck/store"
)

// A Session is the session of one request. It is loaded when it is first used
// and committed before the first byte of the response; From returns it.
//
// Methods that change it return nothing. What goes wrong is kept: Err tells it,
// later changes are refused, and it replaces the response (Config.OnError), so
// that no client is told of a change that did not happen. After a failed load
// User is "" and nothing can be changed.
//
// A Session is safe for concurrent use by the goroutines of its request. Once
// the handler has returned every change is ErrLate.
type Session struct {
	x      *exchange
	mu     wait.Mutex
	err    error
	stream *stream // see Ended

	// What the cookie and the store said.
	loading wait.Context
	base    store.Record // as loaded or last committed if live, else at most the ID of what was

	remembered uint32      // what the header of base says of Remember, in seconds
	entriesAt  uint32      // where the entries begin in base.Data
	stuck      atomic.Bool // a call did not get mu
	looked     bool        // at the cookie; the others are not known before
	noCookie   bool        // the request had no session cookie at all
	marked     bool        // but had its marker
	held       bool        // because the browser withheld it
	missing    bool        // a value was asked for all the same
	live       bool
	sure       bool // base was loaded or stored by this request, not only handed on in this process
	ended      bool // by a tombstone or during this request: only a login goes on
	replaced   bool // by a login or renewal elsewhere, whose answer the browser is about to have
	finished   bool // by anything else: the browser is to be told
	quiet      bool // err is the client's absence: no event, no 503
	turned     bool // away by a Require…, where nothing was pending: OnError may change the session
	toldLost   bool // that it was changed where nothing is kept

	// What is to be committed.
	left     bool // the cookie is to be cleared
	drop     bool // the values of base do not count
	identity identity

	namesakes bool // the request had several cookies of our name
	rescoped  bool // a copy of an older session in another scope must go
	*changes       // nil until there is one
}

// The changes of a session that wait for the commit, and its room to work in.
// Most requests change nothing and so have none.
type changes struct {
	leaving  store.ID // by Logout
	leaver   string
	was      *store.Record // what Logout took away, for who panics before it is done
	brought  store.ID      // by the browser, ended or replaced before a login here made a session of its own
	wasLeft  bool          // a Logout of this request is done
	revoker  *revocation
	began    time.Time     // what a login records, where it is not the request's start
	user     string        // of a login
	device   string        // of Config.Device, at a login
	remember time.Duration // of Remember
	wishes   *wishes       // for a login after a commit
	ops      []op
	blind    bool           // some of them promise the handler a change
	applied  int            // how many of ops view holds
	view     []record.Entry // the names that ops changed, as they then are

	// Room for the usual few changes and for the first commit.
	opsRoom  [1]op
	viewRoom [2]record.Entry
	commit   commitment
}

// A revocation is what a request has asked for that may concern its own session.
type revocation struct {
	ids  []store.ID // of sessions, before it looked at its own
	user string     // of its own, which ended with them
}

// edit returns the session's changes, for one to be added.
func (s *Session) edit() *changes {
	if s.changes == nil {
		s.changes = new(changes)
	}
	return s.changes
}

// viewed returns the names that pending changes concern, as they then are.
func (s *Session) viewed() []record.Entry {
	if s.changes == nil {
		return nil
	}
	return s.view
}

// entries returns the stored values.
func (s *Session) entries() []byte {
	if !s.live {
		return nil
	}
	return s.base.Data[s.entriesAt:]
}

// take makes a record the base. Its header is h.
func (s *Session) take(rec *store.Record, h record.Header) {
	s.base, s.live, s.sure = *rec, true, true
	s.remembered = uint32(h.Remember / time.Second)
	s.entriesAt = uint32(len(rec.Data) - len(h.Entries))
}

// doubt takes note that base is no ground for having nothing to do: it was read
// too long ago. In a cookie there is nobody to ask.
func (s *Session) doubt() {
	s.sure = s.x.m.carrier.inCookie()
}

// Format prints that this is a session and nothing of it, whatever the verb:
// log its Handle.
func (s *Session) Format(f fmt.State, _ rune) { io.WriteString(f, "{session}") }

// An op is one change of one entry. It may run several times.
type op struct {
	name string
	do   func(record.Entry) (record.Entry, error)
}

// An identity is what a commit does to the token.
type identity uint8

const (
	keepToken identity = iota
	renewToken
	authenticateAgain
	logIn
)

// newToken reports whether the next commit replaces the token.
func (s *Session) newToken() bool {
	return s.identity != keepToken || s.changes != nil && s.remember != 0
}

// checkUser validates the application's identifier of a user.
func checkUser(user string) error {
	switch {
	case user == "" || len(user) > maxUser:
		return fmt.Errorf("%w: user of %d bytes; want 1 to %d", ErrValue, len(user), maxUser)
	case !utf8.ValidString(user):
		return fmt.Errorf("%w: user is not UTF-8", ErrValue)
	}
	for _, r := range user {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: user has a control character", ErrValue)
		}
	}
	return nil
}

// errStuck is what a call finds that waited in vain for another.
var errStuck = errors.New("coatcheck: session used by the function given to Update, or by a call that did not end")

func (s *Session) lock() bool {
	if !s.mu.Lock(lockWait) {
		s.stuck.Store(true)
		return false
	}
	if s.stuck.Load() && s.err == nil {
		s.err = errStuck
	}
	return true
}

func (s *Session) unlock() { s.mu.Unlock() }

// fail keeps the first error and tells of it. The latch is held.
func (s *Session) fail(err error) { s.failTold(err, false) }

// failTold is fail for an error of which an event has perhaps told already.
func (s *Session) failTold(err error, told bool) {
	if s.err != nil {
		return
	}
	err = s.unshown(err)
	s.err = err
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
		s.turned = s.err == err
		s.unlock()
	}
}

// readmit lets OnError change a session of which only the user was refused, until
// its answer begins.
func (s *Session) readmit() {
	if s.lock() {
		s.err = nil
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

// lose tells of a change where an error is answered: nobody looks at Err there, and
// nothing is kept (G4).
func (s *Session) lose() {
	if s.err != nil && !s.toldLost && s.x.phase() == replaced {
		s.toldLost = true
		s.x.event(Event{Kind: Late, Handle: s.handle(), User: s.base.User, Reason: reasonAnswered, Err: s.err})
	}
}

// usable looks at the session and reports whether this request still has it.
func (s *Session) usable() bool {
	s.look()
	if s.err == nil && s.x.tooLate() {
		s.fail(ErrLate)
	}
	return s.err == nil
}

// mayChange looks at the session and reports whether it may be changed.
// newToken says that the change needs a Set-Cookie, or makes one needless.
func (s *Session) mayChange(newToken bool) bool {
	phase := s.x.phase()
	switch {
	case !s.usable():
	case phase != open && (newToken || !s.live || s.x.m.carrier.inCookie()):
		s.fail(s.orEnded(ErrLate))
	case !newToken && s.dead():
		s.fail(s.why())
	}
	if s.err != nil {
		s.lose()
		return false
	}
	s.edit()
	return true
}

// dead reports whether the session has ended and nothing follows it. A login does;
// and whoever asks for the end knows of it: a second Logout, a double click, may
// leave a message as the first did.
func (s *Session) dead() bool { return s.ended && !s.left && s.identity != logIn }

// orEnded is ErrEnded where that is the better answer than err.
func (s *Session) orEnded(err error) error {
	if s.ended {
		return s.why()
	}
	return err
}

// nobody is the error of what needs a user where there is none.
func (s *Session) nobody() error {
	if s.misses() {
		return ErrHeldBack
	}
	return s.orEnded(ErrLoginRequired)
}

// misses reports whether there is a session that the browser withheld, and no
// login has made another (G7).
func (s *Session) misses() bool {
	return s.held && s.marked && !s.live && s.identity != logIn
}

// overtaken reports whether a login or renewal has replaced the token that the
// request brought, so that nobody knows here whether a user is logged in.
func (s *Session) overtaken() bool {
	if !s.lock() {
		return false
	}
	defer s.unlock()
	return s.dead() && s.replaced
}

// withheld reports whether a request from another site came without the
// session cookie that its marker proves.
func (s *Session) withheld() bool {
	if !s.lock() {
		return false
	}
	defer s.unlock()
	s.look()
	return s.held && s.marked
}

// Err returns what went wrong in this request, or nil: a failed load or commit,
// a change that was refused. It calls no store.
func (s *Session) Err() error {
	if !s.lock() {
		return errStuck
	}
	defer s.unlock()
	return s.err
}

// User returns the logged-in user, or "": nobody is, or the session could not
// be loaded (see Err, and Manager.Require for routes with effects).
func (s *Session) User() string {
	if !s.lock() {
		return ""
	}
	defer s.unlock()
	s.look()
	return s.currentUser()
}

// Identify is User for templates, with its error: the load that failed, or
// ErrLate where the session is first asked after the answer has begun, as by a
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
	s.look()
	if s.err != nil {
		return "", s.err
	}
	return s.currentUser(), nil
}

func (s *Session) currentUser() string {
	switch {
	case s.identity == logIn:
		return s.user
	case s.live:
		return s.base.User
	}
	return ""
}

// AuthTime returns when the request began in which the user logged in or
// authenticated again, or the zero time where nobody is logged in.
func (s *Session) AuthTime() time.Time {
	if !s.lock() {
		return time.Time{}
	}
	defer s.unlock()
	s.look()
	switch {
	case s.currentUser() == "":
		return time.Time{}
	case s.identity >= authenticateAgain:
		return s.authTime()
	}
	return s.base.AuthTime
}

// authTime is what a login or re-authentication records. In a live session of the
// same user it never goes back: where another server's clock is ahead, a
// revocation that the login came after would cover what only proves it again.
func (s *Session) authTime() time.Time {
	if s.live && (s.identity != logIn || s.base.User == s.user) {
		return latest(s.base.AuthTime, s.loginTime())
	}
	return s.loginTime()
}

// loginTime is what a login records: the start of the request, or just after a
// revocation that the request made.
func (s *Session) loginTime() time.Time {
	if s.changes != nil && !s.changes.began.IsZero() {
		return s.changes.began
	}
	return micros(s.x.began)
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
	s.look()
	if !s.live || s.newToken() {
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
	s.look()
	now := time.Now().UnixMilli()
	var names []string
	if !s.drop {
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
		s.discard()
		s.label(labels)
		s.blind = true
	}
}

// discard forgets all values, stored and pending.
func (s *Session) discard() {
	s.drop = true
	s.ops, s.view, s.applied = nil, nil, 0
}

// Login binds the session to user, the application's identifier of a person:
// 1 to 255 bytes of UTF-8 without control characters, compared byte for byte.
// It always makes a new token; the old one is dead at once. Values are kept
// from an anonymous session or one of the same user, and dropped from one of
// another user. The lifetime starts anew. ASVS 7.2.4
//
// Login is the only way to bind a user; call it after checking the password.
func (s *Session) Login(user string) {
	if !s.lock() {
		return
	}
	defer s.unlock()
	if !s.mayChange(true) {
		return
	}
	if err := checkUser(user); err != nil {
		s.fail(err)
		return
	}
	if now := s.currentUser(); now != "" && now != user {
		s.discard()
	}
	// A copy: fasthttp, under Fiber, lets strings change after the request.
	s.identity, s.user, s.remember = logIn, strings.Clone(user), 0
	if name := s.x.m.cfg.Device; name != nil {
		s.device = deviceLabel(name(s.x.r))
	}
	if w := s.wishes; w != nil {
		s.remember = w.remember
		s.label(w.labels)
	}
}

// Reauthenticate records that the logged-in user has proven again who they are:
// new token, AuthTime now, lifetime started anew, values kept. Where nobody is
// logged in it is ErrLoginRequired, and ErrHeldBack where the browser withheld
// the cookie. ASVS 7.2.4, 7.5.1
func (s *Session) Reauthenticate() {
	if !s.lock() {
		return
	}
	defer s.unlock()
	if !s.mayChange(true) {
		return
	}
	if s.currentUser() == "" {
		s.fail(s.nobody())
		return
	}
	s.identity = max(s.identity, authenticateAgain)
}

// Renew gives the session a new token, for any change of privilege that is not
// a login. Nothing else changes; without a session it does nothing.
func (s *Session) Renew() {
	if !s.lock() {
		return
	}
	defer s.unlock()
	if s.mayChange(true) && s.mayRenew() {
		s.identity = max(s.identity, renewToken)
	}
}

// mayRenew reports whether there is a token to renew. To renew an ended session
// is a write that came too late, and to renew a withheld one is held back (G7).
func (s *Session) mayRenew() bool {
	switch {
	case s.identity == logIn:
	case s.dead():
		s.fail(s.why())
	case s.misses():
		s.fail(ErrHeldBack)
	}
	return s.err == nil && (s.live || s.identity == logIn)
}

// Logout ends the session, for good: no request in flight can bring it back.
// Values and user are gone from the store and the cookie is cleared. The
// session is then empty and new; a value or flash kept now starts an anonymous
// one in the same response. In a request older than 50 seconds it clears no
// cookie, which may be a newer one, and is ErrEnded where nobody knows any more
// what a login meanwhile made of the session. ASVS 7.4.1
func (s *Session) Logout() {
	if !s.lock() {
		return
	}
	defer s.unlock()
	s.look()
	switch {
	case s.err != nil:
		s.lose()
		return
	case s.x.tooLate():
		s.fail(ErrLate)
		return
	case s.held && s.marked && !s.x.out.unproven: // a copy of a cookie may end its session, and do nothing else
		s.fail(ErrHeldBack)
		return
	}
	s.leave()
	if s.x.phase() != open {
		s.commit(s.x.phase()) // a stream may last for hours; an end must not wait
	}
}

// leave makes the end of the session pending, and the session empty and new.
func (s *Session) leave() {
	switch c := s.edit(); {
	case s.live:
		was := s.base
		c.was = &was
		c.leaving, c.leaver = s.base.ID, s.base.User
		s.base = store.Record{}
	case c.leaving.IsZero(): // else this is the second time
		c.leaving = s.base.ID
	}
	if s.x.out.unproven {
		s.held, s.marked, s.x.out.unproven = false, false, false
	}
	s.live, s.left = false, true
	s.identity, s.remember, s.wishes = keepToken, 0, nil
	s.discard()
}

// Touch counts as activity: it moves the idle end. Requests that look at the
// session do so by themselves; an open stream or websocket does not.
//
// Of a session in its cookie only requests that load a page do so by themselves,
// each of which brings a new cookie. An application that fetches and loads no page
// calls Touch in one of its requests, GET /api/me every few minutes for one, before
// the answer begins: once it has begun a Touch that is due is ErrLate, and after 50
// seconds ErrTooOld. The cost is that of every change in a cookie: of requests at
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
	case !s.live:
		return
	}
	id := s.base.ID
	switch err := s.touch(clock(), true); {
	case err == nil:
	case errors.Is(err, ErrLate), errors.Is(err, ErrTooOld), errors.Is(err, ErrHeldBack): // for its cookie
		s.fail(err)
	case isOver(err):
		s.endedBy(err)
		s.gone()
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
	if s.x.phase() == closed && s.err == nil && s.pending() {
		s.fail(ErrLate)
	}
	s.commit(s.x.phase())
	return s.err
}

// id is that of the stored session, or zero.
func (s *Session) id() store.ID {
	if !s.lock() {
		return store.ID{}
	}
	defer s.unlock()
	s.look()
	if !s.live {
		return store.ID{}
	}
	return s.base.ID
}

// confirm asks the store whether the session still lives: one that was ended
// meanwhile must not end the others.
func (s *Session) confirm(ctx context.Context) error {
	if !s.lock() {
		return errStuck
	}
	defer s.unlock()
	if !s.live || s.x.m.carrier.inCookie() {
		return s.orEnded(nil)
	}
	_, err := s.x.m.carrier.Load(ctx, s.base.ID)
	switch {
	case isOver(err):
		s.endedBy(err)
		s.gone()
		return ErrEnded
	case err != nil:
		return fmt.Errorf("coatcheck: end sessions of user: %w", err)
	}
	return nil
}

// revoked takes note of a revocation that this request asked for, of sessions
// or, at a time, of a user. Where it ends the session of the request that is a
// Logout: whoever asks for the end knows of it (G2, decision 44).
func (s *Session) revoked(user string, at time.Time, ended []store.ID) error {
	if !s.lock() {
		return errStuck
	}
	defer s.unlock()
	if !at.Before(s.loginTime()) {
		s.edit().began = at.Add(time.Microsecond)
	}
	if !s.looked && len(ended) > 0 { // the session may be among them: see took
		s.revokes().ids = append(s.revokes().ids, ended...)
	}
	done := slices.Contains(ended, s.base.ID)
	switch {
	case !s.live || !done && (user == "" || s.base.User != user):
		return nil
	case s.identity == logIn || s.err != nil: // a login goes on, with a session of its own
		s.finished = true
		s.gone()
		return nil
	}
	s.revokes().user = s.base.User
	s.leave()
	if done {
		s.hasLeft()
	}
	s.commit(s.x.phase())
	return s.err
}

// asked returns the reason of a revocation: own where the request that asks for it
// is known to be one of the user, as of somebody who logs out everywhere, and why
// where it is an administrator's or none.
func (s *Session) asked(user, why, own string) string {
	if s == nil || !s.lock() {
		return why
	}
	defer s.unlock()
	if s.currentUser() == user {
		return own
	}
	return why
}

// revokes returns what the request has revoked, to be added to.
func (s *Session) revokes() *revocation {
	c := s.edit()
	if c.revoker == nil {
		c.revoker = new(revocation)
	}
	return c.revoker
}

// hasLeft says of a Logout that the session has ended already, and that nothing
// can have replaced it: only the cookie is to be cleared.
func (s *Session) hasLeft() {
	s.leaving, s.leaver, s.was, s.wasLeft = store.ID{}, "", nil, true
}

// gone takes note that the session has ended. Nothing sets its cookie any more.
func (s *Session) gone() {
	s.live, s.ended = false, true
	s.base = store.Record{ID: s.base.ID}
	if s.changes != nil {
		s.view, s.applied = nil, 0 // what the ops made of the values that are gone
	}
	if s.x.out.sid != "" && s.x.phase() == open {
		s.finished = false // the browser never had it
	}
	s.x.out.sid, s.x.out.marker = "", ""
	s.x.m.streams.end(s.base.ID)
}
