package coatcheck

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/binding"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/wait"
)

// Package dbsc binds sessions to a key of the browser's device. What it adds to a
// request is here: a look at what was loaded, and a header where a token is set. A
// manager without it has nil for a guard, and asks nothing.

// boundName is that of the entry which says to which key a session is bound. It
// belongs to the login, as labels do: a renewed token is bound to the same key, and
// the next login is not.
const boundName = record.Bound

var _ = binding.Provide(attachGuard)

var (
	// errNotBoundYet is the ErrNotBound of a login so fresh that the browser may
	// still be about it.
	errNotBoundYet = fmt.Errorf("%w yet", ErrNotBound)

	// errLedHere is the ErrUnproven of a link on another site, before which
	// browsers prove nothing: they do once our own origin leads on.
	errLedHere = fmt.Errorf("%w, and another site led here", ErrUnproven)

	// errProofLater stands in the place of ErrUnproven, and is none, where the browser
	// has the key and says that it could not prove it for now. To what wants a user an
	// outage never looks like "not logged in" (G5).
	errProofLater = errors.New("coatcheck: the browser could not prove its device for now")
)

const (
	reasonUnproven     = "the session is bound, and the request did not show its device"
	reasonProof        = "the browser could not prove its device for now"
	reasonUnbound      = "the page wants a bound session, and this one is not"
	bindingTime        = 15 * time.Second // after a login
	offerTime          = 5 * time.Minute  // the same, for a registration that has failed
	registrationHeader = "Secure-Session-Registration"
	challengeHeader    = "Secure-Session-Challenge"
)

// A Binding says to which kind of key of a device a session is bound, by package
// dbsc. Nothing in it opens anything.
type Binding struct {
	Algorithm string    `json:"algorithm"` // ES256 or RS256
	Since     time.Time `json:"since"`     // UTC
	Refreshed time.Time `json:"refreshed"` // UTC; when the browser last proved that it has the key
}

// Binding returns how the session is bound to a device, and whether it is.
func (s *Session) Binding() (Binding, bool) {
	if !s.lock() {
		return Binding{}, false
	}
	defer s.unlock()
	s.ensureLoaded()
	b := bindingOf(s.lookup(boundName, 0).Raw)
	if b == nil {
		return Binding{}, false
	}
	return *b, true
}

// bindingOf reads the value of the entry, nil where there is none.
func bindingOf(raw []byte) *Binding {
	b, ok := binding.Head(raw)
	if !ok {
		return nil
	}
	return &Binding{Algorithm: binding.Name(b.Algorithm), Since: b.Since, Refreshed: b.Refreshed}
}

// attachGuard makes g the manager's guard.
func attachGuard(manager any, g binding.Guard, prepare func(*binding.Sessions) error) (*binding.Sessions, error) {
	m := manager.(*Manager)
	switch {
	case m.bearer:
		return nil, errors.New("the manager is of NewBearer; want one whose sessions are in cookies: a browser binds nothing else")
	case m.carrier.inCookie():
		return nil, errors.New("the manager is of NewInCookie; want a store: a copied cookie would go back to before it was bound")
	}
	s := &binding.Sessions{
		Cookie: m.cfg.Name, Policy: m.cfg.Cookie, Origins: m.cfg.Origins, Keys: m.keys,
		Admit: m.admit, View: m.view, Change: m.changeBinding,
		SetCookie: func(ctx context.Context, h http.Header, line string) { m.session(ctx).setBound(h, line) },
		Refuse:    func(ctx context.Context, why binding.Outcome) { m.session(ctx).refuseBound(why) },
		Tell: func(ctx context.Context, kind, reason string) {
			m.session(ctx).tellBound(Kind(kind), reason)
		},
	}
	if err := prepare(s); err != nil {
		return nil, err
	}
	if !m.guard.CompareAndSwap(nil, &g) {
		return nil, errors.New("the manager has one already")
	}
	return s, nil
}

// A proof is what the guard has seen with this request, for the entry as it was
// loaded.
type proof struct{ before, entry []byte }

