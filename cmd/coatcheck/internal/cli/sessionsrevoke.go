package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
)

var sessionsRevokeCommand = command{
	name:    "sessions revoke",
	summary: "end one session of a user, or all of them",
	usage:   "--store URL --user USER (--handle HANDLE | --all) [--json]",
	about: `
Ends sessions for good: requests in flight cannot undo it. With --all a login
of this user that has begun before is refused as well. A user without sessions
has none to end, which is no failure; an unknown handle is one.`,
	notes: `Examples:
  coatcheck sessions revoke --store sqlite:coatcheck.db --user 123 --handle gq3vYkXw0Zt1
  coatcheck sessions revoke --store sqlite:coatcheck.db --user 123 --all

To end the sessions of everybody give the application a new SECRET_KEY, without
the old one among SECRET_KEY_FALLBACKS: no store can end all of them at once.

` + storeURLs + "\n" + storeStatus,
	prepare: func(flags *flag.FlagSet) action {
		var o sessionsOptions
		sessionsFlags(flags, &o)
		handleFlag(flags, &o)
		flags.BoolVar(&o.all, "all", false, "every session of the user")
		return func(ctx context.Context, io stdio, _ []string) error {
			if o.all && o.user == "" {
				return usagef("--all without --user: no store can end everybody's sessions at once; give the application a new SECRET_KEY and leave the old one out of SECRET_KEY_FALLBACKS")
			}
			if o.all == (o.handle != "") {
				return usagef("want either --handle or --all")
			}
			return withSessions(ctx, io, o, func(_ *stores.Opened, sessions *coatcheck.Manager) error {
				return sessionsRevoke(ctx, io, sessions, o)
			})
		}
	},
}

var errNoSession = errors.New("this user has no live session with this handle")

func sessionsRevoke(ctx context.Context, io stdio, sessions *coatcheck.Manager, o sessionsOptions) error {
	n := 1
	if o.all {
		var err error
		if n, err = sessions.RevokeAll(ctx, o.user); err != nil {
			return err
		}
	} else if found, err := sessions.Revoke(ctx, o.user, o.handle); err != nil {
		return err
	} else if !found {
		return errNoSession
	}
	if o.json {
		return json.NewEncoder(io.out).Encode(map[string]int{"revoked": n})
	}
	_, err := fmt.Fprintf(io.out, "Revoked %d.\n", n)
	return err
}
