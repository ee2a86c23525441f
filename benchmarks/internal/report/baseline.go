package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Baseline is what the regression guard compares: allocations, bytes, and times as
// ratios to the same work written straight down, measured in the same round.
// Absolute times differ from machine to machine and from hour to hour.
type Baseline struct {
	Allocs map[string]float64 `json:"allocs"`
	Bytes  map[string]float64 `json:"bytes"`
	Ratios map[string]Ratio   `json:"ratios"`
}

// A Ratio is our time over that of the floor, over all rounds.
type Ratio struct {
	Low    float64 `json:"low"`
	Median float64 `json:"median"`
	High   float64 `json:"high"`
}

// guarded are the benchmarks the guard looks at, with their floors.
var guarded = []struct{ benchmark, us, floor string }{
	{"Request", "coatcheck", "floor-mw"},
	{"Cookie", "coatcheck", "floor"},
}

// NewBaseline takes from the results what the guard compares.
func NewBaseline(r *Results) Baseline {
	b := Baseline{Allocs: make(map[string]float64), Bytes: make(map[string]float64), Ratios: make(map[string]Ratio)}
	for _, g := range guarded {
		prefix := g.benchmark + "/" + g.us + "/"
		for _, name := range r.Names(prefix) {
			if allocs, ok := r.Value(name, "allocs/op"); ok {
				b.Allocs[name] = allocs
			}
			if bytes, ok := r.Value(name, "B/op"); ok {
				b.Bytes[name] = bytes
			}
			floor := g.benchmark + "/" + g.floor + "/" + strings.TrimPrefix(name, prefix)
			if ratio, ok := ratioOf(r.Rows[name]["ns/op"], r.Rows[floor]["ns/op"]); ok {
				b.Ratios[name] = ratio
			}
		}
	}
	return b
}

// ratioOf divides round by round.
func ratioOf(us, floor []float64) (Ratio, bool) {
	n := min(len(us), len(floor))
	if n == 0 {
		return Ratio{}, false
	}
	ratios := make([]float64, n)
	for i := range ratios {
		ratios[i] = us[i] / floor[i]
	}
	return Ratio{slices.Min(ratios), median(ratios), slices.Max(ratios)}, true
}

// JSON returns the baseline as it is recorded.
func (b Baseline) JSON() ([]byte, error) {
	for name, r := range b.Ratios {
		b.Ratios[name] = Ratio{cut(r.Low), cut(r.Median), cut(r.High)}
	}
	text, err := json.MarshalIndent(b, "", "\t")
	return append(text, '\n'), err
}

// Figures is how many there are.
func (b Baseline) Figures() int { return len(b.Allocs) + len(b.Bytes) + len(b.Ratios) }

// cut keeps two decimals.
func cut(v float64) float64 { return float64(int64(v*100+0.5)) / 100 }

// tolerance is what a ratio may grow by: less is noise, even over several
// rounds on a machine that does other things as well.
const tolerance = 1.25

// Compare returns what became worse and what became better since b was
// recorded. A ratio counts only if the medians differ by more than the
// tolerance and no round of the one is within the rounds of the other.
func (b Baseline) Compare(now Baseline) (worse, better []string) {
	worse, better = counted("allocations", b.Allocs, now.Allocs)
	worseBytes, betterBytes := counted("bytes", b.Bytes, now.Bytes)
	worse, better = append(worse, worseBytes...), append(better, betterBytes...)
	for _, name := range slices.Sorted(maps.Keys(b.Ratios)) {
		was := b.Ratios[name]
		is, ok := now.Ratios[name]
		text := fmt.Sprintf("%s: %.2f times the floor (%.2f to %.2f), was %.2f (%.2f to %.2f)",
			name, is.Median, is.Low, is.High, was.Median, was.Low, was.High)
		switch {
		case !ok: // told above
		case is.Median > was.Median*tolerance && is.Low > was.High:
			worse = append(worse, text)
		case is.Median < was.Median/tolerance && is.High < was.Low:
			better = append(better, text)
		}
	}
	return worse, better
}

// counted compares what is counted and so does not depend on the machine; a
// hundredth is what a table that grows, or a sweep, adds now and then.
func counted(what string, before, now map[string]float64) (worse, better []string) {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was := before[name]
		is, ok := now[name]
		text := fmt.Sprintf("%s: %s %s, were %s", name, number(is), what, number(was))
		switch slack := was / 100; {
		case !ok:
			worse = append(worse, name+": is recorded but was not measured")
		case is > was+slack:
			worse = append(worse, text)
		case is < was-slack:
			better = append(better, text)
		}
	}
	return worse, better
}

// ReadBaseline reads what JSON wrote. A record with nothing in it is an error:
// a guard that compares nothing would always be content.
func ReadBaseline(text []byte) (b Baseline, err error) {
	if err = json.Unmarshal(text, &b); err == nil && (len(b.Allocs) == 0 || len(b.Bytes) == 0 || len(b.Ratios) == 0) {
		err = fmt.Errorf("the baseline has %d allocations, %d bytes and %d ratios; want all three", len(b.Allocs), len(b.Bytes), len(b.Ratios))
	}
	return b, err
}
