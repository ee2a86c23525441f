package promises_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// The in-process rows: one request through Handler on a memory store, in a
// session of ten small values. benchmarks/ has them beside other libraries.

var (
	benchCount = coatcheck.NewKey[int]("count")
	benchText  = coatcheck.NewKey[string]("text")
)

// A discard is a response writer like the server's, without the network.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Flush()                      {}

var okBody = []byte("ok")

func benchApp(m *coatcheck.Manager) http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, f func(s *coatcheck.Session)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			f(coatcheck.From(r.Context()))
			w.Write(okBody)
		})
	}
	handle("/untouched", func(*coatcheck.Session) {})
	handle("/read", func(s *coatcheck.Session) { benchText.Get(s) })
	handle("/user", func(s *coatcheck.Session) { s.User() })
	handle("/count", func(s *coatcheck.Session) { benchCount.Update(s, func(n int) int { return n + 1 }) })
	handle("/set", func(s *coatcheck.Session) { benchCount.Set(s, 1) })
	handle("/login", func(s *coatcheck.Session) { s.Login("alice") })
	handle("/fill", func(s *coatcheck.Session) {
		s.Login("alice")
		benchText.Set(s, "a small value")
		for i := range 8 {
			coatcheck.NewKey[string](fmt.Sprint("key", i)).Set(s, "another value")
		}
	})
	handle("/fill4k", func(s *coatcheck.Session) {
		s.Login("alice")
		coatcheck.NewKey[string]("a large one").Set(s, strings.Repeat("x", 4000))
		benchText.Set(s, "a small value")
	})
	return m.Handler(mux)
}

// benchRequest returns a request to path in the session that fill makes.
func benchRequest(h http.Handler, fill, path string) *http.Request {
	b := newBrowser(h)
	if fill != "" {
		b.Send("GET", fill)
	}
	return b.Request("POST", path)
}

func BenchmarkRequest(b *testing.B) {
	for _, row := range []struct{ name, fill, path string }{
		{"Untouched", "/fill", "/untouched"},
		{"NoCookie", "", "/untouched"},
		{"Read", "/fill", "/read"},
		{"Read4KiB", "/fill4k", "/read"},
		{"Counter", "/fill", "/count"},
		{"FirstWrite", "", "/set"},
	} {
		b.Run(row.name, func(b *testing.B) {
			h := benchApp(manage(b, memstore.New(memstore.Config{}), coatcheck.Config{}))
			r := benchRequest(h, row.fill, row.path)
			w := &discard{make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		})
	}
	b.Run("Bare", func(b *testing.B) {
		mux := http.NewServeMux()
		mux.HandleFunc("/untouched", func(w http.ResponseWriter, r *http.Request) { w.Write(okBody) })
		r := httptest.NewRequest("POST", "/untouched", nil)
		w := &discard{make(http.Header)}
		b.ReportAllocs()
		for b.Loop() {
			clear(w.h)
			mux.ServeHTTP(w, r)
		}
	})
	b.Run("Login", func(b *testing.B) {
		h := benchApp(manage(b, memstore.New(memstore.Config{}), coatcheck.Config{}))
		br := newBrowser(h)
		br.Send("GET", "/fill")
		w := &discard{make(http.Header)}
		r := br.Request("POST", "/login")
		b.ReportAllocs()
		for b.Loop() {
			clear(w.h)
			h.ServeHTTP(w, r)
			// The old token is dead: go on with the new one.
			line := w.h["Set-Cookie"][1] // the first is the marker
			r.Header["Cookie"][0] = line[:strings.IndexByte(line, ';')]
		}
	})
	b.Run("ReadParallel", func(b *testing.B) {
		h := benchApp(manage(b, memstore.New(memstore.Config{}), coatcheck.Config{}))
		cookies := benchRequest(h, "/fill", "/read").Header["Cookie"]
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			r := httptest.NewRequest("POST", "/read", nil)
			r.Header["Cookie"] = cookies
			w := &discard{make(http.Header)}
			for pb.Next() {
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		})
	})
}
