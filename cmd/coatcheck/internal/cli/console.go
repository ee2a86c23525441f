package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/user"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/console"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

type consoleOptions struct {
	storeFlags
	addr        string
	tls, values bool
}

func newConsole(std stdio) *cobra.Command {
	var o consoleOptions
	c := &cobra.Command{
		Use:   "console --store URL [--addr HOST:PORT] [--tls] [--values] [--prefix PREFIX] [--schema SCHEMA]",
		Short: "serve a page that shows and ends the sessions in a store",
		Long: `Serves a page for the person on call, on this machine alone: the sessions of a
user, one session, buttons that end them, and how the store does. It needs the
store and nothing of the application; so it hears of what it does itself, and
not of the application's events. The package console is the same page within an
application, and knows those too.

Whoever is at this terminal logs in by a code that is printed there, which works
once, within 10 minutes. To end sessions is possible for 5 minutes after that;
then another code is printed on demand. Ends are logged on standard error, with
the name of the system's user.

` + storeURLs + `
SIGINT and SIGTERM stop it.

Exit status: 0 after a signal; 1 if it could not start, or the store does not
answer; 2 for a wrong command line.`,
		Example: `  coatcheck console --store sqlite:coatcheck.db
  coatcheck console --store redis://localhost/0 --addr localhost:0`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, _, err := net.SplitHostPort(o.addr)
			if err != nil || !secureWithoutTLS(host) {
				return usagef("--addr is %q; want HOST:PORT of this machine alone, such as localhost:7070", o.addr)
			}
			ctx := cmd.Context()
			return o.with(ctx, std, false, func(opened *stores.Opened) error { return serveConsole(ctx, std, opened, o, host) })
		},
	}
	o.declare(c)
	c.Flags().StringVar(&o.addr, "addr", "localhost:7070", "listen on `HOST:PORT`, which must be loopback; port 0 picks a free one")
	c.Flags().BoolVar(&o.tls, "tls", false, "serve HTTPS with a throw-away certificate for localhost, 127.0.0.1 and ::1")
	c.Flags().BoolVar(&o.values, "values", false, "show what sessions hold; otherwise names and sizes alone")
	return c
}

func serveConsole(ctx context.Context, std stdio, opened *stores.Opened, o consoleOptions, host string) error {
	// A store that is away, or has no tables, is said at once.
	if _, err := opened.Store.Load(ctx, store.ID{}); err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrEnded) {
		return err
	}
	log := slog.New(slog.NewTextHandler(std.err, nil))
	desk, err := newDesk(opened.Store, o.values, std.out, log)
	if err != nil {
		return err
	}
	server := newServer(desk, log)
	server.RegisterOnShutdown(desk.page.Close)
	if err := secure(server, serveOptions{addr: o.addr, tls: o.tls}, host, log); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return fmt.Errorf("%w; --addr HOST:PORT serves elsewhere", err)
	}
	desk.url = urlOf(listener.Addr(), host, o.tls)
	if _, err := fmt.Fprintf(std.out, "coatcheck console on %s\n", desk.url); err != nil {
		return errors.Join(err, listener.Close())
	}
	desk.codes.print(desk.url)
	return serveUntil(ctx, server, listener, log)
}

// A desk is the console with a login of its own, for whoever is at the terminal.
type desk struct {
	url       string
	who       string
	operators *coatcheck.Manager
	page      *console.Console
	codes     codes
	handler   http.Handler
}

func newDesk(of store.Store, values bool, terminal io.Writer, log *slog.Logger) (*desk, error) {
	keys, err := cookie.NewKeys(newSecret()) // of this run alone
	if err != nil {
		return nil, err
	}
	hour := new(console.Recorder)
	sessions, err := coatcheck.New(hour.Store(of), keys, coatcheck.Config{Events: hour.Events(coatcheck.LogEvents(log))})
	if err != nil {
		return nil, err
	}
	d := &desk{who: "operator", codes: codes{to: terminal}}
	if u, err := user.Current(); err == nil && u.Username != "" {
		d.who = printable(u.Username)
	}
	// Not in the store: that may be away, and is the application's.
	own := memstore.New(memstore.Config{MaxSessions: 100})
	if d.operators, err = coatcheck.New(own, keys, coatcheck.Config{Name: "__Host-Http-console", Idle: time.Hour}); err != nil {
		return nil, err
	}
	cfg := console.Config{
		Recorder: hour, Operators: d.operators, Login: "/login", Name: "this store", NotFound: http.HandlerFunc(d.notFound),
		Authorize: func(r *http.Request) bool { return d.operators.From(r.Context()).User() != "" },
	}
	if values {
		cfg.ShowValues = func(*http.Request, string, string) bool { return true }
	}
	if d.page, err = console.New(sessions, cfg); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", d.ask)
	mux.HandleFunc("POST /login", d.login)
	mux.HandleFunc("POST /login/code", d.another)
	mux.Handle("/", d.page)
	d.handler = d.operators.Handler(mux)
	return d, nil
}

