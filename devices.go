package coatcheck

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck/internal/exact"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/store"
)

// An Info describes one live session of a user, for a list of devices. Nothing
// in it opens anything. ASVS 7.5.2
type Info struct {
	Handle   string    `json:"handle"`
	Current  bool      `json:"current"`   // the session of the request that asks
	Created  time.Time `json:"created"`   // UTC
	LastSeen time.Time `json:"last_seen"` // UTC, coarse: moved once per tenth of the idle time
	Device   string    `json:"device"`    // browser and system at login, as the User-Agent claimed, or Config.Device
	Address  string    `json:"address"`   // the client's IP address at login, see Config.Proxies

	Labels map[string]string `json:"labels,omitempty"` // what SetLabel gave it; nil = nothing

	Binding *Binding `json:"binding,omitempty"` // to a device, by package dbsc; nil = not bound

	User string `json:"user,omitempty"` // whose session it is, from All; empty = anonymous
}

// Sessions lists the live sessions of a user, the newest first. With a
// request's context the session of that request is marked as current.
func (m *Manager) Sessions(ctx context.Context, user string) ([]Info, error) {
	records, err := m.liveRecords(ctx, user)
	if err != nil {
		return nil, err
	}
	var current store.ID
	if s := m.session(ctx); s != nil {
		current = s.id()
	}
	list := make([]Info, len(records))
	for i, rec := range records {
		list[i] = infoOf(&rec, current)
	}
	return list, nil
}

func infoOf(rec *store.Record, current store.ID) Info {
	h, _ := record.Open(rec.Data) // a damaged record is listed without its device
	return Info{
		Handle: rec.ID.Handle(), Current: rec.ID == current,
		Created: rec.Created, LastSeen: rec.Seen, Device: string(h.Device), Address: string(h.Address),
		Labels: record.Labels(h.Entries), Binding: bindingOf(record.Find(h.Entries, boundName).Raw),
	}
}

// liveRecords returns the user's records that have not expired, the newest first.
func (m *Manager) liveRecords(ctx context.Context, user string) ([]store.Record, error) {
	if err := checkUser(user); err != nil {
		return nil, err
	}
	records, err := m.carrier.User(ctx, user)
	if err != nil {
		m.storeError(ctx, store.ID{}, "list", err)
		return nil, fmt.Errorf("coatcheck: list sessions: %w", err)
	}
	now := clock()
	records = slices.DeleteFunc(slices.Clone(records), func(r store.Record) bool { return expired(&r, now) })
	slices.SortFunc(records, func(a, b store.Record) int {
		return cmp.Or(b.Created.Compare(a.Created), bytes.Compare(b.ID[:], a.ID[:]))
	})
	return records, nil
}

// Revoke ends the session of user that has this handle and reports whether
// there was one. A handle of another user's session finds nothing, and neither
// does one of before a renewal; see RevokeLabel for a name that stays. The end is
// final; requests in flight cannot undo it. ASVS 7.4.1, 7.5.2
func (m *Manager) Revoke(ctx context.Context, user, handle string) (bool, error) {
	s, err := m.asking(ctx)
	if err != nil {
		return false, err
	}
	records, err := m.liveRecords(ctx, user)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(records, func(r store.Record) bool { return r.ID.Handle() == handle })
	if i < 0 {
		return false, nil
	}
	if err := m.revokeForeign(ctx, user, clock()); err != nil {
		return false, err
	}
	if err := m.endWritings(ctx, &records[i], byUs); err != nil {
		return false, err
	}
	if err := m.endSuccessors(ctx, s, records[i].ID, user, s.revokeReason(user, reasonRevoke, reasonRevokeOwn)); err != nil {
		return false, err
	}
	return true, nil
}

// endSuccessors ends a session of user, as the request of s asks, if it is one. A login
// or renewal may replace the id meanwhile: it is followed, but only while it is
// the same user's.
func (m *Manager) endSuccessors(ctx context.Context, s *Session, id store.ID, user, why string) error {
	for !id.IsZero() {
		next, err := m.endOne(ctx, id, Event{Kind: Revoked, User: user, Reason: why})
		if err != nil {
			return err
		}
		other := false
		if !next.IsZero() {
			if other, err = m.isOthers(ctx, next, user); err != nil {
				return err
			}
		}
		if s != nil {
			if err := s.afterRevocation("", time.Time{}, []store.ID{id}, other); err != nil {
				return err
			}
		}
		if id = next; other {
			break
		}
	}
	return nil
}

