package benchmarks

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
)

// A web is an App of net/http.
type web struct {
	http.Handler
	close func() error // may be nil
}

func (a web) Browser() Browser { return &webBrowser{h: a.Handler} }

func (a web) Serve(l net.Listener) error { return http.Serve(l, a.Handler) }

func (a web) Close() error {
	if a.close != nil {
		return a.close()
	}
	return nil
}

// routes is a handler for each path.
type routes map[string]http.HandlerFunc

func (t routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := t[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	http.NotFound(w, r)
}

// pages adds what load over HTTP asks for: rows whose handler says what it
// answers, as nearly every one does.
func (t routes) pages() routes {
	t["/profile"], t["/cart"] = typed(t["/read"]), typed(t["/count"])
	return t
}

func typed(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		h(w, r)
	}
}

// behind puts middleware, if any, and where b says so a router in front.
func (t routes) behind(b Backend, middleware ...func(http.Handler) http.Handler) http.Handler {
	if b.Router {
		r := chi.NewRouter()
		r.Use(middleware...)
		for path, h := range t {
			r.HandleFunc(path, h)
		}
		return r
	}
	var h http.Handler = t
	for _, m := range middleware {
		h = m(h)
	}
	return h
}

// untouched is the handler that does not look at its session.
func untouched(w http.ResponseWriter, r *http.Request) { w.Write(okBody) }

// number is the n of /fill?n=10.
func number(r *http.Request) int {
	n, _ := strconv.Atoi(r.URL.Query().Get("n"))
	return n
}

// userOf is the user of /login?user=7. For the others a user is a value as any
// other, and always the same.
func userOf(r *http.Request) string {
	if r.URL.RawQuery != "" {
		if user := r.URL.Query().Get("user"); user != "" {
			return user
		}
	}
	return userValue
}

// answer writes what /read answers.
func answer(w http.ResponseWriter, got string) {
	if got != textValue {
		http.Error(w, "the session lost its value", http.StatusInternalServerError)
		return
	}
	w.Write(okBody)
}

// answerNumber writes what /count answers.
func answerNumber(w http.ResponseWriter, n int) {
	var room [20]byte
	w.Write(strconv.AppendInt(room[:0], int64(n), 10))
}

// pageBody is what /page answers, of three values, the count and the flashes
// that the page before has left. It reports whether the values are there.
func pageBody(values [3]string, n int, flashes ...string) ([]byte, bool) {
	page := make([]byte, 0, 256)
	for _, flash := range flashes {
		if flash == "" {
			continue
		}
		page = append(append(append(page, "<p class=flash>"...), flash...), "</p>"...)
	}
	for _, value := range values {
		page = append(append(append(page, "<dd>"...), value...), "</dd>"...)
	}
	page = append(strconv.AppendInt(append(page, "<p>visit "...), int64(n), 10), "</p>"...)
	return page, values == [3]string{textValue, extraValue, extraValue}
}

// answerPage writes it.
func answerPage(w http.ResponseWriter, values [3]string, n int, flashes ...string) {
	page, ok := pageBody(values, n, flashes...)
	if !ok {
		answer(w, "")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page)
}

// answerError writes that the library failed.
func answerError(w http.ResponseWriter, err error) {
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

// A webBrowser is the Browser of net/http applications.
type webBrowser struct {
	h    http.Handler
	jar  []string // lines name=value
	last http.Header
}

func (b *webBrowser) request(method, path string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("User-Agent", UserAgent)
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	if len(b.jar) > 0 {
		r.Header["Cookie"] = []string{strings.Join(b.jar, "; ")}
	}
	return r
}

func (b *webBrowser) Visit(method, path string) (int, string) {
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, b.request(method, path))
	b.last = w.Header()
	for _, line := range w.Header()["Set-Cookie"] {
		b.jar = keep(b.jar, line)
	}
	return w.Code, w.Body.String()
}

// keep puts a Set-Cookie line into a jar.
func keep(jar []string, line string) []string {
	pair, attributes, _ := strings.Cut(line, ";")
	name, _, _ := strings.Cut(pair, "=")
	var kept []string
	for _, old := range jar {
		if !strings.HasPrefix(old, name+"=") {
			kept = append(kept, old)
		}
	}
	if !strings.Contains(strings.ToLower(attributes), "max-age=0") {
		kept = append(kept, pair)
	}
	return kept
}

// A discard is a response writer like the server's, without the network.
type discard struct {
	h      http.Header
	status int
}

func (d *discard) Header() http.Header               { return d.h }
func (d *discard) Write(b []byte) (int, error)       { return len(b), nil }
func (d *discard) WriteString(s string) (int, error) { return len(s), nil }
func (d *discard) WriteHeader(status int)            { d.status = status }
func (d *discard) Flush()                            {}

func (b *webBrowser) Again(method, path string, follow bool) func() {
	// Each cookie in a line of its own, so that a new value is a substring of
	// what the server sent and costs this client nothing.
	var room [4]string
	cookies := room[:copy(room[:], b.jar)]
	return b.sender(method, path, cookies, follow)
}

// again is Again with one line of cookies, which may be changed between.
func (b *webBrowser) again(method, path string) (send func(), cookies *string) {
	line := []string{strings.Join(b.jar, "; ")}
	return b.sender(method, path, line, false), &line[0]
}

func (b *webBrowser) sender(method, path string, cookies []string, follow bool) func() {
	original := b.request(method, path)
	w := &discard{h: make(http.Header)}
	r := new(http.Request)
	return func() {
		clear(w.h)
		w.status = 0
		// gorilla keeps its registry in the request, iris changes its header.
		*r = *original
		if len(cookies) > 0 {
			r.Header["Cookie"] = cookies
		} else {
			delete(r.Header, "Cookie")
		}
		b.h.ServeHTTP(w, r)
		if w.status >= 400 {
			panic("the answer to " + path + " is " + strconv.Itoa(w.status))
		}
		if follow {
			takeOver(cookies, w.h["Set-Cookie"])
		}
	}
}

// takeOver puts new values of the same cookies into the lines of a request.
func takeOver(cookies, lines []string) {
	for _, line := range lines {
		pair := line[:strings.IndexByte(line, ';')]
		name := pair[:strings.IndexByte(pair, '=')+1]
		for i, old := range cookies {
			if strings.HasPrefix(old, name) && pair != name {
				cookies[i] = pair
			}
		}
	}
}
