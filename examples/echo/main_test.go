package main

import (
	"net/http"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/examples/internal/visit"
	"github.com/labstack/echo/v5"
)

func TestQuickstart(t *testing.T) { visit.Quickstart(t, routes(visit.Sessions(t))) }

// G4: nothing is stored after a panic, whoever recovers, and nobody is logged in.
func TestPanic(t *testing.T) { visit.Panic(t, routes(visit.Sessions(t))) }

func TestStreamEnds(t *testing.T) { visit.StreamEnds(t, routes(visit.Sessions(t))) }

// A middleware that calls Handler, and lets the rest answer through the router's
// own writer, is noticed.
func TestPassedBy(t *testing.T) {
	sessions := visit.Sessions(t)
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) (err error) {
			sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				c.SetRequest(r)
				err = next(c)
			})).ServeHTTP(c.Response(), c.Request())
			return err
		}
	})
	e.GET("/", func(c *echo.Context) error {
		coatcheck.From(c.Request().Context()).Login("123")
		return c.String(http.StatusOK, "Logged in")
	})
	visit.PassedBy(t, e)
}
