package coatcheck

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// StatusOf returns the status with which a request is answered that err ended:
// 401, 403, 409, 413, 500 or 503. AnswerError uses it.
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

// AnswerError is the default Config.OnError: a short plain text, with the status
// StatusOf(err); or for whoever looks at the answer, of a session that has ended
// or was withheld, a small page that says what to do and leads on. A
// Config.OnError that handles some errors leaves the others to it.
func AnswerError(w http.ResponseWriter, r *http.Request, err error) {
	status := StatusOf(err)
	switch {
	case errors.Is(err, ErrHeldBack) && r.Method == http.MethodGet && navigates(r):
		servePage(w, r, status, heldBackPage, leadingTo(requested(r)))
		return
	case errors.Is(err, ErrEnded) && shown(r):
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

// shown reports whether somebody looks at the answer, in a window or tab.
func shown(r *http.Request) bool {
	return navigates(r) || r.Header.Get("Sec-Fetch-Mode") == "" && strings.HasPrefix(r.Header.Get("Accept"), "text/html")
}

// back is where somebody goes on whose request was not done: a GET may be asked
// for again; a form is on the page that it came from, if that is ours.
func back(r *http.Request) *url.URL {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return requested(r)
	}
	from, err := url.Parse(r.Referer())
	if err != nil || r.Header.Get("Sec-Fetch-Site") != "same-origin" && !strings.EqualFold(from.Host, r.Host) {
		return &url.URL{Path: "/"}
	}
	return from
}

// The pages that answer a visitor whose session cookie the browser withheld
// (G7). An empty answer with a Refresh header would stay blank for ever where
// the link has a #fragment; the script keeps it. The noscript way loses it, the
// link is there for whoever has neither.
//
// Both ways ask for the URL with landed in its query, and are answered by a
// redirect to the URL itself: with location.reload Firefox repeats the request as
// the other site made it, and location.replace with the URL as it is asks for
// nothing where that has a fragment. Not in a window that a sandboxed frame
// opened: there our own pages too come from "another site", for ever.
const landed = "coatcheck-landing"

const landingScript = `if(origin!="null")location.replace(origin+location.pathname+(location.search?location.search+"&":"?")+"` + landed + `"+location.hash)`

const pageHead = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
	`<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark"><title>One moment</title>`

var (
	landingPage = template.Must(template.New("landing").Parse(pageHead +
		`<noscript><meta http-equiv="refresh" content="0;url={{.Landed}}"></noscript>` +
		// The link first: where the page is a download, the script ends the parsing here.
		`<p><a href="{{.URL}}">Continue</a></p><script>` + landingScript + `</script></html>`))
	heldBackPage = template.Must(template.New("held back").Parse(pageHead +
		`<p>You came here from elsewhere, and your browser did not show who you are. Nothing was changed. <p><a href="{{.URL}}">Continue</a></html>`))
	bindingPage = template.Must(template.New("binding").Parse(pageHead +
		`<meta http-equiv="refresh" content="1"><p><a href="{{.URL}}">Continue</a></html>`))
	endedPage = template.Must(template.New("ended").Parse(pageHead +
		`<p>{{.Text}} <p><a href="{{.URL}}">Continue</a></html>`))

	landingHash = func() string {
		sum := sha256.Sum256([]byte(landingScript))
		return base64.StdEncoding.EncodeToString(sum[:])
	}()
)

// A pageData is what the pages are made of.
type pageData struct{ URL, Landed, Text string }

// leadingTo is for a page that leads to u.
func leadingTo(u *url.URL) pageData {
	return pageData{URL: localURL(withoutLanded(u)), Landed: localURL(withLanded(u))}
}

// servePage answers with one of the pages.
func servePage(w http.ResponseWriter, r *http.Request, status int, page *template.Template, data pageData) {
	h := w.Header()
	keepOut(h, "Cookie", "Sec-Fetch-Site")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'sha256-"+landingHash+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		page.Execute(w, data) // an error is the client's absence
	}
}

// redirectLanded ends a landing.
func redirectLanded(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	keepOut(h, "Cookie", "Sec-Fetch-Site")
	h.Set("Location", localURL(withoutLanded(requested(r))))
	w.WriteHeader(http.StatusSeeOther)
}

// withLanded returns u with landed at the end of its query, once.
func withLanded(u *url.URL) *url.URL {
	v := *withoutLanded(u)
	if v.RawQuery != "" {
		v.RawQuery += "&"
	}
	v.RawQuery += landed
	return &v
}

// withoutLanded returns u without landed at the end of its query, or u itself.
func withoutLanded(u *url.URL) *url.URL {
	rest, ok := strings.CutSuffix(u.RawQuery, landed)
	if !ok || rest != "" && rest[len(rest)-1] != '&' {
		return u
	}
	v := *u
	v.RawQuery = strings.TrimSuffix(rest, "&")
	return &v
}

// requested is the URL as the client sent it; http.StripPrefix changes r.URL.
func requested(r *http.Request) *url.URL {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u
	}
	return r.URL
}

// localURL is u's path and query as a link that stays on this host:
// "//evil.example" would not.
func localURL(u *url.URL) string {
	path := "/" + strings.TrimLeft(u.EscapedPath(), "/\\")
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path
}
