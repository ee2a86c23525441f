package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/store"
)

var storeSweepCommand = command{
	name:    "store sweep",
	summary: "remove what has expired",
	usage:   "--store URL [--prefix PREFIX] [--schema SCHEMA]",
	about: `
Removes expired sessions, and tombstones and revocations that are no longer
needed, in batches that lock nobody out, until there are none. It may be
interrupted. Requests sweep a little by themselves: call it from a cron job
where there are few. Redis sweeps by itself.`,
	notes: `Examples:
  coatcheck store sweep --store sqlite:coatcheck.db

` + storeURLs + "\n" + storeStatus,
	prepare: func(flags *flag.FlagSet) action {
		var o storeFlags
		o.declare(flags)
		return func(ctx context.Context, io stdio, _ []string) error {
			return o.with(ctx, io, false, func(st *stores.Opened) error {
				removed, err := sweep(ctx, st.Store, &progress{w: io.err, terminal: isTerminal(io.err)})
				if _, printed := fmt.Fprintf(io.out, "Removed %d.\n", removed); err == nil {
					err = printed
				}
				return err
			})
		}
	},
}

const (
	sweepBatch = 500

	// sweepStretch is how many live sessions one call of a SQL store looks at
	// in search of idle ones, at least.
	sweepStretch = 2000

	// sweepUnknown is the size of a store that does not tell it.
	sweepUnknown = 10_000_000
)

// sweep removes what is over. That one batch finds nothing does not mean that
// there is nothing: a store walks through its sessions a stretch at a time. So
// it goes on until the fruitless batches together have seen them all.
func sweep(ctx context.Context, st store.Store, p *progress) (removed int, err error) {
	defer p.end()
	sessions := int64(0)
	if counter, ok := store.As[store.Counter](st); ok {
		stats, err := counter.Stats(ctx)
		if err != nil {
			return 0, err
		}
		if sessions = stats.Sessions; sessions < 0 {
			sessions = sweepUnknown
		}
	}
	now := time.Now().UTC()
	for fruitless := int64(0); fruitless <= sessions/sweepStretch; {
		n, err := st.Sweep(ctx, now, sweepBatch)
		if err != nil {
			return removed, err
		}
		if n == 0 {
			fruitless++
		}
		removed += n
		p.show(removed)
	}
	return removed, nil
}

// A progress tells how many there were: on a terminal in one line that changes,
// elsewhere in a line now and then.
type progress struct {
	w        io.Writer
	terminal bool
	shown    time.Time
	width    int
}

func (p *progress) show(removed int) {
	every, format := 10*time.Second, "removed %d so far\n"
	if p.terminal {
		every, format = 100*time.Millisecond, "\rremoved %d so far"
	}
	now := time.Now()
	if p.shown.IsZero() {
		p.shown = now
	}
	if now.Sub(p.shown) >= every {
		p.shown = now
		p.width, _ = fmt.Fprintf(p.w, format, removed)
	}
}

// end clears the line.
func (p *progress) end() {
	if p.terminal && p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
