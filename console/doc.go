// Package console is a web page for the person on call: who is logged in, why was
// this user logged out, end these sessions, is the store the problem.
//
// A [Recorder] listens to the events of a manager and to the calls of its store,
// and keeps the last hour of both in memory, bounded. [New] makes an
// [http.Handler] of it. An application mounts them in three lines:
//
//	var hour console.Recorder
//	sessions, err := coatcheck.New(hour.Store(store), keys, coatcheck.Config{Events: hour.Events(coatcheck.LogEvents(log))})
//	page, err := console.New(sessions, console.Config{Recorder: &hour, Authorize: isOperator})
//	mux.Handle("/console/", page)
//
// # Who sees it
//
// Nothing is shown without Config.Authorize, for which there is no default. Whoever
// is not authorised gets 404, as on a path that there is not; an operator whose
// login is not recent enough sees everything and can end nothing. Every change is a
// POST, refused if it comes from another origin, and an event with the name of who
// did it.
//
// # What it costs
//
// A page asks the store for as much as it shows: the sessions of one user, or one
// session. What counts everything is asked for at most twice a minute, however many
// look, and says how old it is. What the recorder adds to a call of the store is two
// looks at the clock and a count, without an allocation; where a session begins or
// gets a new token also its handle, by which it is found.
//
// # What it knows
//
// What this process was told, since it began. Where several processes serve an
// application each console has its own hour; the lists of sessions come from the
// store and are everybody's.
package console
