package cli

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rivo/uniseg"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
)

// topOptions are the flags of sessions top.
type topOptions struct {
	sessionsOptions
	every time.Duration
	rows  int
	times int
}

func newSessionsTop(std stdio) *cobra.Command {
	var o topOptions
	c := &cobra.Command{
		Use:   "top --store URL [--every DURATION] [--rows N] [--times N]",
		Short: "show who is active, live",
		Long: `Shows how many sessions and users there are and who was active last, again and
again until it is interrupted: on a terminal in place, elsewhere as lines, one
for the numbers and one for each session that is new or was active since the last
time. Times are UTC. The last activity is coarse: an application notes it once
per tenth of the idle time, which is three minutes where nothing else is set.

It goes through all sessions each time. Where that takes long it waits longer, so
that it never reads for more than a tenth of the time.

` + storeURLs + "\n" + storeStatus,
		Example: `  coatcheck sessions top --store sqlite:coatcheck.db
  coatcheck sessions top --store redis://localhost/0 --every 10s --rows 5 | logger`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.every < minEvery:
				return usagef("--every is %v; want %v or longer", o.every, minEvery)
			case o.rows < 0 || o.times < 0:
				return usagef("--rows and --times: want 0 or more")
			}
			o.everybody = true // no --user
			ctx := cmd.Context()
			return withSessions(ctx, std, o.sessionsOptions, func(_ *stores.Opened, sessions *coatcheck.Manager) error {
				return sessionsTop(ctx, std, sessions, o)
			})
		},
	}
	o.declare(c)
	c.Flags().DurationVar(&o.every, "every", 2*time.Second, "look again after this `DURATION`, such as 10s")
	c.Flags().IntVar(&o.rows, "rows", 0, "at most `N` sessions; 0: as many as the terminal has room for, elsewhere 20")
	c.Flags().IntVar(&o.times, "times", 0, "look `N` times and end; 0: until interrupted")
	return c
}

const (
	minEvery     = 100 * time.Millisecond
	plainRows    = 20
	recently     = 5 * time.Minute
	restPerWork  = 9 // times as long as a look took: a tenth of the time is work
	topHeadLines = 4
)

// sessionsTop looks again and again. A store that is away after the first look
// may come back.
func sessionsTop(ctx context.Context, std stdio, sessions *coatcheck.Manager, o topOptions) error {
	screen := newScreen(std.out, o)
	var last *snapshot
	for n := 1; ; n++ {
		begin := time.Now()
		now, err := look(ctx, sessions, screen.rows())
		switch {
		case ctx.Err() != nil: // that is how it ends
			return nil
		case err != nil && last == nil:
			return err
		case err != nil:
			screen.away(err)
		default:
			if err := screen.show(now, last); err != nil {
				return err
			}
			last = now
		}
		if n == o.times {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(o.every, restPerWork*time.Since(begin))):
		}
	}
}

// A snapshot is what one look saw.
type snapshot struct {
	at       time.Time
	sessions int
	visitors int // of them without a user
	users    int
	active   int // of the sessions, recently
	began    int // recently
	recent   []coatcheck.Info
	seen     time.Time // the latest activity
}

// look goes through all sessions, and keeps of them the rows that were active
// last.
func look(ctx context.Context, sessions *coatcheck.Manager, rows int) (*snapshot, error) {
	s := &snapshot{at: time.Now().UTC()}
	seed, users := maphash.MakeSeed(), make(map[uint64]struct{})
	for info, err := range sessions.All(ctx) {
		if err != nil {
			return nil, err
		}
		s.sessions++
		if info.User == "" {
			s.visitors++
		} else {
			users[maphash.String(seed, info.User)] = struct{}{}
		}
		if s.at.Sub(info.LastSeen) < recently {
			s.active++
		}
		if s.at.Sub(info.Created) < recently {
			s.began++
		}
		if info.LastSeen.After(s.seen) {
			s.seen = info.LastSeen
		}
		if s.recent = append(s.recent, info); len(s.recent) > 2*rows+plainRows {
			s.cut(rows)
		}
	}
	s.users = len(users)
	s.cut(rows)
	return s, nil
}

// cut keeps the rows that were active last. The store may have shown one twice.
func (s *snapshot) cut(rows int) {
	slices.SortFunc(s.recent, func(a, b coatcheck.Info) int {
		if c := b.LastSeen.Compare(a.LastSeen); c != 0 {
			return c
		}
		return strings.Compare(a.Handle, b.Handle)
	})
	s.recent = slices.CompactFunc(s.recent, func(a, b coatcheck.Info) bool { return a.Handle == b.Handle })
	s.recent = s.recent[:min(len(s.recent), rows)]
}

