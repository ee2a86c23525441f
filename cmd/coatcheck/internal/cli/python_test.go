package cli_test

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// A pythonBrowser is Python's http.cookiejar, in a process that reads one
// request a line and writes one answer a line.
type pythonBrowser struct {
	requests *json.Encoder
	answers  *json.Decoder
}

func newPythonBrowser(t *testing.T, address string) browser {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t, "python3"), "-I", "testdata/browser.py", address)
	cmd.Stderr = t.Output()
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
		in.Close()
		cmd.Wait() // the context has killed it
	})
	return &pythonBrowser{json.NewEncoder(in), json.NewDecoder(out)}
}

func (b *pythonBrowser) call(t *testing.T, request map[string]string, result any) {
	t.Helper()
	if err := b.requests.Encode(request); err != nil {
		t.Fatalf("python3: %v", err)
	}
	if err := b.answers.Decode(result); err != nil {
		t.Fatalf("python3: %v", err)
	}
}

func (b *pythonBrowser) send(t *testing.T, method, path, form string) (a answer) {
	t.Helper()
	b.call(t, map[string]string{"do": "send", "method": method, "path": path, "form": form}, &a)
	return a
}

func (b *pythonBrowser) cookies(t *testing.T) (jar map[string]string) {
	t.Helper()
	b.call(t, map[string]string{"do": "cookies"}, &jar)
	return jar
}

func (b *pythonBrowser) change(t *testing.T, name, value string) {
	t.Helper()
	var done bool
	b.call(t, map[string]string{"do": "change", "name": name, "value": value}, &done)
}
