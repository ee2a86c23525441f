package benchmarks

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// keptServer is floor-kept with a handler of the test's own, and sends it requests.
func keptServer(t *testing.T, handle http.HandlerFunc) func(r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	k := &kept{store: memstore.New(memstore.Config{}), origins: http.NewCrossOriginProtection()}
	k.tokens.init(keys)
	h := k.handler(handle)
	return func(r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
}

// A panic before the first byte stores nothing (G4), nor does what comes when nobody
// answers any more; and a first look after the first byte opens nothing (G12).
func TestKeptStoresNothing(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		ctx    context.Context
	}{
		"panic": {func(_ http.ResponseWriter, r *http.Request) {
			keptFrom(r.Context()).set(textName, textValue)
			panic("the handler's own")
		}, t.Context()},
		"late": {func(_ http.ResponseWriter, r *http.Request) { keptFrom(r.Context()).set(textName, textValue) }, gone},
		"after the first byte": {func(w http.ResponseWriter, r *http.Request) {
			w.Write(okBody)
			if n := keptFrom(r.Context()).update(countName, func(n int) int { return n + 1 }); n != 0 {
				t.Errorf("counted %d", n)
			}
		}, t.Context()},
	} {
		stores := 0
		send := keptServer(t, c.handle)
		func() {
			defer func() {
				if fault := recover(); (fault != nil) != (name == "panic") {
					t.Errorf("%s: panic %v", name, fault)
				}
			}()
			w := send(httptest.NewRequest("POST", "/", nil).WithContext(c.ctx))
			if stores += len(w.Header()["Set-Cookie"]); name == "late" && w.Code < 500 {
				t.Errorf("%s: status %d", name, w.Code)
			}
		}()
		if stores != 0 {
			t.Errorf("%s: a session was made", name)
		}
	}
}

// Goroutines of one request share its session, and one that goes on after the handler
// has returned changes nothing (G4).
func TestKeptGoroutines(t *testing.T) {
	t.Parallel()
	returned, tried := make(chan bool), make(chan int)
	send := keptServer(t, func(w http.ResponseWriter, r *http.Request) {
		x := keptFrom(r.Context())
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { x.update(countName, func(n int) int { return n + 1 }) })
		}
		wg.Wait()
		answerNumber(w, x.update(countName, func(n int) int { return n + 1 }))
		go func() {
			<-returned
			tried <- x.update(countName, func(n int) int { return n + 1 })
		}()
	})
	w := send(httptest.NewRequest("POST", "/", nil))
	if w.Body.String() != "9" || len(w.Header()["Set-Cookie"]) != 2 {
		t.Errorf("%s, %q; want 9 and two cookies", w.Body, w.Header())
	}
	close(returned)
	if n := <-tried; n != 0 {
		t.Errorf("after the handler counted %d", n)
	}
}

// A session that expires while the request has it is over (G2).
func TestKeptExpiresMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		long := false
		send := keptServer(t, func(w http.ResponseWriter, r *http.Request) {
			x := keptFrom(r.Context())
			if x.text(textName); long {
				time.Sleep(40 * time.Minute)
			}
			answerNumber(w, x.update(countName, func(n int) int { return n + 1 }))
		})
		w := send(httptest.NewRequest("POST", "/", nil))
		again := httptest.NewRequest("POST", "/", nil)
		again.AddCookie(w.Result().Cookies()[0])
		if w := send(again); w.Body.String() != "2" {
			t.Fatalf("counted %s, want 2", w.Body)
		}
		long = true
		if w := send(again); w.Code != http.StatusConflict || len(w.Header()["Set-Cookie"]) > 0 {
			t.Errorf("%d %s %q; want 409, and no cookie", w.Code, w.Body, w.Header())
		}
	})
}

// Set-Cookie lines that pose as ours do not leave, in headers or in trailers (G4), and
// nothing prints a cookie (G13).
func TestKeptKeepsItsNames(t *testing.T) {
	t.Parallel()
	send := keptServer(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Set-Cookie"] = []string{keptCookieName + "=theirs; Path=/", "other=1"}
		h.Set("Vary", "Accept")
		h.Set("CDN-Cache-Control", "max-age=60")
		x := keptFrom(r.Context())
		x.set(textName, textValue)
		w.Write(okBody)
		h[http.TrailerPrefix+"Set-Cookie"] = []string{keptMarkerName + "=theirs"}
		for _, v := range []any{r.Context(), w, (*keptLoad)(x), &x.change.call} {
			if text := fmt.Sprintf("%v %+v", v, v); strings.Contains(text, keptCookieName) {
				t.Errorf("%T prints %s", v, text)
			}
		}
	})
	h := send(httptest.NewRequest("POST", "/", nil)).Header()
	if text := fmt.Sprint(h); strings.Contains(text, "theirs") || strings.Contains(text, "max-age=60") || len(h["Set-Cookie"]) != 3 {
		t.Errorf("the answer has %s", text)
	}
	if h.Get("Vary") != "Cookie, Accept" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("the answer has %q", h)
	}
}
