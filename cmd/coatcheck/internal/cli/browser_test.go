package cli_test

import (
	"os"
	"os/exec"
	"testing"
)

// A browser sends requests and keeps cookies by the rules of its own jar.
type browser interface {
	// send sends a request, with a form unless that is "".
	send(t *testing.T, method, path, form string) answer
	// cookies returns what the jar holds.
	cookies(t *testing.T) map[string]string
	// change replaces the value of a cookie in the jar, as a visitor might.
	change(t *testing.T, name, value string)
}

type answer struct {
	Status     int      `json:"status"`
	Body       string   `json:"body"`
	SetCookies []string `json:"set_cookies"`
}

// program returns the path of a program that a test needs. Without it the test
// is skipped, or fails if COATCHECK_REQUIRE_ALL is set.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("COATCHECK_REQUIRE_ALL") != "" {
			t.Fatalf("COATCHECK_REQUIRE_ALL is set: %v", err)
		}
		t.Skipf("needs %s: %v", name, err)
	}
	return path
}
