//go:build linux

package behaviour_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
)

// An exchange is one request in its handler.
type exchange struct {
	app *app
	w   http.ResponseWriter
	r   *http.Request
	s   *coatcheck.Session
	out []string // the body, unless something was written before
	end func()   // writes an answer without a body of words
}

func (x *exchange) say(v any) { x.out = append(x.out, fmt.Sprint(v)) }

// An app does what the query of a request says, word by word, and answers with
// what the words give, separated by spaces.
type app struct {
	world                 *world
	m                     *coatcheck.Manager
	plain, signed, sealed cookie.Cookie[string]
	other                 cookie.Cookie[string]  // another name
	short                 cookie.Cookie[string]  // good for a minute
	address               cookie.Cookie[address] // a type of one's own
}

type address struct {
	Street string
	Number int
}

func newApp(w *world, m *coatcheck.Manager, keys *cookie.Keys) *app {
	return &app{
		world: w, m: m,
		plain:   cookie.New[string]("plain", cookie.Policy{}),
		signed:  cookie.NewSigned[string]("signed", keys, cookie.Policy{}),
		sealed:  cookie.NewSealed[string]("sealed", keys, cookie.Policy{}),
		other:   cookie.NewSealed[string]("other", keys, cookie.Policy{}),
		short:   cookie.NewSealed[string]("short", keys, cookie.Policy{MaxAge: time.Minute}),
		address: cookie.NewSigned[address]("address", keys, cookie.Policy{}),
	}
}

func (a *app) handler() http.Handler {
	m, inner := a.m, http.NewServeMux()
	inner.HandleFunc("/", a.serve)
	inner.Handle("/members", m.RequireLogin(http.HandlerFunc(a.serve)))
	inner.Handle("/twice", m.Handler(http.HandlerFunc(a.serve)))
	outer := http.NewServeMux()
	outer.Handle("/", m.Handler(inner))
	outer.HandleFunc("/outside", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "outside") })
	return outer
}

func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{app: a, w: w, r: r, s: a.m.From(r.Context())}
	for word := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, arg, _ := strings.Cut(word, "=")
		arg, err := url.QueryUnescape(arg)
		do := ops[name]
		if err != nil || do == nil && name != "" {
			http.Error(w, "no such word: "+word, http.StatusTeapot)
			return
		}
		if do != nil {
			do(x, arg)
		}
	}
	if x.end != nil {
		x.end()
		return
	}
	fmt.Fprint(w, strings.Join(x.out, " "))
}

func text(name string) coatcheck.Key[string]   { return coatcheck.NewKey[string](name) }
func number(name string) coatcheck.Key[int]    { return coatcheck.NewKey[int](name) }
func list(name string) coatcheck.Key[[]string] { return coatcheck.NewKey[[]string](name) }

// found is a value, or "absent".
func found[T any](v T, ok bool) any {
	if !ok {
		return "absent"
	}
	return v
}

// ops are the words.
var ops map[string]func(x *exchange, arg string)

