package cli

import (
	"context"
	"flag"
	"fmt"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/sqlstore"
)

var storeMigrateCommand = command{
	name:    "store migrate",
	summary: "make the tables of a SQL store, or bring them up to date",
	usage:   "--store URL [--prefix PREFIX] [--schema SCHEMA]",
	about: `
Makes the tables that are missing and brings older ones up to date. It may run
again at any time, and several at once: where nothing is to be done it only
reads. A SQLite file and a schema that are missing are made. Redis needs no
tables.`,
	notes: `Examples:
  coatcheck store migrate --store sqlite:coatcheck.db
  coatcheck store migrate --store postgres://app@localhost/app --schema sessions

` + storeURLs + "\n" + storeStatus,
	prepare: func(flags *flag.FlagSet) action {
		var o storeFlags
		o.declare(flags)
		return func(ctx context.Context, io stdio, _ []string) error {
			return o.with(ctx, io, true, func(store *stores.Opened) error {
				done, err := store.Migrate(ctx)
				if err != nil {
					return err
				}
				says := "The tables are up to date."
				if !done {
					says = "This store has no tables; nothing was to be done."
				}
				_, err = fmt.Fprintln(io.out, says)
				return err
			})
		}
	},
}

var storeSchemaCommand = command{
	name:    "store schema",
	summary: "print the SQL of the tables",
	usage:   "postgres|mysql|sqlite [--prefix PREFIX] [--schema SCHEMA]",
	about: `
Prints the SQL that store migrate runs on an empty database, for those who
change schemas by other means. To run it again does no harm.`,
	notes: `Examples:
  coatcheck store schema postgres | psql app
  coatcheck store schema mysql --prefix shop_

Exit status: 0; 1 if it could not be written; 2 for a wrong command line.
`,
	minArgs: 1, maxArgs: 1, want: "a database: postgres, mysql or sqlite",
	prepare: func(flags *flag.FlagSet) action {
		var o storeFlags
		o.declareNames(flags)
		return func(_ context.Context, io stdio, args []string) error {
			dialects := map[string]sqlstore.Dialect{"postgres": sqlstore.PostgreSQL, "mysql": sqlstore.MySQL, "sqlite": sqlstore.SQLite}
			dialect, ok := dialects[args[0]]
			if !ok { // not shown: it may be a URL
				return usagef("unknown database; want postgres, mysql or sqlite")
			}
			schema, err := sqlstore.Schema(dialect, sqlstore.Config{Prefix: o.prefix, Schema: o.schema})
			if err != nil {
				return usagef("%w", err)
			}
			_, err = fmt.Fprint(io.out, schema)
			return err
		}
	},
}
