package cookie_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// C19: With a Set-Cookie line goes no-cache="Set-Cookie", as the last member, so
// that no cache hands the cookie to another visitor.
func TestCaches(t *testing.T) {
	t.Parallel()
	const ours = `no-cache="Set-Cookie"`
	theme := cookie.New[string]("theme", cookie.Policy{MaxAge: time.Hour})
	signed := cookie.NewSigned[string]("signed", testKeys(t), cookie.Policy{})
	allowed := cookie.New[string]("allowed", cookie.Policy{AllowCaching: true})
	raw := newRaw(t, "raw", cookie.Policy{})
	for name, set := range map[string]func(http.ResponseWriter) error{
		"Set": func(w http.ResponseWriter) error { return theme.Set(w, "dark") }, "Clear": func(w http.ResponseWriter) error { return theme.Clear(w) },
		"signed Set": func(w http.ResponseWriter) error { return signed.Set(w, "dark") },
		"Write":      func(w http.ResponseWriter) error { return raw.Write(w.Header(), "dark", 0) },
	} {
		for _, tt := range []struct{ old, want []string }{
			{nil, []string{ours}},
			{[]string{}, []string{ours}},
			{[]string{""}, []string{ours}},
			{[]string{"max-age=60"}, []string{"max-age=60, " + ours}},
			{[]string{"public, max-age=60"}, []string{"public, max-age=60, " + ours}},
			{[]string{"public", "max-age=60"}, []string{"public", "max-age=60, " + ours}},
			{[]string{"private"}, []string{"private, " + ours}},
			{[]string{ours + ", public"}, []string{ours + ", public, " + ours}},
			{[]string{"public, " + ours}, []string{"public, " + ours}},
			{[]string{"no-store"}, []string{"no-store"}},
			{[]string{"No-Store"}, []string{"No-Store"}},
		} {
			w := httptest.NewRecorder()
			shared := append(slices.Clone(tt.old), "spare")[: len(tt.old) : len(tt.old)+1]
			before := slices.Clone(shared[:cap(shared)])
			if tt.old != nil {
				w.Header()["Cache-Control"] = shared
			}
			for range 2 { // the second changes nothing
				if err := set(w); err != nil {
					t.Fatal(err)
				}
			}
			if got := w.Header()["Cache-Control"]; !slices.Equal(got, tt.want) {
				t.Errorf("%s with Cache-Control %q: got %q, want %q", name, tt.old, got, tt.want)
			}
			if !slices.Equal(shared[:cap(shared)], before) {
				t.Errorf("%s edits a slice that was there: %q", name, shared[:cap(shared)])
			}
			if len(w.Header()["Set-Cookie"]) != 1 {
				t.Errorf("%s: got %q", name, w.Header()["Set-Cookie"])
			}
		}
	}
	// Also where a Set-Cookie line is there already, and nothing for caches.
	w := httptest.NewRecorder()
	w.Header()["set-cookie"] = []string{"other=1"}
	if err := theme.Set(w, "dark"); err != nil || !slices.Equal(w.Header()["Cache-Control"], []string{ours}) || len(w.Header()["Set-Cookie"]) != 2 {
		t.Errorf("beside another Set-Cookie: got %v and %q", err, w.Header())
	}
	w = httptest.NewRecorder()
	w.Header().Set("Cache-Control", "max-age=60")
	if err := allowed.Set(w, "x"); err != nil || w.Header().Get("Cache-Control") != "max-age=60" {
		t.Errorf("AllowCaching: got %v and %q", err, w.Header()["Cache-Control"])
	}
	// A value that does not fit sets nothing at all.
	w = httptest.NewRecorder()
	if err := theme.Set(w, "a b"); err == nil || len(w.Header()) != 0 {
		t.Errorf("an unfit value: got %v and %v", err, w.Header())
	}
	// G12: the two headers have nothing of each other.
	w = httptest.NewRecorder()
	if err := theme.Set(w, "dark"); err != nil {
		t.Fatal(err)
	}
	w.Header().Add("Set-Cookie", "other=1")
	if got := w.Header().Get("Cache-Control"); got != ours {
		t.Errorf("after Add to Set-Cookie: Cache-Control is %q", got)
	}
}
