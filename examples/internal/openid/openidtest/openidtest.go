// Package openidtest runs a provider for a test.
package openidtest

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/examples/internal/openid"
)

// Start serves a provider over HTTPS on a free port of this machine until the test
// ends. The client trusts it, and every other httptest.NewTLSServer; it is what
// the provider uses itself.
func Start(t *testing.T, cfg openid.Config) (*openid.Provider, *http.Client) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	client := new(http.Client)
	cfg.HTTP = client
	p, err := openid.New("https://"+server.Listener.Addr().String(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p
	server.StartTLS()
	*client = *server.Client()
	client.Timeout = time.Minute // a busy machine is no failure
	return p, client
}
