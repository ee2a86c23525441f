package main

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/examples/internal/visit"
)

const flaskSecret = "a secret of Flask for the test"

// startFlask runs the old application until the test ends, and returns where it is.
func startFlask(t *testing.T) (address string) {
	t.Helper()
	if out, err := exec.Command("/usr/bin/python3", "-c", "import flask").CombinedOutput(); err != nil {
		if os.Getenv("COATCHECK_REQUIRE_ALL") != "" {
			t.Fatalf("python3-flask is needed: %v %s", err, out)
		}
		t.Skipf("python3-flask is not here: %v", err)
	}
	cmd := exec.Command("/usr/bin/python3", "app.py")
	cmd.Env = append(os.Environ(), "FLASK_SECRET_KEY="+flaskSecret)
	cmd.Stderr = os.Stderr
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
		_ = in.Close()
		_ = cmd.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the Flask application did not start: %v", err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}

// The login and the logout cross in both directions, with a real Flask.
func TestMoving(t *testing.T) {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{"FLASK_SECRET_KEY": flaskSecret, "FLASK_URL": startFlask(t), "MOVE_UNTIL": time.Now().AddDate(0, 1, 0).Format(time.DateOnly)}
	app, err := build(keys, func(name string) string { return settings[name] })
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
	do(http.MethodPost, "/login")
	wants("/new/", `Go: user "bob", cart ["tea" "jam"]`)
	do(http.MethodPost, "/new/logout")
	wants("/new/", `Go: user ""`)
	wants("/", "Flask: user None")
	do(http.MethodPost, "/new/login")
	wants("/new/", `Go: user "bob"`)
	wants("/", "Flask: user bob")
	do(http.MethodPost, "/logout")
	wants("/new/", `Go: user ""`)
}

// What is not set, or wrong, is named.
func TestSettings(t *testing.T) {
	for _, address := range []string{"", "localhost:5000", "http://%"} {
		if _, err := build(nil, func(string) string { return address }); err == nil || !strings.Contains(err.Error(), "FLASK_URL") {
			t.Errorf("%q: %v", address, err)
		}
	}
	_, err := build(nil, func(name string) string { return map[string]string{"FLASK_URL": "http://localhost:5000"}[name] })
	if err == nil || !strings.Contains(err.Error(), "MOVE_UNTIL") {
		t.Errorf("without a day: %v", err)
	}
}

// The guide has this program, whole.
func TestGuide(t *testing.T) {
	page, err := os.ReadFile("../../docs/guide/moving.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(program), "package main")
	if !strings.Contains(string(page), "```go\npackage main"+code+"```\n") {
		t.Error("docs/guide/moving.md has not all of main.go, from package main on, as a block of code")
	}
}
