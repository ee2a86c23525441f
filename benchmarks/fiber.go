package benchmarks

import (
	"net"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/session"
	"github.com/gofiber/storage/redis/v3"
	"github.com/valyala/fasthttp"
)

// Fiber is the session middleware of fiber v3, used as its documentation's
// recommended pattern does; that saves each session at the end of each request.
// Its server is its own, fasthttp, and not net/http.
var Fiber = Library{Name: "fiber", New: func(b Backend) (App, error) {
	storage, err := fiberStorage(b)
	if err != nil {
		return nil, err
	}
	app := fiber.New()
	fiberRoutes(app, session.Config{Storage: storage, CookieSecure: true, CookieHTTPOnly: true})
	return fiberApp{app, storage}, nil
}}

// fiberStorage returns nil for the default, memory.
func fiberStorage(b Backend) (fiber.Storage, error) {
	switch b.Kind {
	case Memory:
		return nil, nil
	case Redis:
		host, port, err := net.SplitHostPort(b.Addr)
		if err != nil {
			return nil, err
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, err
		}
		return redis.New(redis.Config{Host: host, Port: number, PoolSize: connections}), nil
	}
	_, err := unsupported(b)
	return nil, err
}

func fiberRoutes(app *fiber.App, cfg session.Config) {
	ok := func(c fiber.Ctx) error { return c.Send(okBody) }
	app.Get("/bare", ok)
	app.Use(session.New(cfg))
	app.Get("/untouched", ok)
	read := func(c fiber.Ctx) error {
		if text, _ := session.FromContext(c).Get(textName).(string); text != textValue {
			return c.Status(500).SendString("the session lost its value")
		}
		return ok(c)
	}
	count := func(c fiber.Ctx) error {
		s := session.FromContext(c)
		n, _ := s.Get(countName).(int)
		s.Set(countName, n+1)
		var room [20]byte
		return c.Send(strconv.AppendInt(room[:0], int64(n+1), 10))
	}
	app.Get("/read", read)
	app.Get("/profile", read) // its answers have a Content-Type by themselves
	app.Post("/count", count)
	app.Post("/cart", count)
	app.Get("/page", fiberPage(func(s *session.Middleware) (n int, flash string) {
		flash, _ = s.Get(flashName).(string)
		s.Set(flashName, flashText)
		return fiberCount(s), flash
	}))
	app.Post("/form", fiberPage(func(s *session.Middleware) (n int, flash string) {
		s.Set(flashName, flashText)
		return fiberCount(s), ""
	}))
	app.Get("/after", fiberPage(func(s *session.Middleware) (n int, flash string) {
		flash, _ = s.Get(flashName).(string)
		s.Delete(flashName)
		return 0, flash
	}))
	app.Post("/set", func(c fiber.Ctx) error {
		session.FromContext(c).Set(textName, textValue)
		return ok(c)
	})
	app.Post("/login", func(c fiber.Ctx) error {
		s := session.FromContext(c)
		if err := s.Regenerate(); err != nil {
			return err
		}
		s.Set(userName, userValue)
		return ok(c)
	})
	app.Post("/fill", func(c fiber.Ctx) error {
		s := session.FromContext(c)
		s.Set(userName, userValue)
		s.Set(textName, textValue)
		if n, _ := strconv.Atoi(c.Query("n")); n > 1 {
			s.Set(countName, 0)
			for name, value := range extra(n) {
				s.Set(name, value)
			}
		}
		return ok(c)
	})
	app.Post("/fill4k", func(c fiber.Ctx) error {
		s := session.FromContext(c)
		s.Set(userName, userValue)
		s.Set(largeName, strings.Repeat("x", 4000))
		s.Set(textName, textValue)
		return ok(c)
	})
}

// fiberPage answers a page of a session that change has changed.
func fiberPage(change func(s *session.Middleware) (n int, flash string)) fiber.Handler {
	return func(c fiber.Ctx) error {
		s := session.FromContext(c)
		var values [3]string
		for i, name := range pageNames {
			values[i], _ = s.Get(name).(string)
		}
		n, flash := change(s)
		page, ok := pageBody(values, n, flash)
		if !ok {
			return c.Status(500).SendString("the session lost its value")
		}
		c.Set("Content-Type", "text/html; charset=utf-8")
		return c.Send(page)
	}
}

func fiberCount(s *session.Middleware) int {
	n, _ := s.Get(countName).(int)
	s.Set(countName, n+1)
	return n + 1
}

// A fiberApp is an App of fiber.
type fiberApp struct {
	*fiber.App
	storage fiber.Storage
}

func (a fiberApp) Browser() Browser { return &fiberBrowser{h: a.Handler()} }

func (a fiberApp) Serve(l net.Listener) error {
	return a.Listener(l, fiber.ListenConfig{DisableStartupMessage: true})
}

func (a fiberApp) Close() error {
	if a.storage != nil {
		return a.storage.Close()
	}
	return nil
}

// A fiberBrowser is the Browser of fasthttp applications.
type fiberBrowser struct {
	h   fasthttp.RequestHandler
	jar map[string]string
}

func (b *fiberBrowser) request(c *fasthttp.RequestCtx, method, path string) {
	c.Request.Header.SetMethod(method)
	c.Request.SetRequestURI(path)
	c.Request.Header.SetHost("example.com")
	c.Request.Header.SetUserAgent(UserAgent)
	c.Request.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	for name, value := range b.jar {
		c.Request.Header.SetCookie(name, value)
	}
}

func (b *fiberBrowser) Visit(method, path string) (int, string) {
	var c fasthttp.RequestCtx
	b.request(&c, method, path)
	b.h(&c)
	if b.jar == nil {
		b.jar = make(map[string]string)
	}
	for name, line := range c.Response.Header.Cookies() {
		pair, _, _ := strings.Cut(string(line), ";")
		_, value, _ := strings.Cut(pair, "=")
		b.jar[string(name)] = value
	}
	return c.Response.StatusCode(), string(c.Response.Body())
}

func (b *fiberBrowser) Again(method, path string, follow bool) func() {
	c := new(fasthttp.RequestCtx)
	b.request(c, method, path)
	var cookie fasthttp.Cookie
	return func() {
		c.Response.Reset()
		c.ResetUserValues()
		b.h(c)
		if status := c.Response.StatusCode(); status >= 400 {
			panic("the answer to " + path + " is " + strconv.Itoa(status))
		}
		if follow {
			for name := range b.jar {
				cookie.Reset()
				cookie.SetKey(name)
				if c.Response.Header.Cookie(&cookie) {
					c.Request.Header.SetCookieBytesKV(cookie.Key(), cookie.Value())
				}
			}
		}
	}
}

// amongFiber is Among.
func amongFiber(list []Browser, method, path string) (send, warm func(i int)) {
	first := list[0].(*fiberBrowser)
	c := new(fasthttp.RequestCtx)
	first.request(c, method, path)
	send = func(i int) {
		for name, value := range list[i].(*fiberBrowser).jar {
			c.Request.Header.SetCookie(name, value)
		}
		c.Response.Reset()
		c.ResetUserValues()
		first.h(c)
		if status := c.Response.StatusCode(); status >= 400 {
			panic("the answer to " + path + " is " + strconv.Itoa(status))
		}
	}
	return send, func(i int) {
		for _, value := range list[i].(*fiberBrowser).jar {
			touched(value)
		}
	}
}
