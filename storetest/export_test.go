package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/coatcheck/coatcheck/store"
)

// RunErrors returns the violations that Run would report, by rule id.
func RunErrors(ctx context.Context, newStore func() store.Store, rounds int) map[string]error {
	found := make(map[string]error)
	for _, r := range slices.Concat(steps(), raceRules) {
		if err := r.try(ctx, &env{Store: newStore(), alone: true, rounds: rounds}); err != nil {
			found[r.id] = fmt.Errorf("%s: %w", r.says, err)
		}
	}
	return found
}
