package dbsc

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/binding"
)

// minProof is the least age of a proof that RequireProof asks for: the way there
// and back must fit in.
const minProof = 30 * time.Second

// RequireProof returns Manager.RequireLogin for sessions whose device has proven
// its key at most maxAge ago: before a transfer of money, for one. A browser whose
// last proof is older is sent to the same address once more, without its bound
// cookie, and so proves the key before it comes again. The visitor notices nothing;
// a form is posted again by the browser. A session that is not bound is refused
// with coatcheck.ErrNotBound. Less than 30 seconds counts as that.
//
// It says that the device is there, not that the person is: see
// coatcheck.Manager.RequireFresh for that.
func (h *Handler) RequireProof(maxAge time.Duration) func(http.Handler) http.Handler {
	maxAge = max(maxAge, minProof)
	return func(next http.Handler) http.Handler {
		return h.manager.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			view, err := h.sessions.View(r.Context())
			if err != nil {
				return // the answer is replaced
			}
			b, _ := binding.Head(view.Entry)
			issued, why := h.proven(r.Header, b.ID, time.Now())
			switch {
			case why != "": // not bound, or so lately that its cookie is on its way
				h.sessions.Refuse(r.Context())
			case time.Since(issued) <= maxAge:
				next.ServeHTTP(w, r)
			default:
				cookie.Put(w.Header(), h.cookie.Expired())
				w.Header().Set("Location", again(r))
				w.WriteHeader(http.StatusTemporaryRedirect)
			}
		}))
	}
}

// again is the address that was asked for, as a link that stays on this host.
func again(r *http.Request) string {
	u, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		u = r.URL
	}
	path := "/" + strings.TrimLeft(u.EscapedPath(), `/\`)
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path
}
