package e2e_test

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// The cookies of a manager with the zero Config.
const (
	sidName  = "__Host-Http-sid"
	markName = sidName + "-lax"
)

var (
	hits = coatcheck.NewKey[int]("hits")
	role = coatcheck.NewKey[string]("role") // who an application that never calls Login thinks it is
)

// A visit is one request as the server saw it, and how it answered.
type visit struct {
	host, method, uri string
	header            http.Header
	handled           bool   // it reached the application's handler
	user              string // whom the handler found logged in
	status            int
	sets              []string // the Set-Cookie lines
	clears            string   // Clear-Site-Data
}

// cookie is the value of a cookie the request brought, "" where it brought none.
func (v visit) cookie(name string) string {
	r := http.Request{Header: v.header}
	if c, err := r.Cookie(name); err == nil {
		return c.Value
	}
	return ""
}

func (v visit) String() string {
	return fmt.Sprintf("%s %s%s site=%s dest=%s purpose=%q sid=%t marker=%t handled=%t user=%q -> %d",
		v.method, v.host, v.uri, v.header.Get("Sec-Fetch-Site"), v.header.Get("Sec-Fetch-Dest"), v.header.Get("Sec-Purpose"),
		v.cookie(sidName) != "", v.cookie(markName) != "", v.handled, v.user, v.status)
}

// A site is an application at app.test, and the other hosts, on one port.
type site struct {
	t              *testing.T
	m              *coatcheck.Manager
	app, sub, evil string // origins
	plain          string // app.test without TLS
	plainEvil      string // and evil.test
	local          string // the same at localhost

	handler atomic.Pointer[http.Handler]

	mu     sync.Mutex
	visits []visit
	events coatchecktest.Events
}

// serve starts the hosts with an application under cfg.
func serve(t *testing.T, cfg coatcheck.Config) *site {
	t.Helper()
	s := &site{t: t}
	s.start()
	s.manage(cfg)
	return s
}

// start starts the hosts, on free ports.
func (s *site) start() {
	s.t.Helper()
	cert, err := certificate()
	if err != nil {
		s.t.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0) // browsers open connections that they leave unused
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.Config.ErrorLog = quiet
	server.StartTLS()
	s.t.Cleanup(server.Close)
	unsafe := httptest.NewUnstartedServer(s)
	unsafe.Config.ErrorLog = quiet
	unsafe.Start()
	s.t.Cleanup(unsafe.Close)
	port, plain := portOf(server), portOf(unsafe)
	s.app, s.sub, s.evil = "https://app.test:"+port, "https://sub.app.test:"+port, "https://evil.test:"+port
	s.plain, s.plainEvil, s.local = "http://app.test:"+plain, "http://evil.test:"+plain, "http://localhost:"+plain
}

// manage begins the application.
func (s *site) manage(cfg coatcheck.Config) {
	s.t.Helper()
	cfg.Events = s.events.Record
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		s.t.Fatal(err)
	}
	if s.m, err = coatcheck.New(memstore.New(memstore.Config{}), keys, cfg); err != nil {
		s.t.Fatal(err)
	}
	app := s.m.Handler(s.application())
	s.handler.Store(&app)
}

// noIcon keeps a browser from asking for /favicon.ico some time after the page: that
// brings cookies, and answers to cookies, when a test takes the visit to be over.
const noIcon = "<link rel=icon href=data:,>"

// ServeHTTP is all the hosts.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	app := s.handler.Load()
	if app == nil || r.URL.Path == "/favicon.ico" || strings.HasSuffix(r.URL.Path, jarPath) {
		http.NotFound(w, r)
		return
	}
	host, _, _ := strings.Cut(r.Host, ":")
	if host == "127.0.0.1" { // as a proxy made of it
		host = "app.test"
	}
	v := &visit{host: host, method: r.Method, uri: r.RequestURI, header: r.Header.Clone()}
	kept := &kept{ResponseWriter: w, v: v}
	defer s.keep(v)
	if host == "app.test" || host == "localhost" {
		(*app).ServeHTTP(kept, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
	} else {
		elsewhere(kept, r)
	}
}

func portOf(server *httptest.Server) string {
	u, _ := url.Parse(server.URL)
	return u.Port()
}

type visitKey struct{}

// kept notes how a request was answered.
type kept struct {
	http.ResponseWriter
	v *visit
}

func (k *kept) Unwrap() http.ResponseWriter { return k.ResponseWriter }

func (k *kept) WriteHeader(status int) {
	if k.v.status == 0 {
		k.v.status, k.v.sets = status, slices.Clone(k.Header()["Set-Cookie"])
		k.v.clears = k.Header().Get("Clear-Site-Data")
	}
	k.ResponseWriter.WriteHeader(status)
}

func (k *kept) Write(b []byte) (int, error) {
	if k.v.status == 0 {
		k.WriteHeader(http.StatusOK)
	}
	return k.ResponseWriter.Write(b)
}

func (s *site) keep(v *visit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.visits = append(s.visits, *v)
}

// seen returns the requests for a path of a host, in the order of their ends.
func (s *site) seen(host, path string) []visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []visit
	for _, v := range s.visits {
		if p, _, _ := strings.Cut(v.uri, "?"); v.host == host && p == path {
			list = append(list, v)
		}
	}
	return list
}

