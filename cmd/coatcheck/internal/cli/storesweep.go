package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/progress"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/store"
)

func newStoreSweep(std stdio) *cobra.Command {
	var o storeFlags
	c := &cobra.Command{
		Use:   "sweep --store URL [--prefix PREFIX] [--schema SCHEMA]",
		Short: "remove what has expired",
		Long: `Removes expired sessions, and tombstones and revocations that are no longer
needed, in batches that lock nobody out, until there are none. It may be
interrupted. Requests sweep a little by themselves: call it from a cron job
where there are few. Redis sweeps by itself.

` + storeURLs + "\n" + storeStatus,
		Example: "  coatcheck store sweep --store sqlite:coatcheck.db",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return o.with(ctx, std, false, func(st *stores.Opened) error {
				removed, err := sweep(ctx, std, st.Store)
				if _, printed := fmt.Fprintf(std.out, "Removed %d.\n", removed); err == nil {
					err = printed
				}
				return err
			})
		},
	}
	o.declare(c)
	return c
}

const (
	sweepBatch = 500

	// sweepStretch is how many live sessions one call of a SQL store looks at
	// in search of idle ones, at least.
	sweepStretch = 2000

	// sweepUnknown is the size of a store that does not tell it.
	sweepUnknown = 10_000_000
)

// sweep removes what is over. That one batch finds nothing does not mean that
// there is nothing: a store walks through its sessions a stretch at a time. So
// it goes on until the fruitless batches together have seen them all.
func sweep(ctx context.Context, std stdio, st store.Store) (removed int, err error) {
	sessions, total := int64(0), int64(0)
	if counter, ok := store.As[store.Counter](st); ok {
		stats, err := counter.Stats(ctx)
		if err != nil {
			return 0, err
		}
		sessions, total = stats.Sessions, stats.Sessions+max(stats.Tombstones, 0)
		if sessions < 0 {
			sessions, total = sweepUnknown, progress.Unknown
		}
	}
	bar := progress.New(std.err, "sweeping", "sessions", total)
	defer bar.Close()
	now := time.Now().UTC()
	for fruitless := int64(0); fruitless <= sessions/sweepStretch; {
		n, err := st.Sweep(ctx, now, sweepBatch)
		if err != nil {
			return removed, err
		}
		if n == 0 {
			fruitless++
		}
		removed += n
		bar.Set(int64(removed) + fruitless*sweepStretch)
	}
	return removed, nil
}
