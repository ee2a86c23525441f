package fiberadapter_test

import (
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/fiberadapter"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/cache"
)

// G12: Fiber's page cache, outside of New as the documentation says, keeps no page
// for which somebody has looked at the session, logged in or not, and any other.
func TestPageCacheOutside(t *testing.T) {
	s := newSite(t, coatcheck.Config{})
	s.Use(cache.New(cache.Config{Expiration: time.Hour}), fiberadapter.New(s.sessions))
	s.Post("/login", func(c fiber.Ctx) error {
		coatcheck.From(c.Context()).Login(c.Query("user"))
		return nil
	})
	s.Get("/user", func(c fiber.Ctx) error { return c.SendString(coatcheck.From(c.Context()).User()) })
	made := 0
	s.Get("/static", func(c fiber.Ctx) error {
		made++
		return c.SendString(strconv.Itoa(made))
	})
	nobody := s.serve(t)
	alice, bob := nobody.other(), nobody.other()
	alice.want(200, "", "POST /login?user=alice")
	bob.want(200, "", "POST /login?user=bob")
	for range 2 {
		for _, v := range []struct {
			*visitor
			name string
		}{{alice, "alice"}, {bob, "bob"}, {nobody, ""}} {
			res := v.open("GET /user")
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || string(body) != v.name || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%q got the page of %q, Cache-Control %q, want no-store", v.name, body, res.Header["Cache-Control"])
			}
			v.want(200, "1", "GET /static") // the cache is at work
		}
	}
}
