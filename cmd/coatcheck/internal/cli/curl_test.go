package cli_test

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A curlBrowser is a curl for each request, with one file for the cookies.
type curlBrowser struct{ curl, url, jar string }

func newCurlBrowser(t *testing.T, address string) browser {
	t.Helper()
	return &curlBrowser{program(t, "curl"), address, filepath.Join(t.TempDir(), "jar")}
}

func (b *curlBrowser) send(t *testing.T, method, path, form string) answer {
	t.Helper()
	args := []string{"--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--include",
		"--cookie", b.jar, "--cookie-jar", b.jar, "--request", method}
	if form != "" {
		args = append(args, "--data-raw", form)
	}
	cmd := exec.CommandContext(t.Context(), b.curl, append(args, b.url+path)...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl: %v", err)
	}
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(out))), nil)
	if err != nil {
		t.Fatalf("curl printed %q: %v", out, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, string(body), res.Header["Set-Cookie"]}
}

// lines returns the lines of the jar, in fields: host, subdomains, path,
// secure, expiry, name, value.
func (b *curlBrowser) lines(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile(b.jar)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var lines [][]string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(fields) == 7 {
			lines = append(lines, fields)
		}
	}
	return lines
}

// rewrite keeps the lines of the jar that keep accepts, as it leaves them.
func (b *curlBrowser) rewrite(t *testing.T, keep func(fields []string) bool) {
	t.Helper()
	text := ""
	for _, fields := range b.lines(t) {
		if keep(fields) {
			text += strings.Join(fields, "\t") + "\n"
		}
	}
	if err := os.WriteFile(b.jar, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *curlBrowser) cookies(t *testing.T) map[string]string {
	t.Helper()
	jar := make(map[string]string)
	for _, fields := range b.lines(t) {
		jar[fields[5]] = fields[6]
	}
	return jar
}

func (b *curlBrowser) change(t *testing.T, name, value string) {
	t.Helper()
	b.rewrite(t, func(fields []string) bool {
		if fields[5] == name {
			fields[6] = value
		}
		return true
	})
}
