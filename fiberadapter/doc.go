// Package fiberadapter gives the requests of a Fiber application their sessions.
// Fiber runs on fasthttp, so a handler of net/http such as Manager.Handler cannot
// go around it; Fiber's own adaptor for middleware runs a wrapper to its end
// before it calls the handler, and no cookie would be set. New does it:
//
//	app := fiber.New()
//	app.Use(recover.New(), fiberadapter.New(sessions))
//	app.Post("/login", func(c fiber.Ctx) error {
//		coatcheck.From(c.Context()).Login("123") // after the password was checked
//		return c.SendString("Logged in")
//	})
//	app.Get("/profile", fiberadapter.With(sessions.RequireLogin), profile)
//
// The session is that of c.Context(). Everything that package coatcheck promises
// holds as with net/http, with these differences, which are fasthttp's:
//
//   - The answer leaves when the handlers have returned, so that is when the
//     session is committed: everything but an immediate commit comes before the
//     first byte. A stream (SendStreamWriter) begins after that, and so does a
//     connection that was hijacked for a websocket; until they end the session
//     can be used, for changes that need no cookie, and Ended tells. Look at the
//     session before the handler returns.
//   - An error that a handler returns is answered by the application's
//     ErrorHandler within New, so that its answer is committed like any other.
//     Middleware around New sees no error.
//   - Nobody tells that a client has left: c.Context() is not cancelled. A load
//     still ends after 5 seconds, and a stream hears of it when it flushes.
//   - A page cache, such as Fiber's middleware cache, belongs outside of New, which
//     puts Cache-Control: no-store and Vary: Cookie into the answer when all handlers
//     have returned. Between New and the handlers it sees neither, keeps the page of
//     one user and gives it to others:
//     app.Use(cache.New(), fiberadapter.New(sessions)).
//   - c.End sends the answer before the session is committed, without its cookie.
//   - Fiber refuses header lines of more than Config.ReadBufferSize, 4,096 bytes by
//     default, with all cookies; a session in its cookie (coatcheck.NewInCookie)
//     wants 16,384.
//   - Fiber's strings are memory that later requests write over, unless
//     Config.Immutable says otherwise. What a session is given is copied or encoded
//     at once: users, values, flashes, labels. What an event handler or a goroutine
//     keeps, the application copies.
//   - What a middleware changes in the request's cookies is not seen: the cookies
//     are those that came.
//
// Cookies without a session, those of package cookie, are read and set by GetCookie,
// SetCookie, ClearCookie and RefreshCookie.
//
// A panic stores nothing of what waits, where the recoverer is outside of New, as
// above. Where it is inside, With(coatcheck.DropOnPanic) belongs inside of that.
package fiberadapter
