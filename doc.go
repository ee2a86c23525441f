// Package coatcheck gives web applications sessions: what a server remembers
// between two requests of one browser, behind a cookie that says nothing.
//
//	keys, err := cookie.KeysFromEnv() // SECRET_KEY
//	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
//	http.ListenAndServe("localhost:8080", sessions.Handler(mux))
//
// Handlers take the session of their request from its context and use it like a
// dictionary, through typed keys:
//
//	var visits = coatcheck.NewKey[int]("visits")
//
//	func login(w http.ResponseWriter, r *http.Request) {
//		coatcheck.From(r.Context()).Login("123") // new token, always
//	}
//
//	func profile(w http.ResponseWriter, r *http.Request) {
//		s := coatcheck.From(r.Context())
//		n := visits.Update(s, func(n int) int { return n + 1 })
//		fmt.Fprintf(w, "User %s, visit %d", s.User(), n)
//	}
//
// # What an application needs
//
// Most programs get by with these names; the others serve tests, tools and the
// authors of stores.
//
//   - Set up: [New] makes a [Manager] of a store, keys and a [Config], whose zero
//     value is the safest; [Manager.Handler] wraps the application.
//   - In a handler: [From] gives the [Session].
//   - Who it is: [Session.Login], [Session.User], [Session.Logout].
//   - Who may: [Manager.RequireLogin], and [Manager.Require] for routes with effects
//     that anybody may use.
//   - Values: a [Key], made by [NewKey], has Get, Set, Update and Pop; [Append].
//   - Messages for the next page: [Session.Flash], [Session.Flashes].
//   - Devices: [Manager.Sessions] lists a user's, [Manager.RevokeOthers] ends all
//     but this one.
//   - What happened: [LogEvents] for the log, [Session.Err] for the handler.
//
// Other carriers: [NewInCookie] without a store, [NewBearer] for native clients.
// Package coatchecktest is for tests, docs/guide/README.md answers by the words that
// people search for. What a store must do is [store.Store], and package storetest checks it.
//
// # What it promises
//
// Requests of one session that run at once all keep what they wrote. A logout
// is final, whatever is in flight. A login changes the token. The session is
// committed before the first byte of the response, and when that fails the
// response is replaced: no client is told of a change that did not happen. The
// zero Config is the safest one. docs/guide/promises.md numbers the promises G1
// to G14, and tests quote them.
//
// # How it works
//
// The cookie holds a token: random bytes and a MAC. The [store.Store] keeps a
// [store.Record] under a hash of the random bytes, so a stolen store opens nothing
// and a forged cookie costs no call. A session is loaded when it is first
// looked at, its changes are recorded as operations, and a commit names the
// version it read: on conflict the operations are replayed on what the other
// request stored.
//
// # Reading the source
//
// In the order of a request; docs/architecture.md walks through it.
//
//   - manager.go, config.go: what a program sets up. handler.go: what it wraps, who may
//     pass, where a login may return to.
//   - request.go: one request. The exchange and its session, the first look, the
//     first byte, what comes after the handler. crosssite.go: which requests and
//     cookies count (G7).
//   - session.go, login.go, values.go: what a handler says. devices.go: sessions of a
//     user, or of everybody, listed and ended. ended.go: who waits for an end.
//   - commit.go: one commit, from what is pending to what is stored. queue.go:
//     those that wait in line, here and in other processes (G1).
//   - headers.go, writer.go, errors.go: what the answer becomes. event.go: what is
//     told.
//   - token.go and incookie.go: the two carriers. adopt.go: sessions of other
//     systems. bound.go: the door of package dbsc.
//   - internal/token, internal/record, internal/exact: bytes. internal/wait: waiting
//     that ends. internal/binding, internal/passedby: what other packages of ours hook
//     into.
//
// # Compatibility
//
// The formats on the wire and in stores are specified in docs/spec, carry a
// version, and only grow once released. Before version 1.0 names may change.
package coatcheck
