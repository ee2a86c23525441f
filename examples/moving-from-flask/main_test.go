package main

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/examples/internal/visit"
)

// The login and the logout cross in both directions, with a real Flask.
func TestMoving(t *testing.T) {
	if out, err := exec.Command("/usr/bin/python3", "-c", "import flask").CombinedOutput(); err != nil {
		if os.Getenv("COATCHECK_REQUIRE_ALL") != "" {
			t.Fatalf("python3-flask is needed: %v %s", err, out)
		}
		t.Skipf("python3-flask is not here: %v", err)
	}
	const secret = "a secret of Flask for the test"
	old, stop, err := startFlask("app.py", secret)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	app, err := build(visit.Sessions(t), old, secret)
	if err != nil {
		t.Fatal(err)
	}
	b := visit.New(t, app)
	do := func(method, path string) string {
		t.Helper()
		r, err := http.NewRequest(method, b.URL+path, strings.NewReader(url.Values{"user": {"bob"}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := b.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s %v", method, path, res.Status, err)
		}
		return string(body)
	}
	wants := func(path, want string) {
		t.Helper()
		if got := do(http.MethodGet, path); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q; want %q", path, got, want)
		}
	}
	do(http.MethodPost, "/old/login")
	wants("/", `Go: bob, cart ["tea" "jam"]`)
	do(http.MethodPost, "/logout")
	wants("/", "Go: nobody")
	wants("/old/", "Flask: nobody")
	do(http.MethodPost, "/login")
	wants("/", "Go: bob")
	wants("/old/", "Flask: bob")
	do(http.MethodPost, "/old/logout")
	do(http.MethodGet, "/")
	wants("/", "Go: nobody")
}
