package coatcheck_test

import (
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// Flashes with a category, or any other value, are a key of a list: Append keeps
// one for the next page, Pop shows each exactly once.
func ExampleKey_Pop_flashes() {
	type notice struct{ Category, Text string }
	notices := coatcheck.NewKey[[]notice]("notices")

	mux := http.NewServeMux()
	mux.HandleFunc("POST /pay", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		coatcheck.Append(s, notices, notice{"success", "Paid."}, notice{"warning", "Your card expires soon."})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		shown, _ := notices.Pop(coatcheck.From(r.Context()))
		for _, n := range shown {
			fmt.Fprintf(w, "%s: %s\n", n.Category, n.Text)
		}
	})

	b := newBrowser(newSessions(coatcheck.Config{}).Handler(mux))
	fmt.Println(b.do("POST", "/pay").Code)
	fmt.Print(b.do("GET", "/").Body)
	fmt.Print(b.do("GET", "/").Body)
	// Output:
	// 303
	// success: Paid.
	// warning: Your card expires soon.
}
