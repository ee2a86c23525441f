//go:build linux

package behaviour_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

// A step is something that a visitor, or the world, does.
//
//	GET get=tea               a request of the visitor; what the handler does, see ops
//	POST /members?user        the same at a path
//	thief: GET get=tea        somebody else's
//	copy thief                the thief has what the visitor's jar has now
//	start slow GET get=a&hold a request that stays in its handler …
//	finish slow               … until here
//	wait 31m                  time passes
//	jar set NAME VALUE        the visitor's jar, also: rename OLD NEW
//	jar tamper NAME           one character in its middle is another, or: tamper NAME end
//	restart SECRET …          the server restarts with these secrets
//	forget                    the server restarts with an empty store
//	down, up                  the store fails, or no longer
//	damage alice              the data of alice's records are overwritten
//	sessions 1                so many live sessions are in the store
type step struct {
	do   string
	want string   // "200", "200 new", "200 none: body"; see answer.check
	has  []string // "Name: value", "no Name", "cookie has X", "cookie lacks X"
	with []string // headers of the request, "Name: value"
	save string   // the body is from now on {save} in what is done
}

// A world is a server with the library, and whoever talks to it.
type world struct {
	t        *testing.T
	b        behaviour
	kind     kind
	store    *faulty
	server   net.Listener
	handler  atomic.Pointer[http.Handler]
	fiber    atomic.Pointer[fasthttp.RequestHandler]
	client   *http.Client
	secrets  []string
	jars     map[string]map[string]string
	tokens   map[string]bool
	saved    map[string]string
	requests map[string]*request
}

// A request stays in its handler from start to finish.
type request struct {
	reached, release chan struct{}
	answer           chan answer
}

// newWorld starts the server, on l.
func newWorld(t *testing.T, b behaviour, k kind, l net.Listener, dial func(context.Context, string, string) (net.Conn, error)) *world {
	w := &world{
		t: t, b: b, kind: k, server: l, secrets: []string{"A"},
		jars: make(map[string]map[string]string), tokens: make(map[string]bool),
		saved: make(map[string]string), requests: make(map[string]*request),
	}
	w.store = &faulty{Store: k.open(t)}
	w.restart()
	transport := &http.Transport{DialContext: dial}
	w.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if !b.waits() {
		w.client.Timeout = time.Minute
	}
	if k.fiber {
		serveFiber(t, w, l)
		return w
	}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*w.handler.Load()).ServeHTTP(rw, r) })}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return w
}

// secretOf makes a secret of a letter.
func secretOf(letter string) string { return "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yR" + letter }

