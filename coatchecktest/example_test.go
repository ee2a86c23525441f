package coatchecktest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// A test of a page that only users see.
func ExampleRequest() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		panic(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		panic(err)
	}
	app := sessions.Handler(sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "Hello ", coatcheck.From(r.Context()).User())
	})))

	testProfile := func(t testing.TB) {
		r := httptest.NewRequest("GET", "/profile", nil)
		r = coatchecktest.Request(t, sessions, r, func(s *coatcheck.Session) { s.Login("alice") })
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	testProfile(&testing.B{}) // the testing package gives a *testing.T
	// Output: 200 Hello alice
}
