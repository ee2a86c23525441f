package cli

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

func newSessions(std stdio) *cobra.Command {
	return newGroup("sessions", "list, show, explain and revoke sessions",
		`Shows and ends sessions in a store: who is active, those of one user, what became
of one. No secret is needed, and nothing that is shown opens a session.`,
		newSessionsTop(std), newSessionsList(std), newSessionsShow(std), newSessionsExplain(std), newSessionsRevoke(std))
}

// sessionsOptions are the flags of the group.
type sessionsOptions struct {
	storeFlags
	user, handle string
	label        string // NAME=VALUE
	all, json    bool
	everybody    bool
}

// sessionsFlags declares the flags that all of the group have, and json where
// there is something to print.
func sessionsFlags(c *cobra.Command, o *sessionsOptions) {
	o.declare(c)
	c.Flags().StringVar(&o.user, "user", "", "the `USER` as the application logs them in, byte for byte; required")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

func handleFlag(c *cobra.Command, o *sessionsOptions) {
	c.Flags().StringVar(&o.handle, "handle", "", "the `HANDLE` of one session, as sessions list and the log show it")
}

// withSessions checks what all of the group need, and opens the store.
func withSessions(ctx context.Context, io stdio, o sessionsOptions, do func(*stores.Opened, *coatcheck.Manager) error) error {
	if o.user == "" && !o.everybody {
		return usagef("--user is missing; anonymous sessions are in no list")
	}
	return o.with(ctx, io, false, func(opened *stores.Opened) error {
		sessions, err := newEnder(ctx, opened.Store)
		if err != nil {
			return err
		}
		return do(opened, sessions)
	})
}

// newEnder is newManager for what ends sessions: while those of another system are
// adopted into the store, what ends counts for them as well.
func newEnder(ctx context.Context, st store.Store) (*coatcheck.Manager, error) {
	sessions, err := newManager(st)
	if err != nil {
		return nil, err
	}
	moving, err := coatcheck.Moving(ctx, st)
	if moving {
		_, err = sessions.Adopting(func(*http.Request) (coatcheck.Adoption, error) { return coatcheck.Adoption{}, nil })
	}
	return sessions, err
}

// newManager manages sessions without cookies: nothing is signed or checked.
func newManager(st store.Store) (*coatcheck.Manager, error) {
	keys, err := cookie.NewKeys(newSecret())
	if err != nil {
		return nil, err
	}
	return coatcheck.New(st, keys, coatcheck.Config{})
}
