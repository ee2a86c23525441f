// Command measure runs the benchmarks and writes docs/performance.md, its
// charts and the record of the regression guard; or compares with that record.
// Run it in the folder benchmarks; the Makefile does.
package main

import (
	"cmp"
	"errors"
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

// docs is where the page goes; the README is beside that folder.
var docs = flag.String("docs", "../docs", "folder of the page; the README is beside it")

const (
	results  = "performance/results.txt" // in docs, as the two below
	stat     = "performance/benchstat.txt"
	baseline = "baseline.json"
	partial  = "partial.txt" // what was measured so far, should a run not come to its end
)

func main() {
	mode := flag.String("mode", "", "short, full, check, held: add -held sessions to the last results, write: the page again from those, or try: each row once, as a test of this program")
	held := flag.Int("held", 10_000_000, "with held: how many sessions")
	record := flag.Bool("record", false, "with check: record what was measured as the new baseline")
	from := flag.String("from", "", "with write: the results, instead of the last ones; "+partial+" is what a run that was broken off has left")
	flag.Parse()
	if err := run(*mode, *record, *held, *from); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(mode string, record bool, held int, from string) error {
	switch mode {
	case "short", "full", "try":
		return measure(mode)
	case "check":
		return check(record)
	case "held", "write":
		text, err := os.ReadFile(cmp.Or(from, filepath.Join(*docs, results)))
		if err != nil {
			return err
		}
		if mode == "held" {
			return more(string(text), held)
		}
		return write(tidy(string(text)), false)
	}
	return fmt.Errorf("-mode is %q; want short, full, check, held, write or try", mode)
}

// more adds what so many sessions take, and reading among them, to the results.
func more(text string, held int) error {
	plan := planned("held")
	for i := range plan {
		plan[i].flags = []string{fmt.Sprint("-held=", held)}
	}
	added, failed := benchmark(plan, nil)
	// In the place of what an earlier one has measured.
	again := make(map[string]bool)
	for line := range strings.Lines(added) {
		again[firstWord(line)] = true
	}
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !again[firstWord(line)] {
			kept.WriteString(line)
		}
	}
	return errors.Join(write(tidy(kept.String()+added), false), failed)
}

func firstWord(line string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	word, _, _ = strings.Cut(word, "\t")
	return word
}

// measure runs everything and writes the page, also where something failed:
// then of what is left, with an error that names the rest.
func measure(mode string) error {
	header, err := header(mode)
	if err != nil {
		return err
	}
	text, failed := benchmark(planned(mode), header)
	err = errors.Join(write(text, mode == "full" && failed == nil), failed)
	if err == nil && mode != "short" {
		return complete(text)
	}
	return err
}

// complete reports which targets were not measured.
func complete(text string) error {
	r, err := report.Read(strings.NewReader(text))
	if err != nil {
		return err
	}
	missing := report.Missing(r)
	switch skipped := r.Header["skipped"]; {
	case len(missing) == 0:
		return nil
	case skipped != "": // a machine with less memory measures the rest
		fmt.Fprintln(os.Stderr, "skipped:", skipped)
		return nil
	}
	return fmt.Errorf("not measured:\n\t%s", strings.Join(missing, "\n\t"))
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
	if err := os.MkdirAll(filepath.Join(*docs, "performance"), 0o755); err != nil {
		return err
	}
	for name, content := range pages {
		if err := os.WriteFile(filepath.Join(*docs, name), content, 0o644); err != nil {
			return err
		}
	}
	table, err := exec.Command("go", "tool", "benchstat", filepath.Join(*docs, results)).Output()
	if err != nil {
		return fmt.Errorf("benchstat: %w", err)
	}
	if err := os.WriteFile(filepath.Join(*docs, stat), table, 0o644); err != nil {
		return err
	}
	if err := readme(r); err != nil {
		return err
	}
	if record {
		return save(report.NewBaseline(r))
	}
	return nil
}

// readme puts the sentence of the results into the README.
func readme(r *report.Results) error {
	name := filepath.Join(*docs, "..", "README.md")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	changed, err := report.WithSentence(string(text), r)
	if err != nil {
		return fmt.Errorf("README.md: %w", err)
	}
	return os.WriteFile(name, []byte(changed), 0o644)
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
	text, failed := benchmark(planned("check"), []string{cores()})
	if failed != nil {
		return failed
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
// measured within the same minute. What fails is named in the error, and all
// that was measured is in the text, and in the file partial, all the same.
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
	file, err := os.Create(partial)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	failed := rounds(program, plan, io.MultiWriter(&text, file), header)
	if err := file.Close(); err != nil {
		failed = append(failed, err)
	}
	if len(failed) == 0 {
		failed = append(failed, os.Remove(partial))
	}
	return tidy(text.String()), errors.Join(failed...)
}

func rounds(program string, plan []step, out io.Writer, header []string) (failed []error) {
	for _, line := range header {
		fmt.Fprintln(out, line)
	}
	began := time.Now()
	most := slices.MaxFunc(plan, func(a, b step) int { return a.rounds - b.rounds }).rounds
	for round := range most {
		for _, s := range plan {
			if round >= s.rounds || round > 0 && time.Since(began) > enough {
				continue
			}
			if lack := s.lack(); lack != "" {
				if round == 0 {
					fmt.Fprintln(out, "skipped: "+lack)
				}
				continue
			}
			fmt.Fprintf(os.Stderr, "%s, round %d of %d: %s\n", time.Since(began).Round(time.Second), round+1, s.rounds, s.bench)
			cmd := exec.Command(program, s.args()...)
			cmd.Stdout, cmd.Stderr = io.MultiWriter(out, os.Stderr), os.Stderr
			if err := cmd.Run(); err != nil {
				failed = append(failed, fmt.Errorf("round %d of %s: %w", round+1, s.bench, err))
			}
		}
	}
	fmt.Fprintf(os.Stderr, "took %s\n", time.Since(began).Round(time.Second))
	return failed
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