// isOthers reports whether a session that has replaced one of user is another's,
// or unknown by now. One that has ended may have a successor in turn.
func (m *Manager) isOthers(ctx context.Context, id store.ID, user string) (bool, error) {
	rec, err := m.carrier.Load(ctx, id)
	switch {
	case err == nil:
		return rec.User != user, nil
	case errors.Is(err, store.ErrNotFound):
		return true, nil
	case errors.Is(err, ErrEnded):
		return false, nil
	}
	return false, fmt.Errorf("coatcheck: revoke session: %w", err)
}

// endOne ends one id, of which e tells, and returns the one that had replaced it, if any.
func (m *Manager) endOne(ctx context.Context, id store.ID, e Event) (next store.ID, err error) {
	defer m.endWaiters.ends()()
	next, err = m.carrier.End(ctx, id, clock().Add(tombstoneLife))
	if err != nil {
		m.storeError(ctx, id, "end", err)
		return next, fmt.Errorf("coatcheck: end session: %w", err)
	}
	if m.cfg.Events != nil { // before the streams hear of it, so that they can tell why
		e.Handle = id.Handle()
		m.event(ctx, e)
	}
	m.endWaiters.end(id)
	return next, nil
}

// RevokeAll ends every session of user and returns how many. It also defeats
// a login of that user whose request began before it. With a request's context
// it first commits what is pending; a login later in that request stands. It
// acts at once, also under HEAD, which keeps nothing that is pending; a prefetch
// ends nothing. Where it ends the session of that request, as may Revoke, RevokeLabel
// and RevokeEverybody, it is a Logout too: the cookie is cleared, and what is kept
// after it, such as a flash, begins a new session. ASVS 7.4.2, 7.4.5
func (m *Manager) RevokeAll(ctx context.Context, user string) (int, error) {
	s, err := m.asking(ctx)
	if err != nil {
		return 0, err
	}
	return m.endUser(ctx, user, s, s.revokeReason(user, reasonRevokeAll, reasonAllOwn))
}

// RevokeOthers ends every session of the logged-in user but that of the
// request ctx belongs to, as it is after committing what is pending, whatever
// token another request gives it meanwhile. It fails with [ErrLoginRequired] where
// nobody is logged in, and with [ErrHeldBack] where the browser withheld the
// cookie. Whoever may have a copy of the token stays: Reauthenticate or Renew
// before. It ends sessions at once, also under HEAD, which keeps nothing that is
// pending. ASVS 7.4.3
func (m *Manager) RevokeOthers(ctx context.Context) (int, error) {
	s, err := m.asking(ctx)
	if s == nil || err != nil {
		return 0, cmp.Or(err, errors.New("coatcheck: RevokeOthers: not the context of a request"))
	}
	user := s.User()
	if user == "" {
		if err := s.Err(); err != nil {
			return 0, err
		}
		if s.looksWithheld() {
			return 0, s.orUnproven(ErrHeldBack)
		}
		return 0, ErrLoginRequired
	}
	return m.endUser(ctx, user, s, reasonOthers)
}

