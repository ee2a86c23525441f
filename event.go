package coatcheck

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/token"
	"github.com/coatcheck/coatcheck/internal/wait"
	"github.com/coatcheck/coatcheck/store"
)

// A Kind says what happened to a session. The guide's page on events has a
// paragraph about each. ASVS 16.3.1–16.3.3.
type Kind string

// The kinds of events. Those in the second group deserve somebody's attention.
const (
	Created         Kind = "created"         // an anonymous session began
	LoggedIn        Kind = "login"           // a user logged in: new token
	Reauthenticated Kind = "reauthenticated" // the logged-in user has proven again who they are: new token
	Renewed         Kind = "renewed"         // new token, same user
	LoggedOut       Kind = "logout"          // a handler ended the session, by Logout or a login in its place; or its login came too late to be sent
	Revoked         Kind = "revoked"         // the session was ended from outside its requests
	Expired         Kind = "expired"         // a cookie came whose session was over
	LoginRequired   Kind = "login required"  // a request was turned away: nobody was logged in, or not recently enough
	HeldBack        Kind = "held back"       // a request from another site came without the session cookie: it was not let write, or a value it asked for is absent
	Bound           Kind = "bound"           // the browser has bound the session to a key of its device; Reason is the algorithm
	Refreshed       Kind = "refreshed"       // the browser has proven again that it has the key
	Skipped         Kind = "skipped"         // the browser says that it could not prove the key; Reason says why
	Conflict        Kind = "conflict"        // a commit met that of another process and was repeated
	WriteEnded      Kind = "write ended"     // a write came after the session's end and was refused

	Refused    Kind = "refused"        // a cookie or a request was turned away; Reason says why
	Copied     Kind = "copied"         // the cookie of a bound session came, from another network, as its own browser would not send it
	Failed     Kind = "failed"         // an answer was replaced, a change refused, or old messages of Flash dropped, for a reason of which no other kind tells
	Mismatch   Kind = "value mismatch" // a stored value does not fit its key's type; Err names the key
	Damaged    Kind = "damaged"        // a record cannot be read; the session was ended
	TooOld     Kind = "too old"        // a request that took longer than 50 seconds wanted to begin, renew or end a session
	Late       Kind = "late"           // the session was used too late in the response
	StoreError Kind = "store error"    // the store failed
	Insecure   Kind = "insecure"       // New was told to allow plain HTTP, or a Secure cookie was set or a bearer token given over it
	Large      Kind = "large cookie"   // a session in its cookie is so large that proxies may refuse the answer
)

// An Event tells what happened to one session. It never holds a token, an id,
// a secret or a value.
type Event struct {
	Time   time.Time
	Kind   Kind
	Handle string // the session's public name; empty where there is none
	User   string // the logged-in user, where known
	Reason string // why, in plain words out of a fixed list, which the guide's page on events has
	By     string // who did it, an operator for one, as the context said: see By; empty = the user, or the application by itself
	Err    error  // what went wrong, for StoreError, Failed, Mismatch, some Late and a refused adoption; for other Refused and for HeldBack the hosts that differ

	// Context has the values of the request that this happened in, as they were
	// where Manager.Handler was called, such as a request id that middleware
	// outside of it put there; or those of the context that the method of Manager
	// was called with. It is never nil and never ends: a log or a queue that works
	// on after the request may use it. It keeps the request's values in memory,
	// so take out of it what is needed and let it go. Do not ask it for the
	// session: that is in use while it tells.
	Context context.Context `json:"-"`
}

// event tells the sink, if there is one, of something in a request.
func (x *exchange) event(e Event) { x.m.event(x.parent(), e) }

// storeError is that of the manager, for a request.
func (x *exchange) storeError(id store.ID, what string, err error) (told bool) {
	return x.m.storeError(x.parent(), id, what, err)
}

// event tells the sink, if there is one.
func (m *Manager) event(ctx context.Context, e Event) {
	if m.cfg.Events == nil {
		return
	}
	e.By, _ = ctx.Value(doneBy{}).(string)
	if c, ok := ctx.(*by); ok {
		ctx = c.Context
	}
	switch c := ctx.(type) { // what would keep the session, or lead to it
	case *wait.Context:
		ctx = c.Parent
	case *exchange:
		ctx = c.parent()
	}
	e.Time, e.Context = time.Now().UTC(), context.WithoutCancel(ctx)
	m.cfg.Events(e)
}

