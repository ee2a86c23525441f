package fiberadapter_test

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/gofiber/fiber/v3"
)

const sid = "__Host-Http-sid"

var (
	visits = coatcheck.NewKey[int]("visits")
	note   = coatcheck.NewKey[string]("note")
)

// A site is an application with its sessions and their store.
type site struct {
	*fiber.App
	sessions *coatcheck.Manager
	store    *st

	events coatchecktest.Events
}

// A store fails while it is down.
type st struct {
	*memstore.Store
	down atomic.Bool
}

func (s *st) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if s.down.Load() {
		return store.Record{}, io.ErrUnexpectedEOF
	}
	return s.Store.Load(ctx, id)
}

func newSite(t *testing.T, cfg coatcheck.Config) *site {
	t.Helper()
	s := &site{store: &st{Store: memstore.New(memstore.Config{})}, App: fiber.New()}
	cfg.Events = s.events.Record
	s.sessions = manage(t, s.store, cfg)
	return s
}

func manage(t *testing.T, st store.Store, cfg coatcheck.Config) *coatcheck.Manager {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	m, err := coatcheck.New(st, keys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// rows are the sessions that the store has.
func (s *site) rows(t *testing.T) int64 {
	t.Helper()
	stats, err := s.store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats.Sessions
}

// serve serves the application until the test ends.
func (s *site) serve(t *testing.T) *visitor {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}) }()
	transport := new(http.Transport)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.ShutdownWithTimeout(time.Minute); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &visitor{t: t, addr: l.Addr().String(), jar: map[string]string{}, client: &http.Client{
		Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// A visitor keeps cookies, whatever their attributes.
type visitor struct {
	t      *testing.T
	addr   string
	client *http.Client
	jar    map[string]string
}

// other is another device with the same cookies.
func (v *visitor) other() *visitor {
	return &visitor{t: v.t, addr: v.addr, client: v.client, jar: maps.Clone(v.jar)}
}

// open sends a request such as "GET /profile", with header lines; the answer may
// be a stream.
func (v *visitor) open(what string, lines ...string) *http.Response {
	v.t.Helper()
	method, target, _ := strings.Cut(what, " ")
	r, err := http.NewRequestWithContext(v.t.Context(), method, "http://"+v.addr+target, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for name, value := range v.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(v.jar, c.Name)
		} else {
			v.jar[c.Name] = c.Value
		}
	}
	return res
}

// want sends a request and compares the answer; "" is any body, and status 0 any
// refusal.
func (v *visitor) want(status int, body, what string, lines ...string) http.Header {
	v.t.Helper()
	res := v.open(what, lines...)
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || status == 0 && res.StatusCode < 400 || status != 0 && res.StatusCode != status || body != "" && string(got) != body {
		v.t.Errorf("%s: got %d %q, %v, want %d %q", what, res.StatusCode, got, err, status, body)
	}
	return res.Header
}
