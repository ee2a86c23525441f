package cli_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A line is a connection that sends what nobody should.
type line struct {
	t    *testing.T
	addr string
}

// sends writes a request as it stands, in pieces of size bytes, and reads the
// answer; nil is a connection that the server closed without one.
func (l line) sends(request string, size int) *answer {
	conn, err := net.DialTimeout("tcp", l.addr, patience)
	if err != nil {
		l.t.Error(err)
		return nil
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	for rest := request; len(rest) > 0; {
		n := min(size, len(rest))
		if _, err := io.WriteString(conn, rest[:n]); err != nil {
			break // it has answered already
		}
		rest = rest[n:]
	}
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		l.t.Errorf("%.200q: the answer breaks off: %v", request, err)
	}
	return &answer{res.StatusCode, string(body), res.Header["Set-Cookie"]}
}

// request writes a request out; headers are whole lines.
func request(do, form string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", do)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if form != "" {
		fmt.Fprintf(&b, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(form))
	}
	return b.String() + "\r\n" + form
}

// A victim is somebody whom no bad input may reach.
type victim struct {
	browser browser
	token   string // of the session
	cookie  string // the Cookie header
}

func newVictim(t *testing.T, s *server) *victim {
	t.Helper()
	v := &victim{browser: newGoBrowser(t, s.url)}
	v.browser.send(t, "POST", "/login", "user=victim")
	v.browser.send(t, "POST", "/cart", "item=victims-secret")
	for name, value := range v.browser.cookies(t) {
		v.cookie += "; " + name + "=" + value
	}
	v.cookie, v.token = strings.TrimPrefix(v.cookie, "; "), v.browser.cookies(t)[sid]
	v.untouched(t)
	return v
}

// untouched checks that the victim has all that was there, and no session more.
func (v *victim) untouched(t *testing.T) {
	t.Helper()
	if a := v.browser.send(t, "GET", "/profile", ""); a.Status != 200 || a.Body != "User victim" {
		t.Errorf("the victim's profile: got %d %q", a.Status, a.Body)
	}
	if a := v.browser.send(t, "GET", "/cart", ""); strings.TrimSpace(a.Body) != `["victims-secret"]` {
		t.Errorf("the victim's cart: got %q", a.Body)
	}
	if list := devices(t, v.browser.send(t, "GET", "/sessions", "")); len(list) != 1 {
		t.Errorf("the victim has %d sessions, want 1", len(list))
	}
}

// works checks an answer: never a 500, never a loop, never somebody else's.
func (v *victim) works(t *testing.T, what string, a *answer, readOnly bool) {
	t.Helper()
	switch {
	case a == nil:
		t.Errorf("%.200q: no answer", what)
		return
	case a.Status >= 500 && !(a.Status == http.StatusServiceUnavailable && readOnly) && a.Status != http.StatusNotImplemented && a.Status != http.StatusHTTPVersionNotSupported:
		t.Errorf("%.200q: got %d %.200q", what, a.Status, a.Body)
	case a.Status >= 300 && a.Status < 400:
		t.Errorf("%.200q: got %d, a redirect", what, a.Status)
	case strings.Contains(a.Body, "victim"):
		t.Errorf("%.200q: the answer is the victim's: %.200q", what, a.Body)
	}
	for _, set := range a.SetCookies {
		if strings.Contains(set, v.token) {
			t.Errorf("%.200q: the answer sets the victim's cookie", what)
		}
	}
}