// by is a context of By.
type by struct {
	context.Context
	who string
}

type doneBy struct{}

func (c *by) Value(key any) any {
	if key == (doneBy{}) {
		return c.who
	}
	return c.Context.Value(key)
}

// By returns a context in which what is done to sessions is told as done by who:
// [Event.By]. An application's pages for operators call Revoke and RevokeAll with it,
// so that the log tells who ended a session that was not their own. ASVS 16.2.1
func By(ctx context.Context, who string) context.Context {
	return &by{ctx, who}
}

// storeError tells of a store that failed, and reports whether it has: one that
// cannot do a thing has not failed.
func (m *Manager) storeError(ctx context.Context, id store.ID, what string, err error) (told bool) {
	if !storeFailed(err) {
		return false
	}
	if m.cfg.Events != nil {
		m.event(ctx, Event{Kind: StoreError, Handle: handleOf(id), Reason: what, Err: err})
	}
	return true
}

// storeFailed reports whether storeError tells of err.
func storeFailed(err error) bool { return err != nil && !errors.Is(err, errors.ErrUnsupported) }

// tell tells of the error that ends a request's use of the session: no answer is
// replaced without a trace (G13).
func (s *Session) tell(err error) {
	if s.x.m.cfg.Events == nil {
		return
	}
	e := Event{Handle: s.handle(), User: s.base.User}
	switch {
	case errors.Is(err, ErrCrossOrigin): // told where the hosts are known
		return
	case errors.Is(err, ErrTooOld):
		e.Kind, e.Reason = TooOld, whyEnded(err)
	case errors.Is(err, ErrEnded):
		e.Kind, e.Reason = WriteEnded, whyEnded(err)
	case errors.Is(err, ErrHeldBack):
		e.Kind, e.Reason, e.Err = HeldBack, s.whyHeldBack(), s.x.m.otherHost(&s.x.r)
	case errors.Is(err, ErrLate):
		e.Kind, e.Reason = Late, s.whyLate(err)
	case errors.Is(err, ErrNotFresh):
		e.Kind, e.Reason = LoginRequired, reasonNotFresh
	case errors.Is(err, ErrUnproven):
		e.Kind, e.Reason = LoginRequired, reasonUnproven
	case errors.Is(err, ErrLoginRequired):
		e.Kind, e.Reason = LoginRequired, reasonNobody
	default:
		e.Kind, e.Reason, e.Err = Failed, whyFailed(err), err
	}
	s.x.event(e)
}

