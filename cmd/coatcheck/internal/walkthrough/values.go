package walkthrough

import (
	"net/http"

	"github.com/coatcheck/coatcheck"
)

// What the session keeps. None of it needs a login.
var (
	visits = coatcheck.NewKey[int]("visits")
	cart   = coatcheck.NewKey[[]string]("cart")
	widget = coatcheck.NewKey[string]("widget")
)

func (s *Site) routeValues(mux *http.ServeMux) {
	// Require loads the session first: while the store is away nothing below
	// runs, and the answer is 503.
	handle := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, s.sessions.Require(h)) }
	handle("POST /visits", countVisit)
	handle("GET /cart", showCart)
	handle("POST /cart", addToCart)
	handle("GET /dashboard", showDashboard)
	handle("POST /dashboard", setDashboard)
}

// countVisit answers each visit with a number of its own, however many come at
// once: Update commits before it returns.
func countVisit(w http.ResponseWriter, r *http.Request) {
	n := visits.Update(coatcheck.From(r.Context()), func(n int) int { return n + 1 })
	answer(w, http.StatusOK, "Visit %d", n)
}

func showCart(w http.ResponseWriter, r *http.Request) {
	items, ok := cart.Get(coatcheck.From(r.Context()))
	if !ok {
		items = []string{} // [] in JSON, not null
	}
	answerJSON(w, items)
}

func addToCart(w http.ResponseWriter, r *http.Request) {
	item, ok := field(w, r, "item", func(v string) bool { return line(v, 100) })
	if !ok {
		return
	}
	s := coatcheck.From(r.Context())
	coatcheck.Append(s, cart, item)
	s.Commit() // now, so that the answer shows what others have added meanwhile; an error replaces it
	showCart(w, r)
}

func showDashboard(w http.ResponseWriter, r *http.Request) {
	name, ok := widget.Get(coatcheck.From(r.Context()))
	if !ok {
		name = "none"
	}
	answer(w, http.StatusOK, "Widget: %s", name)
}

func setDashboard(w http.ResponseWriter, r *http.Request) {
	name, ok := field(w, r, "widget", word)
	if !ok {
		return
	}
	widget.Set(coatcheck.From(r.Context()), name)
	answer(w, http.StatusOK, "Widget: %s", name)
}
