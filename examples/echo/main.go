// Command echo uses coatcheck with the router echo: echo is a
// handler, and its groups take net/http middleware.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/labstack/echo/v4"
)

var visits = coatcheck.NewKey[int]("visits")

func main() {
	keys, err := cookie.KeysFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", routes(sessions)))
}

func routes(sessions *coatcheck.Manager) http.Handler {
	e := echo.New()
	e.POST("/login", func(c echo.Context) error {
		coatcheck.From(c.Request().Context()).Login("123") // after the password was checked
		return c.String(http.StatusOK, "Logged in")
	})
	e.POST("/logout", func(c echo.Context) error {
		coatcheck.From(c.Request().Context()).Logout()
		return c.String(http.StatusOK, "Logged out")
	})
	members := e.Group("", echo.WrapMiddleware(sessions.RequireLogin))
	members.GET("/profile", func(c echo.Context) error {
		s := coatcheck.From(c.Request().Context())
		n := visits.Update(s, func(n int) int { return n + 1 })
		return c.String(http.StatusOK, fmt.Sprintf("User %s, visit %d", s.User(), n))
	})
	return sessions.Handler(e)
}
