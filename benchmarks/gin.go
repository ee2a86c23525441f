package benchmarks

import (
	"net/http"
	"strings"

	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/cookie"
	"github.com/gin-contrib/sessions/memstore"
	"github.com/gin-contrib/sessions/postgres"
	"github.com/gin-contrib/sessions/redis"
	"github.com/gin-gonic/gin"
)

// Gin is gin-contrib/sessions on gin in release mode, with one key as in its
// README. It has no call that renews an id, so its login only sets the user.
var Gin = Library{Name: "gin", New: func(b Backend) (App, error) {
	gin.SetMode(gin.ReleaseMode)
	store, closeStore, err := ginStore(b)
	if err != nil {
		return nil, err
	}
	store.Options(sessions.Options{Path: "/", MaxAge: 43200, Secure: true, HttpOnly: true})
	engine := gin.New()
	ginRoutes(engine, store, b)
	return web{Handler: engine, close: closeStore}, nil
}}

func ginStore(b Backend) (store sessions.Store, closeStore func() error, err error) {
	switch b.Kind {
	case Memory:
		return memstore.NewStore([]byte(secret)), nil, nil
	case InCookie:
		return cookie.NewStore([]byte(secret)), nil, nil
	case Redis:
		s, err := redis.NewStore(10, "tcp", b.Addr, "", "", []byte(secret))
		return s, nil, err
	case Postgres:
		db, err := openSQL(b)
		if err != nil {
			return nil, nil, err
		}
		s, err := postgres.NewStore(db, []byte(secret))
		return s, db.Close, err
	}
	_, err = unsupported(b)
	return nil, nil, err
}

func ginRoutes(engine *gin.Engine, store sessions.Store, b Backend) {
	ok := func(c *gin.Context) { c.Writer.Write(okBody) }
	engine.GET("/bare", ok)
	engine.Use(sessions.Sessions("session", store))
	engine.GET("/untouched", ok)
	read := func(c *gin.Context) {
		s := sessions.Default(c)
		text, _ := s.Get(textName).(string)
		if b.Idle { // the only way to move the end: Save does nothing without a change
			s.Set(textName, text)
			if err := s.Save(); err != nil {
				answerError(c.Writer, err)
				return
			}
		}
		answer(c.Writer, text)
	}
	count := func(c *gin.Context) {
		s := sessions.Default(c)
		n, _ := s.Get(countName).(int)
		s.Set(countName, n+1)
		if err := s.Save(); err != nil {
			answerError(c.Writer, err)
			return
		}
		answerNumber(c.Writer, n+1)
	}
	contentType := func(c *gin.Context) { c.Header("Content-Type", "text/plain; charset=utf-8") }
	engine.GET("/read", read)
	engine.GET("/profile", contentType, read)
	engine.POST("/count", count)
	engine.POST("/cart", contentType, count)
	engine.GET("/page", ginPage(func(s sessions.Session) (n int, flash string) {
		flash = firstFlash(s.Flashes())
		s.AddFlash(flashText)
		return ginCount(s), flash
	}))
	engine.POST("/form", ginPage(func(s sessions.Session) (n int, flash string) {
		s.AddFlash(flashText)
		return ginCount(s), ""
	}))
	engine.GET("/after", ginPage(func(s sessions.Session) (n int, flash string) { return 0, firstFlash(s.Flashes()) }))
	post := func(path string, f func(s sessions.Session, r *http.Request)) {
		engine.POST(path, func(c *gin.Context) {
			s := sessions.Default(c)
			f(s, c.Request)
			if err := s.Save(); err != nil {
				answerError(c.Writer, err)
				return
			}
			ok(c)
		})
	}
	post("/set", func(s sessions.Session, _ *http.Request) { s.Set(textName, textValue) })
	post("/login", func(s sessions.Session, _ *http.Request) { s.Set(userName, userValue) })
	post("/fill", func(s sessions.Session, r *http.Request) {
		s.Set(userName, userValue)
		s.Set(textName, textValue)
		if n := number(r); n > 1 {
			s.Set(countName, 0)
			for name, value := range extra(n) {
				s.Set(name, value)
			}
		}
	})
	post("/fill4k", func(s sessions.Session, _ *http.Request) {
		s.Set(userName, userValue)
		s.Set(largeName, strings.Repeat("x", 4000))
		s.Set(textName, textValue)
	})
}

// ginPage answers a page of a session that change has changed.
func ginPage(change func(s sessions.Session) (n int, flash string)) gin.HandlerFunc {
	return func(c *gin.Context) {
		s := sessions.Default(c)
		var values [3]string
		for i, name := range pageNames {
			values[i], _ = s.Get(name).(string)
		}
		n, flash := change(s)
		if err := s.Save(); err != nil {
			answerError(c.Writer, err)
			return
		}
		answerPage(c.Writer, values, n, flash)
	}
}

func ginCount(s sessions.Session) int {
	n, _ := s.Get(countName).(int)
	s.Set(countName, n+1)
	return n + 1
}
