package coatchecktest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
)

// Send makes one request, with the browser's cookies and the headers given in
// pairs, keeps the cookies of the answer, and returns the answer as a recorder has
// it: Code, Body, Header() and Result(). target is a URL or a path at the site; a
// redirect is returned and not followed. A header Cookie adds to the browser's
// own. It panics where there is no answer, or half a pair of a header.
func (b *Browser) Send(method, target string, headers ...string) *httptest.ResponseRecorder {
	return b.serve("Send", b.request("Send", method, target, headers))
}

// Request returns the request that Send would make, as a server hands it to its
// handler, for a test that changes it: its context, its Body, its RemoteAddr, or
// the line of its cookies, which may then be what no browser sends. It panics as
// Send does.
func (b *Browser) Request(method, target string, headers ...string) *http.Request {
	return b.request("Request", method, target, headers)
}

// Serve sends r as it is, with the cookies that it has and no others, such as one
// of Request or of httptest.NewRequest, and keeps the cookies of the answer. It
// panics where there is no answer; a panic of Handler passes through.
func (b *Browser) Serve(r *http.Request) *httptest.ResponseRecorder { return b.serve("Serve", r) }

func (b *Browser) request(verb, method, target string, headers []string) *http.Request {
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		panic(fmt.Errorf("coatchecktest: %s: %w", verb, err))
	}
	if len(headers)%2 != 0 {
		panic(fmt.Errorf("coatchecktest: %s: %d strings for headers; want pairs of a name and a value", verb, len(headers)))
	}
	r.URL = b.site.ResolveReference(r.URL)
	if b.Jar != nil {
		for _, c := range b.Jar.Cookies(r.URL) {
			r.AddCookie(c)
		}
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return arrived(r)
}

func (b *Browser) serve(verb string, r *http.Request) *httptest.ResponseRecorder {
	if b.Timeout > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), b.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
	}
	answer := b.overNetwork
	if b.Handler != nil {
		answer = func(r *http.Request) (*httptest.ResponseRecorder, error) { return serve(b.Handler, r) }
	}
	w, err := answer(r)
	if err != nil {
		panic(fmt.Errorf("coatchecktest: %s: %w", verb, err))
	}
	if set := w.Result().Cookies(); b.Jar != nil && len(set) > 0 {
		b.Jar.SetCookies(b.at(r), set)
	}
	return w
}

// at is the URL that r was sent to.
func (b *Browser) at(r *http.Request) *url.URL {
	u := b.site.ResolveReference(r.URL)
	if r.Host != "" {
		u.Host = r.Host
	}
	return u
}

func (b *Browser) overNetwork(r *http.Request) (*httptest.ResponseRecorder, error) {
	out := r.Clone(r.Context())
	out.URL, out.RequestURI = b.at(r), ""
	answer, err := b.Transport.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	w := httptest.NewRecorder()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, err = io.Copy(w, answer.Body)
	return w, err
}
