package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
)

// storeURLs is the part of the help that all commands with a store share.
const storeURLs = `Store URLs:
  memory:                                   this process alone; ends with it
  sqlite:FILE
  postgres://user:password@host/database    what pgx takes
  mysql://user:password@host/database       MariaDB as well
  redis://user:password@host/0              Valkey as well; rediss: with TLS
  redis+sentinel://host,host/master-set/0
  redis+cluster://host,host
Other users of a machine can see the command lines of its programs. Where that
matters leave a password for PostgreSQL to PGPASSFILE.
`

// storeStatus is the part of the help on the exit status.
const storeStatus = `Exit status: 0; 1 for a failure, such as a store that does not answer; 2 for a
wrong command line.
`

var storeCommand = command{
	name:    "store",
	summary: "check, migrate, count and sweep a store of sessions",
	about:   "Looks after the store that an application keeps its sessions in.",
	group:   []command{storeCheckCommand, storeMigrateCommand, storeSchemaCommand, storeStatsCommand, storeSweepCommand},
}

// wantStore is what a command with one argument asks for.
const wantStore = "the URL of a store, such as sqlite:FILE"

// openStore is stores.Open with the errors of a command line.
func openStore(ctx context.Context, url string, o stores.Options) (*stores.Opened, error) {
	store, err := stores.Open(ctx, url, o)
	if errors.Is(err, stores.ErrURL) {
		return nil, usagef("%w", err)
	}
	return store, err
}

// withStore opens the store, does something with it, and closes it.
func withStore(ctx context.Context, url string, o stores.Options, do func(*stores.Opened) error) error {
	store, err := openStore(ctx, url, o)
	if err != nil {
		return err
	}
	return errors.Join(do(store), store.Close())
}

// prefixFlag declares --prefix.
func prefixFlag(flags *flag.FlagSet) *string {
	return flags.String("prefix", "", "what begins the names of tables or keys, where the application sets Config.`PREFIX`;\nempty: what the stores take by themselves")
}

// warn prints what about the server's settings breaks a promise of the store.
func warn(ctx context.Context, io stdio, store *stores.Opened) error {
	warnings, err := store.Warnings(ctx)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintf(io.err, "WARNING: %s\n", w)
	}
	return nil
}
