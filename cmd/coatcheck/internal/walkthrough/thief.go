package walkthrough

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/wire"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/dbsc"
)

// A ticket can be copied: by malware, from a backup. Where the browser can, the
// session is bound to a key of the device (package dbsc), and the copy is worth
// minutes. Here a thief tries it.

// boundLife is short, so that nobody waits long for the thief's failure, and as
// long as Chromium's quota wants it.
const boundLife = 5 * time.Minute

// boundTicket is the name of the cookie that is proven anew every few minutes.
const boundTicket = "__Host-sid-bound"

// boundKind is that cookie as the page tells of it.
func boundKind() kind {
	line := &http.Cookie{Name: boundTicket, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int((boundLife - 10*time.Second) / time.Second)}
	return kind{line: line, Sort: "the proof beside it", ends: boundEnd,
		For:  "Shows for a few minutes that this is the device to which the session is bound. Before it ends your browser proves its key again and gets the next.",
		read: func(*http.Request) (string, error) { return "proven by this device", nil }}
}

// boundEnd is when a bound cookie ends at the server: docs/spec/record.md, R9.
func boundEnd(value string) time.Time {
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(b) != 36 {
		return time.Time{}
	}
	return wire.Issued(b[15:]).Add(boundLife)
}

func (s *Site) routeThief(mux *http.ServeMux) error {
	bound, err := dbsc.New(s.sessions, dbsc.Config{MaxAge: boundLife})
	if err != nil {
		return fmt.Errorf("walkthrough: %w", err)
	}
	mux.Handle("/dbsc/", bound)
	mux.Handle("POST /thief", s.sessions.RequireLogin(http.HandlerFunc(s.steal)))
	mux.Handle("POST /thief/again", s.sessions.RequireLogin(http.HandlerFunc(s.tryAgain)))
	return nil
}

// A loot is what the thief has copied from visitors, by session.
type loot struct {
	mu     sync.Mutex
	copies map[string]copied
}

type copied struct {
	cookies string
	at      time.Time
}

// Bounds of the loot: it holds genuine tickets.
const (
	maxLoot  = 100
	lootLife = 15 * time.Minute
)

func (l *loot) keep(handle, cookies string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h, c := range l.copies {
		if now.Sub(c.at) > lootLife {
			delete(l.copies, h)
		}
	}
	if l.copies == nil {
		l.copies = make(map[string]copied)
	}
	if len(l.copies) < maxLoot || l.copies[handle].cookies != "" {
		l.copies[handle] = copied{cookies, now}
	}
}

func (l *loot) of(handle string, now time.Time) (copied, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.copies[handle]
	return c, ok && now.Sub(c.at) <= lootLife
}

// steal copies the visitor's cookies and tries them.
func (s *Site) steal(w http.ResponseWriter, r *http.Request) {
	cookies := strings.Join(r.Header["Cookie"], "; ")
	s.loot.keep(coatcheck.From(r.Context()).Handle(), cookies, time.Now())
	answer(w, http.StatusOK, "%s", s.tried(r, cookies))
}

// tryAgain is what the copy is worth by now.
func (s *Site) tryAgain(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	c, ok := s.loot.of(coatcheck.From(r.Context()).Handle(), now)
	if !ok {
		answer(w, http.StatusNotFound, "The thief has no copy of this session's cookies")
		return
	}
	answer(w, http.StatusOK, "With what he copied %s ago. %s", span(now.Sub(c.at)), s.tried(r, c.cookies))
}

// tried is how the server answers the thief: with all that was copied, and with the
// ticket alone.
func (s *Site) tried(r *http.Request, cookies string) string {
	var alone []string
	for pair := range strings.SplitSeq(cookies, ";") {
		if pair = strings.TrimSpace(pair); !strings.HasPrefix(pair, boundTicket+"=") {
			alone = append(alone, pair)
		}
	}
	return "The thief, with all your cookies: " + s.asThief(r, cookies) + ". With the ticket alone: " + s.asThief(r, strings.Join(alone, "; ")) + "."
}

// asThief asks for a page that wants a login, as another client at another address.
func (s *Site) asThief(r *http.Request, cookies string) string {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "/profile", nil)
	if err != nil {
		return "nothing"
	}
	request = request.WithContext(noContext{r.Context()})
	request.Host, request.RemoteAddr, request.RequestURI, request.TLS = r.Host, "203.0.113.66:4321", "/profile", r.TLS
	request.Header.Set("Cookie", cookies)
	request.Header.Set("User-Agent", "thief/1.0")
	got := &capture{header: make(http.Header), status: http.StatusOK}
	s.handler.ServeHTTP(s.exchanges.note(got, request, &s.jar), noting(request))
	return fmt.Sprintf("%d %q", got.status, cut(got.body.String(), 80))
}

// A noContext ends as the visitor's request does, and knows nothing of its session.
type noContext struct{ parent contextOf }

type contextOf interface {
	Deadline() (time.Time, bool)
	Done() <-chan struct{}
	Err() error
}

func (c noContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }
func (c noContext) Done() <-chan struct{}       { return c.parent.Done() }
func (c noContext) Err() error                  { return c.parent.Err() }
func (noContext) Value(any) any                 { return nil }

// A capture keeps an answer.
type capture struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (c *capture) Header() http.Header { return c.header }

func (c *capture) WriteHeader(status int) {
	if !c.wrote {
		c.status, c.wrote = status, true
	}
}

func (c *capture) Write(b []byte) (int, error) {
	c.wrote = true
	return c.body.Write(b)
}