// Reasons of events: all there are, beside those of bound sessions (bound.go, package
// dbsc) and what StoreError says the store was asked to do.
const (
	reasonNobody   = "nobody is logged in"
	reasonNotFresh = "the login is not recent enough"

	reasonUnknown   = "unknown session"
	reasonForgotten = "it ended a while ago"
	reasonIdle      = "nobody used it for its idle time"
	reasonLifetime  = "its lifetime was over"
	reasonOldCookie = "its cookie is past its lifetime"

	reasonRevoke      = "by Revoke"
	reasonRevokeOwn   = "by Revoke, in a request of the same user"
	reasonLabel       = "by RevokeLabel"
	reasonLabelOwn    = "by RevokeLabel, in a request of the same user"
	reasonRevokeAll   = "by RevokeAll"
	reasonAllOwn      = "by RevokeAll, in a request of the same user"
	reasonOthers      = "by RevokeOthers"
	reasonEverybody   = "by RevokeEverybody"
	reasonOneTooMany  = "a later login of the user took its place"
	reasonWriting     = "the foreign session had ended by another of its cookies"
	reasonUnconfirmed = "nobody knows whether its login was stored"
	reasonNeverSent   = "its login was too late to be sent to the browser"

	reasonOtherSite = "the browser kept the cookie back because the visitor came from another site"
	reasonTyped     = "the browser kept the cookie back because the address was typed, or opened from a mail or another program"
	reasonWithheld  = "a value was asked for, and the browser kept the cookie back"
	reasonMayHide   = "the cookie may stand behind a comma, where it is not believed"

	reasonConflict = "another process had written the session"
	reasonMismatch = "the stored value does not fit the key's type"
	reasonDamaged  = "the stored data cannot be read"

	reasonCrossOrigin  = "cross-origin request"
	reasonForeign      = "Set-Cookie of the session's name from elsewhere"
	reasonForeignToken = TokenHeader + " from elsewhere"
	reasonAdoption     = "foreign session: it cannot be one of ours"
	reasonJoined       = "session cookie: joined with another by a comma, as by a proxy"
	reasonMany         = "session cookie: more of the name than are looked at"
	reasonNoneGenuine  = "session cookie: several of the name, none genuine"
	reasonSeveralLive  = "session cookie: several of the name, more than one session lives"

	// Behind "session cookie: " or "bearer token: ".
	reasonMalformed     = "malformed"
	reasonUnknownKey    = "unknown key"
	reasonForged        = "forged"
	reasonTooLong       = "too long"
	reasonQuoted        = "quoted"
	reasonBytes         = "bytes that no cookie may have"
	reasonFuture        = "issued in the future"
	reasonSeveralTokens = "several Authorization headers"

	reasonPrefetch     = "a prefetch must not change the session"
	reasonTooMany      = "the user has as many sessions as are allowed"
	reasonTooLarge     = "too large"
	reasonInvalid      = "a value, name, user or time that is not valid"
	reasonFlashes      = "too many messages of Flash that nobody was shown: the oldest were dropped"
	reasonFull         = "the store is full"
	reasonRaces        = "others wrote the session each time"
	reasonStuck        = "the session was in use by a call that did not end"
	reasonUnsupported  = "the store cannot do that, or the session is in its cookie"
	reasonWaited       = "it waited too long"
	reasonStoreFailed  = "the store failed for all who waited"
	reasonEnded        = "the session had ended"
	reasonRevoked      = "the user's sessions were ended when the login had begun"
	reasonReplaced     = "a login or renewal had just replaced its token"
	reasonTooOld       = "the request was too old to set a cookie"
	reasonTooOldToKnow = "the request was too old to know what became of the session"
	reasonTouch        = "the visit could not be noted: the session had ended"

	reasonLateLook   = "first looked at after the answer had begun"
	reasonLateChange = "a change that needs a cookie, after the answer had begun"
	reasonUpgrade    = "a session that begins in an upgrade: call Session.Commit before it"
	reasonReturned   = "used after the handler had returned, or was given up"
	reasonInUse      = "in use when the response ended"
	reasonAnswered   = "not kept: changed while Config.OnError answered for an error"
	reasonPassedBy   = "answered past the session's writer"
	reasonUnsaved    = "not saved after the response"
	reasonPanic      = "not saved: the handler panicked"
	reasonTimedOut   = "not saved: a time-out had answered"

	reasonPlain  = "session cookies travel over plain HTTP"
	reasonBearer = "a bearer token was given over plain HTTP: whoever listens can use it; use HTTPS"
	reasonSecure = "a Secure session cookie was set over plain HTTP: browsers will not keep it; use HTTPS, or localhost"
	reasonLarge  = "a session cookie that proxies may refuse"
)

// whyFailed is the reason of Failed.
func whyFailed(err error) string {
	switch {
	case errors.Is(err, ErrReadOnly):
		return reasonPrefetch
	case errors.Is(err, ErrTooMany):
		return reasonTooMany
	case errors.Is(err, ErrTooLarge):
		return reasonTooLarge
	case errors.Is(err, ErrValue):
		return reasonInvalid
	case errors.Is(err, ErrFull):
		return reasonFull
	case errors.Is(err, ErrConflict), errors.Is(err, store.ErrExists):
		return reasonRaces
	case errors.Is(err, errStuck):
		return reasonStuck
	case err == errProofLater:
		return reasonProof
	case errors.Is(err, errors.ErrUnsupported):
		return reasonUnsupported
	case errors.Is(err, context.DeadlineExceeded):
		return reasonWaited
	}
	return reasonStoreFailed
}

// whyEnded is the reason of WriteEnded.
func whyEnded(err error) string {
	switch {
	case errors.Is(err, errForgotten):
		return reasonTooOldToKnow
	case errors.Is(err, ErrTooOld):
		return reasonTooOld
	case errors.Is(err, errRevoked):
		return reasonRevoked
	case errors.Is(err, errOvertaken):
		return reasonReplaced
	}
	return reasonEnded
}

