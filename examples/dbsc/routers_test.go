package main

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/julienschmidt/httprouter"
	"github.com/labstack/echo/v5"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/examples/internal/visit"
	"github.com/coatcheck/coatcheck/internal/device"
)

// Each router of the guide's page on bound sessions passes both paths on, as it says
// there.
func TestRouters(t *testing.T) {
	login := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("123") })
	for name, routes := range map[string]func(sessions *coatcheck.Manager, bound *dbsc.Handler, account http.Handler) http.Handler{
		"net/http": func(sessions *coatcheck.Manager, bound *dbsc.Handler, account http.Handler) http.Handler {
			r := http.NewServeMux()
			r.Handle("/dbsc/", bound)
			r.Handle("/login", login)
			r.Handle("/account", account)
			return sessions.Handler(r)
		},
		"net/http, beside": func(sessions *coatcheck.Manager, bound *dbsc.Handler, account http.Handler) http.Handler {
			app := http.NewServeMux()
			app.Handle("/login", login)
			app.Handle("/account", account)
			r := http.NewServeMux()
			r.Handle("/dbsc/", bound)
			r.Handle("/", sessions.Handler(app))
			return r
		},
		"chi": func(sessions *coatcheck.Manager, bound *dbsc.Handler, account http.Handler) http.Handler {
			r := chi.NewRouter()
			r.Use(sessions.Handler)
			r.Handle("/dbsc/*", bound)
			r.Handle("/login", login)
			r.Handle("/account", account)
			return r
		},
		"gorilla/mux": func(sessions *coatcheck.Manager, bound *dbsc.Handler, account http.Handler) http.Handler {
			r := mux.NewRouter()
			r.PathPrefix("/dbsc/").Handler(bound)
			r.Handle("/login", login)
			r.Handle("/account", account)
			return sessions.Handler(r)
		},
		"httprouter": func(sessions *coatcheck.Manager, bound *dbsc.Handler, account http.Handler) http.Handler {
			r := httprouter.New()
			r.Handler("POST", "/dbsc/*path", bound)
			r.Handler("POST", "/login", login)
			r.Handler("GET", "/account", account)
			return sessions.Handler(r)
		},
		"gin": func(sessions *coatcheck.Manager, bound *dbsc.Handler, account http.Handler) http.Handler {
			gin.SetMode(gin.ReleaseMode)
			r := gin.New()
			r.POST("/dbsc/*path", gin.WrapH(bound))
			r.POST("/login", gin.WrapH(login))
			r.GET("/account", gin.WrapH(account))
			return sessions.Handler(r)
		},
		"echo": func(sessions *coatcheck.Manager, bound *dbsc.Handler, account http.Handler) http.Handler {
			r := echo.New()
			r.POST("/dbsc/*", echo.WrapHandler(bound))
			r.POST("/login", echo.WrapHandler(login))
			r.GET("/account", echo.WrapHandler(account))
			return sessions.Handler(r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			sessions := visit.Sessions(t)
			bound, err := dbsc.New(sessions, dbsc.Config{})
			if err != nil {
				t.Fatal(err)
			}
			account := sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("yours")) }))
			binds(t, device.New(t, routes(sessions, bound, account), device.NewECKey(t)))
		})
	}
}

// binds logs a device in, and lets it prove its key in one trip and in two.
func binds(t *testing.T, d *device.Device) {
	expect(t, d, "POST", "/login", 200, "")
	if d.ID == "" {
		t.Fatal("not bound")
	}
	for trips := 1; trips <= 2; trips++ {
		delete(d.Jar, d.Cookie)
		signed := d.Signed
		expect(t, d, "GET", "/account", 200, "yours")
		if d.Signed != signed+1 {
			t.Errorf("%d proofs, want 1", d.Signed-signed)
		}
		d.Challenge = ""
	}
}
