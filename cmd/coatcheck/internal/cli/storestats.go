package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/store"
)

func newStoreStats(std stdio) *cobra.Command {
	var asJSON bool
	var o storeFlags
	c := &cobra.Command{
		Use:   "stats --store URL [--json] [--prefix PREFIX] [--schema SCHEMA]",
		Short: "count sessions, users, tombstones and bytes",
		Long: `Counts what the store holds: live sessions, with expired ones that were not yet
swept; users who have one; tombstones, which keep ended sessions ended; and the
bytes that the engine takes, on Redis for all that the servers hold. What it
cannot tell without reading too much, all but the bytes from 100,000 rows on (of
Redis, from 100,000 keys on), is "unknown", in JSON null.

` + storeURLs + "\n" + storeStatus,
		Example: `  coatcheck store stats --store sqlite:coatcheck.db
  coatcheck store stats --store postgres://app@localhost/app --json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return o.with(ctx, std, false, func(st *stores.Opened) error {
				return storeStats(ctx, std, st.Store, asJSON)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	o.declare(c)
	return c
}

func storeStats(ctx context.Context, io stdio, st store.Store, asJSON bool) error {
	counter, ok := store.As[store.Counter](st)
	if !ok {
		return errors.New("this store does not count")
	}
	stats, err := counter.Stats(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(io.out).Encode(map[string]*int64{
			"sessions": known(stats.Sessions), "users": known(stats.Users),
			"tombstones": known(stats.Tombstones), "bytes": known(stats.Bytes),
		})
	}
	for _, row := range []struct {
		name string
		n    int64
	}{{"sessions", stats.Sessions}, {"users", stats.Users}, {"tombstones", stats.Tombstones}, {"bytes", stats.Bytes}} {
		text := "unknown"
		if n := known(row.n); n != nil {
			text = strconv.FormatInt(*n, 10)
		}
		if _, err := fmt.Fprintf(io.out, "%-10s  %s\n", row.name, text); err != nil {
			return err
		}
	}
	return nil
}

// known is nil for what the engine cannot tell.
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}
