package fiberadapter

import (
	"net/http"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/gofiber/fiber/v3"
)

// GetCookie is Get of package cookie for a request of Fiber, with New around it or
// without.
func GetCookie[T any](c fiber.Ctx, k cookie.Cookie[T]) (T, error) {
	return k.Get(&http.Request{Header: requestHeader(c)})
}

// SetCookie is Set of package cookie.
func SetCookie[T any](c fiber.Ctx, k cookie.Cookie[T], v T) error {
	w := newWriter(c.Response())
	err := k.Set(w, v)
	if err == nil {
		w.put(c.Response())
	}
	return err
}

// ClearCookie is Clear of package cookie.
func ClearCookie[T any](c fiber.Ctx, k cookie.Cookie[T]) error {
	w := newWriter(c.Response())
	err := k.Clear(w)
	if err == nil {
		w.put(c.Response())
	}
	return err
}

// RefreshCookie is Refresh of package cookie.
func RefreshCookie[T any](c fiber.Ctx, k cookie.Cookie[T]) (T, error) {
	w := newWriter(c.Response())
	v, err := k.Refresh(w, &http.Request{Header: requestHeader(c)})
	w.put(c.Response())
	return v, err
}
