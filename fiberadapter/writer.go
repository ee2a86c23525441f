package fiberadapter

import (
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// A writer stands for the server's: what fasthttp has of the answer is taken into
// it for Manager.Handler, which changes the header or answers in its place.
type writer struct {
	header http.Header
	status int
	body   []byte
	late   atomic.Bool // a handler may still be at work
}

func newWriter(res *fasthttp.Response) *writer {
	w := &writer{header: make(http.Header)}
	w.take(res)
	return w
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
}

func (w *writer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, b...)
	return len(b), nil
}

// Written reports whether Handler has answered or let the answer leave.
func (w *writer) Written() bool { return w.status != 0 }

// TimedOut reports whether a time-out has answered for the handlers. Handler asks,
// so that its event does not speak of a panic.
func (w *writer) TimedOut() bool { return w.late.Load() }

// isOwn reports whether a header is of the body or the connection, which fasthttp
// looks after, and is no business of Handler.
func isOwn(name string) bool {
	switch name {
	case fasthttp.HeaderContentType, fasthttp.HeaderContentLength, fasthttp.HeaderContentEncoding,
		fasthttp.HeaderServer, fasthttp.HeaderTrailer, fasthttp.HeaderConnection:
		return true
	}
	return false
}

// take makes the header that of the answer.
func (w *writer) take(res *fasthttp.Response) {
	clear(w.header)
	for name, value := range res.Header.All() {
		if name := http.CanonicalHeaderKey(string(name)); !isOwn(name) {
			w.header[name] = append(w.header[name], string(value))
		}
	}
}

// put makes the answer's header that of the writer.
func (w *writer) put(res *fasthttp.Response) {
	was := writer{header: make(http.Header)}
	was.take(res)
	for name := range was.header {
		if len(w.header[name]) == 0 {
			res.Header.Del(name)
		}
	}
	for name, values := range w.header {
		if !slices.Equal(values, was.header[name]) {
			res.Header.Del(name)
			for _, v := range values {
				res.Header.Add(name, v)
			}
		}
	}
}

// replace makes the answer that of Handler.
func (w *writer) replace(ctx *fasthttp.RequestCtx) {
	if ctx.Hijacked() {
		ctx.Hijack(nil)
	}
	res := &ctx.Response
	res.Reset()
	res.SetStatusCode(w.status)
	for name, values := range w.header {
		for _, v := range values {
			res.Header.Add(name, v)
		}
	}
	if len(w.header["Content-Type"]) == 0 {
		res.Header.SetContentType(http.DetectContentType(w.body))
	}
	res.SetBody(w.body)
}
