package dbsc

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/binding"
)

// A guard is the Handler as the manager asks it; the methods are none of the
// application's.
type guard struct{ h *Handler }

// maxBound is how many cookies of the name are looked at.
const maxBound = 4

// Look decides whether a request has proven that it comes from the device to which
// the session is bound.
func (g guard) Look(r *http.Request, user string, entry []byte, now time.Time) binding.Verdict {
	h := g.h
	if entry == nil {
		return h.unbound(r, user)
	}
	b, ok := binding.Head(entry)
	if !ok { // nobody can prove what nobody can read
		return binding.Verdict{Outcome: binding.Unproven, Reason: reasonDamaged}
	}
	_, why := h.proven(r.Header, b.ID, now)
	switch {
	case why == "" && b.Proven.IsZero() && !leavesNothing(r):
		return binding.Verdict{Entry: withProven(entry, now)}
	case why == "":
		return binding.Verdict{}
	}
	v := h.unproven(r, user, b, why, now)
	v.Stale = why != reasonNoCookie && !leavesNothing(r)
	return v
}

// unproven decides on a bound session whose request has not proven its device.
func (h *Handler) unproven(r *http.Request, user string, b binding.Record, why string, now time.Time) binding.Verdict {
	if h.onTheirWay(b, now) { // but not to where the binding is required
		return h.unbound(r, user)
	}
	v := binding.Verdict{Outcome: binding.Unproven, Reason: why}
	if v.Skipped = skipped(r.Header, identifier(b.ID)); v.Skipped != "" {
		v.Outcome = binding.Later
	}
	if h.ours(r) { // middleware has looked: what is to be told of it the handler tells
		v.Reason = ""
	}
	v.Copy = why != reasonNoCookie || v.Outcome == binding.Unproven && !binding.Elsewhere(r)
	// The answer to the registration may not have arrived. But a session whose owner
	// makes no further request must not be open to a copy for as long as it lives.
	if b.Proven.IsZero() && now.Before(b.Since.Add(h.maxAge)) {
		skipped := v.Skipped
		v = h.unbound(r, user)
		v.Skipped = skipped
	}
	return v
}

// onTheirWay reports whether requests without a bound cookie may have left the
// browser before it had one, and the first cookie's life is not over.
func (h *Handler) onTheirWay(b binding.Record, now time.Time) bool {
	return !b.Proven.IsZero() && now.Before(b.Proven.Add(grace)) && now.Before(b.Since.Add(h.maxAge))
}

// ours reports whether a request is a registration or refresh, which comes without
// a bound cookie as a rule.
func (h *Handler) ours(r *http.Request) bool {
	path := r.URL.Path
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		path = u.Path // as browsers see it: a prefix may be gone from r.URL
	}
	return path == h.register || path == h.refresh
}

// unbound decides on a session that is not bound, or may not be.
func (h *Handler) unbound(r *http.Request, user string) binding.Verdict {
	if user != "" && h.require != nil && h.require(r) && !h.ours(r) {
		return binding.Verdict{Outcome: binding.Unbound, Reason: reasonUnbound}
	}
	return binding.Verdict{Offer: true}
}

// proven looks for a bound cookie of that binding, returns when it was issued, and
// otherwise why there is none.
func (h *Handler) proven(header http.Header, id [binding.IDSize]byte, now time.Time) (issued time.Time, why string) {
	value, err := h.cookie.Read(header)
	if err == nil {
		return h.proves(value, id, now)
	}
	values, err := h.cookie.ReadAll(header, maxBound)
	switch {
	case err == cookie.ErrAbsent:
		return issued, reasonNoCookie
	case len(values) == 0: // also where there are too many
		return issued, reasonForged
	}
	for _, value := range values { // a browser without prefixes has another's beside it
		if issued, why = h.proves(value, id, now); why == "" {
			break
		}
	}
	return issued, why
}

func (h *Handler) proves(value string, id [binding.IDSize]byte, now time.Time) (issued time.Time, why string) {
	of, issued, ok := h.genuine.bound(h.cookies, value)
	switch {
	case !ok:
		return issued, reasonForged
	case of != id:
		return issued, reasonOther
	case !current(issued, now, h.maxAge):
		return issued, reasonExpired
	}
	return issued, ""
}

// withProven is the entry of a browser that has brought its bound cookie.
func withProven(entry []byte, now time.Time) []byte {
	b, ok := binding.Decode(entry)
	if !ok {
		return nil
	}
	b.Proven = now
	return b.Encode()
}

// leavesNothing reports whether nothing that the request changes is kept.
func leavesNothing(r *http.Request) bool {
	return r.Method == http.MethodHead || strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch")
}

// Offer asks the browser to bind a session that has just got a token, unless it is
// bound: then the new token is bound to the same key.
func (g guard) Offer(id [32]byte, entry []byte, now time.Time) string {
	if entry != nil {
		if b, ok := binding.Head(entry); !ok || !replaceable(b, now) {
			return ""
		}
	}
	c := g.h.challenges.challenge(subjectOf(forRegistration, id[:]), now)
	return `(ES256 RS256);path=` + quote(g.h.register) + `;challenge=` + quote(c)
}

// Owns reports whether a cookie is one of ours.
func (g guard) Owns(name string) bool {
	suffix, ok := strings.CutPrefix(name, g.h.cookie.Name())
	return ok && (suffix == "" || suffix == askedSuffix)
}

// Clear deletes the bound cookie of a browser whose session cookie is cleared.
func (g guard) Clear(h http.Header) string {
	if _, err := g.h.cookie.Read(h); err == cookie.ErrAbsent {
		return ""
	}
	return g.h.cookie.Expired()
}

// identifier is the binding's session_identifier.
func identifier(id [binding.IDSize]byte) string { return base64url.EncodeToString(id[:]) }
