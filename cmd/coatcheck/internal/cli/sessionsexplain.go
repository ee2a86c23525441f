package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/progress"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/store"
)

func newSessionsExplain(std stdio) *cobra.Command {
	var o sessionsOptions
	c := &cobra.Command{
		Use:   "explain HANDLE --store URL [--user USER] [--json]",
		Short: "say what became of a session, and what its cookie would get",
		Long: `Says all that the store knows of the session with this handle, as the log and
the lists show it: whose it is, whether it lives, has expired or was ended, when
and why, what replaced it, and what a browser would get that still has its
cookie. Times are UTC.

A handle leads back to no session, so that it looks at the id of every one.
--user looks at those of one user alone, which is quick, but an ended session is
nobody's any more. A minute or more after its end, or later where nobody sweeps,
the store forgets it; what the log of events has then is all there is.

Exit status: 0; 1 if the store has no such session, or for a failure, such as a
store that does not answer; 2 for a wrong command line.

` + storeURLs,
		Example:           "  coatcheck sessions explain gq3vYkXw0Zt1 --store sqlite:coatcheck.db",
		Args:              oneHandle,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			o.handle, o.everybody = args[0], true // without --user
			return withSessions(ctx, std, o, func(opened *stores.Opened, sessions *coatcheck.Manager) error {
				return sessionsExplain(ctx, std, opened, sessions, o)
			})
		},
	}
	sessionsFlags(c, &o)
	c.Flags().Lookup("user").Usage = "look at the sessions of this `USER` alone"
	return c
}

var handleLength = len(store.ID{}.Handle())

// oneHandle wants one argument that can be a handle.
func oneHandle(cmd *cobra.Command, args []string) error {
	if err := arguments(1, 1, "the handle of a session")(cmd, args); err != nil {
		return err
	}
	if len(args[0]) != handleLength { // not shown: it may be a URL, or a token
		return usagef("a handle has %d characters, as sessions list and the log show it; this has %d", handleLength, len(args[0]))
	}
	return nil
}

// handleLast puts a handle that begins with a hyphen, as one in 64 does, behind
// "--", where it is no flag.
func handleLast(args []string) []string {
	if len(args) < 3 || args[0] != "sessions" || args[1] != "explain" {
		return args
	}
	for i, arg := range args[2:] {
		name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		before := strings.TrimLeft(args[i+1], "-")
		switch {
		case arg == "--":
			return args
		case len(arg) != handleLength || arg[0] != '-' || hasValue || explainFlags[name]:
		case strings.HasPrefix(args[i+1], "-") && explainFlags[before] && before != "json" && before != "help": // its value
		default:
			return slices.Concat(args[:i+2], args[i+3:], []string{"--", arg})
		}
	}
	return args
}

// explainFlags are the flags of sessions explain.
var explainFlags = map[string]bool{"store": true, "prefix": true, "schema": true, "user": true, "json": true, "help": true}

func sessionsExplain(ctx context.Context, std stdio, opened *stores.Opened, sessions *coatcheck.Manager, o sessionsOptions) error {
	id, err := findID(ctx, std, opened, o)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	e := explanation{Handle: o.handle}
	if err := e.fill(ctx, opened.Store, sessions, id, now); err != nil {
		return err
	}
	if o.json {
		err = json.NewEncoder(std.out).Encode(e)
	} else {
		e.print(std.out, "")
	}
	if err == nil && e.State == stateUnknown {
		err = errUnknownHandle
	}
	return err
}

var errUnknownHandle = errors.New("the store has no session with this handle")

// findID returns the id that has the handle, or the zero one.
func findID(ctx context.Context, std stdio, opened *stores.Opened, o sessionsOptions) (store.ID, error) {
	if o.user != "" {
		records, err := opened.Store.User(ctx, o.user)
		i := slices.IndexFunc(records, func(rec store.Record) bool { return rec.ID.Handle() == o.handle })
		if err != nil || i < 0 {
			return store.ID{}, err
		}
		return records[i].ID, nil
	}
	total, err := rows(ctx, opened.Store)
	if err != nil {
		return store.ID{}, err
	}
	bar := progress.New(std.err, "looking", "sessions", total)
	defer bar.Close()
	looked := int64(0)
	for id, err := range opened.IDs(ctx) {
		if err != nil {
			return store.ID{}, err
		}
		if id.Handle() == o.handle {
			return id, nil
		}
		looked++
		bar.Set(looked)
	}
	return store.ID{}, nil
}

// rows is how many sessions and tombstones a store has, or progress.Unknown.
func rows(ctx context.Context, st store.Store) (int64, error) {
	counter, ok := store.As[store.Counter](st)
	if !ok {
		return progress.Unknown, nil
	}
	stats, err := counter.Stats(ctx)
	if err != nil || stats.Sessions < 0 || stats.Tombstones < 0 {
		return progress.Unknown, err
	}
	return stats.Sessions + stats.Tombstones, nil
}

// The states of a session, as a store and the clock have them.
const (
	stateUnknown  = "unknown"  // the store has none of that id
	stateLive     = "live"     // a record
	stateExpired  = "expired"  // a record whose time is over, not yet swept
	stateEnded    = "ended"    // a tombstone
	stateReplaced = "replaced" // a tombstone that names a successor
)

