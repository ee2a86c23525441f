//go:build linux

package integration_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// A scraped is a Prometheus that asks a serve, and what people had been answered
// when that began to count.
type scraped struct {
	*servers.Prometheus
	from told
}

// told is what people were answered.
type told struct{ answered, unavailable, logins, unsureLogins, logouts, unsureEnds int64 }

func newScraped(t *testing.T, metrics string) *scraped {
	return &scraped{Prometheus: servers.NewPrometheus(t, "faults", metrics, "groups: []\n")}
}

func (p *people) told() told {
	return told{p.answered.Load(), p.unavailable.Load(), p.logins.Load(), p.unsureLogins.Load(), p.logouts.Load(), p.unsureEnds.Load()}
}

// crash ends serve in the middle of requests, after a look at what it had counted:
// it begins again at nothing.
func (s *scraped) crash(t *testing.T, p *people) error {
	s.agree(t, p)
	answered := p.answered.Load()
	p.await(t, 1)
	if p.answered.Load() == answered {
		return fmt.Errorf("nobody uses it any more")
	}
	p.site.Kill()
	p.turn.Lock() // what was under way has failed
	s.from = p.told()
	p.turn.Unlock()
	return p.site.Start()
}

// agree compares what Prometheus was told with what people were, while nobody asks
// for anything. A request without an answer of 200 may have been carried out.
func (s *scraped) agree(t *testing.T, p *people) {
	t.Helper()
	p.turn.Lock()
	defer p.turn.Unlock()
	await(t, s.Prometheus, fmt.Sprintf(`timestamp(up{job="faults"}) > %.3f and up{job="faults"} == 1`, float64(time.Now().UnixMilli())/1000), true)
	now, slack := p.told(), int64(0)
	if p.mayLose { // who logs out of a session that is lost is answered 200
		slack = crowdAtFaults * 3
	}
	logins, unsureLogins := now.logins-s.from.logins, now.unsureLogins-s.from.unsureLogins
	logouts, unsureEnds := now.logouts-s.from.logouts, now.unsureEnds-s.from.unsureEnds
	answered, unavailable := now.answered-s.from.answered, now.unavailable-s.from.unavailable
	const events = `coatcheck_events_total{job="faults",coatcheck_event_kind=~"%s"}`
	const whole = int64(1 << 62)
	for _, c := range []struct {
		what, series string
		least, most  int64
	}{
		{"logins", fmt.Sprintf(events, "login|reauthenticated"), logins, logins + unsureLogins},
		// A login whose answer nobody waited for is ended.
		{"logouts", fmt.Sprintf(events, "logout"), logouts - slack, logouts + unsureEnds + unsureLogins},
		{"loads", `coatcheck_store_load_duration_seconds_count{job="faults"}`, answered - logins, whole},
		{"answers replaced by 503 (G13)", fmt.Sprintf(events, "store error|failed"), unavailable, whole},
		{"forged and damaged, of which there are none", fmt.Sprintf(events, "refused|damaged|value mismatch|copied"), 0, 0},
	} {
		got := s.number(t, "sum("+c.series+")")
		if got < c.least || got > c.most {
			t.Errorf("%s: Prometheus was told of %d; people know of %d at least, and %d at most", c.what, got, c.least, c.most)
		}
		t.Logf("%s: Prometheus has %d, people know of %d", c.what, got, c.least)
	}
	failed := s.number(t, `sum({__name__=~"coatcheck_store_.*_duration_seconds_count",job="faults",error_type!=""})`)
	if unavailable > 0 && failed == 0 {
		t.Errorf("%d answers were 503, and Prometheus knows of no call of the store that failed", unavailable)
	}
	t.Logf("calls of the store that failed: %d; answers of 503: %d", failed, unavailable)
}

// number is the sum that Prometheus has; of what it never heard of 0.
func (s *scraped) number(t *testing.T, query string) int64 {
	t.Helper()
	list, err := s.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if len(list) == 0 {
		return 0
	}
	n, err := strconv.ParseFloat(list[0].Number(), 64)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return int64(n)
}
