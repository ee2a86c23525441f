package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/progress"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/cookie"
)

type importOptions struct {
	storeFlags
	from, fromStore, fromPrefix, fromTable, userKey string
	users, usersTable                               string
	until, name, application                        string
	fromLifetime                                    time.Duration
	fromVersion                                     int
	values                                          []string

	secret       string // of the other system
	passwordHash func(ctx context.Context, user string) (string, error)
}

const fromEnv, fromUsersEnv, fromSecretEnv = "COATCHECK_FROM_STORE", "COATCHECK_FROM_USERS", "FROM_SECRET_KEY"

const importText = `Makes sessions of ours of all that another system keeps in Redis, a table or
files, so that its store can be given up: the program that reads the old
cookies, by bridge.Move with MoveConfig.Imported, then gives each browser its
session. It may be interrupted and run again: what was taken is not taken twice,
and what has ended since stays ended. At the end it says how many it took, and left, and why.

Systems, and where their sessions may be; those with * want --user-key:

    express                           Redis (connect-redis)
    flask, flask-msgpack, flask-json  Redis (Flask-Session before 0.6; since)
    django                            table, Redis (engines db, cached_db; cache)
    rails *                           Redis (private ids)
    php *, php-binary *, php-serialize *
                                      Redis (phpredis), files, by
                                      session.serialize_handler
    laravel, laravel-encrypted        table, Redis, files
    scs *, scs-json *                 table, Redis
    gorilla *, gorilla-json *         Redis (redistore)

Files are those of a folder, as in --from-store file:/var/lib/php/sessions; the
tool must run as PHP's user there.

Of Django's sessions those are taken whose user is active and has the password of
the login still: that is looked up in the table of its users.

` + storeURLs + `
Environment: SECRET_KEY, SECRET_KEY_FALLBACKS, SECRET_KEY_FILE, of the program
that the sessions are for; ` + fromSecretEnv + ` of the old one, where it has one;
` + fromEnv + ` stands for --from-store, ` + fromUsersEnv + ` for --users.

` + storeStatus

func newImport(std stdio) *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:     "import --from SYSTEM --from-store URL --until DATE --store URL",
		Short:   "take over the sessions of another system",
		Long:    importText,
		Example: "  coatcheck import --from flask --from-store redis://localhost --until 2027-03-01 --store postgres://localhost/app",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return importAll(cmd.Context(), std, o) },
	}
	f := c.Flags()
	f.StringVar(&o.from, "from", "", "the other `SYSTEM`, see above")
	f.StringVar(&o.fromStore, "from-store", "", "the `URL` of its Redis, database or folder (file:DIR); empty: "+fromEnv)
	f.StringVar(&o.fromPrefix, "from-prefix", "", "`PREFIX` of its keys; empty: that of the system")
	f.StringVar(&o.fromTable, "from-table", "", "the `NAME` of its table; empty: that of the system")
	f.DurationVar(&o.fromLifetime, "from-lifetime", 0, "how long a session lasts there unused, where only the time of its use is kept, as in\nLaravel's table and in files; 0: as by default there")
	f.IntVar(&o.fromVersion, "from-version", 0, "the `NUMBER` in VERSION of Django's cache; 0: 1, as by default there")
	f.StringVar(&o.users, "users", "", "the `URL` of the database with Django's users; empty: "+fromUsersEnv+", or --from-store")
	f.StringVar(&o.usersTable, "users-table", "auth_user", "the `NAME` of the table of Django's users")
	f.StringVar(&o.userKey, "user-key", "", "the `NAME` of the value that says who is logged in; empty: that of the system")
	f.StringVar(&o.until, "until", "", "the `DATE` from which no old session counts, as MoveConfig.Until: 2027-03-01")
	f.StringSliceVar(&o.values, "values", nil, "`NAMES` of values to keep, by commas")
	f.StringVar(&o.name, "name", "", "the `NAME` of the program's session cookie, where it sets Config.Name")
	f.StringVar(&o.application, "application", "", "the `NAME` given to Keys.Application, if the program does")
	o.declare(c)
	return c
}

// importAll checks the command line, opens both stores, and imports.
func importAll(ctx context.Context, std stdio, o importOptions) error {
	system, ok := systems[o.from]
	if o.from == "" {
		return usagef("--from is missing; want one of %q", slices.Sorted(maps.Keys(systems)))
	}
	if !ok {
		return usagef("--from %q is not known; want one of %q", o.from, slices.Sorted(maps.Keys(systems)))
	}
	until, err := time.Parse(time.DateOnly, o.until)
	if o.until == "" {
		return usagef("--until is missing; want a date such as 2027-03-01")
	}
	if err != nil {
		return usagef("--until %q; want a date such as 2027-03-01", o.until)
	}
	o.fromStore = cmp.Or(o.fromStore, std.getenv(fromEnv))
	o.users, o.secret = cmp.Or(o.users, std.getenv(fromUsersEnv)), std.getenv(fromSecretEnv)
	if o.fromStore == "" {
		return usagef("--from-store is missing; want the URL of the other system's store, or %s", fromEnv)
	}
	keys, err := cookie.KeysFromEnv()
	if err != nil {
		return err
	}
	old, closeOld, err := system.open(ctx, o)
	if err != nil {
		return stopped(ctx, err)
	}
	err = importInto(ctx, std, o, keys, old, until)
	return errors.Join(err, closeOld())
}

// importInto opens the store of ours.
func importInto(ctx context.Context, std stdio, o importOptions, keys *cookie.Keys, old bridge.Source, until time.Time) error {
	return o.with(ctx, std, false, func(st *stores.Opened) error {
		sessions, err := coatcheck.New(st.Store, keys.Application(o.application), coatcheck.Config{Name: o.name})
		if err != nil {
			return err
		}
		move, err := bridge.NewMove(sessions, old, bridge.MoveConfig{Until: until, Values: o.values})
		if err != nil {
			return err
		}
		return importTo(ctx, std, move)
	})
}

// importTo imports with a progress bar and says what it did, also when stopped.
func importTo(ctx context.Context, std stdio, move *bridge.Move) error {
	bar := progress.New(std.err, "importing", "sessions", progress.Unknown)
	done, err := move.Import(ctx, func(now bridge.Imported) { bar.Set(int64(seen(now))) })
	bar.Close()
	fmt.Fprintf(std.out, "Took %d, had %d from before, left %d.\n", done.Taken, done.Before, seen(done)-done.Taken-done.Before)
	for _, why := range slices.Sorted(maps.Keys(done.Left)) {
		fmt.Fprintf(std.out, "  %7d  %s\n", done.Left[why], why)
	}
	if err == nil && seen(done) == 0 {
		fmt.Fprintln(std.err, "No session is there under these settings; see --from-store and --from-prefix.")
	}
	return err
}

func seen(done bridge.Imported) int {
	n := done.Taken + done.Before
	for _, left := range done.Left {
		n += left
	}
	return n
}
