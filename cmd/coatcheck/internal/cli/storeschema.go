package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/sqlstore"
)

func newStoreMigrate(std stdio) *cobra.Command {
	var o storeFlags
	c := &cobra.Command{
		Use:   "migrate --store URL [--prefix PREFIX] [--schema SCHEMA]",
		Short: "make the tables of a SQL store, or bring them up to date",
		Long: `Makes the tables that are missing and brings older ones up to date. It may run
again at any time, and several at once: where nothing is to be done it only
reads. A SQLite file and a schema that are missing are made. Redis needs no
tables.

` + storeURLs + "\n" + storeStatus,
		Example: `  coatcheck store migrate --store sqlite:coatcheck.db
  coatcheck store migrate --store postgres://app@localhost/app --schema sessions`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return o.with(ctx, std, true, func(store *stores.Opened) error { return storeMigrate(ctx, std, store) })
		},
	}
	o.declare(c)
	return c
}

func storeMigrate(ctx context.Context, std stdio, store *stores.Opened) error {
	done, err := store.Migrate(ctx)
	if err != nil {
		return err
	}
	says := "The tables are up to date."
	if !done {
		says = "This store has no tables; nothing was to be done."
	}
	_, err = fmt.Fprintln(std.out, says)
	return err
}

func newStoreSchema(std stdio) *cobra.Command {
	var o storeFlags
	c := &cobra.Command{
		Use:   "schema postgres|mysql|sqlite [--prefix PREFIX] [--schema SCHEMA]",
		Short: "print the SQL of the tables",
		Long: `Prints the SQL that store migrate runs on an empty database, for those who
change schemas by other means. To run it again does no harm.

Exit status: 0; 1 if it could not be written; 2 for a wrong command line.`,
		Example: `  coatcheck store schema postgres | psql app
  coatcheck store schema mysql --prefix shop_`,
		Args:              arguments(1, 1, "a database: postgres, mysql or sqlite"),
		ValidArgsFunction: oneOf("mysql", "postgres", "sqlite"),
		RunE: func(_ *cobra.Command, args []string) error {
			dialects := map[string]sqlstore.Dialect{"postgres": sqlstore.PostgreSQL, "mysql": sqlstore.MySQL, "sqlite": sqlstore.SQLite}
			dialect, ok := dialects[args[0]]
			if !ok { // not shown: it may be a URL
				return usagef("unknown database; want postgres, mysql or sqlite")
			}
			schema, err := sqlstore.Schema(dialect, sqlstore.Config{Prefix: o.prefix, Schema: o.schema})
			if err != nil {
				return usagef("%w", err)
			}
			_, err = fmt.Fprint(std.out, schema)
			return err
		},
	}
	o.declareNames(c)
	return c
}
