package benchmarks

import (
	"strings"
	"time"

	"github.com/kataras/iris/v12"
	"github.com/kataras/iris/v12/sessions"
	"github.com/kataras/iris/v12/sessions/sessiondb/redis"
)

// Iris is the sessions package of kataras/iris, whose README this follows. It
// hands every request the same live object in this process's memory: fast, and
// another process does not see it. It has no call that renews an id: its login
// destroys the session, starts a new one (AllowReclaim) and copies the values.
var Iris = Library{Name: "iris", New: func(b Backend) (App, error) {
	app := iris.New()
	app.Logger().SetLevel("disable")
	manager := sessions.New(sessions.Config{
		Cookie: "sid", AllowReclaim: true, CookieSecureTLS: true, Expires: 12 * time.Hour,
		DisableSubdomainPersistence: true,
	})
	closeStore, err := irisStore(b, manager)
	if err != nil {
		return nil, err
	}
	irisRoutes(app, manager)
	if err := app.Build(); err != nil {
		return nil, err
	}
	return web{Handler: app, close: closeStore}, nil
}}

func irisStore(b Backend, manager *sessions.Sessions) (closeStore func() error, err error) {
	if b.Idle {
		_, err = unsupported(b) // it has no idle timeout
		return nil, err
	}
	switch b.Kind {
	case Memory:
		return nil, nil
	case Redis:
		db := redis.New(redis.Config{Network: "tcp", Addr: b.Addr, Timeout: 30 * time.Second, MaxActive: connections, Driver: redis.GoRedis()})
		manager.UseDatabase(db)
		return db.Close, nil
	}
	_, err = unsupported(b)
	return nil, err
}

func irisRoutes(app *iris.Application, manager *sessions.Sessions) {
	ok := func(c iris.Context) { c.Write(okBody) }
	app.Get("/bare", ok)
	app.Use(manager.Handler())
	app.Get("/untouched", ok)
	read := func(c iris.Context) { answer(c.ResponseWriter(), sessions.Get(c).GetString(textName)) }
	count := func(c iris.Context) {
		answerNumber(c.ResponseWriter(), sessions.Get(c).Increment(countName, 1))
	}
	contentType := func(c iris.Context) {
		c.ContentType("text/plain")
		c.Next()
	}
	app.Get("/read", read)
	app.Get("/profile", contentType, read)
	app.Post("/count", count)
	app.Post("/cart", contentType, count)
	app.Get("/page", irisPage(func(s *sessions.Session) (n int, flash string) {
		flash = s.GetFlashString(flashName) // which iris keeps in this process
		s.SetFlash(flashName, flashText)
		return s.Increment(countName, 1), flash
	}))
	app.Post("/form", irisPage(func(s *sessions.Session) (n int, flash string) {
		s.SetFlash(flashName, flashText)
		return s.Increment(countName, 1), ""
	}))
	app.Get("/after", irisPage(func(s *sessions.Session) (n int, flash string) { return 0, s.GetFlashString(flashName) }))
	app.Post("/set", func(c iris.Context) {
		sessions.Get(c).Set(textName, textValue)
		ok(c)
	})
	app.Post("/login", func(c iris.Context) {
		values := sessions.Get(c).GetAll()
		manager.Destroy(c)
		c.Request().Header.Del("Cookie") // AllowReclaim should, and does not
		s := manager.Start(c)
		for name, value := range values {
			s.Set(name, value)
		}
		s.Set(userName, userValue)
		ok(c)
	})
	app.Post("/fill", func(c iris.Context) {
		s := sessions.Get(c)
		s.Set(userName, userValue)
		s.Set(textName, textValue)
		if n := number(c.Request()); n > 1 {
			s.Set(countName, 0)
			for name, value := range extra(n) {
				s.Set(name, value)
			}
		}
		ok(c)
	})
	app.Post("/fill4k", func(c iris.Context) {
		s := sessions.Get(c)
		s.Set(userName, userValue)
		s.Set(largeName, strings.Repeat("x", 4000))
		s.Set(textName, textValue)
		ok(c)
	})
}

// irisPage answers a page of a session that change has changed.
func irisPage(change func(s *sessions.Session) (n int, flash string)) iris.Handler {
	return func(c iris.Context) {
		s := sessions.Get(c)
		var values [3]string
		for i, name := range pageNames {
			values[i] = s.GetString(name)
		}
		n, flash := change(s)
		answerPage(c.ResponseWriter(), values, n, flash)
	}
}
