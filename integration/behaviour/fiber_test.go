//go:build linux

package behaviour_test

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/recover"
	"github.com/valyala/fasthttp"

	"github.com/coatcheck/coatcheck/fiberadapter"
)

// newFiber is newApp with Fiber around the same words.
func newFiber(a *app) fasthttp.RequestHandler {
	f := fiber.New()
	f.Get("/outside", func(c fiber.Ctx) error { return c.SendString("outside") })
	f.Use(recover.New(), fiberadapter.New(a.m))
	f.All("/members", fiberadapter.With(a.m.RequireLogin), a.fiber)
	f.All("/twice", fiberadapter.New(a.m), a.fiber)
	f.Use(a.fiber)
	return f.Handler()
}

// fiber serves one request: what the words write goes into Fiber's answer.
func (a *app) fiber(c fiber.Ctx) error {
	w := &fiberWriter{c: c, header: make(http.Header)}
	r := &http.Request{Method: c.Method(), URL: &url.URL{RawQuery: string(c.Request().URI().QueryString())}, Header: make(http.Header)}
	for name, value := range c.Request().Header.AllInOrder() {
		r.Header.Add(string(name), string(value))
	}
	defer w.send()
	a.serve(w, r.WithContext(c.Context()))
	return nil
}

// A fiberWriter keeps the header until the handler returns, as Fiber does.
type fiberWriter struct {
	c      fiber.Ctx
	header http.Header
	wrote  bool
}

func (w *fiberWriter) Header() http.Header { return w.header }

func (w *fiberWriter) WriteHeader(status int) {
	if !w.wrote {
		w.wrote = true
		w.c.Status(status)
	}
}

func (w *fiberWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.c.Write(b)
}

func (w *fiberWriter) send() {
	for name, values := range w.header {
		for _, v := range values {
			w.c.Response().Header.Add(name, v)
		}
	}
}

// serveFiber serves the world on l.
func serveFiber(t *testing.T, w *world, l net.Listener) {
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { (*w.fiber.Load())(ctx) }, ReadBufferSize: 1 << 14, Logger: silent{}}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		if err := errors.Join(server.Shutdown(), <-served); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

type silent struct{}

func (silent) Printf(string, ...any) {}
