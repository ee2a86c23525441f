package dbsc_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/device"
)

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// pair is the same request of a session that is not bound and of one that is, at
// the same application.
func pair(t testing.TB) (h http.Handler, unbound, bound *http.Request) {
	t.Helper()
	a := newApp(t, options{})
	request := func(key device.Signer) *http.Request {
		d := device.New(t, a, key)
		a.status(t, d, "POST", "/login", http.StatusOK)
		a.status(t, d, "POST", "/write", http.StatusOK)
		r := httptest.NewRequest("GET", "https://app.test/value", nil)
		for name := range d.Jar {
			r.AddCookie(&http.Cookie{Name: name, Value: d.CookieValue(name)})
		}
		return r
	}
	h = a.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visits.Get(coatcheck.From(r.Context()))
	}))
	return h, request(nil), request(device.NewECKey(t))
}

// A request of a bound session allocates as little as one of another.
func TestBoundAllocations(t *testing.T) {
	h, unbound, bound := pair(t)
	w := discard{make(http.Header)}
	least := func(r *http.Request) float64 {
		n := math.Inf(1)
		for range 20 {
			n = min(n, testing.AllocsPerRun(1, func() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}))
		}
		return n
	}
	if u, b := least(unbound), least(bound); b > u {
		t.Errorf("%v allocations, and %v without a binding", b, u)
	}
}

// BenchmarkSideBySide serves both in turns and reports how many times as long as
// the other a bound session's takes, by the least of its turns; the aim is 1.25.
func BenchmarkSideBySide(b *testing.B) {
	h, unbound, bound := pair(b)
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
	b.ReportMetric(0, "ns/op")
}

func BenchmarkRequest(b *testing.B) {
	h, unbound, bound := pair(b)
	for name, r := range map[string]*http.Request{"unbound": unbound, "bound": bound} {
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
