package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/cli"
)

// A terminal is where coatcheck console runs, until the test ends.
type terminal struct {
	t     *testing.T
	url   string
	lines chan string
	log   *server // what it wrote on both streams
}

func runConsole(t *testing.T, flags ...string) *terminal {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &terminal{t: t, lines: make(chan string, 100), log: &server{stop: cancel, status: make(chan int, 1)}}
	out, stdout := io.Pipe()
	go func() {
		args := append([]string{"console", "--addr", "localhost:0"}, flags...)
		c.log.status <- cli.Run(ctx, args, strings.NewReader(""), io.MultiWriter(c.log, stdout), c.log, os.Getenv)
		close(c.log.status)
		stdout.Close()
	}()
	go func() {
		defer close(c.lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			c.lines <- in.Text()
		}
	}()
	t.Cleanup(func() { c.log.end(t) })
	c.url = strings.TrimPrefix(c.next(), "coatcheck console on ")
	return c
}

func (c *terminal) next() string {
	c.t.Helper()
	line, ok := <-c.lines
	if !ok {
		c.t.Fatalf("it said no more than:\n%s", &c.log.log)
	}
	return line
}

var codePattern = regexp.MustCompile(`^log in once, within 10 minutes: (http://localhost:\d+)/login\?code=([A-Z2-7]{26})$`)

// code is the one that is printed next.
func (c *terminal) code() string {
	c.t.Helper()
	line := c.next()
	m := codePattern.FindStringSubmatch(line)
	if m == nil || m[1] != c.url {
		c.t.Fatalf("got %q", line)
	}
	return m[2]
}

// A visitor is a browser that keeps cookies.
type visitor struct {
	t   *testing.T
	c   *http.Client
	url string
}

func visit(t *testing.T, at string) visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return visitor{t, &http.Client{Jar: jar, Timeout: patience}, at}
}

func (v visitor) send(method, path string, form url.Values, headers ...string) (status int, body string) {
	v.t.Helper()
	r, err := http.NewRequest(method, v.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := v.c.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// The console of a store, beside the application: a login by what is printed on the
// terminal, once; then the sessions that are in the store, and an end that the
// application heeds and the log tells.
func TestConsole(t *testing.T) {
	t.Parallel()
	at := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	app := visit(t, serve(t, "--store", at).url)
	if status, _ := app.send("POST", "/login", url.Values{"user": {"123"}}); status != 200 {
		t.Fatalf("login: %d", status)
	}
	c := runConsole(t, "--store", at)
	v := visit(t, c.url)
	for _, path := range []string{"/", "/user?q=123", "/events", "/nothing"} {
		if status, body := v.send("GET", path, nil); status != 200 || !strings.Contains(body, "Log in to the console") || strings.Contains(body, "123") {
			t.Errorf("%s before the login: %d\n%s", path, status, body)
		}
	}
	if status, _ := v.send("GET", "/stream", nil); status != 404 {
		t.Errorf("the stream before the login: %d", status)
	}
	code := c.code()
	if status, body := v.send("GET", "/login?code="+code, nil); status != 200 || !strings.Contains(body, `value="`+code+`"`) {
		t.Errorf("the printed address: %d\n%s", status, body)
	}
	if status, _ := v.send("POST", "/login", url.Values{"code": {"AAAA"}}); status != 403 {
		t.Errorf("a wrong code: %d", status)
	}
	if status, _ := v.send("POST", "/login", url.Values{"code": {code}}, "Origin", "https://evil.example"); status != 403 {
		t.Errorf("from another origin: %d", status)
	}
	if status, body := v.send("POST", "/login", url.Values{"code": {code}}); status != 200 || !strings.Contains(body, "<h1><bdi>Overview") {
		t.Errorf("the code: %d\n%s", status, body)
	}
	if status, _ := visit(t, c.url).send("POST", "/login", url.Values{"code": {code}}); status != 403 {
		t.Errorf("the code once more: %d", status)
	}
	_, body := v.send("GET", "/user?q=123", nil)
	handle := regexp.MustCompile(`name="handle" value="([^"]+)"`).FindStringSubmatch(body)
	if handle == nil {
		t.Fatalf("no session of 123:\n%s", body)
	}
	if status, body := v.send("POST", "/end", url.Values{"user": {"123"}, "handle": {handle[1]}}); status != 200 || !strings.Contains(body, "You ended 1 session.") {
		t.Errorf("end: %d\n%s", status, body)
	}
	if status, _ := app.send("GET", "/profile", nil); status != 401 {
		t.Errorf("the application still knows who it is: %d", status)
	}
	if status, _ := v.send("GET", "/", nil, "Host", "evil.example"); status != http.StatusMisdirectedRequest {
		t.Errorf("under another name: %d", status)
	}
	if log := c.log.end(t); !strings.Contains(log, "event=revoked") || !strings.Contains(log, "user=123") || !strings.Contains(log, " by=") {
		t.Errorf("the log does not tell who ended it:\n%s", log)
	}
}

// A code that was guessed at is worth nothing; another one is printed on demand, and
// not while one is good.
func TestConsoleCodes(t *testing.T) {
	t.Parallel()
	at := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	serve(t, "--store", at)
	c := runConsole(t, "--store", at)
	v, first := visit(t, c.url), c.code()
	for range 3 {
		v.send("POST", "/login/code", nil)
	}
	for range 5 {
		v.send("POST", "/login", url.Values{"code": {"AAAAAAAAAAAAAAAAAAAAAAAAAA"}})
	}
	if status, _ := v.send("POST", "/login", url.Values{"code": {first}}); status != 403 {
		t.Errorf("after five wrong ones the code is still good: %d", status)
	}
	v.send("POST", "/login/code", nil)
	second := c.code()
	if second == first {
		t.Error("the same code once more")
	}
	if status, _ := v.send("POST", "/login", url.Values{"code": {second}, "next": {"//evil.example/"}}); status != 200 {
		t.Errorf("the second code: %d", status)
	}
}

func TestConsoleRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, x := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--store", "memory:"}, 2, "memory: is a store of one process alone"},
		{nil, 2, "no store is given"},
		{[]string{"--store", "sqlite:x.db", "--addr", "0.0.0.0:0"}, 2, "this machine alone"},
		{[]string{"--store", "sqlite:x.db", "--addr", ":7070"}, 2, "this machine alone"},
		{[]string{"--store", "sqlite:x.db", "--addr", "example.com:7070"}, 2, "this machine alone"},
		{[]string{"--store", "sqlite:" + filepath.Join(dir, "none.db")}, 1, "none.db"},
		{[]string{"--store", "redis://localhost:1/0"}, 1, "refused"},
	} {
		var out, errs bytes.Buffer
		status := cli.Run(t.Context(), append([]string{"console"}, x.args...), strings.NewReader(""), &out, &errs, nothing)
		if status != x.status || !strings.Contains(errs.String(), x.want) || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%v: status %d, %s; want %d and one line with %q", x.args, status, errs.String(), x.status, x.want)
		}
	}
}
