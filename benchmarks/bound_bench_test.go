package benchmarks_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/internal/device"
	"github.com/coatcheck/coatcheck/memstore"
)

// BenchmarkBoundSideBySide serves the same request of a session that is bound to a
// key of its device and of one that is not, in turns, and reports how many times as
// long the bound one takes, by the least of its turns. The aim is 1.25.
func BenchmarkBoundSideBySide(b *testing.B) {
	h, unbound, bound := sameRequest(b)
	w := discard{make(http.Header)}
	const times = 50
	var fastest [2]time.Duration
	for b.Loop() {
		for i, r := range []*http.Request{unbound, bound} {
			began := time.Now()
			for range times {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
			if took := time.Since(began); fastest[i] == 0 || took < fastest[i] {
				fastest[i] = took
			}
		}
	}
	b.ReportMetric(float64(fastest[1])/float64(fastest[0]), "times")
	b.ReportMetric(0, "ns/op") // of both together
}

// BenchmarkBound is each of the two by itself.
func BenchmarkBound(b *testing.B) {
	h, unbound, bound := sameRequest(b)
	for name, r := range map[string]*http.Request{"no": unbound, "yes": bound} {
		b.Run(name, func(b *testing.B) {
			w := discard{make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	}
}

var boundVisits = coatcheck.NewKey[int]("visits")

// sameRequest is one that reads a value, of a session that is not bound and of one
// that is, at the same application.
func sameRequest(b *testing.B) (h http.Handler, unbound, bound *http.Request) {
	b.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		b.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		b.Fatal(err)
	}
	binder, err := dbsc.New(sessions, dbsc.Config{})
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/dbsc/", binder)
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		s.Login("alice")
		boundVisits.Set(s, 7)
	})
	read := func(_ http.ResponseWriter, r *http.Request) {
		if n, _ := boundVisits.Get(coatcheck.From(r.Context())); n != 7 {
			b.Errorf("the value is %d, want 7", n)
		}
	}
	mux.HandleFunc("GET /value", read)
	request := func(key device.Signer) *http.Request {
		d := device.New(b, sessions.Handler(mux), key)
		d.Do("POST", "/login")
		d.Do("GET", "/value") // brings the bound cookie
		if bound := d.ID != ""; bound != (key != nil) {
			b.Fatalf("bound %t", bound)
		}
		r := httptest.NewRequest("GET", "https://app.test/value", nil)
		for name := range d.Jar {
			r.AddCookie(&http.Cookie{Name: name, Value: d.CookieValue(name)})
		}
		return r
	}
	return sessions.Handler(http.HandlerFunc(read)), request(nil), request(device.NewECKey(b))
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
