package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/storetest"
)

var storeCheckCommand = command{
	name:    "store check",
	summary: "check the rules of the store contract on a live store",
	usage:   "--store URL [--schema SCHEMA]",
	about: `
Runs some thousands of calls that show whether the store keeps each rule of
docs/spec/store.md, and tells which settings of the server break a promise. It
works in tables, or under keys, with a random name of its own, which it makes
first and removes again, also after an interrupt: it needs the right to do so,
and the sessions that are there are not touched. What a check left that was
killed, the next one removes that comes some hours later; only a SQLite file then
stays in WAL mode. A file that is missing is not made.`,
	notes: `Examples:
  coatcheck store check --store sqlite:coatcheck.db
  COATCHECK_STORE=redis://localhost/0 coatcheck store check

` + storeURLs + "\n" + storeStatus,
	prepare: func(flags *flag.FlagSet) action {
		var o storeFlags
		flags.StringVar(&o.store, "store", "", "the `URL` of the store, see below; empty: "+storeEnv)
		o.declareSchema(flags)
		return func(ctx context.Context, io stdio, _ []string) error { return storeCheck(ctx, io, o) }
	},
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