func init() {
	ops = map[string]func(x *exchange, arg string){
		// The answer.
		"say":      func(x *exchange, arg string) { x.say(arg) },
		"status":   func(x *exchange, arg string) { x.w.WriteHeader(atoi(arg)) },
		"write":    func(x *exchange, arg string) { fmt.Fprint(x.w, arg) },
		"flush":    func(x *exchange, _ string) { http.NewResponseController(x.w).Flush() },
		"header":   func(x *exchange, arg string) { name, v, _ := strings.Cut(arg, ":"); x.w.Header().Add(name, v) },
		"redirect": func(x *exchange, arg string) { x.end = func() { http.Redirect(x.w, x.r, arg, http.StatusSeeOther) } },
		"fail":     func(x *exchange, arg string) { x.end = func() { http.Error(x.w, arg, http.StatusInternalServerError) } },
		"empty":    func(x *exchange, _ string) { x.end = func() {} },
		"panic":    func(x *exchange, _ string) { panic(http.ErrAbortHandler) },
		"hold":     func(x *exchange, _ string) { x.hold(nil) },

		// The dictionary.
		"set":     func(x *exchange, arg string) { k, v, _ := strings.Cut(arg, ":"); text(k).Set(x.s, v) },
		"get":     func(x *exchange, k string) { x.say(found(text(k).Get(x.s))) },
		"has":     func(x *exchange, k string) { _, ok := text(k).Get(x.s); x.say(ok) },
		"del":     func(x *exchange, k string) { text(k).Delete(x.s) },
		"pop":     func(x *exchange, k string) { x.say(found(text(k).Pop(x.s))) },
		"clear":   func(x *exchange, _ string) { x.s.Clear() },
		"keys":    func(x *exchange, _ string) { x.say(strings.Join(x.s.Keys(), ",")) },
		"count":   func(x *exchange, k string) { x.say(number(k).Update(x.s, func(n int) int { return n + 1 })) },
		"number":  func(x *exchange, k string) { x.say(found(number(k).Get(x.s))) },
		"zero":    func(x *exchange, k string) { number(k).Set(x.s, 0) },
		"append":  func(x *exchange, arg string) { k, v, _ := strings.Cut(arg, ":"); coatcheck.Append(x.s, list(k), v) },
		"list":    func(x *exchange, k string) { v, ok := list(k).Get(x.s); x.say(found(strings.Join(v, ","), ok)) },
		"default": func(x *exchange, arg string) { x.setDefault(arg) },
		"big":     func(x *exchange, arg string) { text("big").Set(x.s, strings.Repeat("x", atoi(arg))) },
		"keep":    func(x *exchange, _ string) { samples(x, true) },
		"kept":    func(x *exchange, _ string) { samples(x, false) },
		"flash":   func(x *exchange, arg string) { x.s.Flash(arg) },
		"flashes": func(x *exchange, _ string) { x.say(strings.Join(x.s.Flashes(), ",")) },

		// The session.
		"user":     func(x *exchange, _ string) { x.say("user=" + x.s.User()) },
		"login":    func(x *exchange, user string) { x.s.Login(user) },
		"logout":   func(x *exchange, _ string) { x.s.Logout() },
		"renew":    func(x *exchange, _ string) { x.s.Renew() },
		"reauth":   func(x *exchange, _ string) { x.s.Reauthenticate() },
		"remember": func(x *exchange, arg string) { d, _ := time.ParseDuration(arg); x.s.Remember(d) },
		"touch":    func(x *exchange, _ string) { x.s.Touch() },
		"commit":   func(x *exchange, _ string) { x.s.Commit() },
		"handle":   func(x *exchange, _ string) { x.say(x.s.Handle()) },
		"err":      func(x *exchange, _ string) { x.say(nameOf(x.s.Err())) },
		"ended":    func(x *exchange, _ string) { x.hold(x.s.Ended()); x.say("ended") },
		"sweep":    func(x *exchange, _ string) { n, err := x.app.m.Sweep(x.r.Context()); x.say(n); x.sayErr(err) },

		// The sessions of a user.
		"devices":       func(x *exchange, user string) { x.devices(user) },
		"revoke":        func(x *exchange, arg string) { x.revoke(arg) },
		"revoke-others": func(x *exchange, _ string) { n, err := x.app.m.RevokeOthers(x.r.Context()); x.say(n); x.sayErr(err) },
		"revoke-all": func(x *exchange, user string) {
			n, err := x.app.m.RevokeAll(x.r.Context(), user)
			x.say(n)
			x.sayErr(err)
		},

		// Cookies without a session.
		"cookie":      func(x *exchange, arg string) { x.w.Header().Add("Set-Cookie", arg) },
		"put-plain":   func(x *exchange, v string) { x.sayErr(x.app.plain.Set(x.w, v)) },
		"put-signed":  func(x *exchange, v string) { x.sayErr(x.app.signed.Set(x.w, v)) },
		"put-sealed":  func(x *exchange, v string) { x.sayErr(x.app.sealed.Set(x.w, v)) },
		"put-short":   func(x *exchange, v string) { x.sayErr(x.app.short.Set(x.w, v)) },
		"put-long":    func(x *exchange, v string) { x.sayErr(x.app.signed.Set(x.w, strings.Repeat("x", atoi(v)))) },
		"put-address": func(x *exchange, v string) { x.sayErr(x.app.address.Set(x.w, address{v, 7})) },
		"plain":       func(x *exchange, _ string) { v, err := x.app.plain.Get(x.r); x.say(found(v, err == nil)) },
		"signed":      func(x *exchange, _ string) { v, err := x.app.signed.Get(x.r); x.say(found(v, err == nil)) },
		"sealed":      func(x *exchange, _ string) { v, err := x.app.sealed.Get(x.r); x.say(found(v, err == nil)) },
		"other":       func(x *exchange, _ string) { v, err := x.app.other.Get(x.r); x.say(found(v, err == nil)) },
		"short":       func(x *exchange, _ string) { v, err := x.app.short.Get(x.r); x.say(found(v, err == nil)) },
		"address":     func(x *exchange, _ string) { v, err := x.app.address.Get(x.r); x.say(found(v, err == nil)) },
		"clear-plain": func(x *exchange, _ string) { x.sayErr(x.app.plain.Clear(x.w)) },
		"raw":         func(x *exchange, name string) { x.say(x.raw(name)) },
	}
}