// RevokeLabel ends the sessions of user that have this label and returns how
// many. It is Revoke for a name that outlives renewals. A login that has begun and
// is not stored yet is not found; RevokeAll defeats that too.
//
// An OpenID provider's logout token may name its sid without its sub: then the
// application must have noted whose sid that is, or look for it with All, which
// costs as much as all sessions together.
func (m *Manager) RevokeLabel(ctx context.Context, user, name, value string) (int, error) {
	if err := checkLabel(name, value); err != nil {
		return 0, err
	}
	if value == "" {
		return 0, fmt.Errorf("%w: label %q without a value", ErrValue, name)
	}
	s, err := m.asking(ctx)
	if err != nil {
		return 0, err
	}
	records, err := m.liveRecords(ctx, user)
	if err != nil {
		return 0, err
	}
	n, why := 0, s.revokeReason(user, reasonLabel, reasonLabelOwn)
	for _, rec := range records {
		if h, err := record.Open(rec.Data); err != nil || record.Labels(h.Entries)[name] != value {
			continue
		}
		if err := m.revokeForeign(ctx, user, clock()); err != nil {
			return n, err
		}
		if err := m.endWritings(ctx, &rec, byUs); err != nil {
			return n, err
		}
		if err := m.endSuccessors(ctx, s, rec.ID, user, why); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// endUser is endUserAt of now, for a request that asks, whose own session may be
// among those that end.
func (m *Manager) endUser(ctx context.Context, user string, s *Session, why string) (int, error) {
	keep := why == reasonOthers
	if err := checkUser(user); err != nil {
		return 0, err
	}
	var kept []store.ID
	if s != nil {
		if err := s.Commit(); err != nil {
			return 0, err
		}
		if keep { // else there may be no need to look
			if err := s.confirm(ctx); err != nil {
				return 0, err
			}
			// None after a login that HEAD does not keep. In cookies it is refused.
			if id := s.id(); !id.IsZero() || m.carrier.inCookie() {
				kept = append(kept, id)
			}
		}
	}
	at := clock()
	if err := m.revokeForeign(ctx, user, at); err != nil {
		return 0, err
	}
	if err := m.endWritingsOfUser(ctx, user, kept); err != nil {
		return 0, err
	}
	ended, err := m.endUserAt(ctx, user, at, why, kept...)
	if err != nil {
		return 0, err
	}
	if s != nil {
		if keep {
			user = "" // this session is not among them, whatever its token is now
		}
		err = s.afterRevocation(user, at, ended, false)
	}
	return len(ended), err
}

// endUserAt ends what the user has and refuses logins that began by at.
func (m *Manager) endUserAt(ctx context.Context, user string, at time.Time, why string, kept ...store.ID) ([]store.ID, error) {
	defer m.endWaiters.ends()()
	user = strings.Clone(user) // as in Login; a store may keep it
	ended, err := m.carrier.EndUser(ctx, user, at, clock().Add(tombstoneLife), kept...)
	if err != nil {
		m.storeError(ctx, store.ID{}, "end user", err)
		return nil, fmt.Errorf("coatcheck: end sessions of user: %w", err)
	}
	for _, id := range ended {
		if m.cfg.Events != nil {
			m.event(ctx, Event{Kind: Revoked, Handle: id.Handle(), User: user, Reason: why})
		}
		m.endWaiters.end(id)
	}
	return ended, nil
}

// asking returns the session of the request that asks for a revocation, or nil
// where it is none. A prefetch ends nothing: perhaps nobody has asked for it (G14).
func (m *Manager) asking(ctx context.Context) (*Session, error) {
	s := m.session(ctx)
	if s != nil && prefetch(&s.x.r) {
		s.refuse(ErrReadOnly)
		return s, ErrReadOnly
	}
	return s, nil
}

// id is that of the stored session, or zero.
func (s *Session) id() store.ID {
	if !s.lock() {
		return store.ID{}
	}
	defer s.unlock()
	s.ensureLoaded()
	if s.life != live {
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
	if s.life != live || s.x.m.carrier.inCookie() {
		return s.orEnded(nil)
	}
	_, err := s.x.m.carrier.Load(ctx, s.base.ID)
	switch {
	case isOver(err):
		s.endedBy(err)
		s.markEnded()
		return ErrEnded
	case err != nil:
		return fmt.Errorf("coatcheck: end sessions of user: %w", err)
	}
	return nil
}

// afterRevocation takes note of a revocation that this request asked for, of sessions
// or, at a time, of a user. Where it ends the session of the request that is a
// Logout: whoever asks for the end knows of it (G2, decision 44); but not where a
// login as somebody else has taken its place, whose cookie the browser may have.
func (s *Session) afterRevocation(user string, at time.Time, ended []store.ID, taken bool) error {
	if !s.lock() {
		return errStuck
	}
	defer s.unlock()
	if !at.Before(s.loginTime()) {
		s.edit().authAt = at.UnixMicro() + 1
	}
	if s.cookie == cookieUnread && len(ended) > 0 && !taken { // the session may be among them: see afterLoad
		s.revocation().ids = append(s.revocation().ids, ended...)
	}
	done := slices.Contains(ended, s.base.ID)
	switch {
	case s.life != live || !done && (user == "" || s.base.User != user):
		return nil
	case s.tokenChange == logIn || s.failed: // a login goes on, with a session of its own
		s.life = finished
		s.markEnded()
		return nil
	case taken || s.changes != nil && !s.brought.IsZero(): // so may one beside a login of this request
		s.life = replacedElsewhere
		s.markEnded()
		return nil
	}
	r := s.revocation()
	r.user = s.base.User
	s.logOut()
	if done {
		s.leftHere()
	}
	r.following = true
	s.commit(s.x.phase())
	r.following = false
	return s.err()
}

// revokeReason returns the reason of a revocation: own where the request that asks for it
// is known to be one of the user, as of somebody who logs out everywhere, and why
// where it is an administrator's or none.
func (s *Session) revokeReason(user, why, own string) string {
	if s == nil || !s.lock() {
		return why
	}
	defer s.unlock()
	if s.currentUser() == user {
		return own
	}
	return why
}

// revocation returns what the request has revoked, to be added to.
func (s *Session) revocation() *revocation {
	c := s.edit()
	if c.revoker == nil {
		c.revoker = new(revocation)
	}
	return c.revoker
}

// leftHere says of a Logout that the session has ended already, and that nothing
// can have replaced it: only the cookie is to be cleared.
func (s *Session) leftHere() {
	s.endingID, s.endingUser, s.beforeLogout, s.logoutDone = store.ID{}, "", nil, true
}

// A revocation is what a request has asked for that may concern its own session.
type revocation struct {
	ids       []store.ID // of sessions, before it looked at its own
	user      string     // of its own, which ended with them
	following bool       // what has replaced its own: only while it is the user's
}

// All goes through the live sessions of everybody, anonymous ones included, in
// no particular order: for counting, and for looking for something that no list
// of one user shows. With a request's context the session of that request is
// marked as current.
//
//	for info, err := range sessions.All(ctx) {
//
// It fetches sessions in batches as they are asked for and costs as much as all
// of them together; nobody else waits for it. A session that is live all the
// while comes at least once, on Redis perhaps twice; one that begins, ends or
// gets a new token meanwhile may be missing. An error is yielded once and ends
// the walk: errors.ErrUnsupported where the store is no Lister (every store here is
// one), or sessions live in their cookies.
func (m *Manager) All(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		var current store.ID
		if s := m.session(ctx); s != nil {
			current = s.id()
		}
		for rec, err := range m.records(ctx) {
			var info Info
			if err == nil {
				info = infoOf(&rec, current)
				info.User = rec.User
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// RevokeEverybody ends every session that began before the call, anonymous ones
// included, and returns how many, for the day on which nobody's session can be
// trusted. Like RevokeAll it defeats logins that had begun, of users who had a
// session, and with a request's context it first commits what is pending; that
// request's session ends too. A user who logs in meanwhile may have to do it
// again. It costs two walks through all sessions or more, and a call for each user.
// After an error it can be called again: what has ended stays ended. ASVS 7.4.5
func (m *Manager) RevokeEverybody(ctx context.Context) (int, error) {
	s, err := m.asking(ctx)
	if err != nil {
		return 0, err
	}
	if s != nil {
		if s.x.phase() == open {
			s.load() // so that the answer clears its cookie
		}
		if err := s.Commit(); err != nil {
			return 0, err
		}
	}
	at := clock()
	if err := m.revokeForeign(ctx, everybody, at); err != nil {
		return 0, err
	}
	total := 0
	for walk := 1; ; walk++ {
		// A session whose token was renewed during a walk may have been missed.
		// It kept its beginning, so the next walk finds it; the last finds none.
		n, err := m.endWalk(ctx, s, at)
		total += n
		if err != nil || n == 0 && walk > 1 {
			return total, err
		}
	}
}

// endWalk ends what one walk finds of the sessions that began by at.
func (m *Manager) endWalk(ctx context.Context, s *Session, at time.Time) (total int, err error) {
	for rec, err := range m.records(ctx) {
		if err != nil {
			return total, err
		}
		if rec.AuthTime.After(at) {
			continue
		}
		ended := []store.ID{rec.ID}
		if rec.User != "" {
			ended, err = m.endUserAt(ctx, rec.User, at, reasonEverybody)
		} else {
			_, err = m.endOne(ctx, rec.ID, Event{Kind: Revoked, Reason: reasonEverybody})
		}
		if err != nil {
			return total, err
		}
		if s != nil {
			err = s.afterRevocation(rec.User, at, ended, false)
		}
		if total += len(ended); err != nil {
			return total, err
		}
	}
	return total, nil
}

// records goes through the records that have not expired.
func (m *Manager) records(ctx context.Context) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		lister, ok := store.As[store.Lister](m.carrier)
		if !ok {
			yield(store.Record{}, fmt.Errorf("coatcheck: go through sessions: %w", errors.ErrUnsupported))
			return
		}
		for rec, err := range lister.All(ctx) {
			switch {
			case err != nil:
				m.storeError(ctx, store.ID{}, "go through sessions", err)
				yield(store.Record{}, fmt.Errorf("coatcheck: go through sessions: %w", err))
				return
			case expired(&rec, clock()), rec.User != "" && checkUser(rec.User) != nil: // a Revoker's own
			case !yield(rec, nil):
				return
			}
		}
	}
}

// Sweep removes what has expired from the store, in small batches, until one
// finds nothing or ctx ends, and returns how many records that were. A store may
// look for idle sessions a stretch at a time and find others at the next call.
// Requests sweep a little by themselves; call it from a cron job where there
// are few.
func (m *Manager) Sweep(ctx context.Context) (int, error) {
	total := 0
	for {
		n, err := m.carrier.Sweep(ctx, clock(), sweepBatch)
		total += n
		if err != nil {
			return total, fmt.Errorf("coatcheck: sweep: %w", err)
		}
		if n == 0 {
			return total, nil
		}
	}
}

// A User-Agent names many browsers it is not; the first of these that it
// contains is the one it is.
var browsers = [...]struct{ mark, name string }{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
}

var systems = [...]struct{ mark, name string }{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows", "Windows"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},
}

// appendDevice adds a short label such as "Firefox on Linux" for a list of
// devices. It tells a person which of their devices this may be; it proves
// nothing, since a client sends any User-Agent it likes.
func appendDevice(b []byte, userAgent string) []byte {
	start := len(b)
	for _, browser := range browsers {
		if strings.Contains(userAgent, browser.mark) {
			b = append(b, browser.name...)
			break
		}
	}
	if len(b) == start {
		// curl/8.5, Go-http-client/1.1: the product, as far as it is plain text.
		product, _, _ := strings.Cut(userAgent, "/")
		for i := 0; i < len(product) && i < maxDevice && exact.Plain(product[i:i+1]); i++ {
			b = append(b, product[i])
		}
		return b
	}
	for _, system := range systems {
		if strings.Contains(userAgent, system.mark) {
			b = append(append(b, " on "...), system.name...)
			break
		}
	}
	return b
}

// deviceLabels remembers the labels of User-Agents that came lately: most clients of
// an application share a few, and to search one takes longer than to find its session. It
// is safe for concurrent use.
type deviceLabels [64]atomic.Pointer[deviceLabelOf]

type deviceLabelOf struct{ userAgent, label string }

// maxUserAgent bounds what is remembered of what a client writes.
const maxUserAgent = 512

var deviceSeed = maphash.MakeSeed()

// append is appendDevice.
func (d *deviceLabels) append(b []byte, userAgent string) []byte {
	if len(userAgent) > maxUserAgent {
		return appendDevice(b, userAgent)
	}
	place := &d[maphash.String(deviceSeed, userAgent)%uint64(len(d))]
	if known := place.Load(); known != nil && known.userAgent == userAgent {
		return append(b, known.label...)
	}
	from := len(b)
	b = appendDevice(b, userAgent)
	place.Store(&deviceLabelOf{strings.Clone(userAgent), string(b[from:])})
	return b
}

// maxDeviceText bounds what is looked at of what Config.Device returns.
const maxDeviceText = 16 * maxDevice

// deviceLabel is what Config.Device returns as it is kept: what it read may be a
// client's, so it is cut, and holds nothing that steers a terminal, turns text
// around or begins HTML. It is a copy: under Fiber strings change after the
// request.
func deviceLabel(name string) string {
	var kept [maxDevice]byte
	b := kept[:0]
	for _, c := range name[:min(len(name), maxDeviceText)] {
		if c == utf8.RuneError || !unicode.IsPrint(c) || c < utf8.RuneSelf && !exact.Plain([]byte{byte(c)}) {
			continue
		}
		if len(b)+utf8.RuneLen(c) > maxDevice {
			break
		}
		b = utf8.AppendRune(b, c)
	}
	return strings.TrimSpace(string(b))
}

// The headers in which proxies tell the addresses that they saw.
const (
	forwardedFor = "X-Forwarded-For"
	forwarded    = "Forwarded" // RFC 7239
)

// appendAddress adds the client's IP address: that of the connection, or where
// that is one of our proxies, the last that no proxy of ours has. It adds nothing
// where that is no address: whoever is not one of our proxies writes what they
// like. ASVS 4.1.3
func appendAddress(b []byte, r *http.Request, c *Config) []byte {
	at := address(r.RemoteAddr) // not valid over a Unix socket, which is a proxy's
	if len(c.Proxies) > 0 && (!at.IsValid() || c.ours(at)) {
		at = netip.Addr{}
		lines := r.Header[c.ProxyHeader]
		for i := len(lines) - 1; i >= 0; i-- {
			var outer bool
			if at, outer = c.lastClient(lines[i], at); outer {
				break
			}
		}
	}
	if at.IsValid() {
		b = at.AppendTo(b)
	}
	return b
}

// lastClient walks through a line from the right, and returns the last address
// that it found and whether to go no further: that one is not a proxy's of ours.
// What is no address was written by nobody that we know.
func (c *Config) lastClient(line string, at netip.Addr) (last netip.Addr, stop bool) {
	elements := strings.Split(line, ",")
	if c.ProxyHeader == forwarded {
		elements = splitQuoted(line, ',')
	}
	for _, e := range slices.Backward(elements) {
		e = strings.Trim(e, " \t")
		if c.ProxyHeader == forwarded {
			e = forParameter(e)
		}
		if at = address(e); !at.IsValid() || !c.ours(at) {
			return at, true
		}
	}
	return at, false
}

// ours reports whether one of our proxies has the address.
func (c *Config) ours(at netip.Addr) bool {
	return slices.ContainsFunc(c.Proxies, func(p netip.Prefix) bool { return p.Contains(at) })
}

// address reads an IP address, with or without a port. The zero Addr is none.
func address(s string) netip.Addr {
	withPort, err := netip.ParseAddrPort(s) // as connections have it: the other way makes an error
	at := withPort.Addr()
	if err != nil {
		if at, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err != nil {
			return netip.Addr{}
		}
	}
	return at.Unmap().WithZone("")
}

// forParameter returns the value of "for" in an element of Forwarded.
func forParameter(element string) string {
	for _, pair := range splitQuoted(element, ';') {
		name, value, _ := strings.Cut(pair, "=")
		if strings.EqualFold(strings.Trim(name, " \t"), "for") {
			value = strings.Trim(value, " \t")
			if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
				value = value[1 : n-1]
			}
			return value
		}
	}
	return ""
}

// splitQuoted splits s at sep outside of quoted strings. A part with a quote that
// does not end is empty: a client could swallow with it what a proxy adds.
func splitQuoted(s string, sep byte) (parts []string) {
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	if quoted {
		return append(parts, "")
	}
	return append(parts, s[start:])
}

// checkProxy wants a prefix as it matches: one that no address is in, or that
// everybody's is in, is a mistake.
func checkProxy(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return errors.New("want one of netip.ParsePrefix")
	case p.Addr().Is4In6():
		return errors.New("want an IPv4 prefix as such")
	case p != p.Masked():
		return errors.New("want " + p.Masked().String() + ", or all bits for one address")
	case p.Bits() == 0:
		return errors.New("want the addresses of your proxies: with everybody's the header is anybody's word")
	}
	return nil
}
