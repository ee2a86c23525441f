package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
)

// MoveConfig says how sessions are taken over. Only Until is needed.
type MoveConfig struct {
	// Until is the end of the move: from then on no old session is adopted. At most
	// 400 days from now. Let it stay the same while the move lasts.
	Until time.Time

	// User gives the user of ours for an old session; empty = do not adopt it. Nil
	// means Session.User.
	User func(ctx context.Context, old Session) (string, error)
	// OldUser is the way back, for Login. Nil means the same name.
	OldUser func(ctx context.Context, user string) (string, error)

	// Values are the names of what is kept of an old session, under the same names.
	Values []string

	// Remember keeps an adopted session as long as the old one would have lasted, up
	// to coatcheck.Config.MaxRemember. False means Config.Idle and Lifetime.
	Remember bool

	// LoginKey is the name of a value in the old session that is random, or the time,
	// and made anew at each login: it tells one login from the next where the id of
	// the session stays, and makes one session of what a cookie is written to. A
	// value that only stays while the session lives, such as Flask-WTF's "csrf_token",
	// does the latter. At least 8 characters count. Empty, or where a session has
	// none: the old session's own id is all there is.
	LoginKey string
	// LoginTime is the name of a value with the time of the login: seconds since 1970,
	// or a text of RFC 3339. With it RequireFresh and revocations here tell what was
	// before them. Empty, or where a session has none: it was long ago.
	LoginTime string

	// ClocksApart is by how much the clock of the old application may be ahead of ours,
	// where the cookie is the session and there is neither LoginKey nor LoginTime: for so
	// long after a logout here a login there is not seen here. At most an hour; zero = 30
	// seconds. A second will do where both are on one machine.
	ClocksApart time.Duration

	// Revoker is asked beside what the manager's own revocations have left in its
	// store: from when on a user's sessions count. An old one of an earlier LoginTime,
	// or of none, is not adopted. Nil means that none is asked.
	Revoker coatcheck.Revoker

	// Follow ends our session where the browser does not bring an old one of the
	// same user any more, as after a logout over there; the next login there is
	// adopted. Each request then costs a Read, and every login needs Move.Login. From a
	// link of another site a browser may keep the old cookie back and send ours: then
	// nothing ends, and the request has no session (see coatcheck.Manager.MissAdopted).
	Follow bool

	// Imported is for the time after Import, when the old store is gone: only what
	// was imported is adopted. The Source must be an Identifier.
	Imported bool

	// Told is called with what Read says of an old session that is there and cannot
	// be read, such as a *SettingError: look at these on the first day. Nil means
	// that nobody is.
	Told func(r *http.Request, err error)
}

// An Identifier is a Source that knows a session without its store.
type Identifier interface {
	// Identity returns the Session.ID that Read would, or Read's error.
	Identity(r *http.Request) (string, error)
}

// A Move is the time in which an application has two kinds of sessions: ours and
// those of another system. It is safe for concurrent use.
type Move struct {
	sessions *coatcheck.Manager
	old      Source
	cfg      MoveConfig
	adopting func(http.Handler) http.Handler
}

// Format prints what this is and nothing of it, whatever the verb.
func (Move) Format(f fmt.State, _ rune) { io.WriteString(f, "{bridge.Move}") }

// NewMove returns the move of the sessions of old to those of the manager, which
// is one of coatcheck.New.
func NewMove(sessions *coatcheck.Manager, old Source, cfg MoveConfig) (*Move, error) {
	switch {
	case sessions == nil || old == nil:
		return nil, errors.New("bridge: NewMove: want a manager and a Source")
	case cfg.Until.IsZero():
		return nil, errors.New("bridge: MoveConfig.Until is zero; want the day from which no old session counts")
	case cfg.ClocksApart < 0 || cfg.ClocksApart > time.Hour:
		return nil, fmt.Errorf("bridge: MoveConfig.ClocksApart is %v; want 0 to 1h", cfg.ClocksApart)
	case time.Until(cfg.Until) > 400*24*time.Hour:
		return nil, errors.New("bridge: MoveConfig.Until is more than 400 days away")
	}
	if cfg.Imported && cfg.Follow {
		return nil, errors.New("bridge: MoveConfig.Follow with Imported; want one of them: a store that is given up says nothing")
	}
	if _, ok := old.(Identifier); cfg.Imported && !ok {
		return nil, fmt.Errorf("bridge: MoveConfig.Imported: %T cannot tell a session without its store", old)
	}
	m := &Move{sessions: sessions, old: old, cfg: cfg}
	var err error
	m.adopting, err = sessions.Adopting(m.find)
	return m, err
}

