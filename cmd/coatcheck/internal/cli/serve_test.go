package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/cli"
)

// start runs serve with flags until it listens, and returns what it printed.
func start(t *testing.T, getenv func(string) string, flags ...string) (status int, out, log string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr bytes.Buffer
	status = cli.Run(ctx, append([]string{"serve", "--store", "memory:"}, flags...), strings.NewReader(""), stopper{&stdout, cancel}, &stderr, getenv)
	return status, stdout.String(), stderr.String()
}

// A stopper stops the server as soon as it says where it serves.
type stopper struct {
	*bytes.Buffer
	stop func()
}

func (s stopper) Write(b []byte) (int, error) {
	s.stop()
	return s.Buffer.Write(b)
}

func nothing(string) string { return "" }

func TestKeyForThisRun(t *testing.T) {
	t.Parallel()
	if _, _, log := start(t, nothing, "--addr", "localhost:0"); !strings.Contains(log, "SECRET_KEY is not set") {
		t.Errorf("without SECRET_KEY nobody is told of the key for this run:\n%s", log)
	}
	some := func(name string) string { return map[string]string{"SECRET_KEY": secret}[name] }
	if _, _, log := start(t, some, "--addr", "localhost:0"); strings.Contains(log, "SECRET_KEY") {
		t.Errorf("with SECRET_KEY:\n%s", log)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	const warning = "not loopback"
	for _, c := range []struct {
		addr, url string
		tls, warn bool
	}{
		{addr: "localhost:0", url: "http://localhost:"},
		{addr: "127.0.0.1:0", url: "http://127.0.0.1:"},
		{addr: "localhost:0", url: "https://localhost:", tls: true},
		{addr: "0.0.0.0:0", url: "http://localhost:", warn: true},
		{addr: ":0", url: "http://localhost:", warn: true},
		{addr: ":0", url: "https://localhost:", tls: true},
	} {
		flags := []string{"--addr", c.addr}
		if c.tls {
			flags = append(flags, "--tls")
		}
		status, out, log := start(t, nothing, flags...)
		port, ok := strings.CutPrefix(strings.TrimSpace(out), "coatcheck serves on "+c.url)
		if status != 0 || !ok || port == "0" || port == "" {
			t.Errorf("%s: got status %d and %q, want 0 and %s with the port", flags, status, out, c.url)
		}
		if strings.Contains(log, warning) != c.warn {
			t.Errorf("%s: a warning is wanted: %t; got\n%s", flags, c.warn, log)
		}
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	status, out, log := start(t, nothing, "--addr", taken.Addr().String())
	if status != 1 || out != "" || !strings.Contains(log, "coatcheck serve: listen tcp") || !strings.Contains(log, "--addr") {
		t.Errorf("got status %d, %q, %q; want 1 and the reason", status, out, log)
	}
}

// listen logs in and opens the stream of events, and returns it after the first
// event.
func listen(t *testing.T, s *server) *bufio.Reader {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true} // its certificate is thrown away
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	login, err := client.Post(s.url+"/login", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	login.Body.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience) // a hang is a failure
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range login.Cookies() {
		r.AddCookie(c)
	}
	stream, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stream.Body.Close() })
	if want := strings.HasPrefix(s.url, "https"); want != (stream.ProtoMajor == 2) {
		t.Errorf("the stream is %s", stream.Proto)
	}
	in := bufio.NewReader(stream.Body)
	if line, err := in.ReadString('\n'); line != "event: moment\n" {
		t.Fatalf("the stream begins with %q, %v", line, err)
	}
	return in
}

// A stream of events would last as long as its session: a signal ends it, and
// the server stops without waiting.
func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{nil, {"--tls"}} {
		s := serve(t, flags...)
		in := listen(t, s)
		s.end(t) // fails if requests had to be cut off
		if _, err := io.ReadAll(in); err != nil {
			t.Errorf("%v: the stream did not end by itself: %v", flags, err)
		}
	}
}

// A session that ends on one server ends its stream on another (§7: "s.Ended()
// closes when the session ends anywhere").
func TestEndOnAnotherServerEndsStreams(t *testing.T) {
	t.Parallel()
	store := "sqlite:" + filepath.Join(t.TempDir(), "sessions.db")
	here, there := serve(t, "--store", store), serve(t, "--store", store)
	in := listen(t, here)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Client{Jar: jar}
	for _, path := range []string{"/login", "/sessions/revoke-others"} {
		res, err := other.Post(there.url+path, "", nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %v", path, res, err)
		}
		res.Body.Close()
	}
	if rest, err := io.ReadAll(in); err != nil || !strings.HasSuffix(string(rest), "event: over\ndata: \"ended\"\n\n") {
		t.Errorf("the stream ends with %q, %v", rest, err)
	}
}

// G6: origins that --origin names are the walk-through's own behind a proxy that
// rewrites Host, and no others.
func TestOrigins(t *testing.T) {
	t.Parallel()
	s := serve(t, "--origin", "https://app.example", "--origin", "https://www.app.example")
	for origin, want := range map[string]int{"https://app.example": 200, "https://www.app.example": 200, "https://evil.example": 403} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/login", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("a login from %s: got %d, want %d", origin, res.StatusCode, want)
		}
	}
}
