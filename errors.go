package coatcheck

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/coatcheck/coatcheck/store"
)

// Errors of stores that OnError, Session.Err and the methods of Manager give,
// wrapped. Package store has the others.
var (
	// ErrEnded: the session, or every session of its user, was ended (G2).
	ErrEnded = store.ErrEnded

	// ErrConflict: others changed the session again and again, until the time
	// for the commit was over. Nothing of it was stored.
	ErrConflict = store.ErrConflict

	// ErrFull: the store has no room for another session.
	ErrFull = store.ErrFull
)

// Errors that OnError, Session.Err and the methods of Manager give.
var (
	// ErrLate: the change needs a Set-Cookie, or the session was first looked
	// at, after the response had begun; or the handler had returned.
	ErrLate = errors.New("coatcheck: too late in the response for the session")

	// ErrHeldBack: the request came from another site, or with the marker from
	// none, without the Strict session cookie, so nothing may be written over
	// the session it left; or a proxy joined the session cookie to another by a comma.
	ErrHeldBack = errors.New("coatcheck: request from another site without the session cookie")

	// ErrReadOnly: a prefetch wanted to change the session.
	ErrReadOnly = errors.New("coatcheck: a prefetch must not change the session")

	// ErrCrossOrigin: Config.CrossOrigin refused the request, or its Origin or
	// Referer is of another host.
	ErrCrossOrigin = errors.New("coatcheck: cross-origin request refused")

	// ErrTooOld: the request began so long ago, more than 50 seconds, that it
	// must not begin or renew a session any more: the browser may have a newer
	// one by now. What needs no new cookie is kept. It is an ErrEnded.
	ErrTooOld = fmt.Errorf("%w: the request is too old", ErrEnded)

	// ErrLoginRequired: nobody is logged in, or not recently enough.
	ErrLoginRequired = errors.New("coatcheck: login required")

	// ErrNotFresh: somebody is logged in, but not recently enough for
	// RequireFresh. It is an ErrLoginRequired.
	ErrNotFresh = fmt.Errorf("%w: not recently enough", ErrLoginRequired)

	// ErrTooMany: the user has Config.MaxPerUser sessions already.
	ErrTooMany = errors.New("coatcheck: too many sessions of this user")

	// ErrValue: a value could not be encoded or does not fit its key's type; or
	// a name, user or duration is not valid.
	ErrValue = errors.New("coatcheck: invalid value")

	// ErrTooLarge: a value of more than 32 KiB, or a session of more than 64
	// KiB, 256 values, or what a cookie holds. The stored session is unharmed.
	// It is an ErrValue.
	ErrTooLarge = fmt.Errorf("%w: too large", ErrValue)
)

// errRevoked is the ErrEnded of a login: RevokeAll, or a clock that is ahead of
// ours, says that the user's logins of that time are over (S8).
var errRevoked = fmt.Errorf("%w: the user was revoked when the login had begun", ErrEnded)

// errOvertaken is the ErrEnded of a request whose token a login or renewal has
// just replaced: whoever asks again brings the new one.
var errOvertaken = fmt.Errorf("%w: its token was replaced meanwhile", ErrEnded)

// errTooOld is the ErrTooOld of a request whose Set-Cookie could come after the
// end of a session was forgotten. It says nothing about the session.
var errTooOld = fmt.Errorf("%w to set a cookie", ErrTooOld)

// errForgotten is the ErrTooOld of a logout that comes so late that nobody knows
// any more what a login meanwhile made of the session.
var errForgotten = fmt.Errorf("%w to know what became of the session", ErrTooOld)

// errUpgrade is the ErrLate of a session that would begin in an upgrade: what is
// sent then is not ours, and may have no room for a cookie.
var errUpgrade = fmt.Errorf("%w: a session that begins in an upgrade needs Session.Commit before it, and the writer's Header in the upgrade's answer", ErrLate)

// ErrUnproven: the session is bound to a device, and the request has not shown that
// it comes from there: its cookie was copied, or the browser has lost the key. It is
// an ErrLoginRequired: only Login and Logout can be done.
var ErrUnproven = fmt.Errorf("%w: the session is bound to a device", ErrLoginRequired)

