package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
)

var sessionsRevokeCommand = command{
	name:    "sessions revoke",
	summary: "end one session of a user, all of them, or everybody's",
	usage:   "--store URL (--user USER (--handle HANDLE | --label NAME=VALUE | --all) | --everybody) [--json]",
	about: `
Ends sessions for good: requests in flight cannot undo it. With --all a login
of this user that has begun before is refused as well. A user without sessions
has none to end, which is no failure; an unknown handle is one. --label ends
the sessions that the application has given this label: its own name for a
login, such as an identity provider's sid. --everybody goes through the whole
store and ends anonymous sessions too.`,
	notes: `Examples:
  coatcheck sessions revoke --store sqlite:coatcheck.db --user 123 --handle gq3vYkXw0Zt1
  coatcheck sessions revoke --store sqlite:coatcheck.db --user 123 --all

After a secret has leaked --everybody is not enough: give the application a new
SECRET_KEY, without the old one among SECRET_KEY_FALLBACKS.

` + storeURLs + "\n" + storeStatus,
	prepare: func(flags *flag.FlagSet) action {
		var o sessionsOptions
		sessionsFlags(flags, &o)
		handleFlag(flags, &o)
		flags.StringVar(&o.label, "label", "", "the sessions with this label, `NAME=VALUE`, as sessions list shows them")
		flags.BoolVar(&o.all, "all", false, "every session of the user")
		flags.BoolVar(&o.everybody, "everybody", false, "every session there is")
		return func(ctx context.Context, io stdio, _ []string) error {
			switch {
			case o.everybody && (o.all || o.user != "" || o.handle != "" || o.label != ""):
				return usagef("want --everybody alone, without --user, --handle, --label and --all")
			case o.all && o.user == "":
				return usagef("--all without --user: want the user, or --everybody in place of --all")
			case !o.everybody && count(o.all, o.handle != "", o.label != "") != 1:
				return usagef("want either --handle, --label or --all")
			case o.label != "" && !strings.Contains(o.label, "="):
				return usagef("--label %s: want NAME=VALUE", o.label)
			}
			return withSessions(ctx, io, o, func(_ *stores.Opened, sessions *coatcheck.Manager) error {
				return sessionsRevoke(ctx, io, sessions, o)
			})
		}
	},
}

var errNoSession = errors.New("this user has no live session with this handle")

// count returns how many are true.
func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

func sessionsRevoke(ctx context.Context, io stdio, sessions *coatcheck.Manager, o sessionsOptions) error {
	n, err := 1, error(nil)
	switch {
	case o.everybody:
		n, err = sessions.RevokeEverybody(ctx)
	case o.all:
		n, err = sessions.RevokeAll(ctx, o.user)
	case o.label != "":
		name, value, _ := strings.Cut(o.label, "=")
		n, err = sessions.RevokeLabel(ctx, o.user, name, value)
	default:
		var found bool
		if found, err = sessions.Revoke(ctx, o.user, o.handle); err == nil && !found {
			err = errNoSession
		}
	}
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(io.out).Encode(map[string]int{"revoked": n})
	}
	_, err = fmt.Fprintf(io.out, "Revoked %d.\n", n)
	return err
}
