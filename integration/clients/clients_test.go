//go:build linux

package clients_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

// A client is what makes requests and keeps cookies.
type client struct {
	name  string // as its people call it
	keeps string // what keeps its cookies
	start func(t *testing.T, ca string) driver
}

// A driver sends requests for several people, each with cookies of their own.
type driver interface {
	version() string
	send(t *testing.T, who, method, url, form string) (status int, body string)
}

// python is Debian's, whose libraries are packages.
const python = "/usr/bin/python3"

var clients = []client{
	{"JDK `HttpClient`", "`java.net.CookieManager`", func(t *testing.T, ca string) driver {
		servers.Program(t, "javac", "default-jdk-headless")
		return startProgram(t, ca, "java", "Client.java")
	}},
	{"PHP", "its curl", func(t *testing.T, ca string) driver {
		servers.Library(t, "php-curl", "php", "-r", "curl_version();")
		return startProgram(t, ca, "php", "client.php")
	}},
	{"Perl", "`HTTP::Cookies` of LWP", func(t *testing.T, ca string) driver {
		servers.Library(t, "libwww-perl", "perl", "-MLWP::UserAgent", "-e", "1")
		servers.Library(t, "liblwp-protocol-https-perl", "perl", "-MLWP::Protocol::https", "-e", "1")
		return startProgram(t, ca, "perl", "client.pl")
	}},
	{"Ruby", "`http-cookie`", func(t *testing.T, ca string) driver {
		servers.Library(t, "ruby-http-cookie", "ruby", "-rhttp/cookie", "-e", "1")
		return startProgram(t, ca, "ruby", "client.rb")
	}},
	{"Python `requests`", "`http.cookiejar`", func(t *testing.T, ca string) driver {
		servers.Library(t, "python3-requests", python, "-c", "import requests")
		return startProgram(t, ca, python, "requests_client.py")
	}},
	{"Python `httpx`", "`http.cookiejar`", func(t *testing.T, ca string) driver {
		servers.Library(t, "python3-httpx", python, "-c", "import httpx")
		return startProgram(t, ca, python, "httpx_client.py")
	}},
	{"Python `aiohttp`", "its own jar", func(t *testing.T, ca string) driver {
		servers.Library(t, "python3-aiohttp", python, "-c", "import aiohttp")
		return startProgram(t, ca, python, "aiohttp_client.py")
	}},
	{"Node `undici`", "`tough-cookie`", startTough},
	{"curl", "its own jar", startCurl},
	{"wget", "its own jar", startWget},
	{"Go `net/http`", "`net/http/cookiejar`", startGo},
}

// A program is a client that runs as testdata does; see the package's doc.
type program struct {
	in      io.Writer
	out     *bufio.Reader
	log     *strings.Builder
	release string
}

// startProgram runs a file of testdata, and ends it with the test.
func startProgram(t *testing.T, ca, interpreter, file string) driver {
	t.Helper()
	return startProgramIn(t, "testdata", interpreter, file, ca)
}

func startProgramIn(t *testing.T, dir, interpreter, file, ca string) driver {
	t.Helper()
	cmd := exec.Command(interpreter, file, ca)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := &program{log: new(strings.Builder)}
	cmd.Stderr = p.log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // which is how it is told to end
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, p.log)
		}
	})
	p.in, p.out = in, bufio.NewReader(out)
	p.release = p.line(t)
	return p
}

func (p *program) version() string { return p.release }

func (p *program) line(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the client does not answer: %v\n%s", err, p.log)
	}
	return strings.TrimSuffix(line, "\n")
}

func (p *program) send(t *testing.T, who, method, url, form string) (int, string) {
	t.Helper()
	if _, err := fmt.Fprintf(p.in, "%s\t%s\t%s\t%s\n", who, method, url, form); err != nil {
		t.Fatalf("the client has ended: %v\n%s", err, p.log)
	}
	line := p.line(t)
	code, text, _ := strings.Cut(line, "\t")
	status, err := strconv.Atoi(code)
	body, err2 := base64.StdEncoding.DecodeString(text)
	if err != nil || err2 != nil {
		t.Fatalf("the client answers %q", line)
	}
	return status, string(body)
}

// startTough installs what testdata/tough/package-lock.json names, with its
// hashes, from wherever npm is told to.
func startTough(t *testing.T, ca string) driver {
	servers.Program(t, "node", "nodejs")
	npm := servers.Program(t, "npm", "npm")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "tough"))); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv("COATCHECK_REQUIRE_ALL") != "" {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
		t.Skipf("npm cannot install: %v", err)
	}
	return startProgramIn(t, dir, "node", "client.mjs", ca)
}
