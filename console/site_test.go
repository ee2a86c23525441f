package console_test

import (
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/console"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A counting store counts what is asked of it, and fails while it is away.
type counting struct {
	store.Store
	calls atomic.Int64
	away  atomic.Bool
}

var errAway = errors.New("dial tcp 10.0.0.7:5432: connect: connection refused")

func (s *counting) ask() error {
	s.calls.Add(1)
	if s.away.Load() {
		return errAway
	}
	return nil
}

func (s *counting) Unwrap() store.Store { return s.Store }

func (s *counting) Ping(context.Context) error { return s.ask() }

func (s *counting) Stats(ctx context.Context) (store.Stats, error) {
	if err := s.ask(); err != nil {
		return store.Stats{}, err
	}
	counter, _ := store.As[store.Counter](s.Store)
	return counter.Stats(ctx)
}

func (s *counting) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if err := s.ask(); err != nil {
		return store.Record{}, err
	}
	return s.Store.Load(ctx, id)
}

func (s *counting) User(ctx context.Context, user string) ([]store.Record, error) {
	if err := s.ask(); err != nil {
		return nil, err
	}
	return s.Store.User(ctx, user)
}

// A site is an application with a console for whoever logs in as "ada" at ops.
type site struct {
	t        *testing.T
	store    *counting
	hour     *console.Recorder
	sessions *coatcheck.Manager
	ops      *coatcheck.Manager
	page     *console.Console
	handler  http.Handler
	events   events
}

// events keeps what the application's own function was told.
type events struct {
	list chan coatcheck.Event
}

var tea = coatcheck.NewKey[string]("tea")

const secret = "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa"

func newSite(t *testing.T, change ...func(*console.Config)) *site {
	t.Helper()
	return newSiteWith(t, coatcheck.Config{}, change...)
}

// newSiteWith is newSite whose managers are made with operators.
func newSiteWith(t *testing.T, operators coatcheck.Config, change ...func(*console.Config)) *site {
	t.Helper()
	operators.Name = "__Host-Http-ops"
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, store: &counting{Store: memstore.New(memstore.Config{})}, hour: new(console.Recorder)}
	cfg := console.Config{Recorder: s.hour, Name: "Tea", Login: "/ops/login",
		Authorize: func(r *http.Request) bool { return s.ops.From(r.Context()).User() == "ada" }}
	for _, f := range change {
		f(&cfg)
	}
	s.events.list = make(chan coatcheck.Event, 10_000)
	s.sessions, err = coatcheck.New(s.hour.Store(s.store), keys, coatcheck.Config{
		CrossOrigin: operators.CrossOrigin, Events: s.hour.Events(func(e coatcheck.Event) { s.events.list <- e })})
	if err != nil {
		t.Fatal(err)
	}
	if s.ops, err = coatcheck.New(memstore.New(memstore.Config{}), keys, operators); err != nil {
		t.Fatal(err)
	}
	cfg.Operators = s.ops
	if s.page, err = console.New(s.sessions, cfg); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/console/", s.page)
	mux.Handle("/console", s.page)
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login(r.FormValue("user"))
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Logout() })
	mux.HandleFunc("POST /tea", func(w http.ResponseWriter, r *http.Request) {
		tea.Set(coatcheck.From(r.Context()), "Assam<script>")
	})
	mux.Handle("GET /members", s.sessions.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	s.handler = s.sessions.Handler(mux)
	return s
}

// A person is a browser at the site.
type person struct {
	t testing.TB
	*coatchecktest.Browser
}

func (s *site) person() person {
	p := person{s.t, coatchecktest.NewHandlerBrowser(s.handler)}
	p.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return p
}

// operator is somebody who has just logged in as user, as an operator.
func (s *site) operator(user string) person {
	p := s.person()
	p.Session(s.t, s.ops, func(o *coatcheck.Session) { o.Login(user) })
	return p
}

// customer is somebody who has just logged in.
func (s *site) customer(user string) person {
	p := s.person()
	p.post("/login", url.Values{"user": {user}})
	return p
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (p person) send(r *http.Request) answer {
	p.t.Helper()
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	}
	res, err := p.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func (p person) request(method, path, body string) *http.Request {
	p.t.Helper()
	r, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

func (p person) get(path string) answer { p.t.Helper(); return p.send(p.request("GET", path, "")) }

func (p person) post(path string, form url.Values) answer {
	p.t.Helper()
	r := p.request("POST", path, form.Encode())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return p.send(r)
}

var tags = regexp.MustCompile(`<[^>]*>`)

// text is what the page says, without its markup.
func (a answer) text() string {
	_, main, _ := strings.Cut(a.body, "<main")
	main, _, _ = strings.Cut(main, "<script>")
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString("<"+main, " "))), " ")
}

// has fails unless the page says each of these.
func (a answer) has(t *testing.T, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(a.text(), want) {
			t.Errorf("the page lacks %q:\n%s", want, a.text())
		}
	}
}

// handleOf is the handle of a user's only session.
func (s *site) handleOf(user string) string {
	s.t.Helper()
	list, err := s.sessions.Sessions(s.t.Context(), user)
	if err != nil || len(list) != 1 {
		s.t.Fatalf("sessions of %q: %v, %v; want one", user, list, err)
	}
	return list[0].Handle
}
