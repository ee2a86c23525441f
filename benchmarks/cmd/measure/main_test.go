//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A step that fails takes nothing along: neither what it had measured before, nor
// the steps behind it.
func TestOneFails(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	const script = `#!/bin/sh
case "$*" in
*bad*) printf 'BenchmarkBad/first 1 5 ns/op\n'; exit 2;;
*good*) printf 'BenchmarkGood 1 7 ns/op\n';;
esac
`
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	failed := rounds(program, []step{{"bad", "1x", 1, nil, 0}, {"huge", "1x", 1, nil, 1 << 20}, {"good", "1x", 2, nil, 0}}, &out, []string{"cores: 1"})
	text := out.String()
	if strings.Count(text, "BenchmarkGood") != 2 || !strings.Contains(text, "BenchmarkBad/first") || !strings.HasPrefix(text, "cores: 1\n") {
		t.Errorf("measured\n%s", text)
	}
	if err := errors.Join(failed...); len(failed) != 1 || !strings.Contains(err.Error(), "round 1 of bad") {
		t.Errorf("failed: %v; want bad", err)
	}
	if !strings.Contains(text, "skipped: huge , which needs 1048576 GiB") {
		t.Errorf("huge was not skipped:\n%s", text)
	}
}

// alone are benchmarks that the plan leaves out, since another row says the same.
var alone = map[string]string{"Bound": "BoundSideBySide does it in turns"}

// A full plan has each benchmark, and one for each row of the targets.
func TestFullPlan(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	function := regexp.MustCompile(`(?m)^func (Benchmark(\w+))\(`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range function.FindAllSubmatch(text, -1) {
			if name := string(m[2]); alone[name] == "" && !planHas(t, string(m[1])) {
				t.Errorf("no step of the full plan runs Benchmark%s of %s", name, filepath.Base(file))
			}
		}
	}
}

func planHas(t *testing.T, name string) bool {
	for _, s := range planned("full") {
		bench, _, _ := strings.Cut(s.bench, "/")
		if matched, err := regexp.MatchString(bench, name); err != nil {
			t.Fatal(err)
		} else if matched {
			return true
		}
	}
	return false
}

// The trial is the full plan.
func TestTrial(t *testing.T) {
	t.Parallel()
	full, try := planned("full"), planned("try")
	for i := range full {
		if try[i].bench != full[i].bench || try[i].rounds != 1 || try[i].memory != 0 {
			t.Errorf("step %d is %+v", i, try[i])
		}
	}
}
