package cli_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/cli"
)

// What the server has issued is found valid, and what was changed is refused.
func TestInspect(t *testing.T) {
	t.Parallel()
	b := &curlBrowser{program(t, "curl"), serve(t).url, filepath.Join(t.TempDir(), "jar")}
	b.send(t, "GET", "/login", "")
	b.send(t, "POST", "/token", "")
	b.send(t, "POST", "/preferences", "theme=dark")
	jar := b.cookies(t)
	for name, want := range map[string]string{sid: "valid, if the store", "__Host-Http-token": "true", "__Host-Http-theme": `"dark"`} {
		value := jar[name]
		if status, out := inspect(t, name+"="+value); status != 0 || !strings.Contains(out, want) || strings.Contains(out, value) {
			t.Errorf("%s: got status %d and %s", name, status, out)
		}
		changed := value[:30] + string(value[30]^1) + value[31:] // another letter or digit, mostly
		if status, out := inspect(t, name+"="+changed); status != 1 && !strings.Contains(out, "plain") {
			t.Errorf("%s, changed: got status %d and %s", name, status, out)
		}
	}
}

func inspect(t *testing.T, text string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	status := cli.Run(t.Context(), []string{"inspect"}, strings.NewReader(text), &out, &out, os.Getenv)
	return status, out.String()
}

// Control-C ends the wait for what nobody types.
func TestInspectIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in, typing := io.Pipe()
	defer typing.Close()
	var out bytes.Buffer
	if status := cli.Run(ctx, []string{"inspect"}, in, &out, &out, nothing); status != 1 || out.String() != "coatcheck inspect: interrupted\n" {
		t.Errorf("got status %d, %q", status, out.String())
	}
}
