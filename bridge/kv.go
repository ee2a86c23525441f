package bridge

import (
	"context"
	"iter"
	"time"
)

// A KV is the part of Redis, Valkey or a cache that server-side sessions need.
// Package rediskv has one for Redis; a program with another driver writes these
// three methods. Keys are complete, with whatever prefix the other system has.
type KV interface {
	// Get returns the value of key and for how long it will still be there,
	// negative = for ever. Where there is none, or one of more than MaxRecord
	// bytes, the error is ErrEnded or a *RefusedError.
	Get(ctx context.Context, key string) (value []byte, left time.Duration, err error)

	// Set stores value for that long; zero or less = for ever.
	Set(ctx context.Context, key string, value []byte, left time.Duration) error

	// Del removes key. No such key is no error.
	Del(ctx context.Context, key string) error
}

// A KeyWalker is a KV that can list its keys, for All.
type KeyWalker interface {
	// Keys yields the keys that begin with prefix, some perhaps twice. An error
	// is yielded once and ends the walk.
	Keys(ctx context.Context, prefix string) iter.Seq2[string, error]
}
