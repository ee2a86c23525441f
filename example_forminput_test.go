package coatcheck_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck"
)

// What somebody typed into a form that was refused is kept for the page that
// shows the form again, but never a password.
func ExampleKey_SetFor_formInput() {
	type signup struct {
		Name, Mail string
		Wrong      map[string]string // by field
	}
	refused := coatcheck.NewKey[signup]("form:signup")

	mux := http.NewServeMux()
	mux.HandleFunc("POST /signup", func(w http.ResponseWriter, r *http.Request) {
		form := signup{Name: r.FormValue("name"), Mail: r.FormValue("mail")}
		form.Wrong = map[string]string{"mail": "Is that an address?"}
		refused.SetFor(coatcheck.From(r.Context()), form, 10*time.Minute)
		http.Redirect(w, r, "/signup", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /signup", func(w http.ResponseWriter, r *http.Request) {
		form, _ := refused.Pop(coatcheck.From(r.Context())) // empty at the first visit
		fmt.Fprintf(w, "name=%q mail=%q wrong=%q\n", form.Name, form.Mail, form.Wrong["mail"])
	})

	b := newBrowser(newSessions(coatcheck.Config{}).Handler(mux))
	fmt.Print(b.do("GET", "/signup").Body)
	fmt.Println(b.do("POST", "/signup?name=Ada&mail=ada").Code)
	fmt.Print(b.do("GET", "/signup").Body)
	fmt.Print(b.do("GET", "/signup").Body)
	// Output:
	// name="" mail="" wrong=""
	// 303
	// name="Ada" mail="ada" wrong="Is that an address?"
	// name="" mail="" wrong=""
}
