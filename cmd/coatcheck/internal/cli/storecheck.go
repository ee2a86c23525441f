package cli

import (
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
	usage:   "URL",
	about: `
Runs some thousands of calls that show whether the store keeps each rule of
docs/spec/store.md, and tells which settings of the server break a promise. It
works in tables, or under keys, with a random name of its own, which it makes
first and removes again, also after an interrupt: it needs the right to do so,
and the sessions that are there are not touched. A file that is missing is not
made.`,
	notes: `Examples:
  coatcheck store check sqlite:coatcheck.db
  coatcheck store check redis://localhost/0

` + storeURLs + "\n" + storeStatus,
	minArgs: 1, maxArgs: 1, want: wantStore,
	prepare: func(*flag.FlagSet) action {
		return func(ctx context.Context, io stdio, args []string) error { return storeCheck(ctx, io, args[0]) }
	},
}

func storeCheck(ctx context.Context, io stdio, url string) error {
	store, err := stores.OpenScratch(ctx, url)
	if errors.Is(err, stores.ErrURL) {
		return usagef("%w", err)
	} else if err != nil {
		return err
	}
	err = warn(ctx, io, store)
	if err == nil {
		err = storetest.Check(ctx, store.Store)
	}
	if err := errors.Join(err, store.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(io.out, "The store keeps every rule.")
	return err
}
