package coatcheck

import (
	"encoding/base64"
	"net/http"
	"slices"

	"github.com/coatcheck/coatcheck/store"
)

// A cookie of our name beside a withheld one need not be ours: a sibling host or
// a program of another port plants one that is Lax, or SameSite=None, where the
// browser knows no prefixes, and that comes along. Nor is every cookie that comes
// on a cross-site request foreign: Chromium sends the Strict one where our own
// page led away and a redirect leads back, as each login at another place does.
// So the marker names its session (decision 58): a marker whose session cookie is
// not there tells of one that was withheld.

// markerOf is the value of the marker beside the cookie of that session: its
// public name, which opens nothing.
func markerOf(id store.ID) string { return id.Handle() }

// mayWithhold reports whether a browser could have withheld a Strict cookie from
// this request.
func (m *Manager) mayWithhold(r *http.Request) bool {
	if m.marker == nil {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "":
		return false
	case "cross-site", "none":
		return true
	}
	return m.contradicted(r)
}

// shown reports whether the cookies of our names that such a request brings are
// all that the browser has, as far as can be told: each marker names a session
// whose genuine cookie is there, or cannot be one of ours beside one that does.
// Without a marker nothing was withheld, unless
// the request is one that Lax cookies do not come with either: then what came is
// neither, and not ours. It asks no store (G8).
func (m *Manager) shown(r *http.Request) bool {
	markers, err := m.marker.ReadAll(r.Header, maxNamesakes)
	if isAbsent(err) {
		return r.Header.Get("Sec-Fetch-Site") != "cross-site" || opensPage(r)
	}
	if err != nil || len(markers) == 0 { // too many, or none that we set
		return false
	}
	came := len(markers)
	values, _ := m.sid.ReadAll(r.Header, maxNamesakes)
	for _, value := range values {
		if t, err := m.carrier.open(value); err == nil {
			own := markerOf(t.id)
			markers = slices.DeleteFunc(markers, func(v string) bool { return v == own })
		}
	}
	if len(markers) < came { // beside one that is ours, what cannot be one is not
		markers = slices.DeleteFunc(markers, func(v string) bool { return !isHandle(v) })
	}
	return len(markers) == 0
}

// handleLength is that of a handle before it is text.
const handleLength = 9

// isHandle reports whether v could be the handle of a session.
func isHandle(v string) bool {
	b, err := base64.RawURLEncoding.DecodeString(v)
	return err == nil && len(b) == handleLength
}
