package main

import (
	"net/http"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/examples/internal/visit"
	"github.com/gin-gonic/gin"
)

func TestQuickstart(t *testing.T) { visit.Quickstart(t, routes(visit.Sessions(t))) }

// G4: nothing is stored after a panic, whoever recovers, and nobody is logged in.
func TestPanic(t *testing.T) { visit.Panic(t, routes(visit.Sessions(t))) }

func TestStreamEnds(t *testing.T) { visit.StreamEnds(t, routes(visit.Sessions(t))) }

// A middleware that calls Handler, and lets the rest answer through the router's
// own writer, is noticed.
func TestPassedBy(t *testing.T) {
	sessions := visit.Sessions(t)
	engine := gin.Default() // which recovers, too
	engine.Use(func(c *gin.Context) {
		sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
	})
	engine.GET("/", func(c *gin.Context) {
		coatcheck.From(c.Request.Context()).Login("123")
		c.String(http.StatusOK, "Logged in")
	})
	visit.PassedBy(t, engine)
}
