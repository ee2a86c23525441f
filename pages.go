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
		text = "This request came from another site. Nothing was changed."
	case errors.Is(err, ErrLoginRequired):
		text = "Not logged in"
	case errors.Is(err, ErrTooLarge):
		text = "Too much to keep. Nothing was changed."
	case errors.Is(err, ErrTooMany):
		text = "Too many sessions. Nothing was changed."
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, text)
	}
}

// The two pages that answer a visitor who comes from another site (G7). An
// empty answer with a Refresh header would stay blank for ever where the link
// has a #fragment; location.reload keeps it. The noscript way loses it, the
// link is there for whoever has neither.
//
// It reloads once and no more, and not at all in a window that a sandboxed frame
// opened: there our own pages too come from "another site", for ever.
const reloadScript = `if(origin!="null"&&performance.getEntriesByType("navigation")[0].type!="reload")location.reload()`

const pageHead = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
	`<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark"><title>One moment</title>`

var (
	landingPage = template.Must(template.New("landing").Parse(pageHead +
		`<noscript><meta http-equiv="refresh" content="0;url={{.}}"></noscript>` +
		// The link first: where the page is a download, the reload ends the parsing here.
		`<p><a href="{{.}}">Continue</a></p><script>` + reloadScript + `</script></html>`))
	heldBackPage = template.Must(template.New("held back").Parse(pageHead +
		`<p>You came here from another site. Nothing was changed. <p><a href="{{.}}">Continue</a></html>`))

	reloadHash = func() string {
		sum := sha256.Sum256([]byte(reloadScript))
		return base64.StdEncoding.EncodeToString(sum[:])
	}()
)

// servePage answers with one of the pages, which leads to the same URL.
func servePage(w http.ResponseWriter, r *http.Request, status int, page *template.Template) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Cookie, Sec-Fetch-Site")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'sha256-"+reloadHash+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		page.Execute(w, localURL(r)) // an error is the client's absence
	}
}

// requested is the URL as the client sent it; http.StripPrefix changes r.URL.
func requested(r *http.Request) *url.URL {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u
	}
	return r.URL
}

// localURL is the request's path and query as a link that stays on this host:
// "//evil.example" would not.
func localURL(r *http.Request) string {
	u := requested(r)
	path := "/" + strings.TrimLeft(u.EscapedPath(), "/\\")
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path
}
