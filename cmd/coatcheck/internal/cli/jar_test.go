package cli_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// A goBrowser is net/http with its cookie jar.
type goBrowser struct {
	url    *url.URL
	client *http.Client
}

func newGoBrowser(t *testing.T, address string) browser {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{} // no proxy
	t.Cleanup(transport.CloseIdleConnections)
	return &goBrowser{u, &http.Client{Transport: transport, Jar: jar, Timeout: patience}}
}

// newTrustingGoBrowser trusts the certificate that the server shows first, and
// afterwards that one only, for the host in the URL.
func newTrustingGoBrowser(t *testing.T, address string) browser {
	t.Helper()
	b := newGoBrowser(t, address).(*goBrowser)
	conn, err := tls.Dial("tcp", b.url.Host, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	pool := x509.NewCertPool()
	pool.AddCert(conn.ConnectionState().PeerCertificates[0])
	b.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	return b
}

func (b *goBrowser) send(t *testing.T, method, path, form string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.url.String()+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, string(body), res.Header["Set-Cookie"]}
}

func (b *goBrowser) cookies(*testing.T) map[string]string {
	jar := make(map[string]string)
	for _, c := range b.client.Jar.Cookies(b.url) {
		jar[c.Name] = c.Value
	}
	return jar
}

func (b *goBrowser) change(_ *testing.T, name, value string) {
	b.client.Jar.SetCookies(b.url, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true}})
}
