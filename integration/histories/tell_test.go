//go:build linux

package histories_test

import (
	"testing"
	"time"
)

// TestHistoriesTell: a store that breaks its contract now and then is found out,
// by the histories of sessions alone and by those of the store alone.
func TestHistoriesTell(t *testing.T) {
	for _, how := range []string{"lost update", "double pop", "undone logout", "old token", "revived", "unlisted", "undone revocation"} {
		for _, only := range []string{"sessions", "store"} {
			t.Run(how+", "+only, func(t *testing.T) {
				t.Parallel()
				n := seed()
				r := &run{site: startMemory(t, together, "-break", how), seed: n, length: 5 * time.Minute, only: only, dir: t.TempDir()}
				begin := time.Now()
				r.do(t)
				if len(r.found) == 0 {
					t.Fatalf("seed %d: nothing was found in %v: %s", n, r.length, r)
				}
				t.Logf("found after %v and %d requests: %s", time.Since(begin).Round(time.Millisecond), r.site.requests.Load(), r.found[0])
			})
		}
	}
}