// Handler is Manager.Handler, and adopts. Wrap the program's handler in this and
// not in Manager.Handler.
func (m *Move) Handler(next http.Handler) http.Handler {
	if m.cfg.Follow {
		next = m.follow(next)
	}
	return m.adopting(next)
}

// find is of Manager.Adopting.
func (m *Move) find(r *http.Request) (coatcheck.Adoption, error) {
	if m.cfg.Imported {
		id, err := m.old.(Identifier).Identity(r)
		if err != nil {
			return coatcheck.Adoption{}, m.hard(r, err)
		}
		return coatcheck.Adoption{Identity: id, Until: m.cfg.Until}, nil
	}
	asOf := time.Now()
	old, err := m.old.Read(r)
	if err != nil {
		return coatcheck.Adoption{}, m.hard(r, err)
	}
	return m.adoption(r.Context(), &old, asOf)
}

// hard tells of an error and returns it if it says nothing about the session.
func (m *Move) hard(r *http.Request, err error) error {
	if err == nil || errors.Is(err, ErrAbsent) {
		return nil
	}
	if m.cfg.Told != nil && !errors.Is(err, ErrExpired) && !errors.Is(err, ErrEnded) {
		m.cfg.Told(r, err)
	}
	if Skips(err) {
		return nil
	}
	return err
}

// adoption is what an old session becomes that was read after asOf; without Identity
// nothing, and without User nothing but that nobody is logged in.
func (m *Move) adoption(ctx context.Context, old *Session, asOf time.Time) (a coatcheck.Adoption, err error) {
	user, err := m.user(ctx, old)
	if err != nil || user == "" && (old.User != "" || !old.Stored) {
		return a, err
	}
	a = m.identified(old, old.User, asOf)
	if user == "" {
		return a, nil
	}
	if m.cfg.Revoker != nil {
		from, err := m.cfg.Revoker.NotBefore(ctx, user)
		if err != nil || !from.IsZero() && !a.AuthTime.After(from) {
			return coatcheck.Adoption{}, err
		}
	}
	a.User = user
	if m.cfg.Remember && !old.Expires.IsZero() {
		a.Remember = max(time.Until(old.Expires), time.Second)
	}
	for _, name := range m.cfg.Values {
		if raw, ok := old.Values[name]; ok {
			if a.Values == nil {
				a.Values = make(map[string]json.RawMessage, len(m.cfg.Values))
			}
			a.Values[name] = raw
		}
	}
	return a, nil
}

// identified says which login of which old session it is. Of a store's record the id
// stays and the newest login counts. A cookie that is the session may be an earlier
// one: there each login has an identity of its own, as far as the cookie tells.
// user is as the other system calls it: how we map it may change while the move lasts,
// and what is spent must stay so (G2).
func (m *Move) identified(old *Session, user string, asOf time.Time) coatcheck.Adoption {
	a := coatcheck.Adoption{Identity: old.ID, Until: m.cfg.Until, AuthTime: timeIn(old.Values[m.cfg.LoginTime])}
	login := string(old.Values[m.cfg.LoginKey])
	if len(login) < minLogin {
		login = ""
	}
	switch {
	case old.Stored:
		a.Login, a.AsOf = "user\x00"+old.User+"\x00"+login, asOf
	case login != "":
		kind, _, _ := strings.Cut(old.ID, ":")
		a.Identity, a.AsOf = kind+":login\x00"+user+"\x00"+login, old.Written
	default:
		a.Identity, a.AsOf = old.ID+"\x00"+user, old.Written
	}
	if old.Fixed && login == "" {
		a.Ends = old.Expires
	}
	// Each writing of a cookie may be the login that ended, and so may a cookie of before
	// the application put the value of LoginKey into it.
	if !old.Stored && (!old.IDStays || m.cfg.LoginKey != "") {
		kind, _, _ := strings.Cut(old.ID, ":")
		a.Writings, a.Whole, a.ClocksApart = kind+":user\x00"+user, login != "", m.cfg.ClocksApart
	}
	return a
}