// ErrNotBound: the request wants a session that is bound to a device, and this one
// is not: see package dbsc.
var ErrNotBound = errors.New("coatcheck: the session is not bound to a device")

// StatusOf returns the status with which a request is answered that err ended:
// 401, 403, 409, 413, 500 or 503. [AnswerError] uses it.
func StatusOf(err error) int {
	switch {
	case errors.Is(err, ErrLoginRequired):
		return http.StatusUnauthorized
	case errors.Is(err, ErrCrossOrigin), errors.Is(err, ErrNotBound):
		return http.StatusForbidden
	case errors.Is(err, ErrEnded), errors.Is(err, ErrHeldBack), errors.Is(err, ErrTooMany):
		return http.StatusConflict
	case errors.Is(err, ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrValue), errors.Is(err, ErrLate):
		return http.StatusInternalServerError
	default:
		return http.StatusServiceUnavailable
	}
}

// AnswerError is the default [Config.OnError]: a short plain text, with the status
// StatusOf(err); or for whoever looks at the answer, of a session that has ended
// or was withheld, a small page that says what to do and leads on. A
// [Config.OnError] that handles some errors leaves the others to it.
func AnswerError(w http.ResponseWriter, r *http.Request, err error) {
	status := StatusOf(err)
	switch {
	case errors.Is(err, ErrHeldBack) && r.Method == http.MethodGet && navigates(r):
		servePage(w, r, status, heldBackPage, leadingTo(requested(r)))
		return
	case errors.Is(err, ErrEnded) && isPage(r):
		page := leadingTo(back(r))
		page.Text = textOf(err)
		servePage(w, r, status, endedPage, page)
		return
	case errors.Is(err, errNotBoundYet) && r.Method == http.MethodGet && navigates(r):
		servePage(w, r, status, bindingPage, leadingTo(requested(r)))
		return
	case status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	h := w.Header()
	keepOut(h)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, textOf(err))
	}
}

// textOf is what AnswerError says of an error.
func textOf(err error) string {
	switch {
	case errors.Is(err, errForgotten):
		return "This took so long that it is not known any more what became of your session. Please log out once more."
	case errors.Is(err, ErrTooOld):
		return "This took too long: what needs a new session was not kept. Please try once more."
	case errors.Is(err, errRevoked):
		return "All sessions of this account were ended just now. Nothing was changed. Please log in once more."
	case errors.Is(err, errOvertaken):
		return "This came while you logged in or out. Nothing was changed. Please try once more."
	case errors.Is(err, ErrEnded):
		return "Your session has ended. Nothing was changed."
	case errors.Is(err, ErrHeldBack):
		return "This request came from elsewhere, without the session cookie. Nothing was changed."
	case errors.Is(err, ErrUnproven):
		return "Log in again: this browser did not show that the session is its own"
	case errors.Is(err, ErrNotBound):
		return "This needs a browser that binds its session to the device"
	case err == errProofLater:
		return "This browser could not show just now that the session is its own. Please try once more."
	case errors.Is(err, ErrNotFresh):
		return "Log in again, or prove once more who you are"
	case errors.Is(err, ErrLoginRequired):
		return "Not logged in"
	case errors.Is(err, ErrTooLarge):
		return "Too much to keep. Nothing was changed."
	case errors.Is(err, ErrTooMany):
		return "Too many sessions. Nothing was changed."
	case errors.Is(err, errUpgrade):
		return "A session that begins in an upgrade needs Session.Commit before it."
	}
	return http.StatusText(StatusOf(err))
}

// isPage reports whether somebody looks at the answer, in a window or tab.
func isPage(r *http.Request) bool {
	return navigates(r) || first(r.Header, "Sec-Fetch-Mode") == "" && strings.HasPrefix(first(r.Header, "Accept"), "text/html")
}

// back is where somebody goes on whose request was not done: a GET may be asked
// for again; a form is on the page that it came from, if that is ours.
func back(r *http.Request) *url.URL {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return requested(r)
	}
	from, err := url.Parse(r.Referer())
	if err != nil || first(r.Header, "Sec-Fetch-Site") != "same-origin" && !strings.EqualFold(from.Host, r.Host) {
		return &url.URL{Path: "/"}
	}
	return from
}
