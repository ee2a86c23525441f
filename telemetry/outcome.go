package telemetry

import (
	"context"
	"errors"

	"github.com/coatcheck/coatcheck/store"
)

// An outcome is what became of a call of the store, an index of outcomes.
type outcome int

const (
	ok outcome = iota
	notFound
	exists
	conflict
	ended
	full
	unsupported
	canceled
	timeout
	failed
)

// outcomes are their names, in the order of the constants. That a call did what it
// was asked is not told.
var outcomes = [...]string{"", "not_found", "exists", "conflict", "ended", "full", "unsupported", "canceled", "timeout", "failed"}

// errorType is the error.type of OpenTelemetry, and "" where the store did its work:
// what the contract has an answer for is no error, and neither is that nobody waits
// for one any more.
func (o outcome) errorType() string {
	switch o {
	case timeout:
		return "timeout"
	case failed:
		return "_OTHER"
	}
	return ""
}

// outcomeOf finds the outcome of a call that returned err. The text of an error is
// never told: a driver's may have the row in it.
func outcomeOf(ctx context.Context, err error) outcome {
	switch {
	case errors.Is(err, store.ErrEnded):
		return ended
	case errors.Is(err, store.ErrNotFound):
		return notFound
	case errors.Is(err, store.ErrConflict):
		return conflict
	case errors.Is(err, store.ErrExists):
		return exists
	case errors.Is(err, store.ErrFull):
		return full
	case errors.Is(err, errors.ErrUnsupported):
		return unsupported
	case ctx.Err() == context.Canceled: // whatever a driver makes of it
		return canceled
	case errors.Is(err, context.DeadlineExceeded), ctx.Err() == context.DeadlineExceeded:
		return timeout
	}
	return failed
}
