// Command impersonation lets an administrator see what a user sees, and come back.
// The administrator has a session of their own, in a cookie of its own: to act as
// alice is a second login, in the users' session, with a label that says who it is.
// Lists of devices show it to alice, events and the audit log name both, and it
// ends with the administrator's session, after half an hour, or by a button, which
// leads back to the administrator's pages: that session was there all the time.
package main

import (
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

const (
	acting    = "staff" // the label: whose doing this login is
	maxActing = 30 * time.Minute
)

func main() {
	keys, err := cookie.KeysFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	a, err := newApp(memstore.New(memstore.Config{}), keys, slog.Default())
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", a.routes()))
}

type app struct {
	staff, users *coatcheck.Manager
	audit        *slog.Logger
}

func newApp(st store.Store, keys *cookie.Keys, audit *slog.Logger) (*app, error) {
	a := &app{audit: audit}
	for _, m := range []struct {
		to  **coatcheck.Manager
		cfg coatcheck.Config
	}{
		{&a.staff, coatcheck.Config{Name: "__Host-Http-staff", Lifetime: 8 * time.Hour}},
		// The end of acting must not clear what the staff's pages keep in this browser.
		{&a.users, coatcheck.Config{KeepSiteData: true}},
	} {
		m.cfg.Events = coatcheck.LogEvents(audit)
		var err error
		if *m.to, err = coatcheck.New(st, keys, m.cfg); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /staff/login", func(w http.ResponseWriter, r *http.Request) {
		a.staff.From(r.Context()).Login("staff/" + r.FormValue("name")) // after two factors
	})
	mux.HandleFunc("POST /staff/logout", func(w http.ResponseWriter, r *http.Request) { a.staff.From(r.Context()).Logout() })
	mux.Handle("GET /staff/{$}", a.staff.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "Staff ", a.staff.From(r.Context()).User())
	})))
	mux.Handle("POST /staff/act", a.staff.RequireFresh(5*time.Minute)(http.HandlerFunc(a.act)))
	mux.HandleFunc("POST /stop", a.stop)

	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		a.users.From(r.Context()).Login(r.FormValue("user")) // after the password was checked
	})
	mux.Handle("GET /orders", a.users.RequireLogin(http.HandlerFunc(a.orders)))
	mux.Handle("GET /devices", a.users.RequireLogin(http.HandlerFunc(a.devices)))
	mux.Handle("POST /password", a.users.RequireLogin(a.notActing(http.HandlerFunc(a.password))))
	return a.staff.Handler(a.users.Handler(a.bounded(mux)))
}

// act logs the administrator in as a user. It is a login like any other: new token,
// the values that another user had in this browser are gone.
func (a *app) act(w http.ResponseWriter, r *http.Request) {
	s, staff := a.users.From(r.Context()), a.staff.From(r.Context()).User()
	s.Login(r.FormValue("user")) // after a look whether staff may
	s.SetLabel(acting, staff)
	if s.Commit() != nil {
		return // the answer is replaced
	}
	a.audit.Warn("acting", "staff", staff, "user", s.User(), "session", s.Handle())
	http.Redirect(w, r, "/orders", http.StatusSeeOther)
}

// stop leads back to the administrator's own pages.
func (a *app) stop(w http.ResponseWriter, r *http.Request) {
	if s := a.users.From(r.Context()); s.Label(acting) != "" {
		a.end(s, "stopped")
	}
	http.Redirect(w, r, "/staff/", http.StatusSeeOther)
}

func (a *app) end(s *coatcheck.Session, why string) {
	staff, user, handle := s.Label(acting), s.User(), s.Handle()
	s.Logout()
	if s.Commit() != nil { // now: what refuses the request later must not undo it
		return // the answer is replaced
	}
	a.audit.Warn("acting ends", "staff", staff, "user", user, "session", handle, "why", why)
}

// bounded ends what must not go on: acting without the administrator's session,
// which may have been revoked meanwhile, or for too long.
func (a *app) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, staff := a.users.From(r.Context()), a.staff.From(r.Context())
		by := s.Label(acting)
		switch {
		case by == "":
		case staff.User() != by && staff.Err() != nil: // an outage, and no logout: the answer is replaced
			return
		case staff.User() != by:
			a.end(s, "the staff's session is over")
		case time.Since(s.AuthTime()) > maxActing:
			a.end(s, "time is up")
		}
		next.ServeHTTP(w, r)
	})
}

// notActing keeps to users what is theirs alone: passwords, factors, addresses.
func (a *app) notActing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.users.From(r.Context()).Label(acting) != "" {
			http.Error(w, "Only the user may do that", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *app) orders(w http.ResponseWriter, r *http.Request) {
	s := a.users.From(r.Context())
	if by := s.Label(acting); by != "" {
		fmt.Fprintf(w, "%s acts as ", by) // every page says so, with a button to stop
	}
	fmt.Fprint(w, s.User())
}

// devices is the user's list, in which acting is not hidden.
func (a *app) devices(w http.ResponseWriter, r *http.Request) {
	list, err := a.users.Sessions(r.Context(), a.users.From(r.Context()).User())
	if err != nil {
		http.Error(w, "Try again", http.StatusServiceUnavailable)
		return
	}
	for _, d := range list {
		fmt.Fprintf(w, "%s current=%t staff=%q\n", d.Handle, d.Current, d.Labels[acting])
	}
}

func (a *app) password(w http.ResponseWriter, r *http.Request) {
	a.users.From(r.Context()).Reauthenticate() // after the old one was checked and the new one stored
	if _, err := a.users.RevokeOthers(r.Context()); err != nil {
		http.Error(w, "Try again", http.StatusServiceUnavailable)
	}
}
