package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/store"
)

func newSessionsList(std stdio) *cobra.Command {
	var o sessionsOptions
	c := &cobra.Command{
		Use:   "list --store URL --user USER [--json]",
		Short: "list the live sessions of a user",
		Long: `Lists the live sessions of a user, the newest first. A user without any has an
empty list. Times are UTC; the last activity is coarse.

` + storeURLs + "\n" + storeStatus,
		Example: `  coatcheck sessions list --store sqlite:coatcheck.db --user 123
  coatcheck sessions list --store redis://localhost/0 --user 123 --json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return withSessions(ctx, std, o, func(_ *stores.Opened, sessions *coatcheck.Manager) error {
				return sessionsList(ctx, std, sessions, o)
			})
		},
	}
	sessionsFlags(c, &o)
	return c
}

func sessionsList(ctx context.Context, io stdio, sessions *coatcheck.Manager, o sessionsOptions) error {
	list, err := sessions.Sessions(ctx, o.user)
	if err != nil {
		return err
	}
	if o.json {
		rows := make([]sessionRow, len(list))
		for i, info := range list {
			rows[i] = newSessionRow(info)
		}
		return json.NewEncoder(io.out).Encode(rows)
	}
	table := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "HANDLE\tCREATED\tLAST SEEN\tDEVICE\tADDRESS\tBOUND\tLABELS\n")
	for _, info := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", info.Handle, utc(info.Created), utc(info.LastSeen),
			printable(info.Device), printable(info.Address), bound(info.Binding), labels(info.Labels))
	}
	return table.Flush()
}

// A sessionRow is an Info without what only a request has.
type sessionRow struct {
	Handle   string    `json:"handle"`
	Created  time.Time `json:"created"`
	LastSeen time.Time `json:"last_seen"`
	Device   string    `json:"device"`
	Address  string    `json:"address"`

	Labels map[string]string `json:"labels,omitempty"`

	Binding *coatcheck.Binding `json:"binding,omitempty"`
}

func newSessionRow(info coatcheck.Info) sessionRow {
	return sessionRow{info.Handle, info.Created, info.LastSeen, info.Device, info.Address, info.Labels, info.Binding}
}

// bound says to what kind of key a session is bound, and when that was last proven.
func bound(b *coatcheck.Binding) string {
	if b == nil {
		return "-"
	}
	return b.Algorithm + ", proven " + utc(b.Refreshed)
}

// labels are what the application calls a session, as --label takes them.
func labels(of map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		all = append(all, name+"="+of[name])
	}
	return printable(strings.Join(all, ", "))
}

func utc(t time.Time) string { return t.UTC().Format(time.DateTime) }

// printable keeps what came from a client from steering the terminal.
func printable(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, s)
}

func newSessionsShow(std stdio) *cobra.Command {
	var o sessionsOptions
	c := &cobra.Command{
		Use:   "show --store URL --user USER --handle HANDLE [--json]",
		Short: "show one session",
		Long: `Shows what the store knows of one live session of a user, but not what the
session holds. Times are UTC.

` + storeURLs + "\n" + storeStatus,
		Example: "  coatcheck sessions show --store sqlite:coatcheck.db --user 123 --handle gq3vYkXw0Zt1",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.handle == "" {
				return usagef("--handle is missing")
			}
			ctx := cmd.Context()
			return withSessions(ctx, std, o, func(st *stores.Opened, sessions *coatcheck.Manager) error {
				return sessionsShow(ctx, std, st.Store, sessions, o)
			})
		},
	}
	sessionsFlags(c, &o)
	handleFlag(c, &o)
	return c
}

// A sessionDetail is what the store's record says beside.
type sessionDetail struct {
	sessionRow
	LoggedIn time.Time `json:"logged_in"`
	Expires  time.Time `json:"expires"`
	Deadline time.Time `json:"deadline"`
	Bytes    int       `json:"bytes"`
}

func sessionsShow(ctx context.Context, io stdio, st store.Store, sessions *coatcheck.Manager, o sessionsOptions) error {
	list, err := sessions.Sessions(ctx, o.user)
	if err != nil {
		return err
	}
	records, err := st.User(ctx, o.user)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(info coatcheck.Info) bool { return info.Handle == o.handle })
	j := slices.IndexFunc(records, func(rec store.Record) bool { return rec.ID.Handle() == o.handle })
	if i < 0 || j < 0 {
		return errNoSession
	}
	d := newSessionDetail(list[i], records[j])
	if o.json {
		return json.NewEncoder(io.out).Encode(d)
	}
	for _, row := range d.rows() {
		if _, err := fmt.Fprintf(io.out, "%-11s%s\n", row[0], row[1]); err != nil {
			return err
		}
	}
	return nil
}

func newSessionDetail(info coatcheck.Info, rec store.Record) sessionDetail {
	return sessionDetail{newSessionRow(info), rec.AuthTime.UTC(), rec.Expires.UTC(), rec.Deadline.UTC(), len(rec.Data)}
}

// rows are the names and values, the handle first.
func (d sessionDetail) rows() [][2]string {
	return [][2]string{
		{"handle", d.Handle}, {"created", utc(d.Created)}, {"logged in", utc(d.LoggedIn)}, {"last seen", utc(d.LastSeen)},
		{"expires", utc(d.Expires)}, {"deadline", utc(d.Deadline)}, {"device", printable(d.Device)},
		{"address", printable(d.Address)}, {"labels", labels(d.Labels)}, {"bytes", strconv.Itoa(d.Bytes)},
	}
}
