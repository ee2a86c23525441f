package progress

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Long work tells how far it is: on a terminal by a bar that is cleared in the
// end, elsewhere in lines that stay. Quick work says nothing there.
func TestBar(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		terminal bool
		total    int64
		every    time.Duration
		want     string // a pattern for all that is written
	}{
		{"terminal", true, 400, time.Second, `^\rsweeping +0% .* 25% \|█+ +\| \(100/400, 100 rows/s\) \[1s:3s\]\r +\r\rsweeping +50% .*\(200/400, 100 rows/s\) \[2s:2s\].* 75% .*\(300/400, 100 rows/s\) \[3s:1s\]\r +\r$`},
		{"terminal, unknown", true, Unknown, time.Second, `sweeping \(200/-, 100 rows/s\) \[2s\].*sweeping \(300/-, 100 rows/s\).*\r +\r$`},
		{"terminal, nothing", true, 0, time.Second, `^\r. sweeping`},
		{"file", false, 400, 10 * time.Second, "^sweeping: 100 of 400 \\(25%\\), 10/s, 30s left\nsweeping: 200 of 400 \\(50%\\), 10/s, 20s left\nsweeping: 300 of 400 \\(75%\\), 10/s, 10s left\n$"},
		{"file, unknown", false, Unknown, 10 * time.Second, "^sweeping: 100 so far, 10/s\nsweeping: 200 so far, 10/s\nsweeping: 300 so far, 10/s\n$"},
		{"file, quick", false, 400, time.Second, "^$"},
		{"file, more than there were", false, 250, 10 * time.Second, "sweeping: 250 of 250 \\(100%\\), 8/s, 0s left\n$"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				b := newBar(&out, c.terminal, "sweeping", "rows", c.total)
				for n := int64(1); n <= 3; n++ {
					time.Sleep(c.every)
					b.Set(100 * n)
				}
				b.Close()
				if !regexp.MustCompile("(?s)" + c.want).MatchString(out.String()) {
					t.Errorf("got %q, want %s", out.String(), c.want)
				}
			})
		})
	}
}
