package walkthrough

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
	//go:embed ticket.svg
	icon []byte

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
		"millis": time.Time.UnixMilli,
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"clock":  func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"left":   func(t, now time.Time) string { return span(t.Sub(now)) },
		"label":  func(d coatcheck.Info) string { return d.Labels[deviceLabel] },
		"hex":    func(n uint64) string { return fmt.Sprintf("%016x", n) },
	}).Parse(pageHTML))

	// The page loads nothing but its icon, and runs the one script that is in it.
	pagePolicy = "default-src 'none'; script-src '" + hash(pageJS) + "'; style-src '" + hash(pageCSS) +
		"'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func (s *Site) routePage(mux *http.ServeMux) {
	mux.Handle("GET /{$}", s.sessions.Require(http.HandlerFunc(s.page)))
	mux.Handle("GET /events", s.sessions.Require(http.HandlerFunc(s.events)))
	mux.HandleFunc("GET /ticket.svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Write(icon)
	})
}

// A view is all that the page shows.
type view struct {
	Style    template.CSS
	Script   template.JS
	Now      time.Time
	Jar      []held
	Hidden   bool     // of some cookie not all is shown
	Others   []string // names of cookies that other programs set
	Ticket   bool     // the browser showed one
	Held     bool     // it kept one back: the visitor comes from another site
	Coat     *coat    // nil: none
	Devices  []coatcheck.Info
	Binding  *coatcheck.Binding // of this session; nil: it is not bound
	Moments  []moment
	Last     *exchange
	Says     string
	Chapters []chapter
	Policy   string
}

func (s *Site) page(w http.ResponseWriter, r *http.Request) {
	session := coatcheck.From(r.Context())
	handle, user := session.Handle(), session.User()
	v := view{Style: template.CSS(pageCSS), Script: template.JS(pageJS), Chapters: chapters, Policy: s.sessions.Describe()}
	if user != "" {
		var err error
		if v.Devices, err = s.sessions.Sessions(r.Context(), user); err != nil {
			coatcheck.AnswerError(w, r, err)
			return
		}
		if b, ok := session.Binding(); ok {
			v.Binding = &b
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	// The first byte brings the idle end forward, if that is due: only then is
	// it known what the server holds.
	w.WriteHeader(http.StatusOK)
	v.Now = time.Now()
	if handle != "" {
		var err error
		if v.Coat, err = newCoat(noted(r.Context()), v.Now); err != nil {
			fmt.Fprint(w, err)
			return
		}
		v.Moments = s.timeline.since(handle, 0)
	}
	v.Jar, v.Others = s.jar.holds(r, v.Coat)
	v.Hidden = slices.ContainsFunc(v.Jar, func(h held) bool { return h.Number != "" })
	here := newExchange(r, &s.jar)
	here.Status = http.StatusOK
	v.Ticket = here.sent(s.jar.ticket)
	site := r.Header.Get("Sec-Fetch-Site") // Firefox and WebKit withhold Strict also where no site asked
	v.Held = !v.Ticket && (site == "cross-site" || site == "none") && here.sent(s.jar.stamp)
	v.Last, v.Says = here, arrival(&v)
	if e := s.exchanges.take(r.Header.Get(exchangeHeader)); e != nil {
		v.Last, v.Says = e, explain(e, &s.jar)
		if e.lost(here) {
			v.Says = notKept(r.TLS != nil)
		}
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, &v); err != nil {
		fmt.Fprint(w, "The page could not be made.")
		return
	}
	w.Write(b.Bytes())
}

// span is a duration in words, rounded as people would.
func span(d time.Duration) string {
	d = max(d.Round(time.Second), 0)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	unit := func(n int, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	var parts []string
	switch {
	case h >= 48:
		return unit(h/24, "day")
	case h > 0:
		parts = append(parts, unit(h, "hour"))
		if m > 0 {
			parts = append(parts, fmt.Sprintf("%d min", m))
		}
	case m > 0:
		if s == 0 {
			return unit(m, "minute")
		}
		parts = append(parts, fmt.Sprintf("%d min", m), fmt.Sprintf("%d s", s))
	default:
		return unit(s, "second")
	}
	return strings.Join(parts, " ")
}
