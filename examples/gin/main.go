// Command gin uses coatcheck with the router gin: the engine is a
// handler, and is wrapped as one.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

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
	// What a handler changed before a panic that Recovery answers is not kept.
	engine.Use(gin.Recovery(), with(coatcheck.DropOnPanic))
	engine.POST("/login", func(c *gin.Context) {
		coatcheck.From(c.Request.Context()).Login("123") // after the password was checked
		c.String(http.StatusOK, "Logged in")
	})
	engine.POST("/logout", func(c *gin.Context) {
		coatcheck.From(c.Request.Context()).Logout()
		c.String(http.StatusOK, "Logged out")
	})
	engine.POST("/broken", func(c *gin.Context) {
		s := coatcheck.From(c.Request.Context())
		s.Login("somebody else")
		visits.Set(s, 100)
		panic("a fault of the program")
	})
	members := engine.Group("", with(sessions.RequireLogin))
	members.GET("/profile", func(c *gin.Context) {
		s := coatcheck.From(c.Request.Context())
		n := visits.Update(s, func(n int) int { return n + 1 })
		c.String(http.StatusOK, "User %s, visit %d", s.User(), n)
	})
	members.GET("/events", events)
	return sessions.Handler(engine)
}

// with makes gin's middleware of one that leaves the ResponseWriter as it is, as
// DropOnPanic and all of Require do. Handler does not: it goes around the engine.
func with(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

// events is a stream that ends with the session.
func events(c *gin.Context) {
	s := coatcheck.From(c.Request.Context())
	ended := s.Ended() // before the first byte: it looks at the session
	c.Header("Content-Type", "text/event-stream")
	fmt.Fprintf(c.Writer, "data: hello %s\n\n", s.User())
	c.Writer.Flush()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	c.Stream(func(w io.Writer) bool {
		select {
		case <-ended:
			fmt.Fprint(w, "data: bye\n\n")
			return false
		case <-c.Request.Context().Done(): // the tab is closed
			return false
		case now := <-tick.C:
			fmt.Fprintf(w, "data: %s\n\n", now.Format(time.TimeOnly))
			return true
		}
	})
}
