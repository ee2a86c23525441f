package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A step is one run of the test program.
type step struct {
	bench  string // regular expression
	time   string // for each row
	rounds int
	flags  []string // of the test program
	memory int      // GiB that it needs, where that is more than nearly every machine has
}

// A step takes seconds, and minutes where it fills stores: what hangs is ended.
func (s step) args() []string {
	return append([]string{
		"-test.run=^$", "-test.bench=" + s.bench, "-test.benchtime=" + s.time, "-test.timeout=" + s.timeout(),
	}, s.flags...)
}

func (s step) timeout() string {
	if s.memory > 0 {
		return "30m"
	}
	return "6m"
}

// lack tells that the machine has less memory than the step needs.
func (s step) lack() string {
	if free, ok := meminfo("MemAvailable"); ok && s.memory > 0 && free < s.memory {
		return fmt.Sprintf("%s %s, which needs %d GiB of memory, of which %d are free", s.bench, strings.Join(s.flags, " "), s.memory, free)
	}
	return ""
}

// enough is after what time only the first round goes on, so that a full plan
// ends within 25 minutes on two idle cores.
const enough = 21 * time.Minute

// The plans. Rows that are compared by ratio are measured most often.
var plans = map[string][]step{
	"short": {
		{"^Benchmark(Request|Telemetry|Cookie|Parts|WriteParts)$", "50ms", 5, nil, 0},
		{"^Benchmark(HTTP|Page|Form|Steady)$", "1x", 1, []string{"-load=500ms"}, 0},
		{"^Benchmark(Memory|Lost)$", "1x", 1, []string{"-held=100000"}, 0},
		{"^BenchmarkList$/^coatcheck$", "1000x", 1, []string{"-held=100000"}, 0},
		{"^BenchmarkList$/^scs$", "1x", 1, nil, 0},
		{"^Benchmark(Redis|Postgres|SQLite)$", "100ms", 1, nil, 0},
		{"^Benchmark(Commits|Held)$", "200ms", 1, []string{"-held=100000"}, 0},
		{"^Benchmark(BridgeRead|Adopt|BoundSideBySide)$", "100ms", 1, nil, 0},
		{"^BenchmarkGrow(Held|Values|Cores|User)$", "20ms", 1, []string{"-held=100000"}, 0},
		{"^BenchmarkGrow(InFlight|Redis)$", "1x", 1, nil, 0},
	},
	"full": {
		{"^Benchmark(Request|Telemetry|Cookie|Parts|WriteParts)$", "100ms", 8, nil, 0},
		{"^Benchmark(HTTP|Page|Form)$", "1x", 3, []string{"-load=1s"}, 0},
		{"^BenchmarkSteady$", "1x", 5, []string{"-load=2s"}, 0},
		{"^BenchmarkCommits$", "500ms", 5, nil, 0},
		{"^Benchmark(BridgeRead|Adopt|BoundSideBySide)$", "200ms", 3, nil, 0},
		{"^Benchmark(Memory|Lost)$", "1x", 1, []string{"-held=1000000", "-slow"}, 0},
		{"^BenchmarkList$/^coatcheck$", "10000x", 1, []string{"-held=1000000"}, 0},
		{"^BenchmarkList$/^scs$", "1x", 3, []string{"-held=50000"}, 0},
		{"^Benchmark(Redis|Postgres|SQLite)$", "300ms", 2, nil, 0},
		{"^BenchmarkGrowHeld$", "200ms", 1, []string{"-held=1000000"}, 0},
		{"^BenchmarkGrow(Values|Cores|User)$", "50ms", 2, nil, 0},
		{"^BenchmarkGrow(InFlight|Redis)$", "1x", 3, nil, 0},
		{"^BenchmarkHeld$/^(sqlite|postgres|redis)$", "200ms", 1, []string{"-held=1000000"}, 0},
		{"^BenchmarkHeld$/^memstore$", "300ms", 1, []string{"-held=10000000"}, 6},
		{"^BenchmarkAmong$", "1s", 1, []string{"-held=10000000"}, 11},
	},
	"check": {
		{"^Benchmark(Request|Cookie)$/^(floor|floor-mw|coatcheck)$", "100ms", 6, nil, 0},
	},
	// One store after the other, each in a process that ends before the next.
	"held": {
		{"^BenchmarkAmong$", "1s", 1, nil, 11},
		{"^BenchmarkGrowHeld$/^coatcheck$", "300ms", 1, nil, 12},
		{"^BenchmarkHeld$/^memstore$", "300ms", 1, nil, 6},
		{"^BenchmarkHeld$/^redis$", "300ms", 1, nil, 10},
		{"^BenchmarkHeld$/^sqlite$", "300ms", 1, nil, 4},
		{"^BenchmarkHeld$/^postgres$", "300ms", 1, nil, 2},
	},
}

