package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/rueidis"
	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/express"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/progress"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/cookie"
)

// A redisSystem keeps its sessions in Redis: how its source is made.
type redisSystem func(o importOptions, kv bridge.KV, secret string) (bridge.Source, error)

var redisSystems = map[string]redisSystem{
	"express": func(o importOptions, kv bridge.KV, secret string) (bridge.Source, error) {
		return express.New(express.Config{Secrets: []string{secret}, Store: express.Redis(kv, o.fromPrefix), UserKey: o.userKey})
	},
	"flask": flaskIn(flask.Pickle), "flask-msgpack": flaskIn(flask.MsgPack), "flask-json": flaskIn(flask.JSON),
}

func flaskIn(f flask.Format) redisSystem {
	return func(o importOptions, kv bridge.KV, secret string) (bridge.Source, error) {
		return flask.New(flask.Config{SecretKey: secret, KV: kv, Format: f, Prefix: o.fromPrefix, UserKey: o.userKey})
	}
}

type importOptions struct {
	storeFlags
	from, fromStore, fromPrefix, userKey, until, name, application string
	values                                                         []string
}

const fromEnv, fromSecretEnv = "COATCHECK_FROM_STORE", "FROM_SECRET_KEY"

func newImport(std stdio) *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import --from SYSTEM --from-store URL --until DATE --store URL",
		Short: "take over the sessions of another system",
		Long: `Makes sessions of ours of all that another system keeps in Redis, so that its
store can be given up: the program that reads the old cookies, by bridge.Move
with MoveConfig.Imported, then gives each browser its session. It may be
interrupted and run again: what was taken is not taken twice, and what has ended
since stays ended. At the end it says how many it took, and left, and why.

Systems: express (connect-redis), flask (Flask-Session before 0.6), flask-msgpack
and flask-json (Flask-Session 0.6 and later).

` + storeURLs + `
Environment: SECRET_KEY, SECRET_KEY_FALLBACKS, SECRET_KEY_FILE, of the program
that the sessions are for; ` + fromSecretEnv + ` of the old one; ` + fromEnv + `
stands for --from-store.

` + storeStatus,
		Example: "  coatcheck import --from flask --from-store redis://localhost --until 2027-03-01 --store postgres://localhost/app",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return importAll(cmd.Context(), std, o) },
	}
	f := c.Flags()
	f.StringVar(&o.from, "from", "", "the other `SYSTEM`, see above")
	f.StringVar(&o.fromStore, "from-store", "", "the `URL` of its Redis; empty: "+fromEnv)
	f.StringVar(&o.fromPrefix, "from-prefix", "", "`PREFIX` of its keys; empty: that of the system")
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
	system, ok := redisSystems[o.from]
	if !ok {
		return usagef("--from %q is not known; want one of %q", o.from, slices.Sorted(maps.Keys(redisSystems)))
	}
	until, err := time.Parse(time.DateOnly, o.until)
	if err != nil {
		return usagef("--until %q; want a date such as 2027-03-01", o.until)
	}
	if o.fromStore == "" {
		o.fromStore = std.getenv(fromEnv)
	}
	option, err := rueidis.ParseURL(o.fromStore)
	if err != nil { // its error may repeat a password
		return usagef("--from-store is not the URL of a Redis, such as redis://localhost")
	}
	keys, err := cookie.KeysFromEnv()
	if err != nil {
		return err
	}
	option.DisableCache = true
	client, err := rueidis.NewClient(option)
	if err != nil {
		return fmt.Errorf("the other system's Redis: %w", err)
	}
	defer client.Close()
	old, err := system(o, rediskv.New(client), std.getenv(fromSecretEnv))
	if err != nil {
		return err
	}
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
	return err
}

func seen(done bridge.Imported) int {
	n := done.Taken + done.Before
	for _, left := range done.Left {
		n += left
	}
	return n
}
