//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program finds a program that the test runs. Where it is missing the test is
// skipped, or fails if COATCHECK_REQUIRE_ALL is set.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("COATCHECK_REQUIRE_ALL") != "" {
			t.Fatalf("COATCHECK_REQUIRE_ALL is set: %v", err)
		}
		t.Skip(err)
	}
	return path
}

// make install puts the program, a man page for each command, and a completion
// for each shell where they are looked for; groff and the shells take them.
func TestInstall(t *testing.T) {
	t.Parallel()
	into := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program(t, "make"), "--no-print-directory", "-C", "../..", "install", "DESTDIR="+into, "PREFIX=/usr")
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	place := installed{filepath.Join(into, "usr")}
	if out := place.run(t, "bin/coatcheck", "version"); !strings.HasPrefix(out, "coatcheck ") {
		t.Errorf("version: got %q", out)
	}
	t.Run("man", place.pages)
	t.Run("bash", place.bash)
	t.Run("fish", place.fish)
	t.Run("zsh", place.zsh)
}

// An installed is the folder that stands for /usr.
type installed struct{ usr string }

// run runs a program, which finds coatcheck as a user does.
func (p installed) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	if strings.Contains(name, "/") {
		name = filepath.Join(p.usr, name)
	} else {
		name = program(t, name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = []string{"PATH=" + filepath.Join(p.usr, "bin") + ":/usr/bin:/bin", "HOME=" + t.TempDir(), "USR=" + p.usr, "TERM=dumb"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, &out, &errs)
	}
	return out.String()
}

// pages: every command has one that groff formats without a warning.
func (p installed) pages(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(p.usr, "share/man/man1/*.1"))
	if err != nil || len(pages) < 16 {
		t.Fatalf("man pages: %q, %v", pages, err)
	}
	var names []string
	for _, page := range pages {
		names = append(names, filepath.Base(page))
		text := p.run(t, "groff", "-man", "-ww", "-Tutf8", "-P-cbou", page)
		for _, part := range []string{"NAME", "SYNOPSIS", "DESCRIPTION"} {
			if !strings.Contains(text, "\n"+part+"\n") {
				t.Errorf("%s has no part %s:\n%s", filepath.Base(page), part, text)
			}
		}
	}
	if !slices.Contains(names, "coatcheck.1") || !slices.Contains(names, "coatcheck-store-check.1") {
		t.Errorf("man pages: %q", names)
	}
}

// bash: Tab behind "coatcheck store s".
func (p installed) bash(t *testing.T) {
	const functions = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(functions); err != nil {
		program(t, functions) // skips
	}
	out := p.run(t, "bash", "--norc", "-c", "source "+functions+`
		source "$USR/share/bash-completion/completions/coatcheck"
		COMP_WORDS=(coatcheck store s) COMP_CWORD=2 COMP_LINE='coatcheck store s' COMP_POINT=17 COMP_TYPE=9
		__start_coatcheck 2>/dev/null # no compopt outside of a completion
		printf '%s\n' "${COMPREPLY[@]}"`)
	for _, name := range []string{"schema", "stats", "sweep"} {
		if !strings.Contains(out, name) {
			t.Errorf("bash completes %q, want %s among them", out, name)
		}
	}
}

func (p installed) fish(t *testing.T) {
	out := p.run(t, "fish", "--no-config", "-c", `
		source "$USR/share/fish/vendor_completions.d/coatcheck.fish"
		complete -C "coatcheck store s"`)
	if !strings.Contains(out, "schema\tprint the SQL of the tables") || strings.Contains(out, "migrate") {
		t.Errorf("fish completes %q", out)
	}
}

// zsh: compinit knows whose completion it is, and calls it behind Tab.
func (p installed) zsh(t *testing.T) {
	out := p.run(t, "zsh", "-f", "-c", `
		fpath=("$USR/share/zsh/site-functions" $fpath)
		autoload -U compinit && compinit -D -u
		print -r -- $_comps[coatcheck]
		autoload +X _coatcheck
		_describe() { print -rl -- $completions } # in place of the menu
		words=(coatcheck store s) CURRENT=3
		_coatcheck`)
	if !strings.HasPrefix(out, "_coatcheck\n") || !strings.Contains(out, "schema:print the SQL of the tables") {
		t.Errorf("zsh completes %q", out)
	}
}
