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
		Header:     requestHeader(c),
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
	delete(r.Header, "Host")
	return r.WithContext(c.Context()), nil
}

// requestHeader are the lines that came.
func requestHeader(c fiber.Ctx) http.Header {
	h, header := make(http.Header), &c.Request().Header
	lines := header.AllInOrder()
	if len(header.RawHeaders()) == 0 { // made by a program
		lines = header.All()
	}
	for name, value := range lines {
		h.Add(string(name), string(value))
	}
	return h
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
