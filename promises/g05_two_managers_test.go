package promises_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// G5: "Replaced means the handler's status, body and all headers set since entry
// are dropped, except our own Set-Cookie and cache headers for a commit that
// succeeded earlier in this request": whichever of several managers' that was.
func TestG5CommitsOfOtherManagersSurvive(t *testing.T) {
	t.Parallel()
	names := []string{"__Host-a", "__Host-b", "__Host-c"} // from the outermost
	for failing := range names {
		for what, change := range map[string]func(*coatcheck.Session){
			"login": func(s *coatcheck.Session) { s.Login("new") }, "renewal": (*coatcheck.Session).Renew, "logout": (*coatcheck.Session).Logout,
		} {
			for how, answer := range map[string]func(http.ResponseWriter){
				"returns": func(http.ResponseWriter) {}, "writes": func(w http.ResponseWriter) { io.WriteString(w, "done") }, "answers an error": func(w http.ResponseWriter) { http.Error(w, "no", 400) },
			} {
				t.Run(fmt.Sprint(names[failing], "/", what, "/", how), func(t *testing.T) {
					t.Parallel()
					stores, managers := make([]*trap, len(names)), make([]*coatcheck.Manager, len(names))
					for i, name := range names {
						stores[i] = &trap{Store: memstore.New(memstore.Config{})}
						managers[i] = manage(t, stores[i], coatcheck.Config{Name: name, OnError: func(w http.ResponseWriter, r *http.Request, err error) {
							w.Header().Set("Cache-Control", "private")
							coatcheck.AnswerError(w, r, err)
						}})
					}
					app := func(f http.HandlerFunc) http.Handler {
						h := http.Handler(f)
						for i := range managers {
							h = managers[len(managers)-1-i].Handler(h)
						}
						return h
					}
					b := newBrowser(app(func(_ http.ResponseWriter, r *http.Request) {
						for _, m := range managers {
							m.From(r.Context()).Login("old")
						}
					}))
					wants(t, b.Send("POST", "/"), 200, "")
					before := b.Cookies()
					b.Handler = app(func(w http.ResponseWriter, r *http.Request) {
						for _, m := range managers {
							change(m.From(r.Context()))
						}
						w.Header().Add("Set-Cookie", "other=dropped")
						answer(w)
					})
					stores[failing].set(away("Replace", "End", "Load"), nil)
					w := b.Send("POST", "/")
					stores[failing].set(nil, nil)
					if w.Code != 503 || w.Header().Get("Cache-Control") != "no-store" && failing != len(names)-1 || strings.Contains(fmt.Sprint(w.Header()), "other") {
						t.Errorf("got %d with %v, want 503 that no cache keeps", w.Code, w.Header())
					}
					// The browser has what each store has.
					for i, m := range managers {
						user, want := "", map[string]string{"login": "new", "renewal": "old", "logout": ""}[what]
						if i == failing {
							want = "old"
						}
						look := b.Clone()
						look.Handler = app(func(_ http.ResponseWriter, r *http.Request) { user = m.From(r.Context()).User() })
						look.Send("GET", "/")
						if user != want || (b.Cookies()[names[i]] == before[names[i]]) != (i == failing) {
							t.Errorf("%s: the browser is %q, want %q with the cookie of the commit", names[i], user, want)
						}
					}
				})
			}
		}
	}
}

// G5: "unless the session has ended since".
func TestG5CommitOfAnInnerManagerThatEnded(t *testing.T) {
	t.Parallel()
	store := &trap{Store: memstore.New(memstore.Config{})}
	outer := manage(t, store, coatcheck.Config{Name: "__Host-a"})
	inner := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Name: "__Host-b"})
	var request context.Context
	store.set(func(_ context.Context, method string) error {
		if method == "Create" {
			if _, err := inner.RevokeAll(request, "ann"); err != nil {
				t.Error(err)
			}
		}
		return http.ErrServerClosed
	}, nil)
	b := newBrowser(outer.Handler(inner.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request = r.Context()
		hits.Set(outer.From(r.Context()), 1)
		inner.From(r.Context()).Login("ann")
		io.WriteString(w, "x")
	}))))
	w := b.Send("POST", "/")
	wants(t, w, 503, "")
	bare(t, w)
}

// A commit of an inner manager whose answer never came into the outer response
// sets nothing there.
func TestG5CommitOfAnInnerAnswerThatIsDropped(t *testing.T) {
	t.Parallel()
	store := &trap{Store: memstore.New(memstore.Config{})}
	outer := manage(t, store, coatcheck.Config{Name: "__Host-a"})
	inner := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Name: "__Host-b"})
	store.set(away("Create"), nil)
	b := newBrowser(outer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Set(outer.From(r.Context()), 1)
		inner.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inner.From(r.Context()).Login("ann") })).ServeHTTP(httptest.NewRecorder(), r)
	})))
	w := b.Send("POST", "/")
	wants(t, w, 503, "")
	bare(t, w)
}
