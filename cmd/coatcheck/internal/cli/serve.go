package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/walkthrough"
)

func newServe(std stdio) *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve [--addr HOST:PORT] [--store URL] [--tls] [--origin URL]... [--metrics HOST:PORT]",
		Short: "run the walk-through of cookies and sessions",
		Long: `Runs a small web application that shows what cookies and sessions are for, until
it is interrupted. The page at / shows what the browser and the server hold, and
has a button for each route. The address is printed on standard output, logs go
to standard error; they hold no token and no secret.

Environment:

    SECRET_KEY            the secret that signs; coatcheck keygen makes one
    SECRET_KEY_FALLBACKS  older ones that still verify, separated by commas
    SECRET_KEY_FILE       instead of both: a file with one a line, the first signs

Where none is set a key is made for this run alone: its cookies and sessions
are worth nothing after a restart, whatever the store.

` + storeURLs + `
Tables are made where they are missing.

Cookies are Secure. Chromium, Firefox, curl and Go treat http://localhost as
secure; WebKitGTK, it is said Safari too, Python's cookie jar and other hosts
need --tls. With it Chromium can bind a session to its device, so that a copied
cookie opens nothing after minutes; the flags for that are in the log, and the
page has a thief to try it. Cookies go by host and not by port: two programs on localhost see
and replace each other's where the names are the same.

GET /healthz answers "ok". SIGINT and SIGTERM stop the server after the requests
in flight, at most 10 seconds later; a second signal stops it at once.

Exit status: 0 after a signal; 1 if it could not start or stop; 2 for a wrong
command line.`,
		Example: `  coatcheck serve
  coatcheck serve --addr localhost:0 --tls
  coatcheck serve --store memory:
  SECRET_KEY=$(coatcheck keygen) coatcheck serve

  curl -c jar -b jar http://localhost:8080/login
  curl -c jar -b jar http://localhost:8080/profile`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.store = cmp.Or(o.store, std.getenv(storeEnv), defaultStore)
			return serve(cmd.Context(), std, o)
		},
	}
	c.Flags().StringVar(&o.addr, "addr", "localhost:8080", "listen on `HOST:PORT`; port 0 picks a free one")
	storeFlag(c, &o.store, ", and without it "+defaultStore)
	c.Flags().BoolVar(&o.tls, "tls", false, "serve HTTPS with a throw-away certificate for localhost, 127.0.0.1 and ::1")
	c.Flags().StringArrayVar(&o.origins, "origin", nil, "people reach it at `URL`, such as https://app.example, through a proxy that\nrewrites Host; may be given more than once")
	c.Flags().StringVar(&o.metrics, "metrics", "", "serve metrics for Prometheus at http://`HOST:PORT`/metrics; they tell of no\nvisitor, but anybody who reaches the address reads them")
	return c
}

// defaultStore is where serve keeps sessions if nobody says.
const defaultStore = "sqlite:coatcheck.db"

type serveOptions struct {
	addr, store string
	tls         bool
	origins     []string
	metrics     string // address; empty = none
}

func serve(ctx context.Context, io stdio, o serveOptions) (err error) {
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		return usagef("--addr is %q; want HOST:PORT", o.addr)
	}
	log := slog.New(slog.NewTextHandler(io.err, nil))
	store, err := openStore(ctx, o.store, stores.Options{Create: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if _, err := store.Migrate(ctx); err != nil {
		return stopped(ctx, err)
	}
	if err := warn(ctx, io, store); err != nil {
		return stopped(ctx, err)
	}
	keys, err := keysFor(io.getenv, log)
	if err != nil {
		return err
	}
	measured, err := measure(ctx, o.metrics, store.Store, log)
	if err != nil {
		return err
	}
	defer measured.stop()
	site, err := walkthrough.New(measured.store, keys, coatcheck.Config{Events: measured.events, Origins: o.origins})
	if err != nil {
		if _, why, ok := strings.Cut(err.Error(), "Config.Origins has "); ok {
			return usagef("--origin is %s", why)
		}
		return err
	}
	server := newServer(accessLog(log, site), log)
	server.RegisterOnShutdown(site.Close) // its streams would last for hours
	if err := secure(server, o, host, log); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return fmt.Errorf("%w; --addr HOST:PORT serves elsewhere", err)
	}
	if _, err := fmt.Fprintf(io.out, "coatcheck serves on %s\n", urlOf(listener.Addr(), host, o.tls)); err != nil {
		return errors.Join(err, listener.Close())
	}
	log.Info("serving", "addr", listener.Addr().String(), "store", stores.Scheme(o.store), "tls", o.tls)
	if store.Shared {
		defer watch(ctx, site)()
	}
	return serveUntil(ctx, server, listener, log)
}

// secure gives the server a certificate, or warns where browsers need one.
func secure(server *http.Server, o serveOptions, host string, log *slog.Logger) error {
	switch {
	case o.tls:
		cert, err := throwAwayCertificate(time.Now())
		if err != nil {
			return err
		}
		// Who wants to trust it can compare.
		log.Info("made a throw-away certificate", "sha256", fmt.Sprintf("%x", sha256.Sum256(cert.Certificate[0])))
		log.Info("Chromium binds sessions to its device with these", "flags", bindingFlags(cert))
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	case !secureWithoutTLS(host):
		log.Warn("plain HTTP on an address that is not loopback: browsers will not keep the Secure cookies; use localhost or --tls", "addr", o.addr)
	}
	return nil
}

// bindingFlags are those with which Chromium on Linux binds sessions to a key of its
// own, and trusts this certificate: it passes over the protocol where it does not.
func bindingFlags(cert tls.Certificate) string {
	key := sha256.Sum256(cert.Leaf.RawSubjectPublicKeyInfo)
	return "--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting" +
		" --user-data-dir=$(mktemp -d) --ignore-certificate-errors-spki-list=" + base64.StdEncoding.EncodeToString(key[:])
}

// watchEvery is how often a store is asked that does not tell by itself.
const watchEvery = 5 * time.Second

// watch learns of sessions that other processes end, until ctx ends or the
// returned function is called, which waits until nothing uses the store.
func watch(ctx context.Context, site *walkthrough.Site) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		site.Watch(ctx, watchEvery) // what goes wrong with the store is an event
	}()
	return func() {
		cancel()
		<-done
	}
}

// Bounds of one connection; the walk-through's requests take microseconds.
const (
	headerTimeout   = 5 * time.Second
	requestTimeout  = 15 * time.Second
	answerTimeout   = 30 * time.Second
	idleTimeout     = 2 * time.Minute
	maxHeaderBytes  = 64 << 10
	shutdownTimeout = 10 * time.Second
)

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// serveUntil serves until ctx ends, and then lets the requests in flight end.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			failed <- server.ServeTLS(listener, "", "")
		} else {
			failed <- server.Serve(listener)
		}
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping: waiting for the requests in flight", "at_most", shutdownTimeout)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		server.Close()
		return fmt.Errorf("requests in flight were cut off after %v: %w", shutdownTimeout, err)
	}
	<-failed
	log.Info("stopped")
	return nil
}

// secureWithoutTLS reports whether browsers treat plain HTTP to host as secure
// (Secure Contexts §3.1).
func secureWithoutTLS(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// urlOf is where a client on this machine finds the server: under the host as
// it was given, since the cookies belong to that name.
func urlOf(addr net.Addr, host string, tls bool) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(addr.String())
	scheme := "http"
	if tls {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
