package telemetry

import (
	"context"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/coatcheck/coatcheck"
)

const (
	kindKey   = attribute.Key("coatcheck.event.kind")
	reasonKey = attribute.Key("coatcheck.event.reason")
)

// other stands for each kind and reason that is not in a list of this package, such as
// those of a later version of the core: the number of series is bounded.
const other = "other"

// A cause is what events are counted by. Both are from the lists.
type cause struct{ kind, reason string }

// counts keeps what is told with each cause that was met.
type counts struct{ options sync.Map } // cause → []metric.AddOption

// Event counts an event by kind and reason. It is a coatcheck.Config.Events; where
// several want to hear, call it beside the others.
func (s *Store) Event(e coatcheck.Event) {
	c := cause{kind: listed(kinds, string(e.Kind))}
	if e.Reason != "" {
		c.reason = knownReason(e.Reason)
	}
	ctx := e.Context
	if ctx == nil {
		ctx = context.Background()
	}
	s.in.events.Add(ctx, 1, s.optionsOf(c)...)
}

// optionsOf returns what is told with a cause.
func (s *Store) optionsOf(c cause) []metric.AddOption {
	if options, met := s.events.options.Load(c); met {
		return options.([]metric.AddOption)
	}
	said := append(s.always.ToSlice(), kindKey.String(c.kind))
	if c.reason != "" {
		said = append(said, reasonKey.String(c.reason))
	}
	options, _ := s.events.options.LoadOrStore(c, []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(said...))})
	return options.([]metric.AddOption)
}

// fronts are what stands before the reasons why a cookie or token was refused.
var fronts = [...]string{"session cookie: ", "bearer token: "}

// bare is a reason without what stands before it.
func bare(reason string) string {
	for _, front := range fronts {
		if rest, found := strings.CutPrefix(reason, front); found {
			return rest
		}
	}
	return reason
}

func knownReason(reason string) string {
	if listed(reasons, bare(reason)) == other {
		return other
	}
	return reason
}

// listed returns text if the list, which is sorted, has it.
func listed(list []string, text string) string {
	if _, found := slices.BinarySearch(list, text); found {
		return text
	}
	return other
}