// tombstoneLife is how long after its end an ended session is remembered
// (docs/spec/store.md).
const tombstoneLife = time.Minute

// An explanation is what is known of one session.
type explanation struct {
	Handle string         `json:"handle"`
	State  string         `json:"state"`
	Why    string         `json:"why"`
	Cookie string         `json:"cookie"`          // what a browser gets that has it
	Ended  *time.Time     `json:"ended,omitempty"` // when; to the second, as far as clocks agree
	Until  *time.Time     `json:"remembered_until,omitempty"`
	User   *string        `json:"user,omitempty"` // empty: nobody is logged in
	Detail *sessionDetail `json:"session,omitempty"`
	Next   *explanation   `json:"replaced_by,omitempty"`
}

const (
	cookieUnknown = "as if there were none: the visitor is anonymous, and the event says \"expired\"; a login, or the first value that is kept, makes a new session"
	cookieEnded   = "the visitor is anonymous. The first answer tells the browser so, and what is kept from then on makes a new session; a change before that is refused, 409, and the event says \"write ended\". A login makes a new session"
	cookieReplace = "the answer with the new cookie is on its way to the browser: the old one is nobody's, and a change with it, or a page that needs a login, is refused, 409"
)

// fill asks the store.
func (e *explanation) fill(ctx context.Context, st store.Store, sessions *coatcheck.Manager, id store.ID, now time.Time) error {
	rec, err := store.Record{}, store.ErrNotFound
	if !id.IsZero() {
		rec, err = st.Load(ctx, id)
	}
	ended, isEnded := errors.AsType[*store.EndedError](err)
	switch {
	case errors.Is(err, store.ErrNotFound):
		e.State, e.Cookie = stateUnknown, cookieUnknown
		e.Why = "there never was one, or it is over and was swept: the log of events may know"
		return nil
	case isEnded:
		return e.tombstone(ctx, st, sessions, ended, now)
	case err != nil:
		return err
	}
	return e.record(ctx, sessions, rec, now)
}

// tombstone: an end without a successor, or a new token.
func (e *explanation) tombstone(ctx context.Context, st store.Store, sessions *coatcheck.Manager, ended *store.EndedError, now time.Time) error {
	until := ended.Until.UTC()
	at := until.Add(-tombstoneLife)
	e.Ended, e.Until = &at, &until
	e.State, e.Why = stateEnded, "a logout or a revocation; which one, the log of events knows"
	e.Cookie = cookieEnded
	if !ended.Next.IsZero() {
		e.State, e.Why = stateReplaced, "a login or a renewal gave the browser a new token"
		e.Cookie = cookieReplace
	}
	if !until.After(now) {
		e.Cookie = cookieUnknown
	}
	if ended.Next.IsZero() {
		return nil
	}
	e.Next = &explanation{Handle: ended.Next.Handle()}
	return e.Next.fill(ctx, st, sessions, ended.Next, now)
}

// record: a session that lives, or has expired and was not swept.
func (e *explanation) record(ctx context.Context, sessions *coatcheck.Manager, rec store.Record, now time.Time) error {
	info := coatcheck.Info{Handle: e.Handle, Created: rec.Created, LastSeen: rec.Seen}
	if rec.User != "" {
		list, err := sessions.Sessions(ctx, rec.User) // of a visitor nothing more is known
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(list, func(other coatcheck.Info) bool { return other.Handle == e.Handle }); i >= 0 {
			info = list[i]
		}
	}
	d := newSessionDetail(info, rec)
	e.User, e.Detail = &rec.User, &d
	whose := "of a visitor"
	if rec.User != "" {
		whose = "of user " + printable(rec.User)
	}
	over := rec.Expires
	switch {
	case !rec.Deadline.After(now):
		e.State, e.Why, over = stateExpired, "its lifetime was over", rec.Deadline
	case !rec.Expires.After(now):
		e.State, e.Why = stateExpired, "nobody used it for its idle time"
	default:
		e.State, e.Cookie = stateLive, "the session "+whose
		e.Why = fmt.Sprintf("it ends %s if nobody uses it before, and %s in any case", utc(rec.Expires), utc(rec.Deadline))
		return nil
	}
	e.Ended, e.Cookie = &over, cookieUnknown
	return nil
}

// print writes one line for each thing that is known.
func (e *explanation) print(w io.Writer, indent string) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s%-11s%s\n", indent, name, fmt.Sprintf(format, args...))
	}
	line("handle", "%s", e.Handle)
	line("state", "%s", e.State)
	line("why", "%s", e.Why)
	if e.Ended != nil {
		line("ended", "%s", utc(*e.Ended))
	}
	if e.Until != nil {
		line("remembered", "until %s", utc(*e.Until))
	}
	if d := e.Detail; d != nil {
		line("user", "%s", printable(*e.User))
		for _, row := range d.rows()[1:] {
			line(row[0], "%s", row[1])
		}
	}
	line("cookie", "%s", e.Cookie)
	if e.Next != nil {
		line("replaced by", "")
		e.Next.print(w, indent+"  ")
	}
}
