package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/storetest"
)

func newStoreCheck(std stdio) *cobra.Command {
	var o storeFlags
	c := &cobra.Command{
		Use:   "check --store URL [--schema SCHEMA]",
		Short: "check the rules of the store contract on a live store",
		Long: `Runs some thousands of calls that show whether the store keeps each rule of
docs/spec/store.md, and tells which settings of the server break a promise. It
works in tables, or under keys, with a random name of its own, which it makes
first and removes again, also after an interrupt: it needs the right to do so,
and the sessions that are there are not touched. What a check left that was
killed, the next one removes that comes some hours later; only a SQLite file then
stays in WAL mode. A file that is missing is not made.

` + storeURLs + "\n" + storeStatus,
		Example: `  coatcheck store check --store sqlite:coatcheck.db
  COATCHECK_STORE=redis://localhost/0 coatcheck store check`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return storeCheck(cmd.Context(), std, o) },
	}
	storeFlag(c, &o.store, "")
	o.declareSchema(c)
	return c
}

func storeCheck(ctx context.Context, io stdio, o storeFlags) error {
	url := cmp.Or(o.store, io.getenv(storeEnv))
	if url == "" {
		return usagef("no store is given; want %s", wantStore)
	}
	store, err := stores.OpenScratch(ctx, url, stores.Options{Schema: o.schema})
	if errors.Is(err, stores.ErrURL) {
		return usagef("%w", err)
	} else if err != nil {
		return stopped(ctx, err)
	}
	err = warn(ctx, io, store)
	if err == nil {
		err = storetest.Check(ctx, store.Store)
	}
	if err := errors.Join(stopped(ctx, err), store.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(io.out, "The store keeps every rule.")
	return err
}
