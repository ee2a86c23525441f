package dbsc

import (
	"net/http/httptest"
	"testing"

	"github.com/coatcheck/coatcheck/internal/binding"
)

// The instruction has the origin that the browser sees, also where a proxy has
// rewritten Host and the browser does not name it; where that cannot be told it has
// none.
func TestOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, origin string
		known        []string
		want         string
	}{
		{"app.test", "", nil, "https://app.test"},
		{"app.test:443", "", nil, "https://app.test"},
		{"App.test:8443", "", nil, "https://app.test:8443"},
		{"backend:8080", "https://app.test", nil, "https://app.test"},
		{"app.test", "null", nil, "https://app.test"},
		{"app.test", "http://app.test", nil, "https://app.test"},
		{"backend:8080", "", []string{"https://app.test"}, "https://app.test"},
		{"backend:8080", "", []string{"http://localhost:8080", "https://app.test"}, "https://app.test"},
		{"backend:8080", "", []string{"http://localhost:8080"}, "https://backend:8080"},
		{"other.test", "", []string{"https://app.test", "https://other.test"}, "https://other.test"},
		{"backend:8080", "", []string{"https://app.test", "https://other.test"}, ""},
		{"backend:8080", "https://other.test", []string{"https://app.test", "https://other.test"}, "https://other.test"},
	} {
		r := httptest.NewRequest("POST", "/dbsc/refresh", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		h := &Handler{sessions: &binding.Sessions{Origins: c.known}}
		if got := h.originOf(r); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
