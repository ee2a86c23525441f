package behaviour_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/fiberadapter"
	"github.com/coatcheck/coatcheck/internal/device"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
)

// On Fiber a session is bound as the guide says it: the handler stands before the
// middleware.
func TestBoundOnFiber(t *testing.T) {
	t.Parallel()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	bound, err := dbsc.New(sessions, dbsc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New()
	app.Post("/dbsc/*", adaptor.HTTPHandler(bound))
	app.Use(fiberadapter.New(sessions))
	app.Post("/login", func(c fiber.Ctx) error {
		coatcheck.From(c.Context()).Login("123")
		return nil
	})
	app.Get("/user", fiberadapter.With(sessions.RequireLogin), func(c fiber.Ctx) error {
		return c.SendString(coatcheck.From(c.Context()).User())
	})
	d := device.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RequestURI = r.URL.RequestURI()
		res, err := app.Test(r, fiber.TestConfig{Timeout: time.Minute})
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		for name, lines := range res.Header {
			w.Header()[name] = lines
		}
		w.WriteHeader(res.StatusCode)
		io.Copy(w, res.Body)
	}), device.NewECKey(t))
	if w := d.Do("POST", "/login"); w.Code != http.StatusOK || d.ID == "" {
		t.Fatalf("login: %d %q", w.Code, w.Header())
	}
	for range 2 { // a refresh in one trip, and in two
		delete(d.Jar, d.Cookie)
		if w := d.Do("GET", "/user"); w.Code != http.StatusOK || w.Body.String() != "123" {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		d.Challenge = ""
	}
	if d.Signed != 3 {
		t.Errorf("%d proofs, want 3", d.Signed)
	}
}
