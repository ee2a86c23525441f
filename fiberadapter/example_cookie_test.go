package fiberadapter_test

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/fiberadapter"
	"github.com/gofiber/fiber/v3"
)

func ExampleSetCookie() {
	keys, err := cookie.NewKeys("an example's secret, 32 bytes and more")
	if err != nil {
		fmt.Println(err)
		return
	}
	theme := cookie.NewSigned[string]("theme", keys, cookie.Policy{MaxAge: 24 * time.Hour})
	app := fiber.New()
	app.Post("/theme", func(c fiber.Ctx) error {
		if err := fiberadapter.SetCookie(c, theme, "dark"); err != nil {
			return err
		}
		return c.SendString("Set")
	})
	app.Get("/theme", func(c fiber.Ctx) error {
		v, err := fiberadapter.GetCookie(c, theme)
		if err != nil {
			v = "default"
		}
		return c.SendString("Theme: " + v)
	})

	var cookies []*http.Cookie
	for _, method := range []string{"GET", "POST", "GET"} {
		r, _ := http.NewRequest(method, "http://app.example/theme", nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		res, err := app.Test(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(res.StatusCode, string(body))
		cookies = res.Cookies()
	}
	// Output:
	// 200 Theme: default
	// 200 Set
	// 200 Theme: dark
}
