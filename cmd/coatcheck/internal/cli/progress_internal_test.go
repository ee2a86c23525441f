package cli

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A sweep that takes long tells how far it is: on a terminal in one line that is
// cleared in the end, elsewhere in lines that stay.
func TestProgress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		terminal bool
		every    time.Duration
		want     string
	}{
		{"terminal", true, 100 * time.Millisecond, "\rremoved 2 so far\rremoved 3 so far\r                 \r"},
		{"file", false, 10 * time.Second, "removed 2 so far\nremoved 3 so far\n"},
		{"quick, terminal", true, 10 * time.Millisecond, ""},
		{"quick, file", false, time.Second, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				p := &progress{w: &out, terminal: c.terminal}
				p.show(1)
				for n := 2; n <= 3; n++ {
					time.Sleep(c.every)
					p.show(n)
				}
				p.end()
				if out.String() != c.want {
					t.Errorf("got %q, want %q", out.String(), c.want)
				}
			})
		})
	}
}
