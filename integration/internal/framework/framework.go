//go:build linux

// Package framework runs applications of other web frameworks for the tests of
// their bridges, and is the browser between them and us.
package framework

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
)

// Start runs a program that reads its settings as a line of JSON, answers with a
// line of JSON once it serves, and ends when its standard input does, which is
// also when this process dies.
func Start(t *testing.T, settings, answer any, command ...string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // it kills itself and its children
		if t.Failed() && said.Len() > 0 {
			t.Logf("%s said:\n%s", command[0], said.String())
		}
	})
	if err := json.NewEncoder(in).Encode(settings); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = in.Close()
		_ = cmd.Wait()
		t.Fatalf("%s: %v\n%s", command[0], err, said.String())
	}
	if err := json.Unmarshal([]byte(line), answer); err != nil {
		t.Fatalf("%s said %q: %v", command[0], line, err)
	}
}

// A Browser keeps cookies by name, as one that visits one host. It is for one
// goroutine.
type Browser struct{ Cookies map[string]string }

// NewBrowser returns one without cookies.
func NewBrowser() *Browser { return &Browser{map[string]string{}} }

// client waits as long as a busy machine takes.
var client = &http.Client{
	// A connection each: some of these servers answer late on one that is kept.
	Transport:     &http.Transport{DisableKeepAlives: true},
	Timeout:       5 * time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Visit sends a GET, or a POST where there is a form, and decodes the answer into
// what answer points to.
func (b *Browser) Visit(t *testing.T, to string, form url.Values, answer any) (status int) {
	t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	r, err := http.NewRequestWithContext(t.Context(), method, to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	b.send(r)
	got, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	b.receive(got.Cookies())
	if answer == nil || got.StatusCode != http.StatusOK {
		return got.StatusCode
	}
	if err := json.Unmarshal(text, answer); err != nil {
		t.Fatalf("%s answered %d, %q: %v", to, got.StatusCode, text, err)
	}
	return got.StatusCode
}

// Get is Visit of a page that must be there.
func (b *Browser) Get(t *testing.T, to string, form url.Values, answer any) {
	t.Helper()
	if status := b.Visit(t, to, form, answer); status != http.StatusOK {
		t.Fatalf("%s answered %d", to, status)
	}
}

// Read is what the bridge reads.
func (b *Browser) Read(t *testing.T, source bridge.Source) bridge.Session {
	t.Helper()
	s, err := source.Read(b.Request())
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return s
}

// Issue logs in by the bridge.
func (b *Browser) Issue(t *testing.T, source bridge.Source, s bridge.Session) {
	t.Helper()
	answer := httptest.NewRecorder()
	if err := source.Issue(answer, b.Request(), s); err != nil {
		t.Fatalf("issue: %v", err)
	}
	b.Take(answer)
}

// Request returns a request of this browser to us.
func (b *Browser) Request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://app.example/", nil)
	b.send(r)
	return r
}

// Take does what our answer says of cookies.
func (b *Browser) Take(w *httptest.ResponseRecorder) { b.receive(w.Result().Cookies()) }

func (b *Browser) send(r *http.Request) {
	var all []string
	for name, value := range b.Cookies { // as it came: AddCookie would mend it
		all = append(all, name+"="+value)
	}
	if len(all) > 0 {
		r.Header.Set("Cookie", strings.Join(all, "; "))
	}
}

func (b *Browser) receive(cookies []*http.Cookie) {
	for _, c := range cookies {
		past := !c.Expires.IsZero() && c.Expires.Before(time.Now())
		if c.MaxAge < 0 || past && c.MaxAge == 0 {
			delete(b.Cookies, c.Name)
			continue
		}
		b.Cookies[c.Name] = c.Value
	}
}
