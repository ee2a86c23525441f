// Command echo uses coatcheck with the router echo: echo is a
// handler, and its groups take net/http middleware.
package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
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
	// What a handler changed before a panic that Recover answers is not kept.
	e.Use(middleware.Recover(), echo.WrapMiddleware(coatcheck.DropOnPanic))
	e.POST("/login", func(c *echo.Context) error {
		coatcheck.From(c.Request().Context()).Login("123") // after the password was checked
		return c.String(http.StatusOK, "Logged in")
	})
	e.POST("/logout", func(c *echo.Context) error {
		coatcheck.From(c.Request().Context()).Logout()
		return c.String(http.StatusOK, "Logged out")
	})
	e.POST("/broken", func(c *echo.Context) error {
		s := coatcheck.From(c.Request().Context())
		s.Login("somebody else")
		visits.Set(s, 100)
		panic("a fault of the program")
	})
	members := e.Group("", echo.WrapMiddleware(sessions.RequireLogin))
	members.GET("/profile", func(c *echo.Context) error {
		s := coatcheck.From(c.Request().Context())
		n := visits.Update(s, func(n int) int { return n + 1 })
		return c.String(http.StatusOK, fmt.Sprintf("User %s, visit %d", s.User(), n))
	})
	members.GET("/events", events)
	return sessions.Handler(e)
}

// events is a stream that ends with the session.
func events(c *echo.Context) error {
	s := coatcheck.From(c.Request().Context())
	ended := s.Ended() // before the first byte: it looks at the session
	c.Response().Header().Set("Content-Type", "text/event-stream")
	send := func(data string) error {
		fmt.Fprintf(c.Response(), "data: %s\n\n", data)
		return http.NewResponseController(c.Response()).Flush()
	}
	err := send("hello " + s.User())
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for err == nil {
		select {
		case <-ended:
			return send("bye")
		case <-c.Request().Context().Done(): // the tab is closed
			return nil
		case now := <-tick.C:
			err = send(now.Format(time.TimeOnly))
		}
	}
	return err
}
