package fiberadapter_test

import (
	"fmt"
	"io"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/fiberadapter"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/recover"
)

func ExampleNew() {
	keys, err := cookie.NewKeys("an example's secret, 32 bytes and more") // cookie.KeysFromEnv, in an application
	if err != nil {
		fmt.Println(err)
		return
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	app := fiber.New()
	app.Use(recover.New(), fiberadapter.New(sessions))
	app.Post("/login", func(c fiber.Ctx) error {
		coatcheck.From(c.Context()).Login("123") // after the password was checked
		return c.SendString("Logged in")
	})
	app.Get("/profile", fiberadapter.With(sessions.RequireLogin), func(c fiber.Ctx) error {
		return c.SendString("User " + coatcheck.From(c.Context()).User())
	})

	ask := func(method, path string, cookies []*http.Cookie) []*http.Cookie {
		r, _ := http.NewRequest(method, "http://app.example"+path, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		res, err := app.Test(r)
		if err != nil {
			panic(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		fmt.Println(res.StatusCode, string(body))
		return res.Cookies()
	}
	ask("GET", "/profile", nil)
	login := ask("POST", "/login", nil)
	ask("GET", "/profile", login)
	// Output:
	// 401 Not logged in
	// 200 Logged in
	// 200 User 123
}

// What a handler has changed before a panic is not kept, though recover answers
// inside of New: DropOnPanic is inside of that.
func ExampleWith() {
	keys, err := cookie.NewKeys("an example's secret, 32 bytes and more")
	if err != nil {
		fmt.Println(err)
		return
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	app := fiber.New()
	app.Use(fiberadapter.New(sessions), recover.New(), fiberadapter.With(coatcheck.DropOnPanic))
	app.Post("/broken", func(c fiber.Ctx) error {
		coatcheck.From(c.Context()).Login("123")
		panic("out of tea")
	})
	r, _ := http.NewRequest("POST", "http://app.example/broken", nil)
	res, err := app.Test(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.StatusCode, len(res.Cookies()), "cookies")
	// Output: 500 0 cookies
}
