package dbsc

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/binding"
)

const (
	// minProof is the least that Config.ProofAge may be. Chromium signs 6 times in 9
	// minutes for a site, and then sends requests without a proof, to every page: a
	// page that asks all the time takes 5 of them.
	minProof = 2 * time.Minute

	// asking is how long a browser is remembered that was sent to prove its key: for
	// the way there and back.
	asking      = 30 * time.Second
	askedSuffix = "-asked"
)

// RequireProof is Manager.RequireLogin for sessions whose device has proven its key
// at most [Config.ProofAge] before the request: before a transfer of money, for one.
// A browser whose last proof is older is sent to the same address once more, without
// its bound cookie, and so proves the key before it comes again. The visitor notices
// nothing; a form is posted again by the browser. A session that is not bound is
// refused with coatcheck.ErrNotBound, and so is a bound one whose request has no
// bound cookie yet.
//
// It says that the device is there, not that the person is: see
// coatcheck.Manager.RequireFresh for that.
func (h *Handler) RequireProof(next http.Handler) http.Handler {
	return h.manager.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		view, err := h.sessions.View(r.Context())
		if err != nil {
			return // the answer is replaced
		}
		b, _ := binding.Head(view.Entry)
		issued, why := h.proven(r.Header, b.ID, view.Began)
		switch {
		case why != "": // not bound, or so lately that its cookie is on its way
			h.sessions.Refuse(r.Context(), binding.Unbound)
		case view.Began.Sub(issued) <= h.proofAge:
			next.ServeHTTP(w, r)
		case h.wasAsked(r.Header): // whoever proves it has a clock that is behind: no loop
			h.tell(r, coatcheck.Refused, reasonClocks)
			h.sessions.Refuse(r.Context(), binding.Later)
		case strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch"): // which changes nothing (G14)
			h.sessions.Refuse(r.Context(), binding.Later)
		default:
			h.ask(w, r)
		}
	}))
}

// ask sends the browser to prove its key on the way to the same address.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request) {
	if line, err := h.asked.Line("1", asking); err == nil { // it was declared, and the value fits
		h.sessions.SetCookie(r.Context(), w.Header(), line)
	}
	h.sessions.SetCookie(r.Context(), w.Header(), h.cookie.Expired())
	w.Header().Set("Location", again(r))
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// wasAsked reports whether the browser was sent to prove its key just now.
func (h *Handler) wasAsked(header http.Header) bool {
	_, err := h.asked.Read(header)
	return err == nil
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
