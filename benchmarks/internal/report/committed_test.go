package report_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/benchmarks/internal/report"
)

// The page and the README say what the results say that are committed with them.
func TestCommitted(t *testing.T) {
	t.Parallel()
	const docs = "../../../docs/"
	file := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	r, err := report.Read(strings.NewReader(file(docs + "performance/results.txt")))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := report.Page(r)
	if err != nil {
		t.Fatal(err)
	}
	const mend = "(cd benchmarks && go run ./cmd/measure -mode write)"
	for name, want := range pages {
		if strings.HasSuffix(name, ".svg") && runtime.GOARCH != "amd64" {
			continue // others round the coordinates differently
		}
		if got := file(docs + name); got != string(want) {
			t.Errorf("docs/%s is not what the results give; run %s", name, mend)
		}
	}
	readme := file("../../../README.md")
	want, err := report.WithSentence(readme, r)
	if err != nil {
		t.Fatal(err)
	}
	if readme != want {
		t.Errorf("the sentence of README.md is not what the results say; run %s", mend)
	}
}
