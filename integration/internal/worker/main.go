//go:build linux

// Command worker serves sessions over one store, for the histories: each request
// brings the steps that its handler takes, or one call of the store.
//
// It logs failures, and does what anybody asks who reaches its port.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

func main() {
	url := flag.String("store", "memory:", "where the sessions are")
	addrs := flag.String("addr", "", "where to serve, by commas; each a manager of its own")
	wait := flag.Int("wait", 0, "replicas to wait for")
	broken := flag.String("break", "", "how the store breaks its contract")
	clock := flag.String("clock", "0", "seconds that the wall clock is ahead, by commas")
	flag.Parse()
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	signal.Ignore(syscall.SIGXFSZ) // a full disk is an error of the write
	if err := serve(*url, strings.Split(*addrs, ","), *wait, *broken, *clock); err != nil {
		log.Fatal(err)
	}
}

func serve(url string, addrs []string, wait int, broken, clock string) error {
	if err := setClock(clock); err != nil {
		return err
	}
	st, err := open(url, wait)
	if err != nil {
		return err
	}
	if st, err = breakStore(st, broken); err != nil {
		return err
	}
	keys, err := cookie.KeysFromEnv()
	if err != nil {
		return err
	}
	failed := make(chan error)
	for _, addr := range addrs {
		w, err := newWorker(st, keys)
		if err != nil {
			return err
		}
		go func() { failed <- http.ListenAndServe(addr, w) }()
	}
	return <-failed
}

// setClock moves the wall clock of the library, which was built to look there.
func setClock(seconds string) error { return os.Setenv("COATCHECK_CLOCK", seconds) }

// newWorker returns the handlers: /do with a plain manager, /limited/do with at
// most two sessions a user, /two/do within another manager, /cookie/do with the
// session in the cookie, /store with none.
func newWorker(st store.Store, keys *cookie.Keys) (http.Handler, error) {
	w := &worker{store: st}
	cfg := func(name string) coatcheck.Config {
		return coatcheck.Config{Name: name, KeepSiteData: true, OnError: answerError, Events: w.event}
	}
	limited := cfg("__Host-limited")
	limited.MaxPerUser = 2
	var err, err2, err3, err4 error
	w.plain, err = coatcheck.New(st, keys, cfg("__Host-sid"))
	w.outer, err2 = coatcheck.New(st, keys, cfg("__Host-outer"))
	few, err3 := coatcheck.New(st, keys, limited)
	in, err4 := coatcheck.NewInCookie(keys, coatcheck.StoreRevoker(st), cfg("__Host-in"))
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	do := http.HandlerFunc(w.do)
	mux.Handle("POST /do", w.plain.Handler(do))
	mux.Handle("POST /limited/do", few.Handler(do))
	mux.Handle("POST /two/do", w.outer.Handler(w.plain.Handler(do)))
	mux.Handle("POST /cookie/do", in.Handler(do))
	mux.HandleFunc("POST /store", w.call)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /clock", func(_ http.ResponseWriter, r *http.Request) { _ = setClock(r.FormValue("ahead")) })
	mux.HandleFunc("POST /release", w.release)
	mux.HandleFunc("GET /late", w.lateSets)
	return mux, nil
}

// answerError says what kind of error it was, and nothing else.
func answerError(w http.ResponseWriter, _ *http.Request, err error) {
	status, kind := http.StatusServiceUnavailable, errorKind(err)
	if kind != "conflict" && kind != "unknown" && kind != "full" {
		status = http.StatusConflict
	}
	w.Header().Set("X-Error", kind)
	http.Error(w, fmt.Sprint(err), status)
}

// errorKind is a word for an error that says whether anything was applied;
// "unknown" is for all others (S15).
func errorKind(err error) string {
	for _, e := range []struct {
		err  error
		kind string
	}{
		{coatcheck.ErrEnded, "ended"}, {store.ErrNotFound, "absent"}, {store.ErrExists, "exists"},
		{coatcheck.ErrConflict, "conflict"}, {coatcheck.ErrFull, "full"}, {coatcheck.ErrHeldBack, "refused"},
		{coatcheck.ErrLate, "refused"}, {coatcheck.ErrReadOnly, "refused"}, {coatcheck.ErrLoginRequired, "refused"},
		{coatcheck.ErrTooMany, "refused"}, {coatcheck.ErrValue, "refused"}, {coatcheck.ErrCrossOrigin, "refused"},
	} {
		if errors.Is(err, e.err) {
			return e.kind
		}
	}
	return "unknown"
}
