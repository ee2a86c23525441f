// Command gin uses coatcheck with the router gin: the engine is a
// handler, and is wrapped as one.
package main

import (
	"log"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/gin-gonic/gin"
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
	engine := gin.New()
	engine.POST("/login", func(c *gin.Context) {
		coatcheck.From(c.Request.Context()).Login("123") // after the password was checked
		c.String(http.StatusOK, "Logged in")
	})
	engine.POST("/logout", func(c *gin.Context) {
		coatcheck.From(c.Request.Context()).Logout()
		c.String(http.StatusOK, "Logged out")
	})
	engine.GET("/profile", func(c *gin.Context) {
		s := coatcheck.From(c.Request.Context())
		if s.User() == "" {
			c.String(http.StatusUnauthorized, "Not logged in")
			return
		}
		n := visits.Update(s, func(n int) int { return n + 1 })
		c.String(http.StatusOK, "User %s, visit %d", s.User(), n)
	})
	return sessions.Handler(engine)
}
