package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
)

// doctorOptions are the flags of doctor.
type doctorOptions struct {
	storeFlags
	json, quick bool
}

func newDoctor(std stdio) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor --store URL [--quick] [--json] [--prefix PREFIX] [--schema SCHEMA]",
		Short: "say whether a store and its server are fit for sessions, and what to do",
		Long: `Looks at the store of an application, from the machine it runs on, and says in one
report what is fine, what is good to know, and what is wrong and what to do about
it: version and settings of the engine, eviction, durability, isolation, its
clock and ours, how long a read takes, the tables, and whether it keeps every
rule of the contract. That last check works beside the sessions, as store check
does, and needs the right to make tables; --quick leaves it out.

` + storeURLs + `
Exit status: 0 if nothing is wrong; 1 if something is, or the store does not
answer; 2 for a wrong command line.`,
		Example: `  coatcheck doctor --store sqlite:coatcheck.db
  coatcheck doctor --quick --store postgres://app@localhost/app`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return doctor(cmd.Context(), std, o) },
	}
	o.declare(c)
	c.Flags().BoolVar(&o.quick, "quick", false, "leave the contract check out")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return c
}

func doctor(ctx context.Context, std stdio, o doctorOptions) error {
	var f stores.Findings
	err := o.with(ctx, std, false, func(opened *stores.Opened) error {
		found, err := opened.Examine(ctx)
		if err != nil {
			return err
		}
		f = append(f, found...)
		for _, look := range []func(context.Context, *stores.Opened) (stores.Finding, error){clockFinding, latencyFinding} {
			found, err := look(ctx, opened)
			if err != nil {
				return err
			}
			f = append(f, found)
		}
		return nil
	})
	switch {
	case errors.Is(err, errUsage), errors.Is(err, errInterrupted):
		return err
	case err != nil: // what was seen until then is worth a report
		f = append(f, stores.Finding{What: "store", Says: err.Error(), Level: stores.Wrong})
	case !o.quick:
		found, err := contractFinding(ctx, std, o.storeFlags)
		if err != nil {
			return err
		}
		f = append(f, found)
	}
	return report(std, f, o.json)
}

// Clocks: redisstore wants half a minute (docs/guide/stores-redis.md), and what
// is further apart than a moment is better mended before it is that much.
const (
	clockWrong = 30 * time.Second
	clockNote  = 2 * time.Second
)

func clockFinding(ctx context.Context, opened *stores.Opened) (stores.Finding, error) {
	ahead, within, own, err := opened.ClockOffset(ctx)
	if err != nil || !own {
		return stores.Finding{What: "clock", Says: "the store's is this machine's", Level: stores.Fine}, err
	}
	return clockVerdict(ahead, within), nil
}

func clockVerdict(ahead, within time.Duration) stores.Finding {
	where := "ahead of"
	if ahead < 0 {
		where = "behind"
	}
	f := stores.Finding{What: "clock", Level: stores.Fine,
		Says: fmt.Sprintf("the server's is %v %s this machine's, give or take %v", ahead.Abs().Round(time.Millisecond), where, within.Round(time.Millisecond))}
	switch sure := ahead.Abs() - within; {
	case sure > clockWrong:
		f.Level = stores.Wrong
		f.Says += "; sessions end early or late, and a login may be taken for one before a revocation"
	case sure > clockNote:
		f.Level = stores.Note
	}
	if f.Level != stores.Fine {
		f.Do = "let both keep time by NTP"
	}
	return f
}

// Latency: what each request with a session waits for.
const (
	latencyTries = 21
	latencyWrong = time.Second
	latencyNote  = 10 * time.Millisecond
)

func latencyFinding(ctx context.Context, opened *stores.Opened) (stores.Finding, error) {
	took := make([]time.Duration, latencyTries)
	for i := range took {
		var id store.ID
		_, _ = rand.Read(id[:]) // nobody's
		begin := time.Now()
		if _, err := opened.Store.Load(ctx, id); err != nil && !errors.Is(err, store.ErrNotFound) {
			return stores.Finding{}, err
		}
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	return latencyVerdict(took[len(took)/2], took[len(took)-1]), nil
}

func latencyVerdict(median, most time.Duration) stores.Finding {
	f := stores.Finding{What: "latency", Level: stores.Fine,
		Says: fmt.Sprintf("a read takes %v, at most %v of %d tries", median.Round(time.Microsecond), most.Round(time.Microsecond), latencyTries)}
	switch {
	case median > latencyWrong:
		f.Level = stores.Wrong
	case median > latencyNote:
		f.Level = stores.Note
	}
	if f.Level != stores.Fine {
		f.Says += "; every request with a session waits as long, and again for a change"
		f.Do = "run the store near the application, and see what else its server does"
	}
	return f
}

// contractFinding runs the check of store check.
func contractFinding(ctx context.Context, std stdio, o storeFlags) (stores.Finding, error) {
	f := stores.Finding{What: "contract", Says: "the store keeps every rule", Level: stores.Fine}
	scratch, err := stores.OpenScratch(ctx, cmp.Or(o.store, std.getenv(storeEnv)), stores.Options{Schema: o.schema})
	if err == nil {
		err = errors.Join(storetest.Check(ctx, scratch.Store), scratch.Close())
	}
	if err = stopped(ctx, err); errors.Is(err, errInterrupted) {
		return f, err
	}
	if err != nil {
		f.Level, f.Says = stores.Wrong, err.Error()
		f.Do = "see what is wrong above; where the user may make no tables, run this as one who may, or with --quick"
	}
	return f, nil
}

// report prints what was found, and is an error if something is wrong.
func report(std stdio, all stores.Findings, asJSON bool) error {
	wrong := 0
	for _, f := range all {
		if f.Level == stores.Wrong {
			wrong++
		}
	}
	if asJSON {
		if err := json.NewEncoder(std.out).Encode(all); err != nil {
			return err
		}
	} else {
		printFindings(std.out, all)
		if wrong == 0 {
			fmt.Fprintf(std.out, "\nNothing of %d is wrong.\n", len(all))
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d wrong", wrong, len(all))
	}
	return nil
}

func printFindings(w io.Writer, all stores.Findings) {
	wide := 0
	for _, f := range all {
		wide = max(wide, len(f.What))
	}
	for _, f := range all {
		level := string(f.Level)
		if f.Level == stores.Wrong {
			level = "WRONG" // seen at a glance, without colours
		}
		indent := "\n" + strings.Repeat(" ", len("WRONG  ")+wide+2)
		fmt.Fprintf(w, "%-5s  %-*s  %s\n", level, wide, f.What, strings.ReplaceAll(strings.TrimSpace(f.Says), "\n", indent))
		if f.Do != "" {
			fmt.Fprintf(w, "%*s> %s\n", len("WRONG  ")+wide+2, "", f.Do)
		}
	}
}