// prove keeps what the guard has seen, for the commit of this request if there is
// one, and otherwise for an automatic touch of its own.
func (s *Session) prove(entry []byte) {
	s.edit().proof = &proof{s.stored(boundName).Raw, entry}
}

// proveAlong gives it to a commit that is made anyway.
func (s *Session) proveAlong() {
	p := s.changes.proof
	if s.changes.proof = nil; s.life != live {
		return
	}
	s.record(op{boundName, replaceFunc(func(old record.Entry) (record.Entry, error) {
		if string(old.Raw) == string(p.before) {
			old.Raw = p.entry
		}
		return old, nil
	})})
}

// proveAlone stores it where the request changes nothing. As with a touch no answer
// depends on that, and it moves no time; where another request was faster that one
// has it too, or the next will.
func (s *Session) proveAlone() {
	p := s.changes.proof
	s.changes.proof = nil
	if s.life != live || string(s.stored(boundName).Raw) != string(p.before) {
		return
	}
	now := clock()
	next := s.base
	next.Version = newVersion()
	data, _ := next.changed([]record.Entry{{Name: boundName, Raw: p.entry}}, now)
	next.hold(data, next.head())
	ctx := wait.Detached(s.x.parent(), now.Add(commitTimeout))
	defer ctx.End()
	switch err := s.x.m.carrier.Update(ctx, next.record(), s.base.Version); {
	case err == nil:
		s.goOnFrom(&next)
		s.x.m.commits.forget(&next.ID) // or the next commit would meet this one for another process's
	case errors.Is(err, ErrConflict):
	case isOver(err):
		s.x.event(Event{Kind: WriteEnded, Handle: s.handle(), Reason: reasonTouch})
	default:
		s.x.storeError(s.base.ID, "touch", err)
	}
}

// tellUnproven tells of a session without its proof: of one that was copied, where
// no browser with the key sends that and it came from another network. Whoever
// could not prove the key just now (Later) has an event already.
func (s *Session) tellUnproven(v binding.Verdict, h *record.Header) {
	kind := Refused
	switch {
	case s.x.m.cfg.Events == nil || v.Reason == "":
		return
	case v.Copy && otherNetwork(string(h.Address), string(appendAddress(nil, &s.x.r, &s.x.m.cfg))):
		kind = Copied
	case v.Outcome == binding.Later:
		return
	}
	s.x.event(Event{Kind: kind, Handle: s.handle(), User: s.base.User, Reason: v.Reason})
}

// networkBits is how much of an IPv6 address is the network's. Within it a device
// takes another address each day (RFC 8981).
const networkBits = 64

// otherNetwork reports whether two addresses are of different networks. One that is
// not known says nothing.
func otherNetwork(one, other string) bool {
	a, b := address(one), address(other)
	if a.IsValid() && b.IsValid() && a.Is6() && b.Is6() {
		network, err := a.Prefix(networkBits)
		return err == nil && !network.Contains(b)
	}
	return a.IsValid() && b.IsValid() && a != b
}

// orUnproven is the error of a session that the request does not show.
func (s *Session) orUnproven(err error) error {
	switch {
	case s.cookie < cookieUnproven || s.cookie == cookieAlone || err != ErrHeldBack:
		return err
	case s.cookie == cookieUnprovenForNow:
		return errProofLater
	}
	return ErrUnproven
}

// ledHere reports whether a link of another origin led here, for the first time. Of a
// sibling host's, too, browsers prove nothing before it.
func (s *Session) ledHere() bool {
	r := &s.x.r
	return binding.Elsewhere(r) && opensPage(r) && !prefetch(r) && withoutLanded(r.URL) == r.URL
}

