package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// A long answer that notes how far it has come. Most handlers need no Commit:
// it comes by itself before the first byte of the answer.
func ExampleSession_Commit() {
	progress := coatcheck.NewKey[int]("progress")
	mux := http.NewServeMux()
	mux.HandleFunc("POST /import", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		for step := 1; step <= 3; step++ {
			progress.Set(s, step)
			if err := s.Commit(); err != nil { // a logout elsewhere, for example
				fmt.Fprintln(w, "stopped")
				return
			}
			fmt.Fprintln(w, "step", step)
			http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("GET /progress", func(w http.ResponseWriter, r *http.Request) {
		step, _ := progress.Get(coatcheck.From(r.Context()))
		fmt.Fprintln(w, "at step", step)
	})

	b := newBrowser(newSessions(coatcheck.Config{}).Handler(mux))
	fmt.Print(b.do("POST", "/import").Body)
	fmt.Print(b.do("GET", "/progress").Body)
	// Output:
	// step 1
	// step 2
	// step 3
	// at step 3
}
