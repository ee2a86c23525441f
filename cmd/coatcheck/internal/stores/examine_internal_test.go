package stores

import (
	"testing"
	"time"
)

// The clocks of a Cluster's servers are 5 seconds apart at most, as
// docs/guide/stores-redis.md wants; what may be the way there is no reason to worry.
func TestClocksVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		apart, doubt time.Duration
		want         Verdict
	}{
		{0, 0, Fine}, {5 * time.Second, 0, Fine}, {5*time.Second + 1, 0, Wrong}, {6 * time.Second, 2 * time.Second, Fine}, {time.Hour, time.Second, Wrong},
	} {
		var f Findings
		clocksVerdict(&f, c.apart, c.doubt)
		if len(f) != 1 || f[0].Level != c.want {
			t.Errorf("%v apart, give or take %v: got %+v, want %s", c.apart, c.doubt, f, c.want)
		}
	}
}

// A replica that its primary does not call online takes nothing over.
func TestInStep(t *testing.T) {
	t.Parallel()
	for told, want := range map[string]string{
		"ip=10.0.0.2,port=6379,state=online,offset=1,lag=0":   "10.0.0.2:6379",
		"ip=::1,port=6379,state=online,offset=1,lag=0":        "[::1]:6379",
		"ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0":    "",
		"ip=10.0.0.2,port=6379,state=send_bulk,offset=0,lag=": "",
	} {
		var f Findings
		if got := inStep(&f, "10.0.0.1:6379", told); got != want || len(f) != 1 || (f[0].Level == Wrong) != (want == "") {
			t.Errorf("%s: got %q, %+v; want %q", told, got, f, want)
		}
	}
}

// Each server that a Cluster has given up is told of once.
func TestFailedNode(t *testing.T) {
	t.Parallel()
	var f Findings
	for _, line := range []string{
		"", "short", "07c3 10.0.0.1:6379@16379,name myself,master - 0 0 1 connected 0-5460",
		"67ed 10.0.0.2:6379@16379 master,fail? - 0 0 2 connected", "292f 10.0.0.3:6379@16379,name slave,fail 07c3 0 0 3 connected",
		"292f 10.0.0.3:6379@16379 slave,fail 07c3 0 0 3 connected",
	} {
		failedNode(&f, line)
	}
	if len(f) != 1 || f[0].What != "10.0.0.3:6379" || f[0].Level != Wrong {
		t.Errorf("got %+v, want the one that failed", f)
	}
}
