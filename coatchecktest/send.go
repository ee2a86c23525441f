package coatchecktest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
)

// Send makes one request, with the browser's cookies and the headers given in
// pairs, keeps the cookies of the answer, and returns the answer as a recorder has
// it: Code, Body, Header() and Result(). target is a URL or a path at the site; a
// redirect is returned and not followed. A header Cookie adds to the browser's
// own. It panics where there is no answer, or half a pair of a header.
func (b *Browser) Send(method, target string, headers ...string) *httptest.ResponseRecorder {
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		panic(fmt.Errorf("coatchecktest: Send: %w", err))
	}
	if len(headers)%2 != 0 {
		panic(fmt.Errorf("coatchecktest: Send: %d strings for headers; want pairs of a name and a value", len(headers)))
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	once := b.Client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := once.Do(r)
	if err != nil {
		panic(fmt.Errorf("coatchecktest: Send: %w", err))
	}
	defer answer.Body.Close()
	w := httptest.NewRecorder()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, answer.Body); err != nil {
		panic(fmt.Errorf("coatchecktest: Send: %w", err))
	}
	return w
}