// whyHeldBack is the reason of HeldBack.
func (s *Session) whyHeldBack() string {
	switch site := first(s.x.r.Header, "Sec-Fetch-Site"); {
	case !s.cookie.absent(): // or it would not be held
		return reasonMayHide
	case site == "none":
		return reasonTyped
	}
	return reasonOtherSite
}

// whyLate is the reason of Late, as an error that the handler has met.
func (s *Session) whyLate(err error) string {
	switch {
	case errors.Is(err, errUpgrade):
		return reasonUpgrade
	case s.x.tooLate():
		return reasonReturned
	case s.cookie == cookieUnread:
		return reasonLateLook
	}
	return reasonLateChange
}

// whyOver is the reason of Expired for a record whose time had run out.
func whyOver(rec *store.Record, now time.Time) string {
	if !rec.Deadline.After(now) {
		return reasonLifetime
	}
	return reasonIdle
}

// refusedCookie tells of a cookie or token that is not genuine. The answer never
// says why (G8).
func (x *exchange) refusedCookie(err error) {
	if x.m.cfg.Events == nil {
		return
	}
	if errors.Is(err, cookie.ErrExpired) {
		x.event(Event{Kind: Expired, Reason: reasonOldCookie})
		return
	}
	x.event(Event{Kind: Refused, Reason: x.m.what() + whyForged(err)})
}

func whyForged(err error) string {
	switch err {
	case token.ErrUnknownKey:
		return reasonUnknownKey
	case token.ErrForged:
		return reasonForged
	case errSeveralTokens:
		return reasonSeveralTokens
	}
	forged, ok := errors.AsType[*cookie.ForgedError](err)
	if !ok {
		return reasonMalformed
	}
	switch forged.Reason {
	case cookie.ReasonTooLong:
		return reasonTooLong
	case cookie.ReasonQuoted:
		return reasonQuoted
	case cookie.ReasonBytes:
		return reasonBytes
	case cookie.ReasonKey:
		return reasonUnknownKey
	case cookie.ReasonTag:
		return reasonForged
	case cookie.ReasonFuture:
		return reasonFuture
	}
	return reasonMalformed
}

// LogEvents returns a [Config.Events] that writes each event to log. At the level
// of info, which slog has by itself, a healthy day has only what people and the
// application did to logins. What visitors do all day is debug; what deserves
// somebody's attention is a warning, a failing store an error: the guide's page
// on events has a table. It passes on the event's Context, so that a handler of
// log can add what stands there, such as a request id.
func LogEvents(log *slog.Logger) func(Event) {
	return func(e Event) {
		ctx, level := e.Context, levelOf(e)
		if ctx == nil {
			ctx = context.Background()
		}
		if !log.Enabled(ctx, level) {
			return
		}
		attrs := make([]slog.Attr, 0, 6)
		attrs = append(attrs, slog.String("event", string(e.Kind)))
		for _, a := range []struct{ key, value string }{
			{"session", e.Handle}, {"user", e.User}, {"reason", e.Reason}, {"by", e.By},
		} {
			if a.value != "" {
				attrs = append(attrs, slog.String(a.key, a.value))
			}
		}
		if e.Err != nil {
			attrs = append(attrs, slog.String("error", e.Err.Error()))
		}
		log.LogAttrs(ctx, level, "session", attrs...)
	}
}

// levelOf is the event's level: so chosen that nobody has to read a log, or turn
// it off, on a day on which nothing is wrong.
func levelOf(e Event) slog.Level {
	switch e.Kind {
	case StoreError:
		return slog.LevelError
	case Refused, Copied, Mismatch, Damaged, TooOld, Late, Insecure, Large:
		return slog.LevelWarn
	case Failed:
		switch {
		case errors.Is(e.Err, ErrReadOnly): // browsers fetch ahead all day
			return slog.LevelDebug
		case errors.Is(e.Err, ErrTooMany): // as the policy has it
			return slog.LevelInfo
		}
		return slog.LevelWarn
	case Created, LoginRequired, HeldBack, Conflict, Refreshed:
		return slog.LevelDebug
	case Expired:
		if e.User == "" { // of a visitor, or told again because it is no longer known
			return slog.LevelDebug
		}
	}
	return slog.LevelInfo
}
