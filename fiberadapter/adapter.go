package fiberadapter

import (
	"errors"
	"iter"
	"net/http"

	"github.com/coatcheck/coatcheck"
	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
)

// New returns the middleware that gives every request a session of sessions, as
// Manager.Handler does for net/http. It belongs around everything that answers:
// app.Use it before the routes, and after a recoverer. Several managers may each
// have one.
func New(sessions *coatcheck.Manager) fiber.Handler {
	return func(c fiber.Ctx) error {
		r, err := newRequest(c)
		if err != nil {
			return fiber.ErrBadRequest
		}
		return (&call{c: c, outer: newWriter(&c.RequestCtx().Response)}).serve(sessions, r)
	}
}

// A call is one request within Manager.Handler, which runs as a coroutine of the
// request's own goroutine: it stops where net/http would call the handler, and
// once more when the answer is committed and may leave.
type call struct {
	c     fiber.Ctx
	outer *writer             // what Handler answers to
	inner http.ResponseWriter // what Handler gives to its handler
	r     *http.Request
	next  func() (struct{}, bool)
	stop  func()
}

// errGone takes the place of a panic in the handlers, or of an answer that a
// time-out gave for them: nothing that waits is to be stored.
var errGone = errors.New("fiberadapter: no answer")

func (x *call) serve(sessions *coatcheck.Manager, r *http.Request) error {
	x.next, x.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if fault := recover(); fault != nil && fault != any(errGone) {
				panic(fault)
			}
		}()
		sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x.inner, x.r = w, r
			if !yield(struct{}{}) {
				panic(errGone)
			}
			x.answer()
			yield(struct{}{})
		})).ServeHTTP(x.outer, r)
	})
	if _, inside := x.next(); !inside { // refused, or led through a landing
		x.outer.replace(x.c.RequestCtx())
		return nil
	}
	return x.handle()
}

// handle calls the application's handlers and sends what they answer.
func (x *call) handle() error {
	ctx := x.c.RequestCtx()
	context, around := x.c.Context(), ctx.UserValue(callKey{}) // of another manager
	returned, timedOut := false, false
	defer func() {
		if !returned { // a panic goes on, with our headers for whoever answers
			x.giveUp(&ctx.Response)
		}
		if !timedOut {
			x.c.SetContext(context)
			ctx.SetUserValue(callKey{}, around)
		}
	}()
	x.c.SetContext(x.r.Context())
	ctx.SetUserValue(callKey{}, x)
	err := x.c.Next()
	if late := ctx.LastTimeoutErrorResponse(); late != nil {
		returned, timedOut = true, true // and a handler is still at work, with all of ctx but this answer
		x.outer.late.Store(true)
		x.giveUp(late)
		return err
	}
	if err != nil && x.c.App().ErrorHandler(x.c, err) != nil {
		x.c.Status(fiber.StatusInternalServerError)
		ctx.Response.ResetBody()
	}
	returned = true
	x.next()
	if ctx.Response.IsBodyStream() || ctx.Hijacked() {
		ctx.SetUserValue(x, closer(x.stop)) // fasthttp closes it at the end of the stream
	} else {
		x.stop()
	}
	return nil
}

// giveUp ends the call without a commit of what waits.
func (x *call) giveUp(res *fasthttp.Response) {
	x.outer.take(res)
	x.stop()
	x.outer.put(res)
}

// answer commits the session and puts its headers into the answer, or the answer
// that replaces it.
func (x *call) answer() {
	ctx := x.c.RequestCtx()
	if x.outer.Written() { // by a middleware given to With
		x.outer.replace(ctx)
		return
	}
	x.outer.take(&ctx.Response)
	x.inner.WriteHeader(ctx.Response.StatusCode())
	if _, err := x.inner.Write(nil); err != nil {
		x.outer.replace(ctx)
	} else {
		x.outer.put(&ctx.Response)
	}
}

type callKey struct{}

type closer func()

func (c closer) Close() error { c(); return nil }

// With makes Fiber's middleware of one of net/http that either answers or calls
// the next handler, with the ResponseWriter that it was given: Require,
// RequireLogin and RequireFresh of a Manager, and coatcheck.DropOnPanic. It belongs
// inside of New, and panics where there is none.
func With(middleware func(http.Handler) http.Handler) fiber.Handler {
	return func(c fiber.Ctx) (err error) {
		ctx := c.RequestCtx()
		x, _ := ctx.UserValue(callKey{}).(*call)
		if x == nil {
			panic("fiberadapter: With without New around it; want app.Use(fiberadapter.New(sessions)) before")
		}
		x.outer.take(&ctx.Response)
		middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			x.outer.put(&ctx.Response)
			c.SetContext(r.Context())
			err = c.Next()
		})).ServeHTTP(x.inner, x.r.WithContext(c.Context()))
		return err
	}
}