func atoi(s string) (n int) {
	fmt.Sscan(s, &n)
	return n
}

func (x *exchange) sayErr(err error) {
	if err != nil {
		x.say(nameOf(err))
	}
}

// nameOf is an error's name, without the text that may change.
func nameOf(err error) string {
	for name, e := range map[string]error{
		"ErrLate": coatcheck.ErrLate, "ErrEnded": coatcheck.ErrEnded, "ErrTooLarge": coatcheck.ErrTooLarge,
		"ErrLoginRequired": coatcheck.ErrLoginRequired,
	} {
		if errors.Is(err, e) {
			return name
		}
	}
	if err == nil {
		return "nil"
	}
	return "error"
}

// hold keeps the request in its handler until it is released, or until over
// closes.
func (x *exchange) hold(over <-chan struct{}) {
	r := x.app.world.requests[x.r.Header.Get("Held")]
	if r == nil {
		x.say("not held")
		return
	}
	close(r.reached)
	if over == nil {
		over = r.release
	}
	select {
	case <-over:
	case <-x.r.Context().Done():
	}
}

func (x *exchange) setDefault(arg string) {
	k, v, _ := strings.Cut(arg, ":")
	x.say(text(k).Update(x.s, func(was string) string {
		if was == "" {
			return v
		}
		return was
	}))
}

func (x *exchange) devices(user string) {
	infos, err := x.app.m.Sessions(x.r.Context(), user)
	x.sayErr(err)
	x.say(len(infos))
	for _, i := range infos {
		if i.Current {
			x.say("current " + i.Device)
		}
	}
}

func (x *exchange) revoke(arg string) {
	user, handle, _ := strings.Cut(arg, ":")
	ok, err := x.app.m.Revoke(x.r.Context(), user, handle)
	x.say(ok)
	x.sayErr(err)
}

func (x *exchange) raw(name string) string {
	c, err := x.r.Cookie(name)
	if err != nil {
		return "absent"
	}
	return c.Value
}

type sample interface {
	through(x *exchange, write bool) string
}

type of[T any] struct {
	name string
	v    T
}

func (s of[T]) through(x *exchange, write bool) string {
	k := coatcheck.NewKey[T](s.name)
	if write {
		k.Set(x.s, s.v)
		return ""
	}
	if got, ok := k.Get(x.s); !ok || !reflect.DeepEqual(got, s.v) {
		return fmt.Sprintf("%s: got %v %t, want %v. ", s.name, got, ok, s.v)
	}
	return ""
}

// samples writes or reads values of many types.
func samples(x *exchange, write bool) {
	wrong := ""
	for _, s := range []sample{
		of[string]{"string", "tea"}, of[string]{"empty", ""}, of[string]{"UTF-8", "Ünïcödé 茶 <\u2028>\x00"},
		of[bool]{"true", true}, of[bool]{"false", false}, of[int]{"int", -42}, of[int64]{"int64", 1<<63 - 1},
		of[int64]{"min", -1 << 63}, of[uint64]{"uint64", 1<<64 - 1}, of[int8]{"int8", -128}, of[float64]{"float", 0.1},
		of[float32]{"float32", 1.5}, of[[]byte]{"bytes", []byte{0, 255, 128}},
		of[time.Time]{"time", time.Date(2026, 2, 28, 23, 59, 59, 999999999, time.UTC)}, of[time.Duration]{"duration", time.Minute},
		of[[]int]{"list", []int{1, 2, 3}}, of[map[string]int]{"map", map[string]int{"a": 1}}, of[address]{"struct", address{"Kirchweg", 7}},
		of[*address]{"pointer", &address{"Kirchweg", 7}}, of[[2]string]{"array", [2]string{"a", "b"}}, of[any]{"any", "x"},
	} {
		wrong += s.through(x, write)
	}
	x.say(wrong + "ok")
}
