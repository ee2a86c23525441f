package cli_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/cli"
)

// The name that a user gave a browser is in every list, and ends its session.
func TestLabels(t *testing.T) {
	t.Parallel()
	store := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	url := serve(t, "--store", store).url
	tablet := &curlBrowser{program(t, "curl"), url, filepath.Join(t.TempDir(), "jar")}
	phone := &curlBrowser{tablet.curl, url, filepath.Join(t.TempDir(), "jar")}
	for _, b := range []browser{tablet, phone} {
		expect(t, b, "POST", "/login", 200, "Logged in")
	}
	if a := tablet.send(t, "POST", "/sessions/label", "label=kitchen+tablet"); a.Status != 200 {
		t.Fatalf("label: %d %q", a.Status, a.Body)
	}
	if list := phone.send(t, "GET", "/sessions", "").Body; strings.Count(list, `"label":"kitchen tablet"`) != 1 {
		t.Errorf("the list of devices is %s", list)
	}
	tool := func(args ...string) string {
		var out, errs bytes.Buffer
		args = append(args, "--store", store, "--user", "123")
		if status := cli.Run(t.Context(), args, strings.NewReader(""), &out, &errs, func(string) string { return "" }); status != 0 {
			t.Fatalf("%v: status %d: %s", args, status, errs.String())
		}
		return out.String()
	}
	if got := tool("sessions", "list"); !strings.Contains(got, "  LABELS\n") || strings.Count(got, "  device=kitchen tablet\n") != 1 || strings.Count(got, "  -\n") != 1 {
		t.Errorf("sessions list: %s", got)
	}
	var rows []struct {
		Handle string
		Labels map[string]string
	}
	if err := json.Unmarshal([]byte(tool("sessions", "list", "--json")), &rows); err != nil || len(rows) != 2 || rows[0].Labels != nil || rows[1].Labels["device"] != "kitchen tablet" {
		t.Fatalf("sessions list --json: %v, %v", rows, err)
	}
	if got := tool("sessions", "show", "--handle", rows[1].Handle); !strings.Contains(got, "\nlabels     device=kitchen tablet\n") {
		t.Errorf("sessions show: %s", got)
	}
	if got := tool("sessions", "revoke", "--label", "device=kitchen tablet"); got != "Revoked 1.\n" {
		t.Errorf("sessions revoke --label: %s", got)
	}
	expect(t, tablet, "GET", "/profile", 401, "Not logged in")
	expect(t, phone, "GET", "/profile", 200, "User 123")
}
