package promises_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// G7: a request on which the cookie may hide behind a comma never overwrites
// the session it left. G8: what hides there is not believed: a sibling host can
// set it.
func TestG7JoinedCookies(t *testing.T) {
	t.Parallel()
	for _, policy := range []cookie.Policy{{}, {SameSite: http.SameSiteLaxMode}} {
		store := &trap{Store: memstore.New(memstore.Config{})}
		var l coatchecktest.Events
		m := manage(t, store, coatcheck.Config{Events: l.Record, Cookie: policy})
		good := begin(t, m, life(m)).Cookies()[sidName]
		ours := sidName + "=" + good
		gone := begin(t, manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}), nil).Cookies()[sidName]
		// Of several cookies of the name the genuine one counts, whatever a
		// sibling host set beside it.
		r := httptest.NewRequest("GET", "/look", nil)
		r.Header.Set("Cookie", sidName+"=x; "+ours+"; a=b, "+sidName+"=y")
		w := httptest.NewRecorder()
		if life(m).ServeHTTP(w, r); w.Body.String() != "alice1" {
			t.Errorf("ours beside two that were planted: got %q, want alice", w.Body)
		}
		for header, hides := range map[string]bool{
			"theme=dark, " + ours:                          true,
			"theme=dark," + ours:                           true,
			"theme=dark ,\t" + ours + "; a=b":              true,
			"a=b; theme=dark, c=d, " + ours:                true,
			ours + ", theme=dark":                          true,
			markName + "=1; " + ours + ", theme=dark; a=b": true,
			"a=b, " + markName + "=1; c=d, " + ours:        true,
			"a=b, " + markName + "=1":                      true,
			// Several of the name, none of them ours.
			sidName + "=x; " + sidName + "=y; a=b, " + ours: true,
			// One that is refused, or whose session is gone, hides nothing.
			sidName + "=x; a=b, " + ours:                     true,
			sidName + "=" + gone + "; a=b, " + ours:          true,
			"theme=dark":                                     false,
			"theme=a, b=c, d":                                false,
			"theme=dark, x" + ours:                           false,
			"theme=dark, " + strings.ToLower(sidName) + "=x": false,
			sidName + "=x,y":                                 false,
			"a=" + sidName + "=x, b=c":                       false,
		} {
			for path, status := range map[string]int{"/look": 200, "/set": 409, "/count": 409, "/logout": 409, "/login": 200} {
				l.Reset()
				r := httptest.NewRequest("POST", path, nil)
				r.Header.Set("Cookie", header)
				before, loads := store.count(""), strings.Count(header, gone)
				w := httptest.NewRecorder()
				life(m).ServeHTTP(w, r)
				if !hides {
					if w.Code != 200 {
						t.Errorf("%s with %q: got %d, want 200", path, header, w.Code)
					}
					continue
				}
				if w.Code != status || path != "/login" && strings.Contains(w.Body.String(), "alice") {
					t.Errorf("%s with %q: got %d %q, want %d and nobody", path, header, w.Code, w.Body, status)
				}
				if set := w.Header()["Set-Cookie"]; path != "/login" && (len(set) > 0 || store.count("") != before+loads) {
					t.Errorf("%s with %q sets %q, with %d calls of the store", path, header, set, store.count("")-before)
				}
				e := l.All()
				if len(e) <= loads || e[loads].Kind != coatcheck.Refused || !strings.Contains(e[loads].Reason, "comma") {
					t.Errorf("%s with %q: got the events %+v, want one that names the comma", path, header, e)
				}
			}
		}
	}
}
