package coatchecktest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/coatcheck/coatcheck"
)

// Events keeps the events of a Manager, or of several, in the order in which they
// came, for a test that looks what was told:
//
//	var events coatchecktest.Events
//	sessions, err := coatcheck.New(store, keys, coatcheck.Config{Events: events.Record})
//
// The zero value is ready and has none. It is safe for concurrent use, and must not
// be copied. It keeps all it is given until Reset.
type Events struct {
	mu   sync.Mutex
	list []coatcheck.Event
}

// Record is for the field Events of coatcheck.Config.
func (e *Events) Record(event coatcheck.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event)
}

// All returns the events so far, the first one first.
func (e *Events) All() []coatcheck.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.list)
}

// Kinds returns the kinds of the events so far, in their order.
func (e *Events) Kinds() []coatcheck.Kind {
	kinds := []coatcheck.Kind{}
	for _, event := range e.All() {
		kinds = append(kinds, event.Kind)
	}
	return kinds
}

// Count returns how many events of a kind there were.
func (e *Events) Count(kind coatcheck.Kind) int {
	n := 0
	for _, k := range e.Kinds() {
		if k == kind {
			n++
		}
	}
	return n
}

// Reset forgets the events so far.
func (e *Events) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = nil
}

// Format prints the kinds alone: an event has a user and the error of a store.
func (e *Events) Format(f fmt.State, _ rune) { fmt.Fprint(f, e.Kinds()) }
