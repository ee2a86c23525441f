package walkthrough

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Headers by which the page's script asks for a request to be noted, and for
// what was noted. Pages of other sites cannot send them.
const (
	noteHeader     = "Coatcheck-Page"
	exchangeHeader = "Coatcheck-Exchange"
)

// An exchange is one request and its answer, as the page draws it.
type exchange struct {
	Method, Path string
	Sent         []pair // the Cookie line
	Status       int
	Set          []setLine // the Set-Cookie lines
	Also         []string  // other lines of the answer that speak of cookies
}

// A pair is a cookie as it travelled, but for its value.
type pair struct {
	Name, Value string // the value as jar.shown has it
	Number      string // see jar.number
}

func (j *jar) pair(name, value string) pair {
	return pair{name, j.shown(name, value), j.number(name, value)}
}

// A setLine is a cookie as the answer set it.
type setLine struct {
	pair
	Attributes        string
	Deletes, Replaces bool
}

func newExchange(r *http.Request, j *jar) *exchange {
	e := &exchange{Method: r.Method, Path: cut(r.URL.Path, 80)}
	for _, c := range r.Cookies() {
		e.Sent = append(e.Sent, j.pair(c.Name, c.Value))
	}
	return e
}

func (e *exchange) answered(status int, h http.Header, j *jar) {
	e.Status = status
	for _, text := range h["Set-Cookie"] {
		c, err := http.ParseSetCookie(text)
		if err != nil {
			continue
		}
		_, attributes, _ := strings.Cut(text, ";")
		e.Set = append(e.Set, setLine{pair: j.pair(c.Name, c.Value), Attributes: strings.TrimSpace(attributes),
			Deletes: c.MaxAge < 0, Replaces: e.sent(c.Name)})
	}
	if v := h.Get("Clear-Site-Data"); v != "" {
		e.Also = append(e.Also, "Clear-Site-Data: "+v)
	}
}

func (e *exchange) sent(name string) bool {
	return slices.ContainsFunc(e.Sent, func(p pair) bool { return p.Name == name })
}

// sets reports whether the answer gave out a cookie of that name.
func (e *exchange) sets(name string) bool {
	return slices.ContainsFunc(e.Set, func(l setLine) bool { return l.Name == name && !l.Deletes })
}

// lost reports whether the browser came back, with the request here, without any
// of the cookies that the answer gave out: it has not kept them.
func (e *exchange) lost(here *exchange) bool {
	gave := false
	for _, l := range e.Set {
		if l.Deletes {
			continue
		}
		gave = true
		if here.sent(l.Name) {
			return false
		}
	}
	return gave
}

// Text is the status as the line of an answer has it.
func (e *exchange) Text() string { return http.StatusText(e.Status) }

// exchanges keeps the latest ones until the page that made them asks. They hold
// no value that opens anything, and no body.
type exchanges struct {
	mu   sync.Mutex
	kept [128]struct {
		id string
		e  *exchange
	}
	next int
}

func (x *exchanges) keep(id string, e *exchange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.kept[x.next].id, x.kept[x.next].e = id, e
	x.next = (x.next + 1) % len(x.kept)
}

// take returns an exchange, once.
func (x *exchanges) take(id string) *exchange {
	if id == "" {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.kept {
		if k := &x.kept[i]; k.id == id {
			e := k.e
			k.id, k.e = "", nil
			return e
		}
	}
	return nil
}

// note returns w, or for a request that the page wants to show a writer that
// keeps the exchange.
func (x *exchanges) note(w http.ResponseWriter, r *http.Request, j *jar) http.ResponseWriter {
	if r.Header.Get(noteHeader) == "" {
		return w
	}
	id := rand.Text()
	w.Header().Set(exchangeHeader, id)
	return &noteWriter{ResponseWriter: w, keep: func(status int) {
		e := newExchange(r, j)
		e.answered(status, w.Header(), j)
		x.keep(id, e)
	}}
}

// A noteWriter keeps the exchange before the answer leaves.
type noteWriter struct {
	http.ResponseWriter
	keep func(status int)
	kept bool
}

func (w *noteWriter) WriteHeader(status int) {
	if status >= 200 && !w.kept {
		w.kept = true
		w.keep(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *noteWriter) Write(b []byte) (int, error) {
	if !w.kept {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap serves http.ResponseController.
func (w *noteWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