// onError answers in place of the handler.
func (x *exchange) onError(w http.ResponseWriter, err error) {
	switch g := x.m.guard.Load(); {
	case g != nil && x.admitted():
		(*g).Fail(w, errors.Is(err, ErrEnded) && !errors.Is(err, ErrTooOld) && !errors.Is(err, errOvertaken))
	case errors.Is(err, errLedHere): // not the application's: a redirect to its login would come back here
		servePage(w, &x.r, http.StatusUnauthorized, landingPage, leadingTo(requested(&x.r)))
	default:
		x.m.cfg.OnError(w, &x.r, err)
	}
}

// offer asks the browser to bind the session whose cookie this answer sets, and
// clears the cookie of a binding that is not this session's. The mutex is held.
func (s *Session) offer(h http.Header) {
	g := s.x.m.guard.Load()
	if g == nil {
		return
	}
	var entry []byte
	if s.life == live {
		entry = s.stored(boundName).Raw
	}
	if entry == nil {
		s.unbind(h, *g)
	}
	s.offerTo(h, *g, entry)
}

func (s *Session) offerTo(h http.Header, g binding.Guard, entry []byte) {
	if s.life != live || s.base.User == "" || byScriptElsewhere(&s.x.r) {
		return
	}
	if value := g.Offer(s.base.ID, entry, clock()); value != "" {
		if !s.x.out.binds { // else there may be one of another manager of ours
			withoutBinding(h)
		}
		s.x.binds()
		putOffer(h, value)
	}
}

// byScriptElsewhere reports whether a script of another origin made the request, of a
// sibling host for one. Browsers prove no key before its requests, which would be
// refused from the end of the first bound cookie on: its sessions stay as they are.
func byScriptElsewhere(r *http.Request) bool { return binding.Elsewhere(r) && !navigates(r) }

// offersAgain reports whether the page that this request opens offers a binding that
// is not there yet: the browser tries no registration twice by itself. While it may
// still be about the first it is asked for no other, and minutes after the login
// nobody who has the cookie may bind the session to a key.
func (s *Session) offersAgain() bool {
	since := s.x.began().Sub(s.base.AuthTime())
	return bindingTime <= since && since < offerTime && opensPage(&s.x.r) && !prefetch(&s.x.r)
}

// offerAgain asks once more, where offersAgain has said so.
func (s *Session) offerAgain(h http.Header) {
	if g := s.x.m.guard.Load(); g != nil {
		s.offerTo(h, *g, s.stored(boundName).Raw)
	}
}

// binds takes note, for all managers of the request, that what binds a session in
// this answer is ours.
func (x *exchange) binds() {
	for in := x.inner(); in != nil; in = in.next {
		in.x.out.binds = true
	}
	for ; x != nil; x = x.outer() {
		x.out.binds = true
	}
}

// withoutBinding takes what binds a session out of a header, and reports whether
// there was anything.
func withoutBinding(h http.Header) (found bool) {
	for key := range h {
		if bindsSession(key) {
			delete(h, key)
			found = true
		}
	}
	return found
}

// bindsSession reports whether a header of an answer binds a session of the browser.
func bindsSession(key string) bool {
	switch len(key) {
	case len(registrationHeader):
		return strings.EqualFold(key, registrationHeader)
	case len(challengeHeader):
		return strings.EqualFold(key, challengeHeader)
	}
	return false
}

// stripBinding is StripCookies for what a browser says of a bound session.
func stripBinding(h http.Header) {
	for key := range h {
		for _, name := range [...]string{"Sec-Secure-Session-Id", "Secure-Session-Response", "Secure-Session-Skipped"} {
			if strings.EqualFold(key, name) {
				delete(h, key)
			}
		}
	}
}

// setBound puts a line of the guard's into the answer.
func (s *Session) setBound(h http.Header, line string) {
	if !s.lock() {
		return
	}
	defer s.unlock()
	s.x.putBound(h, line)
}

func (x *exchange) putBound(h http.Header, line string) {
	if ours := x.set(); !slices.Contains(ours.bound, line) {
		ours.bound = append(ours.bound, line)
	}
	cookie.Put(h, line)
}