// minLogin is the shortest value of a LoginKey, as JSON: "yes" is no login of its own.
const minLogin = 8

// timeIn reads a time; zero = there is none.
func timeIn(raw json.RawMessage) (at time.Time) {
	var seconds float64
	if json.Unmarshal(raw, &seconds) == nil && seconds > 0 && seconds < 1<<40 {
		return time.UnixMicro(int64(seconds * 1e6)).UTC()
	}
	if json.Unmarshal(raw, &at) != nil {
		return time.Time{}
	}
	return at
}

func (m *Move) user(ctx context.Context, old *Session) (string, error) {
	if m.cfg.User == nil || old.User == "" {
		return old.User, nil
	}
	return m.cfg.User(ctx, *old)
}

// follow ends our session where the old one has.
func (m *Move) follow(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := m.sessions.From(r.Context())
		if user := s.User(); user != "" {
			old, err := m.old.Read(r)
			there := ""
			if err == nil {
				there, err = m.user(r.Context(), &old)
			}
			switch {
			case err != nil && !gone(err): // no logout, but a wrong setting or an outage
				m.hard(r, err)
				http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
				return
			// What these could not do they have told; the answer is then an error.
			case errors.Is(err, ErrAbsent):
				_ = m.sessions.MissAdopted(r.Context())
			case there != user:
				_ = m.sessions.EndAdopted(r.Context(), m.brought(r, &old, err, user))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// brought is the identity that the user's session has there, if the request's tells.
func (m *Move) brought(r *http.Request, old *Session, err error, user string) string {
	if err == nil {
		if m.cfg.OldUser != nil {
			if user, err = m.cfg.OldUser(r.Context(), user); err != nil {
				return ""
			}
		}
		return m.identified(old, user, time.Time{}).Identity
	}
	if i, ok := m.old.(Identifier); ok && errors.Is(err, ErrEnded) {
		if id, err := i.Identity(r); err == nil {
			return id
		}
	}
	return ""
}

// Login logs in here and over there: Session.Login, and Issue. Values and times of
// old are what Issue is given; its User is set. Call it before the first byte of
// the answer. After an error of the old system the user is logged in here only.
func (m *Move) Login(w http.ResponseWriter, r *http.Request, user string, old Session) error {
	s := m.sessions.From(r.Context())
	s.Login(user)
	if err := s.Commit(); err != nil {
		return err
	}
	old.User = user
	if m.cfg.OldUser != nil {
		var err error
		if old.User, err = m.cfg.OldUser(r.Context(), user); err != nil {
			return err
		}
	}
	lines := slices.Clone(w.Header()["Set-Cookie"])
	if err := m.old.Issue(w, r, old); err != nil {
		return err
	}
	// The session is here already: what was issued must not make another, also not
	// after a logout here.
	return m.spend(m.next(w, r, lines))
}

// next is the request that the browser would send with the cookies that Issue has
// added or put in the place of others.
func (m *Move) next(w http.ResponseWriter, r *http.Request, before []string) *http.Request {
	next := r.Clone(r.Context())
	next.Header = http.Header{"User-Agent": r.Header["User-Agent"]}
	lines := slices.DeleteFunc(slices.Clone(w.Header()["Set-Cookie"]), func(line string) bool { return slices.Contains(before, line) })
	answer := http.Response{Header: http.Header{"Set-Cookie": lines}}
	for _, c := range answer.Cookies() {
		if c.MaxAge >= 0 {
			next.AddCookie(c)
		}
	}
	return next
}

// spend sees to it that the old session of a request is never adopted. What a browser
// brings is read, where the old store is there: else whoever sends made-up cookies,
// of a system that signs nothing, has a record kept for each.
func (m *Move) spend(r *http.Request) error {
	if m.cfg.Imported {
		id, err := m.old.(Identifier).Identity(r)
		if err != nil {
			return m.hard(r, err)
		}
		return m.sessions.AdoptNever(r.Context(), coatcheck.Adoption{Identity: id, Until: m.cfg.Until})
	}
	asOf := time.Now()
	old, err := m.old.Read(r)
	if err != nil {
		return m.hard(r, err)
	}
	user, err := m.user(r.Context(), &old)
	if user == "" || err != nil { // it would keep a record for each visitor
		return err
	}
	return m.sessions.AdoptNever(r.Context(), m.identified(&old, old.User, asOf))
}

// Logout ends the session here and over there: Session.Logout, and End. The old
// session that the browser brings is not adopted afterwards, even if its cookie
// cannot be called back. Call it before the first byte of the answer.
func (m *Move) Logout(w http.ResponseWriter, r *http.Request) error {
	s := m.sessions.From(r.Context())
	user := s.User() // adopts what is there, so that it ends
	s.Logout()
	if err := s.Commit(); err != nil { // held back, perhaps: then nothing ends (G7)
		return err
	}
	if m.cfg.Imported && user == "" { // nothing is adopted without a guard, and a made-up id must not make one
		return m.old.End(w, r)
	}
	return errors.Join(m.spend(r), m.old.End(w, r))
}

// Imported counts what Import did.
type Imported struct {
	Taken  int            // sessions of ours were made
	Before int            // were taken by an earlier run, or by their browsers
	Left   map[string]int // were not, by the reason
}

// Import takes over all sessions of the old store, so that it can be given up. It
// may be stopped and run again: what was taken is not taken twice, and what ended
// since stays ended. Each waits for its browser as long as the old one would have
// lasted, or until MoveConfig.Until. each, if not nil, is called after every one.
func (m *Move) Import(ctx context.Context, each func(Imported)) (Imported, error) {
	done := Imported{Left: make(map[string]int)}
	walker, ok := m.old.(Walker)
	if !ok {
		return done, fmt.Errorf("bridge: import: %T has no store to go through: %w", m.old, errors.ErrUnsupported)
	}
	asOf := time.Now()
	for old, err := range walker.All(ctx) {
		reason := ""
		if err == nil {
			reason, err = m.take(ctx, &old, asOf, &done)
		} else if Skips(err) {
			reason, err = kindOf(err), nil
		}
		if err != nil {
			return done, fmt.Errorf("bridge: import: %w", err)
		}
		if reason != "" {
			done.Left[reason]++
		}
		if each != nil {
			each(done)
		}
	}
	return done, nil
}

// take imports one session, or says why not.
func (m *Move) take(ctx context.Context, old *Session, asOf time.Time, done *Imported) (reason string, err error) {
	a, err := m.adoption(ctx, old, asOf)
	if a.User == "" || err != nil {
		return "nobody is logged in", err
	}
	end := m.cfg.Until
	if !old.Expires.IsZero() && old.Expires.Before(end) {
		end = old.Expires
	}
	if a.Remember = time.Until(end).Truncate(time.Second); a.Remember < time.Second {
		return "expired", nil
	}
	taken, err := m.sessions.Adopt(ctx, a)
	switch {
	case errors.Is(err, coatcheck.ErrValue):
		return "a user or a value that cannot be kept", nil
	case errors.Is(err, coatcheck.ErrTooLarge):
		return "too large", nil
	case errors.Is(err, coatcheck.ErrTooMany):
		return "more than MaxPerUser", nil
	case errors.Is(err, coatcheck.ErrEnded):
		return "revoked", nil
	case err != nil:
		return "", err
	case taken:
		done.Taken++
	default:
		done.Before++
	}
	return "", nil
}

// kindOf is the reason of an error of one session.
func kindOf(err error) string {
	var refused *RefusedError
	switch {
	case errors.Is(err, ErrExpired):
		return "expired"
	case errors.Is(err, ErrForged):
		return "not genuine, or another setting"
	case errors.As(err, &refused):
		return "refused: " + refused.What
	}
	return "ended meanwhile"
}
