package stores

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// A Finding is one thing about an engine that was looked at.
type Finding struct {
	What  string  `json:"what"`
	Says  string  `json:"says"`
	Do    string  `json:"do,omitempty"`
	Level Verdict `json:"level"`
}

// A Verdict says how much a Finding matters.
type Verdict string

// The verdicts.
const (
	Fine  Verdict = "fine"
	Note  Verdict = "note"  // good to know; it breaks nothing by itself
	Wrong Verdict = "wrong" // it breaks a promise, or soon will
)

// Findings is a report that grows.
type Findings []Finding

func (f *Findings) fine(what, format string, args ...any) {
	*f = append(*f, Finding{what, fmt.Sprintf(format, args...), "", Fine})
}

func (f *Findings) note(what, do, format string, args ...any) {
	*f = append(*f, Finding{what, fmt.Sprintf(format, args...), do, Note})
}

func (f *Findings) wrong(what, do, format string, args ...any) {
	*f = append(*f, Finding{what, fmt.Sprintf(format, args...), do, Wrong})
}

// want is fine where a setting is one of those that are good, and wrong
// otherwise; why says what that breaks.
func (f *Findings) want(what, is, why, do string, good ...string) {
	for _, g := range good {
		if is == g {
			f.fine(what, "%s", is)
			return
		}
	}
	f.wrong(what, do, "%s; %s", is, why)
}

// What a setting breaks, in the words of docs/guide/stores.md.
const (
	losesEnds = "a crash can lose what was acknowledged: sessions that had ended are alive again"
	noChanges = "every login, change and logout fails"
)

// Examine looks at version and settings of the engine. An error means that it
// could not be asked.
func (o *Opened) Examine(ctx context.Context) (Findings, error) {
	if o.examine == nil {
		return nil, nil
	}
	return o.examine(ctx)
}

// ClockOffset is how far the engine's clock is ahead of ours, and how much of
// that may be the way there and back; own is false where both are one.
func (o *Opened) ClockOffset(ctx context.Context) (ahead, within time.Duration, own bool, err error) {
	if o.clock == nil {
		return 0, 0, false, nil
	}
	ahead, within, err = o.clock(ctx)
	return ahead, within, true, err
}

// askedClock asks a clock some times, and believes the quickest answer.
func askedClock(ctx context.Context, now func(context.Context) (time.Time, error)) (ahead, within time.Duration, err error) {
	const times = 5
	for i := range times {
		before := time.Now()
		there, err := now(ctx)
		if err != nil {
			return 0, 0, err
		}
		way := time.Since(before) / 2
		if i == 0 || way < within {
			ahead, within = there.Sub(before.Add(way)), way
		}
	}
	return ahead, within, nil
}

// sqlClock reads a clock as microseconds since 1970.
func sqlClock(db *sql.DB, query string) func(context.Context) (ahead, within time.Duration, err error) {
	return func(ctx context.Context) (ahead, within time.Duration, err error) {
		return askedClock(ctx, func(ctx context.Context) (time.Time, error) {
			var us int64
			err := db.QueryRowContext(ctx, query).Scan(&us)
			return time.UnixMicro(us), err
		})
	}
}

// settings reads names and values.
func settings(ctx context.Context, db *sql.DB, query string) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[string]string)
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		all[name] = value
	}
	return all, rows.Err()
}

// connections notes how near the server is to its limit.
func (f *Findings) connections(used, most int64) {
	const nearly = 0.9
	if float64(used) > nearly*float64(most) {
		f.note("connections", "raise max_connections, or put a pooler between", "%d of %d are in use; when there are none left, requests fail", used, most)
		return
	}
	f.fine("connections", "%d of %d are in use", used, most)
}
