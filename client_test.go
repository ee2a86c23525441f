package coatcheck_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
)

// sidName, markName and overName are the cookies of a manager with the zero
// Config: the session, its marker, and the note that a session is over.
const (
	sidName  = "__Host-Http-sid"
	markName = sidName + "-lax"
	overName = sidName + "-over"
)

// A browser keeps cookies and sends them back, whatever their attributes. It is
// safe for concurrent use: an answer that comes late changes the jar late.
type browser struct {
	h   http.Handler
	mu  sync.Mutex
	jar map[string]string
}

func newBrowser(h http.Handler) *browser { return &browser{h: h, jar: make(map[string]string)} }

func (b *browser) cookies() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	jar := make(map[string]string, len(b.jar))
	for name, value := range b.jar {
		jar[name] = value
	}
	return jar
}

// request is one with the browser's cookies and the headers given in pairs.
func (b *browser) request(method, url string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, url, nil)
	for name, value := range b.cookies() {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// send serves a request and keeps the cookies of its answer.
func (b *browser) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	b.keep(w)
	return w
}

func (b *browser) keep(w *httptest.ResponseRecorder) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
		} else {
			b.jar[c.Name] = c.Value
		}
	}
}

// do sends a request with the browser's cookies.
func (b *browser) do(method, url string, headers ...string) *httptest.ResponseRecorder {
	return b.send(b.request(method, url, headers...))
}
