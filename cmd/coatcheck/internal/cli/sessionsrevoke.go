package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/progress"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/store"
)

func newSessionsRevoke(std stdio) *cobra.Command {
	var o sessionsOptions
	c := &cobra.Command{
		Use:   "revoke --store URL (--user USER (--handle HANDLE | --label NAME=VALUE | --all) | --everybody) [--json]",
		Short: "end one session of a user, all of them, or everybody's",
		Long: `Ends sessions for good: requests in flight cannot undo it. With --all a login
of this user that has begun before is refused as well. A user without sessions
has none to end, which is no failure; an unknown handle is one. --label ends
the sessions that the application has given this label: its own name for a
login, such as an identity provider's sid. --everybody goes through the whole
store and ends anonymous sessions too.

While sessions of another system are taken over into the store, those that began
before and were not taken over yet count no more either, of this user or all.

After a secret has leaked --everybody is not enough: give the application a new
SECRET_KEY, without the old one among SECRET_KEY_FALLBACKS.

` + storeURLs + "\n" + storeStatus,
		Example: `  coatcheck sessions revoke --store sqlite:coatcheck.db --user 123 --handle gq3vYkXw0Zt1
  coatcheck sessions revoke --store sqlite:coatcheck.db --user 123 --all`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.checkRevoke(); err != nil {
				return err
			}
			ctx := cmd.Context()
			return withSessions(ctx, std, o, func(opened *stores.Opened, sessions *coatcheck.Manager) error {
				if o.everybody {
					return revokeEverybody(ctx, std, opened.Store, o)
				}
				return sessionsRevoke(ctx, std, sessions, o)
			})
		},
	}
	sessionsFlags(c, &o)
	handleFlag(c, &o)
	c.Flags().StringVar(&o.label, "label", "", "the sessions with this label, `NAME=VALUE`, as sessions list shows them")
	c.Flags().BoolVar(&o.all, "all", false, "every session of the user")
	c.Flags().BoolVar(&o.everybody, "everybody", false, "every session there is")
	return c
}

// checkRevoke wants exactly one answer to the question which sessions.
func (o *sessionsOptions) checkRevoke() error {
	switch {
	case o.everybody && (o.all || o.user != "" || o.handle != "" || o.label != ""):
		return usagef("want --everybody alone, without --user, --handle, --label and --all")
	case o.all && o.user == "":
		return usagef("--all without --user: want the user, or --everybody in place of --all")
	case !o.everybody && count(o.all, o.handle != "", o.label != "") != 1:
		return usagef("want either --handle, --label or --all")
	case o.label != "" && !strings.Contains(o.label, "="):
		return usagef("--label: want NAME=VALUE")
	}
	return nil
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
	return tellRevoked(io, n, o.json)
}

func tellRevoked(io stdio, n int, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(io.out).Encode(map[string]int{"revoked": n})
	}
	_, err := fmt.Fprintf(io.out, "Revoked %d.\n", n)
	return err
}

// revokeEverybody tells how far it is.
func revokeEverybody(ctx context.Context, std stdio, st store.Store, o sessionsOptions) error {
	total, err := rows(ctx, st)
	if err != nil {
		return err
	}
	bar := progress.New(std.err, "revoking", "sessions", total)
	defer bar.Close()
	ended := int64(0)
	sessions, err := newEnder(ctx, &countingStore{st, func(n int) {
		ended += int64(n)
		bar.Set(ended)
	}})
	if err != nil {
		return err
	}
	n, err := sessions.RevokeEverybody(ctx)
	if err != nil {
		return err
	}
	return tellRevoked(std, n, o.json)
}

// A countingStore tells how many sessions are ended. It is for one goroutine.
type countingStore struct {
	store.Store
	ended func(n int)
}

// Unwrap leads to what else the store can do.
func (c *countingStore) Unwrap() store.Store { return c.Store }

func (c *countingStore) End(ctx context.Context, id store.ID, until time.Time) (next store.ID, err error) {
	next, err = c.Store.End(ctx, id, until)
	c.ended(1)
	return next, err
}

func (c *countingStore) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) ([]store.ID, error) {
	ids, err := c.Store.EndUser(ctx, user, at, until, keep...)
	c.ended(len(ids))
	return ids, err
}
