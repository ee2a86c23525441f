// Command measure runs the benchmarks and writes docs/performance.md, its
// charts and the record of the regression guard; or compares with that record.
// Run it in the folder benchmarks; the Makefile does.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/benchmarks/internal/report"
)

const (
	docs     = "../docs"
	results  = "performance/results.txt" // in docs, as the two below
	stat     = "performance/benchstat.txt"
	baseline = "baseline.json"
)

func main() {
	mode := flag.String("mode", "", "short, full, check, held: add -held sessions to the last results, or write: the page again from those")
	held := flag.Int("held", 10_000_000, "with held: how many sessions")
	record := flag.Bool("record", false, "with check: record what was measured as the new baseline")
	flag.Parse()
	if err := run(*mode, *record, *held); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(mode string, record bool, held int) error {
	switch mode {
	case "short", "full":
		return measure(mode)
	case "check":
		return check(record)
	case "held", "write":
		text, err := os.ReadFile(filepath.Join(docs, results))
		if err != nil {
			return err
		}
		if mode == "held" {
			return more(string(text), held)
		}
		return write(string(text), false)
	}
	return fmt.Errorf("-mode is %q; want short, full, check, held or write", mode)
}

// more adds what so many sessions take, and reading among them, to the results.
func more(text string, held int) error {
	plan := slices.Clone(plans["held"])
	for i := range plan {
		plan[i].flags = []string{fmt.Sprint("-held=", held)}
	}
	added, err := benchmark(plan, nil)
	if err != nil {
		return err
	}
	// In the place of what an earlier one has measured.
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "BenchmarkHeld/") && !strings.HasPrefix(line, "BenchmarkGrowHeld/coatcheck/") {
			kept.WriteString(line)
		}
	}
	return write(tidy(kept.String()+added), false)
}

// measure runs everything and writes the page.
func measure(mode string) error {
	header, err := header(mode)
	if err != nil {
		return err
	}
	text, err := benchmark(plans[mode], header)
	if err != nil {
		return err
	}
	return write(text, mode == "full")
}

// write writes what follows from results.
func write(text string, record bool) error {
	r, err := report.Read(strings.NewReader(text))
	if err != nil {
		return err
	}
	pages, err := report.Page(r)
	if err != nil {
		return err
	}
	pages[results] = []byte(text)
	if err := os.MkdirAll(filepath.Join(docs, "performance"), 0o755); err != nil {
		return err
	}
	for name, content := range pages {
		if err := os.WriteFile(filepath.Join(docs, name), content, 0o644); err != nil {
			return err
		}
	}
	table, err := exec.Command("go", "tool", "benchstat", filepath.Join(docs, results)).Output()
	if err != nil {
		return fmt.Errorf("benchstat: %w", err)
	}
	if err := os.WriteFile(filepath.Join(docs, stat), table, 0o644); err != nil {
		return err
	}
	if record {
		return save(report.NewBaseline(r))
	}
	return nil
}

func save(b report.Baseline) error {
	text, err := b.JSON()
	if err != nil {
		return err
	}
	return os.WriteFile(baseline, text, 0o644)
}

// check compares with the last record.
func check(record bool) error {
	var was report.Baseline
	if !record {
		text, err := os.ReadFile(baseline)
		if err != nil {
			return err
		}
		if was, err = report.ReadBaseline(text); err != nil {
			return err
		}
	}
	text, err := benchmark(plans["check"], []string{cores()})
	if err != nil {
		return err
	}
	r, err := report.Read(strings.NewReader(text))
	if err != nil {
		return err
	}
	now := report.NewBaseline(r)
	if record {
		return save(now)
	}
	worse, better := was.Compare(now)
	for _, line := range better {
		fmt.Println("better:", line)
	}
	for _, line := range worse {
		fmt.Println("WORSE:", line)
	}
	if len(worse) > 0 {
		return fmt.Errorf("%d of %d figures became worse than those in benchmarks/%s; if that is meant, record them anew with make bench-all",
			len(worse), was.Figures(), baseline)
	}
	fmt.Printf("none of %d figures became worse\n", was.Figures())
	return nil
}

// benchmark runs a plan, round after round, so that what is compared was
// measured within the same minute.
func benchmark(plan []step, header []string) (string, error) {
	dir, err := os.MkdirTemp("", "benchmarks-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "benchmarks.test")
	if out, err := exec.Command("go", "test", "-c", "-o", program, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go test -c: %w\n%s", err, out)
	}
	rounds := slices.MaxFunc(plan, func(a, b step) int { return a.rounds - b.rounds }).rounds
	var text strings.Builder
	for _, line := range header {
		fmt.Fprintln(&text, line)
	}
	began := time.Now()
	for round := range rounds {
		for _, s := range plan {
			if round >= s.rounds || round > 0 && time.Since(began) > enough {
				continue
			}
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, s.rounds, s.bench)
			cmd := exec.Command(program, s.args()...)
			cmd.Stdout, cmd.Stderr = io.MultiWriter(&text, os.Stderr), os.Stderr
			if err := cmd.Run(); err != nil {
				return "", fmt.Errorf("%s: %w", s.bench, err)
			}
		}
	}
	return tidy(text.String()), nil
}

// tidy keeps the lines of the benchmark format, and each key once.
func tidy(text string) string {
	var out strings.Builder
	seen := make(map[string]bool)
	for line := range strings.Lines(text) {
		key, _, isHeader := strings.Cut(line, ": ")
		switch {
		case strings.HasPrefix(line, "Benchmark") && strings.Contains(line, "\t"):
		case isHeader && !strings.Contains(key, " ") && !seen[key]:
			seen[key] = true
		default:
			continue
		}
		out.WriteString(line)
	}
	return out.String()
}
