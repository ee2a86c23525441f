package repotest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// walks are the requests whose way through the root package is counted, and the
// most files and jumps from one file to another that it may take.
var walks = map[string]struct{ files, jumps int }{
	"read":  {7, 27},
	"write": {10, 45},
}

// TestWalk counts through how many files of the root package one request leads,
// and how often it leaves one for another: functions in the order in which they
// are entered. -v prints the way.
func TestWalk(t *testing.T) {
	if os.Getenv("COATCHECK_WALK") != "" {
		walk(t)
		return
	}
	cmd := exec.Command("go", "test", "-vet=off", "-count=1", "-v", "-overlay", traced(t), "-run", "^TestWalk$", ".")
	cmd.Env = append(os.Environ(), "COATCHECK_WALK=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, most := range walks {
		steps := between(out, "begin "+name, "end "+name)
		files, jumps := map[string]bool{}, 0
		for i, step := range steps {
			file, _, _ := strings.Cut(step, ":")
			files[file] = true
			if i > 0 && !strings.HasPrefix(steps[i-1], file+":") {
				jumps++
			}
		}
		t.Logf("a %s: %d files, %d functions, %d jumps\n%s", name, len(files), len(steps), jumps, strings.Join(steps, "\n"))
		if len(steps) < 10 || len(files) > most.files || jumps > most.jumps {
			t.Errorf("a %s leads through %d files with %d jumps; want at most %d and %d", name, len(files), jumps, most.files, most.jumps)
		}
	}
}

// walk makes the requests.
func walk(t *testing.T) {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	visits := coatcheck.NewKey[int]("visits")
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	b := coatchecktest.NewHandlerBrowser(sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		switch r.URL.Path {
		case "/login":
			s.Login("123")
		case "/read":
			visits.Get(s)
			s.User()
		case "/write":
			n++
			visits.Set(s, n)
		}
	})))
	b.Send("POST", "/login")
	b.Send("POST", "/write") // the first of all makes what later ones find
	for name := range walks {
		println("begin " + name)
		b.Send("POST", "/"+name)
		println("end " + name)
	}
}

// traced returns an overlay of the root package in which every function says
// that it is entered.
func traced(t *testing.T) string {
	names, err := filepath.Glob(filepath.Join(root, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	dir, replace := t.TempDir(), make(map[string]string)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(name)
		for _, d := range slices.Backward(f.Decls) {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				at := fset.Position(fn.Body.Lbrace).Offset + 1
				src = slices.Insert(src, at, fmt.Appendf(nil, "println(%q);", "walk "+base+":"+fn.Name.Name)...)
			}
		}
		full, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		replace[full] = filepath.Join(dir, base)
		if err := os.WriteFile(replace[full], src, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "overlay.json")
}

// between returns the steps that stand between two lines.
func between(out []byte, begin, end string) (steps []string) {
	on := false
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		switch line := lines.Text(); {
		case line == begin:
			on = true
		case line == end:
			on = false
		case on && strings.HasPrefix(line, "walk "):
			steps = append(steps, strings.TrimPrefix(line, "walk "))
		}
	}
	return steps
}
