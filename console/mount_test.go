package console_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/coatcheck/coatcheck/console"
)

// An application that has "GET /" mounts it in a mux around its own, as the guide
// says: strangers see what the application has for an unknown path.
func TestMountedAround(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, "No page %s here.", r.URL.Path)
	})
	s := newSite(t, func(c *console.Config) { c.NotFound = mux })
	outer := http.NewServeMux()
	outer.Handle("/console/", s.page)
	outer.Handle("/console", s.page)
	outer.Handle("/", mux)
	s.handler = s.sessions.Handler(outer)
	stranger := s.person()
	for _, path := range []string{"/console", "/console/", "/console/user", "/console/stream"} {
		for _, method := range []string{"GET", "PUT"} {
			got, want := stranger.send(stranger.request(method, path, "")), stranger.send(stranger.request(method, "/other", ""))
			if got.status != want.status || got.header.Get("Allow") != want.header.Get("Allow") || method == "GET" && got.body != "No page "+path+" here." {
				t.Errorf("%s %s: got %d %v %q, want as %d %v", method, path, got.status, got.header, got.body, want.status, want.header)
			}
		}
	}
	ada := s.operator("ada")
	if a := ada.get("/console/"); a.status != 200 {
		t.Errorf("ada gets %d", a.status)
	}
}
