package cli_test

import (
	"path/filepath"
	"testing"
)

// A restart with the same secret logs nobody out.
func TestRestart(t *testing.T) {
	t.Parallel()
	store := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	first := serve(t, "--store", store)
	b := &curlBrowser{program(t, "curl"), first.url, filepath.Join(t.TempDir(), "jar")}
	expect(t, b, "POST", "/login", 200, "Logged in")
	first.end(t)
	b.url = serve(t, "--store", store).url
	expect(t, b, "GET", "/profile", 200, "User 123")
}

// Two servers on one file: what ends on one is refused on the other at once.
func TestTwoServers(t *testing.T) {
	t.Parallel()
	store := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	a, b := serve(t, "--store", store), serve(t, "--store", store)
	c := &curlBrowser{program(t, "curl"), a.url, filepath.Join(t.TempDir(), "jar")}
	kept := &curlBrowser{c.curl, b.url, filepath.Join(t.TempDir(), "jar")}
	expect(t, kept, "POST", "/login", 200, "Logged in")
	expect(t, c, "POST", "/login", 200, "Logged in")
	c.url = b.url
	expect(t, c, "GET", "/profile", 200, "User 123")
	kept.url = a.url
	expect(t, kept, "POST", "/sessions/revoke-others", 200, "Revoked 1")
	expect(t, c, "GET", "/profile", 401, "Not logged in")
	kept.url = b.url
	expect(t, kept, "GET", "/profile", 200, "User 123")
}

func expect(t *testing.T, b browser, method, path string, status int, body string) {
	t.Helper()
	if a := b.send(t, method, path, ""); a.Status != status || a.Body != body {
		t.Errorf("%s %s: got %d %q, want %d %q", method, path, a.Status, a.Body, status, body)
	}
}
