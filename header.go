package coatcheck

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// What middleware says of every answer (CORS, HSTS, a request id) a replaced
// answer says too: a browser application would see a CORS failure in place of
// 401. What a handler says goes with its answer. The border between the two is
// the innermost Require…, or else the entry (G5).

// keepHeader takes note of a response's header as it is at a Require…, for all
// managers of the request.
func keepHeader(ctx context.Context, h http.Header) {
	if len(h) == 0 {
		return
	}
	var kept *http.Header
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	for ; x != nil; x = x.outer {
		if x.phase() != open || maps.EqualFunc(h, x.before, slices.Equal) {
			continue
		}
		if kept == nil {
			clone := h.Clone()
			kept = &clone
		}
		x.kept.Store(kept)
	}
}

// resetHeader makes of a response's header what stood there before the handler.
func (x *exchange) resetHeader(h http.Header) {
	clear(h)
	maps.Copy(h, x.before)
	if kept := x.kept.Load(); kept != nil { // http.TimeoutHandler has a map of its own: this may lack what before has
		for name, values := range *kept {
			if !ofBody(name) {
				h[name] = slices.Clone(values)
			}
		}
	}
}

// ofBody reports whether a header says something of the answer's body, which is
// another now: middleware that compresses, for one, sets Content-Encoding first
// and does not see what replaces the handler's answer.
func ofBody(name string) bool {
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Accept-Ranges", "Etag", "Last-Modified", "Location", "Refresh", "Trailer", "Transfer-Encoding",
		"Digest", "Repr-Digest", "Cache-Control", "Expires", "Pragma":
		return true
	}
	return strings.HasPrefix(name, "Content-") && !strings.HasPrefix(name, "Content-Security-Policy")
}
