package dbsc_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

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
