package console

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/coatcheck/coatcheck"
)

//go:embed pages/*.html
var pagesHTML embed.FS

var (
	//go:embed console.css
	style string
	//go:embed console.js
	script string
	//go:embed icon.svg
	icon []byte

	// A page loads nothing but its icon, and runs the one script that is in it.
	policy = "default-src 'none'; script-src '" + hash(script) + "'; style-src '" + hash(style) +
		"'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// templates has each page within the frame.
var templates = func() map[string]*template.Template {
	frame := template.Must(template.New("frame.html").Funcs(template.FuncMap{
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"clock":  func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"minute": func(t time.Time) string { return t.UTC().Format("15:04") },
		"date":   func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05") },
		"ago":    func(t, now time.Time) string { return words(now.Sub(t)) + " ago" },
		"left":   func(t, now time.Time) string { return words(t.Sub(now)) },
		"hex":    func(n uint64) string { return fmt.Sprintf("%016x", n) },
		"show":   show,
		"bytes":  func(n int) string { return grouped(int64(n)) + " bytes" },
		"number": func(n int) string { return grouped(int64(n)) },
		"short":  short,
		"plural": plural,
	}).ParseFS(pagesHTML, "pages/frame.html", "pages/event.html"))
	all := make(map[string]*template.Template)
	for _, name := range []string{"overview", "user", "session", "why", "events", "message"} {
		all[name] = template.Must(template.Must(frame.Clone()).ParseFS(pagesHTML, "pages/"+name+".html"))
	}
	return all
}()

// A page is what the frame shows.
type page struct {
	Title string
	Query string // in the field of the search
	Body  any

	// Filled in by render.
	Name   string // of the template
	App    string
	Who    string
	Fresh  bool
	Until  time.Time // the operator may end sessions
	Login  string
	Now    time.Time
	Style  template.CSS
	Script template.JS
}

// A message is the body of a page that only says something.
type message struct{ Text, Login string }

func (c *Console) say(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	c.render(w, r, status, "message", page{Title: title, Body: message{Text: text}})
}

func (c *Console) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	s := c.cfg.Operators.From(r.Context())
	p.Name, p.App, p.Now = name, cmp.Or(c.cfg.Name, r.Host), time.Now().UTC()
	if p.Who = s.User(); p.Who != "" {
		p.Until = s.AuthTime().Add(c.cfg.Fresh)
		p.Fresh = p.Until.After(p.Now)
	}
	p.Login = c.login(r)
	p.Style, p.Script = template.CSS(style), template.JS(script)
	var b bytes.Buffer
	if err := templates[name].ExecuteTemplate(&b, "frame.html", p); err != nil {
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	h := headers(w)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(b.Bytes()) // an error is the client's absence
	}
}

// headers sets those that all answers have.
func headers(w http.ResponseWriter) http.Header {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	return h
}

func (c *Console) icon(w http.ResponseWriter, r *http.Request) {
	h := headers(w)
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Content-Security-Policy", "default-src 'none'")
	w.Write(icon)
}

// show makes text that came from a client, or that an application chose, fit to be
// looked at: what cannot be seen, or turns around what follows, is spelled out.
// html/template does the rest.
func show(text string) string {
	if strings.IndexFunc(text, unseen) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unseen(r) {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func unseen(r rune) bool { return !unicode.IsPrint(r) }

// whyNot says what a page could not ask the store.
func whyNot(err error) string {
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return "Sessions of this application live in their cookies: nobody can list them, or end one of them."
	case errors.Is(err, coatcheck.ErrValue):
		return "No user can be called that."
	case errors.Is(err, context.DeadlineExceeded):
		return "The store did not answer within " + words(storeTimeout) + "."
	}
	return "The store failed."
}

// words is a duration as people say it, rounded.
func words(d time.Duration) string {
	d = max(d.Round(time.Second), 0)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h >= 48:
		return plural(h/24, "day")
	case h > 0 && m > 0:
		return plural(h, "hour") + " " + strconv.Itoa(m) + " min"
	case h > 0:
		return plural(h, "hour")
	case m > 0 && s > 0 && m < 10:
		return strconv.Itoa(m) + " min " + strconv.Itoa(s) + " s"
	case m > 0:
		return plural(m, "minute")
	}
	return plural(s, "second")
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return grouped(int64(n)) + " " + unit + "s"
}

// grouped is a number with its thousands apart.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// short is a duration with a unit that fits.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
}
