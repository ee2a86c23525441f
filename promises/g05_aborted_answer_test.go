package promises_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// proxied serves a reverse proxy within m over HTTP/1 or HTTP/2, whose upstream
// answers at once: more than one buffer, or with parts that are flushed.
func proxied(t *testing.T, m *coatcheck.Manager, http2 bool, act func(*coatcheck.Session)) *httptest.Server {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "saved")
		http.NewResponseController(w).Flush()
		io.WriteString(w, strings.Repeat(".", 1<<16))
	}))
	t.Cleanup(upstream.Close)
	to, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		act(m.From(p.In.Context()))
		p.SetURL(to)
	}}
	srv := httptest.NewUnstartedServer(m.Handler(proxy))
	srv.EnableHTTP2 = http2
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// G5: "a failed load or commit replaces the response": the client has the whole of
// what replaces it also where the handler is httputil.ReverseProxy, which aborts
// with http.ErrAbortHandler when a Write fails.
func TestG5ReplacedUnderAReverseProxy(t *testing.T) {
	t.Parallel()
	number := coatcheck.NewKey[float64]("number")
	for name, test := range map[string]struct {
		away bool
		act  func(*coatcheck.Session)
		code int
	}{
		"a value that is not valid": {false, func(s *coatcheck.Session) { number.Set(s, math.NaN()) }, 500},
		"a store that is away":      {true, func(s *coatcheck.Session) { s.User() }, 503},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprint(name, "/http2=", http2), func(t *testing.T) {
				t.Parallel()
				store := &trap{Store: memstore.New(memstore.Config{})}
				m := manage(t, store, coatcheck.Config{})
				b := begin(t, m, nil)
				srv := proxied(t, m, http2, test.act)
				if test.away {
					store.set(away(), nil)
				}
				res, err := srv.Client().Do(outgoing(t, b, "GET", srv.URL))
				if err != nil {
					t.Fatalf("got no answer: %v", err)
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				if err != nil || res.StatusCode != test.code || len(body) == 0 || strings.Contains(string(body), "saved") {
					t.Errorf("got %d %.60q, %v; want a whole answer of ours with %d", res.StatusCode, body, err, test.code)
				}
				if after := res.Header.Get("Retry-After"); (after != "") != test.away {
					t.Errorf("Retry-After is %q", after)
				}
			})
		}
	}
}

// G5: only that panic is ours to end, and only when what replaces the answer is
// whole. All others go on with their value.
func TestG5OtherPanicsGoOn(t *testing.T) {
	t.Parallel()
	abort := http.ErrAbortHandler
	for name, test := range map[string]struct {
		fail, inOnError bool
		fault, want     any
	}{
		"an abort, replaced":          {true, false, abort, nil},
		"an abort, not replaced":      {false, false, abort, abort},
		"an abort in OnError":         {true, true, abort, abort},
		"the error of its Write":      {true, false, "its error", nil},
		"another panic, replaced":     {true, false, "oh", "oh"},
		"another panic, not replaced": {false, false, "oh", "oh"},
	} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
			if test.inOnError {
				panic(test.fault)
			}
			coatcheck.AnswerError(w, r, err)
		}})
		h := only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			if test.fail {
				s.Login("")
			}
			if _, err := io.WriteString(w, "saved"); err != nil && test.fault == any("its error") {
				panic(fmt.Errorf("write: %w", err))
			}
			panic(test.fault)
		})
		var got any
		w := newBrowser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { got = recover() }()
			h.ServeHTTP(w, r)
		})).Send("GET", "/")
		if got != test.want {
			t.Errorf("%s: recovered %v, want %v", name, got, test.want)
		}
		if test.fail && strings.Contains(w.Body.String(), "saved") {
			t.Errorf("%s: got %q", name, w.Body)
		}
	}
}
