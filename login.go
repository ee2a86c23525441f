package coatcheck

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck/internal/record"
)

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
		s.clearValues()
	}
	if user == s.base.User {
		user = s.base.User
	} else {
		user = strings.Clone(user) // fasthttp, under Fiber, lets strings change after the request
	}
	s.tokenChange, s.user, s.remember = logIn, user, 0
	s.nameDevice()
	if w := s.wishes; w != nil {
		s.remember = w.remember
		s.label(w.labels)
	}
}

// nameDevice asks Config.Device for the label of the device, of a login.
func (s *Session) nameDevice() {
	if name := s.x.m.cfg.Device; name != nil {
		s.device = deviceLabel(name(&s.x.r))
	}
}

// Reauthenticate records that the logged-in user has proven again who they are:
// new token, AuthTime now, lifetime started anew, values kept. Where nobody is
// logged in it is [ErrLoginRequired], and [ErrHeldBack] where the browser withheld
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
	s.tokenChange = max(s.tokenChange, authenticateAgain)
}

// Renew gives the session a new token, for any change of privilege that is not
// a login. Nothing else changes; without a session it does nothing.
func (s *Session) Renew() {
	if !s.lock() {
		return
	}
	defer s.unlock()
	if s.mayChange(true) && s.mayRenew() {
		s.tokenChange = max(s.tokenChange, renewToken)
	}
}

// mayRenew reports whether there is a token to renew. To renew an ended session
// is a write that came too late, and to renew a withheld one is held back (G7).
func (s *Session) mayRenew() bool {
	switch {
	case s.tokenChange == logIn:
	case s.dead():
		s.fail(s.why())
	case s.isWithheld():
		s.fail(ErrHeldBack)
	}
	return !s.failed && (s.life == live || s.tokenChange == logIn)
}

// Logout ends the session, for good: no request in flight can bring it back.
// Values and user are gone from the store and the cookie is cleared. The
// session is then empty and new; a value or flash kept now starts an anonymous
// one in the same response. In a request older than 50 seconds it clears no
// cookie, which may be a newer one, and is [ErrEnded] where nobody knows any more
// what a login meanwhile made of the session. ASVS 7.4.1
func (s *Session) Logout() {
	if !s.lock() {
		return
	}
	defer s.unlock()
	s.ensureLoaded()
	switch {
	case s.failed:
		s.tellLost()
		return
	case s.x.tooLate():
		s.fail(ErrLate)
		return
	case s.cookie == cookieWithheld || s.cookie == cookieJoined: // a copy of a cookie may end its session, and do nothing else
		s.fail(ErrHeldBack)
		return
	}
	s.logOut()
	if s.x.phase() != open {
		s.commit(s.x.phase()) // a stream may last for hours; an end must not wait
	}
}

// logOut makes the end of the session pending, and the session empty and new.
func (s *Session) logOut() {
	switch c := s.edit(); {
	case s.life == live:
		was := s.base
		c.beforeLogout = &was
		c.endingID, c.endingUser = s.base.ID, s.base.User
		s.base = snapshot{}
	case c.endingID.IsZero(): // else this is the second time
		c.endingID = s.base.ID
	}
	if s.cookie >= cookieUnproven {
		s.unproven, s.cookie = s.cookie, cookieBrought
	}
	if s.loggedOut = true; s.life == live {
		s.life = noSession
	}
	s.tokenChange, s.remember, s.wishes = keepToken, 0, nil
	s.clearValues()
}

// newToken reports whether the next commit replaces the token.
func (s *Session) newToken() bool {
	return s.tokenChange != keepToken || s.changes != nil && s.remember != 0
}

// checkUser validates the application's identifier of a user.
func checkUser(user string) error { return checkText("user", user, maxUser) }

// checkText validates what the application names: 1 to most bytes of UTF-8 without
// control characters.
func checkText(what, text string, most int) error {
	switch {
	case text == "" || len(text) > most:
		return fmt.Errorf("%w: %s of %d bytes; want 1 to %d", ErrValue, what, len(text), most)
	case !utf8.ValidString(text):
		return fmt.Errorf("%w: %s is not UTF-8", ErrValue, what)
	case strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%w: %s has a control character", ErrValue, what)
	}
	return nil
}

var slidingEntry = record.Entry{Name: record.Sliding, Raw: []byte("true")}

// slides reports whether the session is remembered as long as its user comes, by
// its record or by what is pending.
func (s *Session) slides() bool {
	return s.changes != nil && s.remember != 0 && s.wishes.sliding || s.stored(record.Sliding).Raw != nil
}

