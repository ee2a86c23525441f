package fiberadapter

import (
	"bytes"
	"io"
	"net/http"
	"net/url"

	"github.com/gofiber/fiber/v3"
)

// newRequest returns the request as net/http would have it. Its header lines are
// those that came, not what fasthttp makes of cookies: it drops quotes around a
// value, and a quoted token is none (G8). Nothing of it is fasthttp's memory,
// which other requests use later, but for the body.
func newRequest(c fiber.Ctx) (*http.Request, error) {
	ctx := c.RequestCtx()
	target := string(ctx.RequestURI())
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	r := &http.Request{
		Method:     string(ctx.Method()),
		URL:        u,
		RequestURI: target,
		Proto:      string(ctx.Request.Header.Protocol()),
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     make(http.Header),
		Body:       &body{c: c},
		Host:       string(ctx.Request.Header.Host()),
		RemoteAddr: ctx.RemoteAddr().String(),
		TLS:        ctx.TLSConnectionState(),
	}
	if u.Host != "" {
		r.Host = u.Host
	}
	if r.Proto == "HTTP/1.0" {
		r.ProtoMinor = 0
	}
	r.ContentLength = max(int64(ctx.Request.Header.ContentLength()), -1)
	lines := ctx.Request.Header.AllInOrder()
	if len(ctx.Request.Header.RawHeaders()) == 0 { // made by a program
		lines = ctx.Request.Header.All()
	}
	for name, value := range lines {
		r.Header.Add(string(name), string(value))
	}
	delete(r.Header, "Host")
	return r.WithContext(c.Context()), nil
}

// A body is the request's, for Config.OnError: it is read when it is asked for,
// and is empty where the application streams it.
type body struct {
	c fiber.Ctx
	r *bytes.Reader
}

func (b *body) Read(p []byte) (int, error) {
	if b.c.Request().IsBodyStream() {
		return 0, io.EOF
	}
	if b.r == nil {
		b.r = bytes.NewReader(b.c.Request().Body())
	}
	return b.r.Read(p)
}

func (b *body) Close() error { return nil }
