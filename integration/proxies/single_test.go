//go:build linux

package proxies_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/proxies"
)

// An event stream through nginx as people write it arrives when it ends, unless
// the answer has X-Accel-Buffering: no.
func TestBufferedStream(t *testing.T) {
	t.Parallel()
	l := listen(t)
	p := proxies.Start(t, "nginx", proxies.Options{Upstream: l.Addr().String()})
	q := newPerson(t, p, "HTTP/1.1")
	newApp(t, l, false, coatcheck.Config{Origins: []string{q.site}})
	q.do(t, "POST", "/login", "user", "alice")
	if q.hears(t, "/events?buffering=yes", 3*time.Second) {
		t.Error("without the header: the first event arrives, so that the header is not what does it")
	}
	if !q.hears(t, "/events", patience) {
		t.Error("with X-Accel-Buffering: no: the first event does not arrive")
	}
}

// G7: a session cookie in the second of two Cookie lines is found or is not
// overwritten, whatever the proxy makes of the lines.
func TestTwoCookieLines(t *testing.T) {
	t.Parallel()
	for _, name := range proxies.Names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t)
			p := proxies.Start(t, name, proxies.Options{Upstream: l.Addr().String(), Recommended: true})
			q := newPerson(t, p, "HTTP/1.1")
			a := newApp(t, l, false, coatcheck.Config{})
			q.do(t, "POST", "/login", "user", "alice")
			a.told()
			status, set := q.twoLines(t, "/first")
			joins := name == "Apache"
			if want := map[bool]int{false: 200, true: 409}[joins]; status != want || len(set) > 0 {
				t.Errorf("a first write: got %d and the cookies %q, want %d and none", status, set, want)
			}
			if told := a.told(); strings.Contains(told, "comma") != joins {
				t.Errorf("got the events %q, want one of a comma: %t", told, joins)
			}
			if _, body := q.do(t, "GET", "/profile"); body != "User alice, visit 1" {
				t.Errorf("afterwards: got %q", body)
			}
		})
	}
}

// twoLines makes a request with two Cookie lines, ours in the second, and returns
// the status and the cookies that it sets.
func (q *person) twoLines(t *testing.T, path string) (int, []string) {
	t.Helper()
	plain, err := q.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := plain.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(plain, q.trust)
	r := q.request("GET", path)
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: theme=dark\r\nCookie: %s\r\nConnection: close\r\n\r\n", path, r.URL.Host, r.Header.Get("Cookie"))
	if _, err := conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header["Set-Cookie"]
}

// G14: a session in its cookie of at most 3,500 bytes passes every proxy as
// people write it; nginx answers a larger one with 502, and before that an event
// of the application has told.
func TestLargeCookies(t *testing.T) {
	t.Parallel()
	l := listen(t)
	p := proxies.Start(t, "nginx", proxies.Options{Upstream: l.Addr().String()})
	q := newPerson(t, p, "HTTP/1.1")
	a := newApp(t, l, true, coatcheck.Config{Origins: []string{q.site}})
	status := 200
	for n := 2000; status == 200; n += 100 {
		a.told()
		if status, _ = q.do(t, "POST", "/text", "bytes", fmt.Sprint(n)); status != 200 && status != 502 {
			t.Fatalf("%d bytes: got %d", n, status)
		}
		size := len("__Host-Http-sid") + len(q.cookies["__Host-Http-sid"])
		if status == 502 && !a.heard(coatcheck.Large) {
			t.Errorf("%d bytes: 502, and no event tells why", n)
		}
		if status == 502 && size < 3500 {
			t.Errorf("502 behind a cookie of %d bytes, want all up to 3,500 to pass", size)
		}
	}
}
