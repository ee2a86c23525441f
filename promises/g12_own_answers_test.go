package promises_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// G12: Caches never hand sessions out, nor what we answer ourselves: also there
// what middleware around us said to caches of the handler's answer goes, whatever
// the case, and Vary is added to.
func TestG12OwnAnswers(t *testing.T) {
	t.Parallel()
	marked := []string{"Cookie", markName + "=1"}
	for _, c := range []struct {
		name    string
		method  string
		url     string
		headers []string
		status  int
		vary    string
	}{
		{"the landing page", "GET", "/in", from("cross-site", navigation, marked...), 200, "Origin, Cookie, Sec-Fetch-Site"},
		{"the end of a landing", "GET", "/in?coatcheck-landing", from("same-origin", navigation), 303, "Origin, Cookie, Sec-Fetch-Site"},
		{"the page with a link", "GET", "/set", from("cross-site", navigation, marked...), 409, "Origin, Cookie, Sec-Fetch-Site"},
		{"held back", "GET", "/set", from("cross-site", fetching, marked...), 409, "Origin, Cookie"},
		{"refused before anybody looked", "POST", "/look", from("cross-site", fetching), 403, "Origin"},
		{"a login is required", "GET", "/inside", nil, 401, "Origin, Cookie"},
		{"OnError of the application", "POST", "/teapot", from("cross-site", fetching), 418, "Origin"},
	} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{
			Landing: func(r *http.Request) bool { return r.URL.Path == "/in" },
			OnError: func(w http.ResponseWriter, r *http.Request, err error) {
				if r.URL.Path == "/teapot" {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				coatcheck.AnswerError(w, r, err)
			},
		})
		mux := http.NewServeMux()
		mux.Handle("/", life(m))
		mux.Handle("/inside", m.RequireLogin(http.NotFoundHandler()))
		h := m.Handler(mux)
		b := newBrowser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for name, value := range map[string]string{
				"CDN-Cache-Control": "max-age=60", "surrogate-control": "max-age=60", "cache-control": "public", "Cache-Control": "public, max-age=60",
				"expires": "Fri, 01 Jan 2100 00:00:00 GMT", "Pragma": "x", "vary": "Origin", "X-Other": "stays", "Set-Cookie": sidName + "=planted",
			} {
				w.Header()[name] = []string{value}
			}
			h.ServeHTTP(w, r)
		}))
		w := b.Send(c.method, c.url, c.headers...)
		got := sent(w.Result().Header) // as it left
		if w.Code != c.status || !slices.Equal(got["cache-control"], []string{"no-store"}) || strings.Join(got["vary"], ", ") != c.vary || got["x-other"] == nil {
			t.Errorf("%s: got %d and %q, want %d, no-store and Vary: %s", c.name, w.Code, got, c.status, c.vary)
		}
		for _, name := range []string{"cdn-cache-control", "surrogate-control", "expires", "pragma", "set-cookie"} {
			if len(got[name]) > 0 {
				t.Errorf("%s: %s: %q is sent", c.name, name, got[name])
			}
		}
	}
}

// G12, where a handler calls AnswerError without a session.
func TestG12AnswerErrorAlone(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	w.Header()["cache-control"] = []string{"public"}
	w.Header().Set("CDN-Cache-Control", "max-age=60")
	coatcheck.AnswerError(w, httptest.NewRequest("GET", "/", nil), coatcheck.ErrLoginRequired)
	if got := sent(w.Header()); len(got["cdn-cache-control"]) > 0 || !slices.Equal(got["cache-control"], []string{"no-store"}) {
		t.Errorf("got %q, want no-store alone", got)
	}
}
