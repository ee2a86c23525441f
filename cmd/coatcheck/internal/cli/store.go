package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

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

COATCHECK_STORE in the environment stands for --store, which goes first. Other
users of a machine can see the command lines of its programs, but not their
environment.
`

// storeStatus is the part of the help on the exit status.
const storeStatus = `Exit status: 0; 1 for a failure, such as a store that does not answer; 2 for a
wrong command line.`

func newStore(std stdio) *cobra.Command {
	return newGroup("store", "check, migrate, count and sweep a store of sessions",
		"Looks after the store that an application keeps its sessions in.",
		newStoreCheck(std), newStoreMigrate(std), newStoreSchema(std), newStoreStats(std), newStoreSweep(std))
}

// storeEnv names the store where --store does not.
const storeEnv = "COATCHECK_STORE"

// wantStore is how a store is named.
const wantStore = "--store URL, such as --store sqlite:FILE, or " + storeEnv

// A storeFlags is how a command line names a store.
type storeFlags struct{ store, prefix, schema string }

// storeFlag declares how every command names its store; without says what
// happens where neither the flag nor the environment does.
func storeFlag(c *cobra.Command, store *string, without string) {
	c.Flags().StringVar(store, "store", "", "the `URL` of the store, see above; empty: "+storeEnv+without)
	err := c.RegisterFlagCompletionFunc("store", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var urls []cobra.Completion
		for _, scheme := range stores.Schemes() {
			if scheme != "memory" && scheme != "sqlite" {
				scheme += "://"
			} else {
				scheme += ":"
			}
			urls = append(urls, scheme)
		}
		return urls, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // declared a line above
	}
}

// declare declares the flags of all commands that use a store.
func (o *storeFlags) declare(c *cobra.Command) {
	storeFlag(c, &o.store, "")
	o.declareNames(c)
}

// declareNames declares how things are called in the store.
func (o *storeFlags) declareNames(c *cobra.Command) {
	c.Flags().StringVar(&o.prefix, "prefix", "", "`PREFIX` begins the names of tables or keys, where the application sets Config.Prefix;\nempty: what the stores take by themselves")
	o.declareSchema(c)
}

func (o *storeFlags) declareSchema(c *cobra.Command) {
	c.Flags().StringVar(&o.schema, "schema", "", "the `SCHEMA` of PostgreSQL that the tables are in, where the application sets Config.Schema")
}

// url is that of the store of an application.
func (o *storeFlags) url(io stdio) (string, error) {
	url := cmp.Or(o.store, io.getenv(storeEnv))
	switch {
	case url == "":
		return "", usagef("no store is given; want %s", wantStore)
	case stores.Scheme(url) == "memory":
		return "", usagef("memory: is a store of one process alone, and here an empty one; want that of an application")
	}
	return url, nil
}

// openStore is stores.Open with the errors of a command line.
func openStore(ctx context.Context, url string, o stores.Options) (*stores.Opened, error) {
	store, err := stores.Open(ctx, url, o)
	if errors.Is(err, stores.ErrURL) {
		return nil, usagef("%w", err)
	}
	return store, stopped(ctx, err)
}

// with opens the store that an application uses, does something with it, and
// closes it. create makes a file or a schema that is missing.
func (o *storeFlags) with(ctx context.Context, io stdio, create bool, do func(*stores.Opened) error) error {
	url, err := o.url(io)
	if err != nil {
		return err
	}
	store, err := openStore(ctx, url, stores.Options{Prefix: o.prefix, Schema: o.schema, Create: create})
	if err != nil {
		return err
	}
	return errors.Join(stopped(ctx, hinted(do(store))), store.Close())
}

// hinted adds to the error of a database without our tables what to do about it.
func hinted(err error) error {
	if err == nil {
		return nil
	}
	for _, says := range []string{"no such table", "SQLSTATE 42P01", "Error 1146 "} { // SQLite, PostgreSQL, MySQL
		if strings.Contains(err.Error(), says) {
			return fmt.Errorf("%w; coatcheck store migrate makes the tables, and where the application has them under other names these are --prefix and --schema", err)
		}
	}
	return err
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
