// Command shop is a small shop as people write them: carts, orders, accounts with
// passwords and passkeys, sign-in by an OpenID provider, a list of devices, notices
// over a websocket, an API for another origin. docs/guide/shop.md walks through it.
//
//	go run ./examples/shop         one process, with SQLite and a provider in it
//	go run ./examples/shop -all    two instances behind nginx, on PostgreSQL through PgBouncer
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/examples/internal/openid"
)

// options are what the command line says.
type options struct {
	all                                bool
	addr, db, origin, partner, proxies string
	issuer, secret, cert, key          string
	people                             map[string]string // and their passwords, of the provider in this process
}

func parse() *options {
	o := new(options)
	flag.BoolVar(&o.all, "all", false, "start two instances, PostgreSQL, PgBouncer and nginx")
	flag.StringVar(&o.addr, "addr", "localhost:8080", "serve on `HOST:PORT`")
	flag.StringVar(&o.db, "db", "", "a postgres:// `URL` or a SQLite file; empty: a file that goes with the program")
	flag.StringVar(&o.origin, "origin", "", "the `ORIGIN` under which browsers reach the shop; empty: http:// and the address")
	flag.StringVar(&o.partner, "partner", "", "another `ORIGIN` of the same site whose pages call the API")
	flag.StringVar(&o.proxies, "proxies", "", "the `PREFIX` of the addresses of proxies in front, such as 127.0.0.1/32")
	flag.StringVar(&o.issuer, "issuer", "", "the `URL` of an OpenID provider; where the shop is \"shop\", with SHOP_OPENID_SECRET; empty: one in this process, for alice, password wonder, and two others")
	flag.StringVar(&o.cert, "cert", "", "a `FILE` with a certificate, to serve HTTPS")
	flag.StringVar(&o.key, "key", "", "and the `FILE` with its key")
	flag.Parse()
	o.secret = os.Getenv("SHOP_OPENID_SECRET")
	scheme := "http://"
	if o.cert != "" {
		scheme = "https://"
	}
	o.origin = cmp.Or(o.origin, scheme+o.addr)
	return o
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := parse()
	dir, err := os.MkdirTemp("", "shop-")
	if err == nil {
		if o.all {
			err = o.runAll(ctx, dir)
		} else {
			err = o.runOne(ctx, dir)
		}
		os.RemoveAll(dir)
	}
	if err != nil {
		log.Fatal("shop: ", err)
	}
}

// runOne runs one instance until ctx ends.
func (o *options) runOne(ctx context.Context, dir string) error {
	if os.Getenv("SECRET_KEY") == "" && os.Getenv("SECRET_KEY_FILE") == "" {
		log.Print("SECRET_KEY is not set: with one made for this run, its end signs everybody out")
		os.Setenv("SECRET_KEY", rand.Text()+rand.Text())
	}
	keys, err := cookie.KeysFromEnv()
	if err != nil {
		return err
	}
	if o.issuer == "" {
		if err := o.startProvider(ctx, "http://"+o.addr); err != nil {
			return err
		}
	}
	db, err := openDatabase(ctx, cmp.Or(o.db, filepath.Join(dir, "shop.db")))
	if err != nil {
		return err
	}
	defer db.close()
	c := config{
		origin: o.origin, partner: o.partner, issuer: o.issuer, secret: o.secret,
		log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if o.proxies != "" {
		prefix, err := netip.ParsePrefix(o.proxies)
		if err != nil {
			return err
		}
		c.proxies = []netip.Prefix{prefix}
	}
	s, err := newShop(ctx, c, db, keys)
	if err != nil {
		return err
	}
	go s.work(ctx)
	return o.serve(ctx, o.addr, s.routes(), func() { fmt.Print(o.greeting()) })
}

// greeting says where the shop is and who may sign in.
func (o *options) greeting() string {
	text := "shop serves on " + o.origin + "\nRegister there, or sign in by the provider at " + o.issuer
	if o.people != nil {
		text += " as"
		for _, name := range slices.Sorted(maps.Keys(o.people)) {
			text += " " + name + " (password " + o.people[name] + ")"
		}
	}
	return text + "\n"
}

// serve serves until ctx ends, and calls ready when it does.
func (o *options) serve(ctx context.Context, addr string, h http.Handler, ready func()) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil && addr == o.addr {
		return fmt.Errorf("%w; -addr HOST:PORT serves elsewhere", err)
	}
	if err != nil {
		return err
	}
	ready()
	// Streams would never be done: they end with the base context.
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		server.Shutdown(grace)
	})
	if o.cert != "" {
		err = server.ServeTLS(listener, o.cert, o.key)
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// startProvider runs an OpenID provider on another site, 127.0.0.1. Its logout
// tokens go straight to an instance.
func (o *options) startProvider(ctx context.Context, instance string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := listener.Addr().String()
	listener.Close()
	o.issuer, o.secret = "http://"+addr, rand.Text()
	if o.cert != "" {
		o.issuer = "https://" + addr
	}
	o.people = map[string]string{"alice": "wonder", "bob": "builder", "carol": "singer"}
	p, err := openid.New(o.issuer, openid.Config{
		Users:   o.people,
		Clients: []openid.Client{{ID: clientID, Secret: o.secret, Redirects: []string{o.origin + "/openid/callback"}, BackChannel: instance + "/openid/logout"}},
	})
	if err != nil {
		return err
	}
	started := make(chan struct{})
	failed := make(chan error, 1)
	go func() { failed <- o.serve(ctx, addr, p, func() { close(started) }) }()
	select {
	case <-started:
		return nil
	case err := <-failed:
		return err
	}
}