// putOffer puts an offer into h, in place of an earlier one of this manager's and
// beside those of others, which have other addresses.
func putOffer(h http.Header, value string) {
	ours, _, _ := strings.Cut(value, ";challenge=")
	others := slices.DeleteFunc(slices.Clone(h[registrationHeader]), func(line string) bool { return strings.HasPrefix(line, ours) })
	h[registrationHeader] = append(others, value)
}

// takeStale clears a bound cookie that did not prove the session: while the browser
// has one of the name, it makes no other. An answer that comes so late that it would
// set no session cookie clears none either (G2).
func (s *Session) takeStale(h http.Header) {
	if g := s.x.m.guard.Load(); g != nil && !s.x.admitted() && !s.x.tooOld(clock()) {
		s.unbind(h, *g)
	}
}

// unbind clears the bound cookie, if the browser brought one.
func (s *Session) unbind(h http.Header, g binding.Guard) {
	if line := g.Clear(s.x.r.Header); line != "" {
		s.x.putBound(h, line)
	}
}

// admit is the look at the session of a request of the guard's own.
func (m *Manager) admit(ctx context.Context) (binding.View, error) {
	s := m.session(ctx)
	if !s.lock() {
		return binding.View{}, errStuck
	}
	defer s.unlock()
	s.x.extra().admitted = true
	innermost, _ := ctx.Value(exchangeKey{}).(*exchange) // which may be another manager's
	innermost.binds()
	if s.cookie >= cookieUnproven || isBinding(s.err()) { // middleware has looked before
		s.cookie = cookieBrought
		s.setErr(nil)
		ctx := s.loadContext()
		defer ctx.End()
		id := s.base.ID
		rec, err := m.carrier.load(ctx, opened{id: id})
		s.afterLoad(id, &rec, err)
		if s.changes != nil && !s.failed {
			s.replayNow()
		}
	}
	return s.seen(), s.err()
}

func isBinding(err error) bool {
	return errors.Is(err, ErrNotBound) || errors.Is(err, ErrUnproven) || errors.Is(err, errProofLater)
}

// view is the session as the application has it.
func (m *Manager) view(ctx context.Context) (binding.View, error) {
	s := m.session(ctx)
	if !s.lock() {
		return binding.View{}, errStuck
	}
	defer s.unlock()
	return s.seen(), s.err()
}

func (s *Session) seen() binding.View {
	s.ensureLoaded()
	v := binding.View{ID: s.base.ID, Began: s.x.began(), Live: s.life == live, Replaced: s.life == replacedElsewhere}
	v.Withheld = s.life != live && (s.cookie.hidden() || s.namesakes)
	if s.life == live {
		v.User, v.Entry = s.base.User, s.stored(boundName).Raw
	}
	return v
}

// changeBinding replaces the entry, and commits.
func (m *Manager) changeBinding(ctx context.Context, f func([]byte) []byte) error {
	s := m.session(ctx)
	if !s.commitNow(nil, false, op{boundName, replaceFunc(func(old record.Entry) (record.Entry, error) {
		return record.Entry{Raw: f(old.Raw)}, nil
	})}) {
		return s.Err()
	}
	return nil
}

// refuseBound ends the request.
func (s *Session) refuseBound(why binding.Outcome) {
	if !s.lock() {
		return
	}
	defer s.unlock()
	if why == binding.Later {
		s.failTold(errProofLater, true)
		return
	}
	s.notBound(reasonUnbound)
}

// notBound ends a request that wants a bound session. The mutex is held.
func (s *Session) notBound(reason string) {
	err := ErrNotBound
	if s.x.began().Sub(s.base.AuthTime()) < bindingTime {
		err = errNotBoundYet
	}
	s.x.event(Event{Kind: Refused, Handle: s.handle(), User: s.base.User, Reason: reason})
	s.failTold(err, true)
}

func (s *Session) tellBound(kind Kind, reason string) {
	if !s.lock() {
		return
	}
	defer s.unlock()
	s.x.event(Event{Kind: kind, Handle: s.handle(), User: s.base.User, Reason: reason})
}
