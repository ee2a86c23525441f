package coatcheck

import (
	"net/http"

	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/store"
)

// DropOnPanic is for routers that recover a handler's panic inside of
// Manager.Handler: gin.Recovery, echo's and chi's Recover. Their answer looks
// like any other to us, and what the handler had changed before it panicked, a
// login or half of an order, would be stored with it. Put DropOnPanic inside of
// theirs and around the handlers, and nothing is:
//
//	r.Use(sessions.Handler, middleware.Recoverer, coatcheck.DropOnPanic)           // chi
//	e.Use(middleware.Recover(), echo.WrapMiddleware(coatcheck.DropOnPanic))        // echo
//	engine.Use(gin.Recovery(), func(c *gin.Context) {                              // gin
//		next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { c.Next() })
//		coatcheck.DropOnPanic(next).ServeHTTP(c.Writer, c.Request)
//	})
//
// Changes that wait for the first byte of the answer are then dropped, those of
// all managers, with an event of the kind Late; the panic goes on with its value
// and its stack. What was committed before (by Update, Pop, Flashes, Commit)
// stays. Whoever recovers may still use the session, for a flash on the page of
// the error. Where the recoverer is outside of Handler, or a handler is within
// Require, RequireLogin or RequireFresh, all this is so without DropOnPanic.
//
// Like From it panics where no Manager.Handler is around it.
func DropOnPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r.Context().Value(exchangeKey{})).call(next, w, r)
	})
}

// call calls a handler, after a panic of which nothing is stored that it has
// changed, whoever recovers (G4). It does not recover by itself: a panic keeps
// its stack.
func (x *exchange) call(next http.Handler, w http.ResponseWriter, r *http.Request) {
	returned := false
	defer func() {
		for ; x != nil && !returned; x = x.outer {
			x.abandon()
		}
	}()
	next.ServeHTTP(w, r)
	returned = true
}

func (x *exchange) abandon() {
	s := x.used.Load()
	if s == nil || !s.lock() {
		return
	}
	defer s.unlock()
	s.abandon()
}

// whyAbandoned is the reason of Late where the handler has not returned. Where
// there is no server of net/http the writer knows of time-outs, as that of
// fiberadapter does.
func (x *exchange) whyAbandoned() string {
	if w, ok := x.w.(interface{ TimedOut() bool }); ok && w.TimedOut() {
		return reasonTimedOut
	}
	return reasonPanic
}

// abandon drops what waits for the commit. The latch is held.
func (s *Session) abandon() {
	if !s.pending() {
		return
	}
	if s.err == nil && !s.rehearses() {
		s.x.event(Event{Kind: Late, Handle: s.handle(), Reason: s.x.whyAbandoned()})
	}
	if s.left && s.was != nil { // what Logout took away
		if h, err := record.Open(s.was.Data); err == nil {
			s.take(s.was, h)
			s.doubt()
		}
	}
	s.left, s.leaving, s.leaver, s.was, s.wishes = false, store.ID{}, "", nil, nil
	s.clean()
}
