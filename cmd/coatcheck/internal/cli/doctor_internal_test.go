package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
)

// How far clocks may be apart, and how long a read may take. What the way there
// and back may explain is no difference.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead, within time.Duration
		want          stores.Verdict
		says          string
	}{
		{0, 0, stores.Fine, "is 0s ahead of"},
		{1900 * time.Millisecond, 0, stores.Fine, "is 1.9s ahead of"},
		{-3 * time.Second, 0, stores.Note, "is 3s behind"},
		{3 * time.Second, 2 * time.Second, stores.Fine, "give or take 2s"},
		{29 * time.Second, 0, stores.Note, "29s ahead of"},
		{31 * time.Second, 0, stores.Wrong, "sessions end early or late"},
		{-31 * time.Second, 0, stores.Wrong, "31s behind"},
		{31 * time.Second, 2 * time.Second, stores.Note, "31s"},
	} {
		got := clockVerdict(c.ahead, c.within)
		if got.Level != c.want || !strings.Contains(got.Says, c.says) || (got.Do == "") != (got.Level == stores.Fine) {
			t.Errorf("%v within %v: got %+v, want %s and %q", c.ahead, c.within, got, c.want, c.says)
		}
	}
	for median, want := range map[time.Duration]stores.Verdict{
		time.Millisecond: stores.Fine, 11 * time.Millisecond: stores.Note, 1100 * time.Millisecond: stores.Wrong,
	} {
		if got := latencyVerdict(median, median); got.Level != want || (got.Do == "") != (want == stores.Fine) {
			t.Errorf("%v: got %+v, want %s", median, got, want)
		}
	}
}

// The report is for people: aligned, with what to do below what is wrong.
func TestReport(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	std := stdio{out: &output{Writer: &out}}
	err := report(std, stores.Findings{
		{What: "version", Says: "1", Level: stores.Fine},
		{What: "a long one", Says: "first\nsecond\n", Do: "mend it", Level: stores.Wrong},
	}, false)
	const want = "fine   version     1\nWRONG  a long one  first\n                   second\n                   > mend it\n"
	if out.String() != want || err == nil || err.Error() != "1 of 2 wrong" {
		t.Errorf("got %v and\n%swant\n%s", err, out.String(), want)
	}
}
