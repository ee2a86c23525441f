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

// A request of a bound session allocates as little as one of another, and takes at
// most a quarter more. The least of many turns side by side counts, in which a busy
// machine has had no part.
func TestCost(t *testing.T) {
	h, unbound, bound := pair(t)
	w := discard{make(http.Header)}
	serve := func(r *http.Request) func() {
		return func() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}
	}
	for range 100 {
		serve(unbound)()
		serve(bound)()
	}
	least := func(f func()) float64 {
		n := math.Inf(1)
		for range 20 {
			n = min(n, testing.AllocsPerRun(1, f))
		}
		return n
	}
	if u, b := least(serve(unbound)), least(serve(bound)); b > u {
		t.Errorf("%v allocations, and %v without a binding", b, u)
	}
	const turns, times = 200, 50
	var fastest [2]time.Duration
	for range turns {
		for i, r := range []*http.Request{unbound, bound} {
			f, began := serve(r), time.Now()
			for range times {
				f()
			}
			if took := time.Since(began); fastest[i] == 0 || took < fastest[i] {
				fastest[i] = took
			}
		}
	}
	ratio := float64(fastest[1]) / float64(fastest[0])
	t.Logf("%v and %v a request: %.2f times", fastest[0]/times, fastest[1]/times, ratio)
	if ratio > 1.25 && !raceDetector {
		t.Errorf("a bound session's request takes %.2f times that of another, want at most 1.25", ratio)
	}
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
