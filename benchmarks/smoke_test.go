package benchmarks_test

import (
	"strconv"
	"testing"

	"github.com/coatcheck/coatcheck/benchmarks"
)

func start(t testing.TB, lib benchmarks.Library, b benchmarks.Backend) benchmarks.App {
	t.Helper()
	app, err := lib.New(b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
	return app
}

var memory = benchmarks.Backend{Kind: benchmarks.Memory}

// Each row of each library answers as it must, also when it is sent again.
func TestRows(t *testing.T) {
	t.Parallel()
	for _, lib := range append(benchmarks.Libraries, benchmarks.Edges...) {
		t.Run(lib.Name, func(t *testing.T) {
			t.Parallel()
			app := start(t, lib, memory)
			for _, op := range benchmarks.Ops {
				b, err := op.Prepare(app)
				if err != nil {
					t.Fatal(err)
				}
				if status, body := b.Visit(op.Method, op.Path); status != 200 {
					t.Errorf("%s: status %d: %s", op.Name, status, body)
				}
				again := b.Again(op.Method, op.Path, op.Follow)
				for range 3 {
					again()
				}
			}
			if lib.Name == "bare" {
				return
			}
			// What was counted and set is there for the next request.
			b, err := benchmarks.Ops[0].Prepare(app)
			if err != nil {
				t.Fatal(err)
			}
			for want := 1; want < 4; want++ {
				if _, got := b.Visit("POST", "/count"); got != strconv.Itoa(want) {
					t.Errorf("counted %s, want %d", got, want)
				}
			}
			if status, _ := b.Visit("POST", "/login"); status != 200 {
				t.Errorf("login: status %d", status)
			}
			if _, got := b.Visit("POST", "/count"); got != "4" {
				t.Errorf("after the login counted %s, want 4", got)
			}
			if status, _ := app.Browser().Visit("GET", "/read"); status != 500 {
				t.Errorf("read without a session: status %d, want 500", status)
			}
		})
	}
}
