// Package walkthrough is a small web application that shows what cookies and
// sessions are for. Each file is one chapter.
package walkthrough

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
)

// A site holds what its handlers share.
type site struct {
	sessions *coatcheck.Manager
	cookies  cookies
}

// New returns the application. Its cookies are under keys.
func New(sessions *coatcheck.Manager, keys *cookie.Keys) (http.Handler, error) {
	s := &site{sessions: sessions}
	var err error
	if s.cookies, err = declare(keys); err != nil {
		return nil, err
	}
	page, err := newIndex()
	if err != nil {
		return nil, fmt.Errorf("walkthrough: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", page)
	mux.HandleFunc("GET /healthz", healthz)
	s.routeCookies(mux)
	s.routeLogin(mux)
	s.routeValues(mux)
	s.routeOneTime(mux)
	s.routeDevices(mux)
	return sessions.Handler(mux), nil
}

// healthz looks at no session, so that it says that this process answers,
// whatever the store does.
func healthz(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") }
