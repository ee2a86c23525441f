//go:build linux

package proxies_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/internal/proxies"
)

// Every proxy starts with both of the guide's configurations and passes requests
// on, over HTTP/1.1 and HTTP/2.
func TestStart(t *testing.T) {
	t.Parallel()
	for _, name := range proxies.Names {
		for label, recommended := range map[string]bool{"as people write it": false, "as we recommend it": true} {
			t.Run(name+" "+label, func(t *testing.T) {
				t.Parallel()
				app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.WriteString(w, r.Method+" "+r.URL.Path)
				}))
				t.Cleanup(app.Close)
				p := proxies.Start(t, name, proxies.Options{Upstream: strings.TrimPrefix(app.URL, "http://"), Recommended: recommended, Host: "app.test"})
				for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
					res, err := client(t, p, version == "HTTP/2.0").Get("https://app.test/x")
					if err != nil {
						t.Fatalf("%s: %v\n%s", version, err, p.Log())
					}
					body, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil || string(body) != "GET /x" || res.Proto != version {
						t.Errorf("%s: got %s %d %q, %v\n%s", version, res.Proto, res.StatusCode, body, err, p.Log())
					}
				}
			})
		}
	}
}

// client finds the site at the proxy and trusts its certificate.
func client(t *testing.T, p *proxies.Proxy, http2 bool) *http.Client {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(p.Certificate) {
		t.Fatal("no certificate")
	}
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, Protocols: &protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", p.HTTPS)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
