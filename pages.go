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
	case errors.Is(err, ErrCrossOrigin):
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

// AnswerError is the default Config.OnError: a short plain text, or for a visitor
// from another site a small page that leads on, with the status StatusOf(err).
// A Config.OnError that handles some errors leaves the others to it.
func AnswerError(w http.ResponseWriter, r *http.Request, err error) {
	status := StatusOf(err)
	if errors.Is(err, ErrHeldBack) && r.Method == http.MethodGet && navigates(r) {
		servePage(w, r, status, heldBackPage)
		return
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	text := http.StatusText(status)
	switch {
	case errors.Is(err, ErrEnded):
		text = "Your session has ended. Nothing was changed."
	case errors.Is(err, ErrHeldBack):
		text = "This request came from elsewhere, without the session cookie. Nothing was changed."
	case errors.Is(err, ErrNotFresh):
		text = "Log in again, or prove once more who you are"
	case errors.Is(err, ErrLoginRequired):
		text = "Not logged in"
	case errors.Is(err, ErrTooLarge):
		text = "Too much to keep. Nothing was changed."
	case errors.Is(err, ErrTooMany):
		text = "Too many sessions. Nothing was changed."
	}
	h := w.Header()
	keepOut(h)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, text)
	}
}

// The two pages that answer a visitor whose session cookie the browser withheld
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

	landingHash = func() string {
		sum := sha256.Sum256([]byte(landingScript))
		return base64.StdEncoding.EncodeToString(sum[:])
	}()
)

// servePage answers with one of the pages, which leads to the same URL.
func servePage(w http.ResponseWriter, r *http.Request, status int, page *template.Template) {
	h := w.Header()
	keepOut(h, "Cookie", "Sec-Fetch-Site")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'sha256-"+landingHash+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		u := requested(r)
		page.Execute(w, struct{ URL, Landed string }{localURL(withoutLanded(u)), localURL(withLanded(u))}) // an error is the client's absence
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