// planned is the plan of a mode.
func planned(mode string) []step {
	if mode == "try" {
		return tried(plans["full"])
	}
	return slices.Clone(plans[mode])
}

// tried is a plan in seconds: each row once, for a moment, among few sessions.
func tried(plan []step) []step {
	short := slices.Clone(plan)
	for i := range short {
		s := &short[i]
		if s.rounds = 1; strings.HasSuffix(s.time, "s") {
			s.time = "2ms"
		}
		s.memory = 0
		// The last of several flags counts.
		s.flags = append(slices.Clone(s.flags), "-load=50ms", "-slow=false", "-held=10000")
	}
	return short
}

// header describes the machine, without its name.
func header(mode string) ([]string, error) {
	libraries, err := versions()
	if err != nil {
		return nil, err
	}
	how := map[string]string{"short": "make bench", "full": "make bench-all", "try": "a trial, whose figures mean nothing"}[mode]
	var commands []string
	for _, s := range planned(mode) {
		commands = append(commands, strings.TrimSpace(fmt.Sprintf("go test -run '^$' -bench '%s' -benchtime %s -count %d . %s",
			s.bench, s.time, s.rounds, strings.Join(s.flags, " "))))
	}
	return []string{
		cores(),
		"date: " + time.Now().UTC().Format(time.DateOnly),
		"mode: " + how,
		"go: " + runtime.Version(),
		"memory: " + memory(),
		"servers: " + servers(),
		"libraries: " + strings.Join(libraries, "; "),
		"commands: " + strings.Join(commands, "; "),
	}, nil
}

func cores() string { return "cores: " + strconv.Itoa(runtime.GOMAXPROCS(0)) }

// shown are the modules whose versions the page names.
var shown = []string{
	"github.com/alexedwards/scs/", "github.com/gorilla/", "github.com/gin-", "github.com/gofiber/", "github.com/kataras/iris/",
	"github.com/quasoft/memstore", "github.com/boj/redistore", "github.com/antonlindstrom/pgstore", "github.com/redis/rueidis",
	"github.com/jackc/pgx/", "github.com/go-sql-driver/mysql", "github.com/go-chi/chi", "modernc.org/sqlite", "github.com/valyala/fasthttp",
}

func versions() (list []string, err error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not .Main}}{{.Path}} {{.Version}}{{end}}", "all").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	direct, err := os.ReadFile("go.mod")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(out)) {
		path, _, _ := strings.Cut(line, " ")
		for _, prefix := range shown {
			if strings.HasPrefix(path, prefix) && slices.ContainsFunc(strings.Split(string(direct), "\n"), func(l string) bool {
				return strings.Contains(l, "\t"+path+" v") && !strings.Contains(l, "// indirect")
			}) {
				list = append(list, strings.TrimSpace(line))
				break
			}
		}
	}
	return list, nil
}

// memory is that of the machine, where Linux tells it.
func memory() string {
	if gib, ok := meminfo("MemTotal"); ok {
		return fmt.Sprintf("%d GiB", gib)
	}
	return "an unknown amount"
}

func meminfo(key string) (gib int, ok bool) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == key+":" {
			kib, err := strconv.Atoi(fields[1])
			return (kib + 1<<19) >> 20, err == nil
		}
	}
	return 0, false
}

// servers are the versions of those that are installed.
func servers() string {
	var list []string
	for _, args := range [][]string{{"redis-server", "--version"}, {"postgres", "--version"}, {"psql", "--version"}, {"mariadbd", "--version"}} {
		out, err := exec.Command(args[0], args[1:]...).Output()
		if err != nil {
			continue
		}
		text := strings.TrimSpace(string(out))
		switch args[0] {
		case "redis-server":
			if i := strings.Index(text, "v="); i >= 0 {
				text = "Redis " + strings.Fields(text[i+2:])[0]
			}
		case "mariadbd":
			if i := strings.Index(text, "Ver "); i >= 0 {
				text, _, _ = strings.Cut("MariaDB "+strings.Fields(text[i+4:])[0], "-MariaDB")
			}
		default:
			fields := strings.Fields(text)
			text = "PostgreSQL " + fields[2]
			if len(list) > 0 && strings.HasPrefix(list[len(list)-1], "PostgreSQL") {
				continue
			}
		}
		list = append(list, text)
	}
	if len(list) == 0 {
		return "none installed"
	}
	return strings.Join(list, ", ")
}
