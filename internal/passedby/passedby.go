// Package passedby is how the core tells coatchecktest that a handler answered
// past the session's writer.
package passedby

// Key is the key of a request's context under which a func(error) waits for it.
type Key struct{}
