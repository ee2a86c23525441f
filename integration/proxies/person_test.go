//go:build linux

package proxies_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/coatcheck/coatcheck/internal/proxies"
)

// home is the client's address. The proxies have 127.0.0.1.
const home = "127.0.0.2"

// origin is how people know the application, beside the port.
const origin = "https://app.example"

// A person is a browser without Fetch Metadata in front of a proxy. It sends
// forwarding headers of its own invention with every request.
type person struct {
	client  *http.Client
	proxy   *proxies.Proxy
	version string // of HTTP
	site    string // origin with the proxy's port
	trust   *tls.Config
	cookies map[string]string
	headers map[string]string // beside the usual ones
}

// versions are those of HTTP in front; Caddy alone has the last.
var versions = []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"}

func speaks(proxy, version string) bool { return version != "HTTP/3.0" || proxy == "Caddy" }

func newPerson(t *testing.T, p *proxies.Proxy, version string) *person {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(p.Certificate) {
		t.Fatal("no certificate")
	}
	_, port, err := net.SplitHostPort(p.HTTPS)
	if err != nil {
		t.Fatal(err)
	}
	q := &person{proxy: p, version: version, site: origin + ":" + port, trust: &tls.Config{RootCAs: pool, ServerName: "app.example"}, cookies: make(map[string]string)}
	q.headers = map[string]string{"Origin": q.site, "Referer": q.site + "/", "X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6", "X-Real-IP": "6.6.6.6"}
	q.client = &http.Client{Transport: q.transport(t, version), Timeout: patience}
	return q
}

func (q *person) transport(t *testing.T, version string) http.RoundTripper {
	if version == "HTTP/3.0" {
		socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(home)})
		if err != nil {
			t.Fatal(err)
		}
		dialer := &quic.Transport{Conn: socket}
		transport := &http3.Transport{TLSClientConfig: q.trust, Dial: func(ctx context.Context, _ string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
			addr, err := net.ResolveUDPAddr("udp", q.proxy.HTTPS)
			if err != nil {
				return nil, err
			}
			return dialer.Dial(ctx, addr, tlsConf, conf)
		}}
		t.Cleanup(func() {
			if err := errors.Join(transport.Close(), dialer.Close(), socket.Close()); err != nil {
				t.Error(err)
			}
		})
		return transport
	}
	var protocols http.Protocols
	protocols.SetHTTP1(version == "HTTP/1.1")
	protocols.SetHTTP2(version == "HTTP/2.0")
	transport := &http.Transport{TLSClientConfig: q.trust, Protocols: &protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return q.dial(ctx)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func (q *person) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(home)}}).DialContext(ctx, "tcp", q.proxy.HTTPS)
}

func (q *person) request(method, path string, form ...string) *http.Request {
	values := make(url.Values)
	for i := 0; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	r, err := http.NewRequest(method, q.site+path, strings.NewReader(values.Encode()))
	if err != nil {
		panic(err) // the tests' own paths
	}
	if method == http.MethodGet {
		r.Body, r.ContentLength = nil, 0
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range q.headers {
		r.Header.Set(name, value)
	}
	var pairs []string
	for name, value := range q.cookies {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	slices.Reverse(pairs) // the session's before its marker's
	if len(pairs) > 0 {
		r.Header.Set("Cookie", strings.Join(pairs, "; "))
	}
	return r
}

// do makes a request and keeps the cookies of the answer.
func (q *person) do(t *testing.T, method, path string, form ...string) (status int, body string) {
	t.Helper()
	res, err := q.client.Do(q.request(method, path, form...))
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, q.proxy.Log())
	}
	defer res.Body.Close()
	if res.Proto != q.version {
		t.Errorf("%s %s: got %s, want %s", method, path, res.Proto, q.version)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(q.cookies, c.Name)
		} else {
			q.cookies[c.Name] = c.Value
		}
	}
	return res.StatusCode, string(text)
}

func (q *person) copy() *person {
	c := *q
	c.cookies = maps.Clone(q.cookies)
	return &c
}

// hears opens the event stream and reports whether its first event arrives
// before it ends, within a time.
func (q *person) hears(t *testing.T, path string, within time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	res, err := q.client.Do(q.request("GET", path).WithContext(ctx))
	if err != nil {
		if ctx.Err() == nil {
			t.Error(err)
		}
		return false
	}
	defer res.Body.Close()
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	return err == nil && line == "data: hello alice\n"
}

// talks opens a websocket, which is HTTP/1.1 in any case, and says what came of
// it: "yes" if what it sends comes back, or the status.
func (q *person) talks(t *testing.T) string {
	t.Helper()
	plain, err := q.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := plain.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	config := q.trust.Clone()
	config.NextProtos = []string{"http/1.1"}
	conn := tls.Client(plain, config)
	r := q.request("GET", "/websocket")
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(name, value)
	}
	r.Header.Del("Content-Type")
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, r)
	if err != nil {
		t.Fatalf("websocket: %v\n%s", err, q.proxy.Log())
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Sprint(res.StatusCode)
	}
	const frame = "\x81\x85\x00\x00\x00\x00hello"
	if _, err := io.WriteString(conn, frame); err != nil {
		t.Fatal(err)
	}
	back := make([]byte, len(frame))
	if _, err := io.ReadFull(in, back); err != nil || string(back) != frame {
		return fmt.Sprintf("%q, %v", back, err)
	}
	return "yes"
}