// ServeHTTP answers requests to this machine under a name of its own: a page of
// another site whose name leads here is of another origin for the browser, and must
// not be for us.
func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !secureWithoutTLS(strings.Trim(host, "[]")) {
		http.Error(w, "Not here", http.StatusMisdirectedRequest)
		return
	}
	d.handler.ServeHTTP(w, r)
}

// notFound leads to the login: whoever is at this address knows what is there.
func (d *desk) notFound(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || d.operators.From(r.Context()).User() != "" || strings.HasSuffix(r.URL.Path, "/stream") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Location", "/login")
	w.WriteHeader(http.StatusSeeOther)
}

var (
	//go:embed console.html
	loginHTML        string
	loginTemplate    = template.Must(template.New("login").Parse(loginHTML))
	_, loginRest, _  = strings.Cut(loginHTML, "<style>")
	loginStyle, _, _ = strings.Cut(loginRest, "</style>")
	loginPolicy      = func() string {
		sum := sha256.Sum256([]byte(loginStyle))
		return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	}()
)

// A loginPage asks for the code.
type loginPage struct {
	Code, Next, Says string
	Who              string
}

func (d *desk) show(w http.ResponseWriter, r *http.Request, status int, p loginPage) {
	p.Next, p.Who = coatcheck.SafeReturn(r.FormValue("next")), d.operators.From(r.Context()).User()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", loginPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the address may have a code
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	loginTemplate.Execute(w, p) // an error is the client's absence
}

func (d *desk) ask(w http.ResponseWriter, r *http.Request) {
	d.show(w, r, http.StatusOK, loginPage{Code: r.URL.Query().Get("code"), Says: d.codes.state()})
}

func (d *desk) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if !d.codes.redeem(strings.TrimSpace(r.PostFormValue("code"))) {
		d.show(w, r, http.StatusForbidden, loginPage{Says: "That code is not good, or not any more."})
		return
	}
	if s := d.operators.From(r.Context()); s.User() == "" {
		s.Login(d.who)
	} else {
		s.Reauthenticate()
	}
	w.Header().Set("Location", coatcheck.SafeReturn(r.PostFormValue("next")))
	w.WriteHeader(http.StatusSeeOther)
}

// another prints a code, unless one is good still.
func (d *desk) another(w http.ResponseWriter, r *http.Request) {
	d.codes.print(d.url)
	d.show(w, r, http.StatusOK, loginPage{Says: d.codes.state()})
}

const (
	codeLife = 10 * time.Minute
	codeTry  = 5 // wrong ones end the code
)

// codes are printed on the terminal, one at a time, and work once.
type codes struct {
	to io.Writer

	mu    sync.Mutex
	code  string // empty: none is good
	until time.Time
	wrong int
}

// good reports whether a code is good. The lock is held.
func (c *codes) good() bool { return c.code != "" && time.Now().Before(c.until) }

// print prints a code, unless one is good still.
func (c *codes) print(url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.good() {
		return
	}
	c.code, c.until, c.wrong = rand.Text(), time.Now().Add(codeLife), 0
	fmt.Fprintf(c.to, "log in once, within %d minutes: %s/login?code=%s\n", int(codeLife.Minutes()), url, c.code)
}

// state says where to find a code.
func (c *codes) state() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.good() {
		return "The code is on the terminal where coatcheck console runs."
	}
	return "The last code was used, or is too old."
}

// redeem reports whether that is the code, which is then used.
func (c *codes) redeem(code string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.good() {
		return false
	}
	if subtle.ConstantTimeCompare([]byte(code), []byte(c.code)) == 1 {
		c.code = ""
		return true
	}
	if c.wrong++; c.wrong >= codeTry {
		c.code = ""
	}
	return false
}
