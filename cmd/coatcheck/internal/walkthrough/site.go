// Package walkthrough is a small web application that shows what cookies and
// sessions are for. Each file is one chapter; page.go shows them all, with what
// the browser and the server hold.
package walkthrough

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

// A Site is the application.
type Site struct {
	sessions  *coatcheck.Manager
	store     store.Store
	cookies   cookies
	jar       jar
	exchanges exchanges
	timeline  timeline
	loot      loot
	closing   chan struct{}
	close     sync.Once
	handler   http.Handler
}

// New returns the application with its sessions in store, as cfg says. Its
// cookies are under keys.
func New(st store.Store, keys *cookie.Keys, cfg coatcheck.Config) (*Site, error) {
	s := &Site{store: observed{st}, closing: make(chan struct{})}
	s.timeline.last = time.Now().UnixMicro() // a page that was open before a restart knows other numbers
	var err error
	if s.cookies, err = declare(keys); err != nil {
		return nil, err
	}
	if s.jar, err = newJar(s.cookies, keys, cfg); err != nil {
		return nil, fmt.Errorf("walkthrough: %w", err)
	}
	told := cfg.Events
	cfg.Events = func(e coatcheck.Event) {
		s.timeline.add(e)
		if told != nil {
			told(e)
		}
	}
	if s.sessions, err = coatcheck.New(s.store, keys, cfg); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthz)
	s.routePage(mux)
	s.routeCookies(mux)
	s.routeLogin(mux)
	s.routeValues(mux)
	s.routeOneTime(mux)
	s.routeDevices(mux)
	if err := s.routeThief(mux); err != nil {
		return nil, err
	}
	s.handler = s.sessions.Handler(mux)
	return s, nil
}

func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handler.ServeHTTP(s.exchanges.note(w, r, &s.jar), noting(r))
}

// Watch learns of sessions that other processes end; see Manager.Watch.
func (s *Site) Watch(ctx context.Context, every time.Duration) error {
	return s.sessions.Watch(ctx, every)
}

// Close ends the streams of events, which would last as long as their sessions.
func (s *Site) Close() { s.close.Do(func() { close(s.closing) }) }

// healthz looks at no session, so that it says that this process answers,
// whatever the store does.
func healthz(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") }
