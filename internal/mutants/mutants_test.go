package mutants_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/internal/overlay"
)

const root = "../.."

var kill = flag.Bool("kill", false, "run the mutants' tests: minutes")

// A mutant is the library without one defence.
type mutant struct {
	what  string // is taken away
	test  string // must fail
	in    string // the test's package, relative to the repository
	edits []overlay.Edit
}

var definition = regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(`)

// Every mutant fits the code as it is now, and every attack and every promise
// has one.
func TestMutantsFit(t *testing.T) {
	t.Parallel()
	killed := make(map[string]bool)
	for _, m := range mutants {
		if _, err := overlay.Write(root, t.TempDir(), m.edits...); err != nil {
			t.Errorf("%s: %v: mend the mutant", m.what, err)
		}
		if !tests(t, m.in)[m.test] {
			t.Errorf("%s: ./%s has no %s: mend the mutant", m.what, m.in, m.test)
		}
		killed[m.in+" "+m.test] = true
	}
	for test := range tests(t, "attack") {
		if !killed["attack "+test] {
			t.Errorf("attack has %s, which no mutant shows able to fail: add one to the table", test)
		}
	}
	for _, promise := range strings.Fields("G1 G2 G3 G4 G5 G6 G7 G8 G9 G10 G11 G12 G13 G14") {
		found := false
		for _, m := range mutants {
			found = found || strings.HasPrefix(m.what, promise+" ") && m.in != "attack"
		}
		if !found {
			t.Errorf("no mutant breaks %s", promise)
		}
	}
}

// tests returns the tests of the package in dir.
func tests(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range definition.FindAllSubmatch(b, -1) {
			found[string(m[1])] = true
		}
	}
	return found
}

// Each mutant is noticed by its test: that passes as things are, and fails with
// the defence taken away, for another reason than that it does not compile.
func TestMutantsAreKilled(t *testing.T) {
	if !*kill {
		t.Skip("takes minutes: make mutants")
	}
	for _, m := range mutants {
		t.Run(m.test, func(t *testing.T) {
			list, err := overlay.Write(root, t.TempDir(), m.edits...)
			if err != nil {
				t.Fatal(err)
			}
			if out := run(t, m, ""); !strings.HasPrefix(out, "ok ") || strings.Contains(out, "no tests to run") {
				t.Fatalf("the test fails of itself:\n%s", out)
			}
			if out := run(t, m, list); !failed(out, m.test) {
				t.Errorf("%s, and the test does not fail:\n%s", m.what, out)
			}
		})
	}
}

func failed(out, test string) bool {
	return strings.Contains(out, "--- FAIL: "+test+" ") || strings.Contains(out, "panic: ") && strings.Contains(out, test)
}

func run(t *testing.T, m mutant, list string) string {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	args := []string{"test", "-vet=off", "-timeout", "10m", "-run", "^" + m.test + "$"}
	if list != "" {
		args = append(args, "-overlay", list)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+m.in)...)
	cmd.Dir = root
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Run() // its status is in the output
	return out.String()
}
