package cli_test

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/cli"
)

// say runs the program with a store that has no tables, and returns what it says.
func say(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	none := func(string) string { return "" }
	status = cli.Run(ctx, args, strings.NewReader(""), &stdout, &stderr, none)
	return status, stdout.String(), stderr.String()
}

// A wrong argument gets one line that says what it was taken for, and status 2.
func TestWrongArguments(t *testing.T) {
	t.Parallel()
	const url, handle = "sqlite:x.db", "gq3vYkXw0Zt1"
	const user, session, store, none = "a user is given as --user USER", "a session is given as --handle HANDLE", "a store is given as --store URL", "an argument beside the flags; want none"
	for line, want := range map[string]string{
		"sessions list 123": user, "sessions list " + handle: user, "sessions list " + url: store, "sessions list redis://x": store,
		"sessions show 123": user, "sessions show " + handle: session, "sessions revoke 123": user, "sessions revoke " + handle: session,
		"sessions revoke " + url: store, "sessions explain": "want the handle of a session", "sessions explain 123": "a handle has 12 characters",
		"sessions explain " + handle + " 123": "an argument too many beside the flags; want 1", "sessions explain " + handle + " " + url: store,
		"sessions top 5": none, "sessions top " + url: store, "doctor 5": none, "doctor " + url: store, "store check x": none,
		"store migrate " + url: store, "store stats x": none, "store sweep x": none, "store schema": "want a database", "store schema oracle": "unknown database",
		"store schema sqlite mysql": "an argument too many beside the flags; want 1", "inspect a b": "an argument too many", "keygen 3": none, "version x": none,
		"serve 8080": none, "serve localhost:8080": store, "console x": none, "import x": none, "completion": "want a shell", "completion bash zsh": "an argument too many",
		"import": "--from is missing; want one of", "import --from x": `--from "x" is not known`, "import --from rails": "--until is missing; want a date",
		"import --from rails --until x": `--until "x"; want a date`, "sessions top --every 0s": "want 100ms or longer", "sessions top --rows -1": "want 0 or more",
		"sessions show --user 1": "--handle is missing", "sessions revoke --user 1 --label x": "--label: want NAME=VALUE", "serve --addr x": `--addr is "x"; want HOST:PORT`,
		"console --store sqlite:x --addr 0.0.0.0:1": `of this machine alone`,
		"sessions list --user":                      "--user needs a value", "sessions list --user 1 --store": "--store needs a value", "doctor --quick=x": "want a boolean",
	} {
		status, out, errs := say(t, strings.Fields(line)...)
		if status != 2 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, want) || !strings.Contains(errs, "; see coatcheck help") {
			t.Errorf("coatcheck %s: got status %d, %q, %q; want status 2 and a line with %q", line, status, out, errs, want)
		}
	}
}

// G13: wherever a URL with a password is put, in each flag of each command and
// behind it, no message repeats the password.
func TestNoMessageRepeatsAPassword(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	urls := []string{"redis://bob:" + secret + "@127.0.0.1:1/0", "postgres://bob:" + secret + "@127.0.0.1:1/x?" + secret + "=" + secret}
	store := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	if status, _, errs := say(t, "store", "migrate", "--store", store); status != 0 {
		t.Fatal(errs)
	}
	tried := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for _, child := range c.Commands() {
			look(child)
		}
		if c.HasSubCommands() {
			return
		}
		path := strings.Fields(c.CommandPath())[1:]
		for _, args := range misplaced(c, store, urls) {
			tried++
			if _, out, errs := say(t, append(path[:len(path):len(path)], args...)...); strings.Contains(errs, secret) || strings.Contains(out, secret) && c.Name() != "inspect" { // which shows a cookie
				t.Errorf("%s %q repeats the password: %q %q", c.CommandPath(), args, out, errs)
			}
		}
	}
	look(cli.Root())
	if tried < 100 {
		t.Errorf("tried %d command lines: mend this test", tried)
	}
}

// misplaced are the arguments of a command with a URL where none belongs. A program
// that serves or asks without end is given what it cannot begin with.
func misplaced(c *cobra.Command, store string, urls []string) (all [][]string) {
	flags := []string{""}
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Value.Type() != "bool" {
			flags = append(flags, "--"+f.Name)
		}
	})
	for _, flag := range flags {
		for _, url := range urls {
			args := []string{url}
			if flag != "" {
				args = []string{flag + "=" + url}
			}
			switch {
			case c.Name() == "serve" || c.Name() == "console":
				args = append(args, "--store", "nothing:") // or it would serve
			case c.Name() == "import":
				args = append([]string{"--from", "rails", "--until", "2027-01-01"}, args...)
			case c.Flags().Lookup("store") != nil && flag != "--store":
				args = append(args, "--store", store)
			}
			if c.Flags().Lookup("user") != nil && flag != "--user" {
				args = append(args, "--user", "1")
			}
			if c.Name() == "top" && flag != "--times" {
				args = append(args, "--times", "1")
			}
			all = append(all, args)
		}
	}
	return all
}