// await returns the requests for a path of app.test, as soon as there are n.
func (s *site) await(path string, n int) []visit {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if list := s.seen("app.test", path); len(list) >= n {
			return list
		}
	}
	s.t.Fatalf("%s: %d requests after %v, want %d; all:\n%s", path, len(s.seen("app.test", path)), patience, n, s.dump())
	return nil
}

func (s *site) dump() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, v := range s.visits {
		fmt.Fprintln(&b, v)
	}
	return b.String()
}

// count is the number of events of a kind.
// live is the number of sessions of alice in the store.
func (s *site) live() int {
	s.t.Helper()
	list, err := s.m.Sessions(context.Background(), "alice")
	if err != nil {
		s.t.Fatal(err)
	}
	return len(list)
}

// page is a page of another host with this in its body.
func (s *site) page(origin, body string) string {
	return origin + "/page?html=" + url.QueryEscape(body)
}

// elsewhere serves hosts that are not the application's.
func elsewhere(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/page":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html><title>elsewhere</title>"+noIcon+"<p id=elsewhere>"+r.FormValue("html"))
	case "/redirect":
		http.Redirect(w, r, r.FormValue("to"), http.StatusFound)
	case "/set":
		for _, line := range r.URL.Query()["line"] {
			w.Header().Add("Set-Cookie", line)
		}
		io.WriteString(w, "set")
	default:
		http.NotFound(w, r)
	}
}

// application is what an application may look like. A page shows in #app whom
// it takes the visitor for and how many hits it counted.
func (s *site) application() http.Handler {
	mux := http.NewServeMux()
	show := func(w http.ResponseWriter, r *http.Request) {
		session := s.m.From(r.Context())
		n, _ := hits.Get(session)
		as, _ := role.Get(session)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>app</title>"+noIcon+"<p id=app data-user='%s' data-hits='%d' data-role='%s'>%s",
			html.EscapeString(session.User()), n, html.EscapeString(as), r.FormValue("html"))
	}
	for pattern, act := range map[string]func(*coatcheck.Session){
		"/look":   nil,
		"/in/":    nil, // below it, Config.Landing
		"/set":    func(s *coatcheck.Session) { hits.Set(s, 1) },
		"/count":  func(s *coatcheck.Session) { hits.Update(s, func(n int) int { return n + 1 }) },
		"/become": func(s *coatcheck.Session) { role.Set(s, "admin") },
		"/login":  func(s *coatcheck.Session) { s.Login("alice") },
		"/logout": (*coatcheck.Session).Logout,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if act != nil {
				act(s.m.From(r.Context()))
			}
			show(w, r)
		})
	}
	mux.HandleFunc("/in/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", `attachment; filename="file.txt"`)
		io.WriteString(w, "for "+s.m.From(r.Context()).User())
	})
	// Private pages: as the library sends them, and as a handler may want them.
	mux.Handle("/private", s.m.RequireLogin(http.HandlerFunc(show)))
	mux.Handle("/kept", s.m.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private, max-age=3600")
		show(w, r)
	})))
	// What a login page does, and what an identity provider's answer leads to.
	mux.HandleFunc("/enter", func(w http.ResponseWriter, r *http.Request) {
		s.m.From(r.Context()).Login("alice")
		http.Redirect(w, r, coatcheck.SafeReturn(r.FormValue("to")), http.StatusSeeOther)
	})
	mux.HandleFunc("/static", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<!doctype html>"+noIcon+"<p>static") })
	mux.HandleFunc("/worker.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		io.WriteString(w, workers[r.FormValue("kind")])
	})
	mux.HandleFunc("/blank", func(http.ResponseWriter, *http.Request) {}) // looks at no session
	mux.HandleFunc("/raw", func(w http.ResponseWriter, r *http.Request) {
		for _, line := range r.URL.Query()["line"] {
			w.Header().Add("Set-Cookie", line)
		}
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) { s.upgrade(w, r) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := r.Context().Value(visitKey{}).(*visit)
		v.handled = true
		mux.ServeHTTP(w, r)
		if !slices.Contains([]string{"/blank", "/raw", "/ws", "/worker.js", "/static"}, r.URL.Path) {
			v.user = s.m.From(r.Context()).User()
		}
	})
}

// upgrade answers the opening of a websocket, counts a hit, and closes.
func (s *site) upgrade(w http.ResponseWriter, r *http.Request) {
	user := s.m.From(r.Context()).User()
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "no websocket here", http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	v := r.Context().Value(visitKey{}).(*visit)
	v.status, v.user = http.StatusSwitchingProtocols, user
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(buf, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	buf.Write([]byte{0x88, 0}) // a close frame
	buf.Flush()
	io.Copy(io.Discard, buf) // until the browser has closed as well
}

// A copycat has cookies and sends them to the application from elsewhere,
// without a browser: what a thief can do.
func (s *site) copycat(path string, jar map[string]string) (status int, user string, cookies map[string]string) {
	s.t.Helper()
	r, err := http.NewRequest("GET", strings.Replace(s.app, "app.test", "127.0.0.1", 1)+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Host = strings.TrimPrefix(s.app, "https://")
	for _, name := range slices.Sorted(maps.Keys(jar)) {
		r.AddCookie(&http.Cookie{Name: name, Value: jar[name]})
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // our own server
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(body), "data-user='")
	user, _, _ = strings.Cut(rest, "'")
	cookies = make(map[string]string)
	for _, c := range resp.Cookies() {
		cookies[c.Name] = c.Value
	}
	return resp.StatusCode, user, cookies
}