// A screen is where snapshots are shown.
type screen struct {
	w       io.Writer
	o       topOptions
	file    *os.File // a terminal, or nil
	cleared bool
}

func newScreen(out *output, o topOptions) *screen {
	s := &screen{w: out, o: o}
	if f, ok := out.Writer.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.file = f
	}
	return s
}

// size is that of the terminal, which may change at any time.
func (s *screen) size() (width, height int) {
	const usualWidth, usualHeight = 80, 24
	width, height, err := term.GetSize(int(s.file.Fd()))
	if err != nil || width < 1 || height < 1 {
		return usualWidth, usualHeight
	}
	return width, height
}

func (s *screen) rows() int {
	switch {
	case s.o.rows > 0:
		return s.o.rows
	case s.file == nil:
		return plainRows
	}
	_, height := s.size()
	return max(height-topHeadLines, 1)
}

func (s *screen) show(now, last *snapshot) error {
	if s.file == nil {
		_, err := io.WriteString(s.w, now.lines(last))
		return err
	}
	width, _ := s.size()
	return s.draw(now.table(s.o.every), width)
}

// Of what steers a terminal (ECMA-48): clear all, to the top left, clear what is
// right of here, and what is below.
const (
	clearAll   = "\x1b[2J"
	home       = "\x1b[H"
	clearRight = "\x1b[K"
	clearBelow = "\x1b[J"
)

// draw puts lines over those that are there, without a flicker.
func (s *screen) draw(lines []string, width int) error {
	var b strings.Builder
	if !s.cleared {
		b.WriteString(clearAll)
		s.cleared = true
	}
	b.WriteString(home)
	for _, line := range lines {
		b.WriteString(fit(line, width) + clearRight + "\n")
	}
	b.WriteString(clearBelow)
	_, err := io.WriteString(s.w, b.String())
	return err
}

// away tells of a store that does not answer; what was seen last stays.
func (s *screen) away(err error) {
	says := fmt.Sprintf("%s  the store does not answer: %v", utc(time.Now()), err)
	if s.file != nil {
		width, _ := s.size()
		fmt.Fprint(s.w, home+fit(printable(says), width)+clearRight)
		return
	}
	fmt.Fprintln(s.w, says)
}

// fit cuts what is wider than the terminal.
func fit(line string, width int) string {
	if uniseg.StringWidth(line) <= width {
		return line
	}
	var b strings.Builder
	used := 0
	for g := uniseg.NewGraphemes(line); g.Next(); {
		if used += g.Width(); used > width-1 {
			break
		}
		b.WriteString(g.Str())
	}
	return b.String() + "…"
}

// table is the snapshot for a terminal.
func (s *snapshot) table(every time.Duration) []string {
	lines := []string{
		fmt.Sprintf("%s UTC, every %v", utc(s.at), every),
		fmt.Sprintf("%d sessions of %d users, %d of visitors; in %.0f minutes %d were active and %d are new", s.sessions, s.users, s.visitors, recently.Minutes(), s.active, s.began),
		"",
	}
	cells := [][]string{{"LAST SEEN", "BEGAN", "USER", "DEVICE", "ADDRESS", "HANDLE"}}
	for _, info := range s.recent {
		cells = append(cells, []string{ago(s.at, info.LastSeen), ago(s.at, info.Created), printable(info.User), printable(info.Device), printable(info.Address), info.Handle})
	}
	wide := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, cell := range row {
			wide[i] = max(wide[i], uniseg.StringWidth(cell))
		}
	}
	for _, row := range cells {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell + strings.Repeat(" ", wide[i]-uniseg.StringWidth(cell)+2))
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

// ago is how long ago that was, to two places: 3m12s, 2h05m, 4d03h.
func ago(now, t time.Time) string {
	const day = 24 * time.Hour
	d := max(now.Sub(t), 0).Round(time.Second) // clocks differ
	switch {
	case d < time.Hour:
		return d.String()
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}

// lines are the snapshot for a file: the numbers, and who was active since last.
func (s *snapshot) lines(last *snapshot) string {
	var b strings.Builder
	at := utc(s.at)
	fmt.Fprintf(&b, "%s sessions=%d users=%d visitors=%d active=%d new=%d\n", at, s.sessions, s.users, s.visitors, s.active, s.began)
	for _, info := range slices.Backward(s.recent) { // as it happened
		what := "active"
		if last != nil {
			if !info.LastSeen.After(last.seen) {
				continue
			}
			if info.Created.After(last.seen) {
				what = "new"
			}
		}
		fmt.Fprintf(&b, "%s %s session=%s user=%q device=%q address=%s seen=%s\n", at, what, info.Handle, info.User, info.Device, printable(info.Address), info.LastSeen.UTC().Format(time.RFC3339))
	}
	return b.String()
}
