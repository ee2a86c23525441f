package store

import (
	"context"
	"iter"
	"time"
)

// What a Store may offer beside the contract. As finds it, also behind wrappers
// that have a method Unwrap() Store, as http.ResponseController does. A wrapper
// implements none of these itself unless it changes what they do.

// A Watcher is a Store that tells of sessions as they end, in whatever process.
type Watcher interface {
	// Watch calls ready once, and ended for each id that is ended or replaced
	// from then on, both from its own goroutine, until ctx ends or the
	// connection is lost; then it returns an error.
	Watch(ctx context.Context, ready func(), ended func(ID)) error
}

// An Observer is a Store that wants to know what happens between its calls. It is for
// wrappers that measure; the engine of a store has no use for it. Its methods are
// called within requests, some while locks are held: they return at once, and use
// neither the store nor the Manager.
type Observer interface {
	// Committed tells how a commit of a live session has fared, done or not. ctx has
	// the values of the request.
	Committed(ctx context.Context, c Commit)

	// Awaited tells that so many more sessions have somebody who waits for their end
	// (Session.Ended), or fewer where it is negative.
	Awaited(more int)
}

// A Commit is what an Observer is told of one.
type Commit struct {
	Wait    time.Duration // how long it waited for other commits of its session in this process
	Replays int           // how often its changes were made again, on what others had stored
}

// A Pinger is a Store that can say whether its engine answers.
type Pinger interface {
	Ping(ctx context.Context) error
}

// Stats counts what a store holds. A number that the engine cannot tell at a
// bounded cost is -1.
type Stats struct {
	Sessions   int64 // live records, expired ones included that are not yet swept
	Tombstones int64
	Users      int64 // with a live record
	Bytes      int64 // that the engine takes for all of it
}

// A Counter is a Store that knows its Stats.
type Counter interface {
	Stats(ctx context.Context) (Stats, error)
}

// A Lister is a Store that can go through everybody's sessions.
type Lister interface {
	// All yields every live record, in no particular order. It fetches them in
	// batches as they are asked for, keeps no lock while one is looked at, and
	// so costs as much as all sessions together, spread over the walk. A record
	// that is live from the first to the last step comes at least once, on some
	// stores twice; one that begins, ends or is replaced meanwhile may be
	// missing. An error is yielded once and ends the walk.
	All(ctx context.Context) iter.Seq2[Record, error]
}

// As returns the store, or the first one that it wraps, that is a T.
func As[T any](store Store) (T, bool) {
	for store != nil {
		if t, ok := store.(T); ok {
			return t, true
		}
		u, ok := store.(interface{ Unwrap() Store })
		if !ok {
			break
		}
		store = u.Unwrap()
	}
	var zero T
	return zero, false
}
