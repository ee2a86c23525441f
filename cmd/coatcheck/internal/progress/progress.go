// Package progress tells how far a long command is: on a terminal by a bar that
// changes in place, elsewhere by a line now and then.
package progress

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Unknown is the total of what cannot be counted beforehand: then there is a
// rate, but no share and nothing that is left.
const Unknown = -1

const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 10 * time.Second
)

// A Bar is the progress of one piece of work. It is for one goroutine.
type Bar struct {
	w        io.Writer
	what     string
	total    int64
	bar      *progressbar.ProgressBar
	terminal bool
	told     time.Time
}

// New returns the progress of what, such as "sweeping", which has total units.
func New(w io.Writer, what, units string, total int64) *Bar {
	f, ok := w.(*os.File)
	return newBar(w, ok && term.IsTerminal(int(f.Fd())), what, units, total)
}

func newBar(w io.Writer, terminal bool, what, units string, total int64) *Bar {
	if total == 0 { // the library wants something
		total = Unknown
	}
	onto := io.Discard // where it only counts
	if terminal {
		onto = w
	}
	b := &Bar{w: w, what: what, total: total, terminal: terminal, told: time.Now(),
		bar: progressbar.NewOptions64(total, progressbar.OptionSetWriter(onto), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(units),
			progressbar.OptionThrottle(barEvery), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetRenderBlankState(true),    // its clock begins with it
			progressbar.OptionSetSpinnerChangeInterval(0)), // no goroutine
	}
	_ = b.bar.Add(0) // and that of its rate
	return b
}

// Set tells how many units are done. More than the total are the total: things
// come and go while the work goes on.
func (b *Bar) Set(done int64) {
	if b.total != Unknown {
		done = min(done, b.total)
	}
	_ = b.bar.Set64(done) // what cannot be shown stops no work
	if !b.terminal && time.Since(b.told) >= lineEvery {
		b.told = time.Now()
		fmt.Fprintln(b.w, b.line())
	}
}

func (b *Bar) line() string {
	s := b.bar.State()
	rate := s.CurrentBytes / max(s.SecondsSince, 1) // bytes is what the library calls units
	if b.total == Unknown {
		return fmt.Sprintf("%s: %.0f so far, %.0f/s", b.what, s.CurrentBytes, rate)
	}
	left := time.Duration(s.SecondsLeft * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%s: %d of %d (%.0f%%), %.0f/s, %v left", b.what, s.CurrentNum, s.Max, 100*s.CurrentPercent, rate, left)
}

// Close clears the bar.
func (b *Bar) Close() {
	if b.terminal {
		_ = b.bar.Clear()
	}
}
