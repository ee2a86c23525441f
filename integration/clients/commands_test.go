//go:build linux

package clients_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// A tool is a program that is run anew for each request and keeps the cookies
// in a file.
type tool struct {
	dir, path, ca, release string
	args                   func(jar, ca, method, url, form string) []string
	answer                 func(output string, exit int) (status int, body string, ok bool)
}

var releases = regexp.MustCompile(`\d+(\.\d+)+`)

func startTool(t *testing.T, name string, x tool) driver {
	t.Helper()
	x.path, x.dir = servers.Program(t, name, name), t.TempDir()
	out, err := exec.CommandContext(t.Context(), x.path, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	x.release = releases.FindString(string(out))
	return &x
}

func (x *tool) version() string { return x.release }

func (x *tool) send(t *testing.T, who, method, url, form string) (int, string) {
	t.Helper()
	jar := filepath.Join(x.dir, who)
	if f, err := os.OpenFile(jar, os.O_CREATE, 0o600); err == nil {
		f.Close() // wget wants a file
	}
	cmd := exec.CommandContext(t.Context(), x.path, x.args(jar, x.ca, method, url, form)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+x.dir)
	out, err := cmd.Output() // wget fails where the answer is an error
	status, body, ok := x.answer(string(out), cmd.ProcessState.ExitCode())
	if !ok {
		return 0, fmt.Sprintf("no answer: %v", err)
	}
	return status, body
}

func startCurl(t *testing.T, ca string) driver {
	return startTool(t, "curl", tool{ca: ca,
		args: func(jar, ca, method, url, form string) []string {
			args := []string{"--silent", "--show-error", "--cacert", ca, "--cookie", jar, "--cookie-jar", jar, "--write-out", "\n%{http_code}", url}
			if method == "POST" {
				args = append(args, "--data", form)
			}
			return args
		},
		answer: func(output string, _ int) (int, string, bool) {
			i := strings.LastIndexByte(output, '\n')
			status, err := strconv.Atoi(output[i+1:])
			return status, output[:max(i, 0)], err == nil
		},
	})
}

func startWget(t *testing.T, ca string) driver {
	return startTool(t, "wget", tool{ca: ca,
		args: func(jar, ca, method, url, form string) []string {
			args := []string{"--quiet", "--output-document=-", "--save-headers", "--content-on-error", "--tries=1", "--no-hsts", "--ca-certificate=" + ca,
				"--load-cookies=" + jar, "--save-cookies=" + jar, "--keep-session-cookies", url}
			if method == "POST" {
				args = append(args, "--post-data="+form)
			}
			return args
		},
		answer: func(output string, exit int) (int, string, bool) {
			if exit == 6 { // it shows nothing of a 401
				return http.StatusUnauthorized, unseen, true
			}
			head, body, ok := strings.Cut(output, "\r\n\r\n")
			fields := strings.Fields(head)
			if !ok || len(fields) < 2 {
				return 0, "", false
			}
			status, err := strconv.Atoi(fields[1])
			return status, body, err == nil
		},
	})
}

// A goJar is net/http with the jar of the standard library.
type goJar struct {
	transport *http.Transport
	clients   map[string]*http.Client
}

func startGo(t *testing.T, ca string) driver {
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	g := &goJar{transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, clients: make(map[string]*http.Client)}
	t.Cleanup(g.transport.CloseIdleConnections)
	return g
}

func (g *goJar) version() string {
	release := strings.TrimPrefix(runtime.Version(), "go")
	return strings.Join(strings.SplitN(release, ".", 3)[:2], ".")
}

func (g *goJar) send(t *testing.T, who, method, url, form string) (int, string) {
	t.Helper()
	c := g.clients[who]
	if c == nil {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		c = &http.Client{Transport: g.transport, Jar: jar}
		g.clients[who] = c
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}
