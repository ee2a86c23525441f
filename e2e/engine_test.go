package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// An engine is a browser that the tests drive. It is started by the first test
// that asks for it and serves all of them; each test has a jar of its own.
type engine struct {
	name   string
	needs  []string // program:package
	launch func(programs map[string]string) (driver, error)

	// Where they differ. What a browser lacks here is what the guide tells of it.
	localhost bool // keeps Secure cookies of http://localhost
	prefixes  bool // knows what __Host- and __Host-Http- ask for
	limits    bool // drops a cookie of more than 4,096 bytes, and the oldest of many

	once    sync.Once
	d       driver
	err     error
	version string
}

// The engines, each as Debian has it. WebKitGTK is not Safari: it has the same
// engine for pages, but its cookies are libsoup's.
var (
	chromiumEngine = &engine{name: "Chromium", needs: []string{"chromium:chromium", "certutil:libnss3-tools"}, launch: launchChromium, localhost: true, prefixes: true, limits: true}
	firefoxEngine  = &engine{name: "Firefox", needs: []string{"firefox-esr:firefox-esr"}, launch: launchFirefox, localhost: true, prefixes: true, limits: true}
	webkitEngine   = &engine{name: "WebKitGTK", needs: []string{"WebKitWebDriver:webkit2gtk-driver", "Xvfb:xvfb"}, launch: launchWebKit}

	allEngines = []*engine{chromiumEngine, firefoxEngine, webkitEngine}
)

// A driver runs one browser.
type driver interface {
	version() string
	jar(ctx context.Context) (page, error) // a tab with an empty jar

	// scriptless is a tab with an empty jar in which no script ever runs; it can
	// open pages and no more.
	scriptless(ctx context.Context) (page, error)

	stop()
}

// A page is a tab of a browser.
type page interface {
	id() string
	open(ctx context.Context, url string) error               // as if it had been typed
	eval(ctx context.Context, script string) ([]byte, error)  // an expression or promise, as the user's doing: JSON
	click(ctx context.Context, selector string) error         // on a link or button
	reload(ctx context.Context) error                         // as the button of the window does
	another(ctx context.Context) (page, error)                // a second tab with the same jar
	pages(ctx context.Context) ([]string, error)              // ids of all tabs with the same jar
	attach(ctx context.Context, id string) (page, error)      // one of them
	cookies(ctx context.Context, url string) (jar, error)     // also what scripts cannot see
	plant(ctx context.Context, url, name, value string) error // Secure, HttpOnly, Strict, Path=/
	drop(ctx context.Context, url, name string) error         // as an eviction would
	scripts(ctx context.Context, on bool) error
	downloads(ctx context.Context, dir string) error // what is downloaded goes there, unasked
	press(ctx context.Context, x, y int) error       // the mouse, at a place of the window
	close()
}

// A jar is what a browser keeps for a URL.
type jar map[string]held

// A held cookie is as comparable as browsers tell it.
type held struct {
	Value, Domain, Path, SameSite string
	Secure, HTTPOnly              bool
	Session                       bool // until the browser closes
}

// errCannot is of what a browser's driver does not offer.
var errCannot = errors.New("this browser cannot be told to")

// engines runs a test in every browser.
func engines(t *testing.T, test func(t *testing.T, e *engine)) {
	t.Helper()
	t.Parallel()
	for _, e := range allEngines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.run(t)
			test(t, e)
		})
	}
}

// enginesInTurn is for tests that use lenientTab.
func enginesInTurn(t *testing.T, test func(t *testing.T, e *engine)) {
	t.Helper()
	for _, e := range allEngines {
		t.Run(e.name, func(t *testing.T) {
			e.run(t)
			test(t, e)
		})
	}
}

// run returns the browser, started by whoever asks first. Without it the test is
// skipped, or fails if COATCHECK_REQUIRE_ALL is set.
func (e *engine) run(t *testing.T) driver {
	t.Helper()
	programs := make(map[string]string)
	for _, need := range e.needs {
		program, pkg, _ := cut(need)
		path, err := exec.LookPath(program)
		if err != nil {
			if os.Getenv("COATCHECK_REQUIRE_ALL") == "1" {
				t.Fatalf("no %s: install the Debian package %s", program, pkg)
			}
			t.Skipf("no %s: install the Debian package %s", program, pkg)
		}
		programs[program] = path
	}
	e.once.Do(func() {
		if e.d, e.err = e.launch(programs); e.err == nil {
			e.version = e.d.version()
		}
	})
	if e.err != nil {
		t.Fatalf("start %s: %v", e.name, e.err)
	}
	return e.d
}

// programs are what it needs, by name, for who starts another of a kind that runs.
func (e *engine) programs() map[string]string {
	programs := make(map[string]string)
	for _, need := range e.needs {
		program, _, _ := cut(need)
		programs[program] = program
	}
	return programs
}

// newTab opens a tab with an empty jar.
func (e *engine) newTab(t *testing.T) *tab {
	t.Helper()
	d := e.run(t)
	p, err := within(patience*2, d.jar)
	if err != nil {
		t.Fatalf("open a tab of %s: %v", e.name, err)
	}
	t.Cleanup(p.close)
	return &tab{t, e, p}
}

// shared is what the browsers and servers of all tests use.
var shared struct {
	once sync.Once
	dir  string
	err  error
}

// folder is one that goes when the tests end.
func folder() (string, error) {
	shared.once.Do(func() { shared.dir, shared.err = os.MkdirTemp("", "coatcheck-e2e-") })
	return shared.dir, shared.err
}

func subfolder(name string) (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, name)
	return dir, os.MkdirAll(dir, 0o700)
}

func TestMain(m *testing.M) {
	// One more than usual: some tests wait for minutes until a proof is over. -parallel
	// still wins.
	if err := flag.Set("test.parallel", strconv.Itoa(runtime.GOMAXPROCS(0)+1)); err != nil {
		panic(err)
	}
	flag.Parse()
	code := m.Run()
	if err := checkSeen(); err != nil {
		fmt.Println(err)
		code = max(code, 1)
	}
	for _, e := range append(allEngines, bindingEngine) {
		if e.d != nil {
			e.d.stop()
		}
	}
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}