// restart makes a manager and application anew, as a start of the program does.
func (w *world) restart() {
	w.t.Helper()
	var secrets []string
	for _, s := range w.secrets {
		secrets = append(secrets, secretOf(s))
	}
	keys, err := cookie.NewKeys(secrets...)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := w.kind.manager(w.store, keys, w.b.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	a := newApp(w, m, keys)
	if w.kind.fiber {
		f := newFiber(a)
		w.fiber.Store(&f)
		return
	}
	h := a.handler()
	w.handler.Store(&h)
}

// take does one step.
func (w *world) take(s step) {
	w.t.Helper()
	for name, value := range w.saved {
		s.do = strings.ReplaceAll(s.do, "{"+name+"}", value)
	}
	who, rest := "visitor", s.do
	if before, after, ok := strings.Cut(s.do, ": "); ok && !strings.Contains(before, " ") {
		who, rest = before, after
	}
	verb, object, _ := strings.Cut(rest, " ")
	switch verb {
	case "copy":
		w.jars[object] = maps.Clone(w.jars[who])
	case "wait":
		d, err := time.ParseDuration(object)
		if err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(d) // of the bubble
	case "jar":
		w.change(who, strings.Fields(object))
	case "restart":
		w.secrets = strings.Fields(object)
		w.restart()
	case "forget":
		w.store = &faulty{Store: w.kind.open(w.t)}
		w.restart()
	case "down", "up":
		w.store.down.Store(verb == "down")
	case "damage":
		w.damage(object)
	case "sessions":
		w.count(object)
	case "start":
		w.start(who, object, s.with)
	case "finish":
		r := w.requests[object]
		if r == nil {
			w.t.Fatalf("nobody started %s", object)
		}
		close(r.release)
		w.check(who, s, <-r.answer)
	default:
		w.check(who, s, w.send(who, rest, s.with, ""))
	}
}

func (w *world) check(who string, s step, a answer) {
	w.t.Helper()
	w.keep(who, a)
	a.check(w, s)
	for _, c := range a.sets {
		if c.Name == w.b.sidName() && c.Value != "" {
			w.tokens[c.Value] = true
		}
	}
	if s.save != "" {
		w.saved[s.save] = a.body
	}
}

// start sends a request and waits until its handler holds it.
func (w *world) start(who, object string, with []string) {
	w.t.Helper()
	name, what, _ := strings.Cut(object, " ")
	r := &request{make(chan struct{}), make(chan struct{}), make(chan answer, 1)}
	w.requests[name] = r
	go func() { r.answer <- w.send(who, what, with, name) }()
	select {
	case <-r.reached:
	case a := <-r.answer:
		w.t.Fatalf("%s was not held: %d %q", name, a.status, a.body)
	}
}

// send makes a request; an answer of status 0 is one that did not come.
func (w *world) send(who, what string, with []string, held string) answer {
	method, target, _ := strings.Cut(what, " ")
	if !strings.HasPrefix(target, "/") {
		target = "/?" + target
	}
	r, err := http.NewRequest(method, "http://app.example"+target, nil)
	if err != nil {
		return answer{body: err.Error()}
	}
	r.Header.Set("Held", held)
	for _, line := range with {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	if len(r.Header["Cookie"]) == 0 {
		for _, name := range slices.Sorted(maps.Keys(w.jars[who])) {
			r.Header["Cookie"] = []string{strings.TrimPrefix(strings.Join(r.Header["Cookie"], "")+"; "+name+"="+w.jars[who][name], "; ")}
		}
	}
	res, err := w.client.Do(r)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{status: res.StatusCode, header: res.Header, body: string(body) + " [cut off]"}
	}
	return answer{res.StatusCode, res.Header, string(body), res.Cookies()}
}

// keep does to the jar what a browser does, but for attributes: it sends every
// cookie everywhere and for ever, so that only the server's rules are at work.
func (w *world) keep(who string, a answer) {
	if w.jars[who] == nil {
		w.jars[who] = make(map[string]string)
	}
	for _, c := range a.sets {
		if c.MaxAge < 0 {
			delete(w.jars[who], c.Name)
		} else {
			w.jars[who][c.Name] = c.Value
		}
	}
}

func (w *world) change(who string, args []string) {
	w.t.Helper()
	if w.jars[who] == nil {
		w.jars[who] = make(map[string]string)
	}
	jar := w.jars[who]
	switch args[0] {
	case "set":
		jar[args[1]] = args[2]
	case "rename":
		jar[args[2]] = jar[args[1]]
		delete(jar, args[1])
	case "tamper":
		value, ok := jar[args[1]]
		if !ok {
			w.t.Fatalf("the jar has no %s", args[1])
		}
		at := len(value) / 2
		if len(args) > 2 { // in the MAC
			at = len(value) - 2
		}
		other := "A"
		if value[at] == 'A' {
			other = "B"
		}
		jar[args[1]] = value[:at] + other + value[at+1:]
	default:
		w.t.Fatalf("jar %s", args)
	}
}

func (w *world) damage(user string) {
	w.t.Helper()
	records, err := w.store.User(context.Background(), user)
	if err != nil || len(records) == 0 {
		w.t.Fatalf("the records of %s: %d, %v", user, len(records), err)
	}
	for _, rec := range records {
		ifVersion := rec.Version
		rec.Data, rec.Version = []byte("not a record"), ifVersion+1
		if err := w.store.Update(context.Background(), rec, ifVersion); err != nil {
			w.t.Fatal(err)
		}
	}
}

// count compares the live sessions of stores that can count.
func (w *world) count(want string) {
	w.t.Helper()
	counter, ok := store.As[store.Counter](w.store.Store)
	if !ok || w.kind.inCookie && want != "0" {
		return
	}
	stats, err := counter.Stats(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if got := fmt.Sprint(stats.Sessions); got != want {
		w.t.Errorf("sessions: got %s, want %s", got, want)
	}
}
