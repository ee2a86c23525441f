package dbsc_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
)

// A Logout that a panic took back leaves the session as it was: bound, and not shown
// by this request. Nothing is written over it (G7).
func TestPanicAfterLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m *coatcheck.Manager
		a := newApp(t, options{around: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/panics" {
					next.ServeHTTP(w, r)
					return
				}
				s := m.From(r.Context())
				func() {
					defer func() { recover() }()
					coatcheck.DropOnPanic(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
						s.Logout()
						panic("half done")
					})).ServeHTTP(w, r)
				}()
				visits.Set(s, 1)
			})
		}})
		m = a.m
		d := a.boundDevice(t)
		time.Sleep(time.Minute)
		alone := d.Thief()
		delete(alone.Jar, boundName)
		was := alone.Jar[sidName].Value
		w := alone.Do("POST", "/panics")
		if n := len(a.sessions(t)); n != 1 {
			t.Errorf("alice has %d sessions, want 1", n)
		}
		if alone.Jar[sidName].Value != was {
			t.Errorf("the cookie of the bound session, which lives, was overwritten: %d", w.Code)
		}
	})
}