// prolonged is the deadline that Remember gives a session that has one: never an
// earlier one, and none beyond MaxRemember after the login.
func (s *Session) prolonged(now time.Time) time.Time {
	end, limit := now.Add(s.remember), s.base.AuthTime().Add(s.x.m.cfg.MaxRemember)
	if s.slides() || end.After(limit) {
		end = limit
	}
	return latest(s.base.Deadline(), end)
}

// prolongs reports whether Remember has anything to do for a live session.
func (s *Session) prolongs(now time.Time) bool {
	return s.remember > s.base.remember() || s.prolonged(now).After(s.base.Deadline()) ||
		s.slides() && s.stored(record.Sliding).Raw == nil
}

// counting returns the base's entries without those that count no more.
func (s *Session) counting(entries []byte) []byte {
	return record.Without(entries, s.drops(true), s.drops(false))
}

// label makes pending what the request has said of labels so far. The ops ask for
// nothing, so that they may run again.
func (s *Session) label(ops []op) {
	for _, o := range ops {
		_ = s.apply(o, 0) // it has no error, and no label expires
		s.record(o)
	}
	s.applied = len(s.ops)
}

// pendingLabels returns the ops on labels that wait for the commit.
func (s *Session) pendingLabels() []op {
	return slices.DeleteFunc(slices.Clone(s.ops), func(o op) bool { return !record.IsLabel(o.name) })
}

// Remember makes this session last for at least d from now on, idle or not: "keep
// me logged in". It never ends earlier than it would have. It renews the token, so
// that one that was stolen before is not prolonged too, and may come before or
// after Login in the same request, or days later: then it extends the session
// again, up to [Config.MaxRemember] after the login or Reauthenticate; what it cannot
// extend it leaves as it is. More than MaxRemember at once is [ErrValue]. A later
// Login without it drops it.
func (s *Session) Remember(d time.Duration) { s.rememberFor(d, false) }

// RememberSliding is Remember for a session that lasts as long as the user comes
// every d, up to [Config.MaxRemember] after the login or Reauthenticate. One call at
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

const (
	maxLabelName = 64
	maxLabel     = 255
)

// checkLabel validates the name of a label and, unless it is empty, its value.
func checkLabel(name, value string) error {
	err := checkText("label name", name, maxLabelName)
	if err == nil && value != "" {
		err = checkText(fmt.Sprintf("label %q", name), value, maxLabel)
	}
	return err
}

// SetLabel gives this login a label: a name of the application's own that stays
// when the token is renewed, which the handle does not. Info lists it, and
// RevokeLabel finds the session by it: "kitchen tablet" for a list of devices,
// or the sid under which an OpenID provider will end the session days later.
// An empty value removes the label. The name has 1 to 64 bytes of UTF-8, the
// value at most 255, neither with control characters; a session has few labels.
//
// SetLabel waits for the first byte as [Key.Set] does, and may come before or
// after Login in the same request. A later Login without it drops the label;
// Clear does not. A label is shown in lists: it is no place for a secret.
func (s *Session) SetLabel(name, value string) {
	err := checkLabel(name, value)
	var raw []byte
	if err == nil && value != "" {
		raw, err = labels.form.encode(value)
	}
	o := op{record.LabelMark + name, replaceFunc(func(record.Entry) (record.Entry, error) { return record.Entry{Raw: raw}, nil })}
	if !s.lock() {
		return
	}
	defer s.unlock()
	if s.changing(err, o) {
		w := s.wish()
		w.labels = append(w.labels, o)
	}
}

// labels is the Key of every label, but for its name.
var labels = NewKey[string]("label")

// Label returns the label of that name, or "".
func (s *Session) Label(name string) string {
	k := labels
	k.name = record.LabelMark + name
	value, _ := k.Get(s)
	return value
}

// wishes are what a request has said of its login, for one that comes after it.
type wishes struct {
	remember time.Duration
	sliding  bool
	labels   []op
}

// wish returns the wishes, for one to be added.
func (s *Session) wish() *wishes {
	if s.wishes == nil {
		s.wishes = new(wishes)
	}
	return s.wishes
}

// overtaken reports whether a login or renewal has replaced the token that the
// request brought, so that nobody knows here whether a user is logged in.
func (s *Session) overtaken() bool {
	if !s.lock() {
		return false
	}
	defer s.unlock()
	return s.dead() && s.life == replacedElsewhere
}
