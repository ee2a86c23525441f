// Command accounts lets one browser be logged in to several accounts at once, as
// people do who have one at work and one at home. Each account has a slot: a
// manager with a cookie of its own, and pages below /u/0/, /u/1/ and so on. So each
// has its own session, with its own token, times, list of devices and end; nothing
// of one account can be seen or changed through another.
package main

import (
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// slots is how many accounts a browser may have: each is two more cookies in every
// request.
const slots = 4

func main() {
	keys, err := cookie.KeysFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	a, err := newApp(memstore.New(memstore.Config{}), keys)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", a.routes()))
}

type app []*coatcheck.Manager // one for each slot

func newApp(st store.Store, keys *cookie.Keys) (a app, err error) {
	for slot := range slots {
		m, err := coatcheck.New(st, keys, coatcheck.Config{
			Name: fmt.Sprintf("__Host-Http-sid%d", slot),
			// A logout of one account leaves alone what pages of the others keep.
			KeepSiteData: true,
		})
		if err != nil {
			return nil, err
		}
		a = append(a, m)
	}
	return a, nil
}

func (a app) routes() http.Handler {
	mux := http.NewServeMux()
	for slot, sessions := range a {
		mux.Handle(fmt.Sprintf("/u/%d/", slot), http.StripPrefix(fmt.Sprintf("/u/%d", slot), sessions.Handler(account(sessions))))
	}
	// These concern all slots. Where one of them cannot be loaded the answer is
	// replaced, as if it were the only one.
	all := http.NewServeMux()
	all.HandleFunc("GET /{$}", a.list)
	all.HandleFunc("POST /login", a.login)
	all.HandleFunc("POST /logout", a.logout)
	var h http.Handler = all
	for _, sessions := range a {
		h = sessions.Handler(h)
	}
	mux.Handle("/", h)
	return mux
}

// account is what one account sees; it knows of no other.
func account(sessions *coatcheck.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "User ", coatcheck.From(r.Context()).User())
	})))
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Logout()
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return mux
}

// list is the page to choose from. It asks all slots before it writes: after the
// first byte it is too late to look at another session.
func (a app) list(w http.ResponseWriter, r *http.Request) {
	var users [slots]string
	for slot, sessions := range a {
		users[slot] = sessions.From(r.Context()).User()
	}
	for slot, user := range users {
		if user != "" {
			fmt.Fprintf(w, "/u/%d/ %s\n", slot, user)
		}
	}
}

var errFull = errors.New("log out of an account first")

// login gives an account the slot that it has already, or a free one.
func (a app) login(w http.ResponseWriter, r *http.Request) {
	user := r.FormValue("user") // after the password was checked
	slot, err := a.slotFor(r, user)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	a[slot].From(r.Context()).Login(user)
	http.Redirect(w, r, fmt.Sprintf("/u/%d/", slot), http.StatusSeeOther)
}

func (a app) slotFor(r *http.Request, user string) (int, error) {
	free := -1
	for slot, sessions := range a {
		switch sessions.From(r.Context()).User() {
		case user:
			return slot, nil
		case "":
			if free < 0 {
				free = slot
			}
		}
	}
	if free < 0 {
		return 0, errFull
	}
	return free, nil
}

// logout ends all of them.
func (a app) logout(w http.ResponseWriter, r *http.Request) {
	for _, sessions := range a {
		sessions.From(r.Context()).Logout()
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
