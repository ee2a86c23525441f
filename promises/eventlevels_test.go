package promises_test

import (
	"context"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// A tally counts lines of a log by level and event.
type tally struct {
	mu    sync.Mutex
	lines map[slog.Level][]string
}

func (*tally) Enabled(context.Context, slog.Level) bool { return true }
func (c *tally) WithAttrs([]slog.Attr) slog.Handler     { return c }
func (c *tally) WithGroup(string) slog.Handler          { return c }

func (c *tally) Handle(_ context.Context, r slog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "event" {
			c.lines[r.Level] = append(c.lines[r.Level], a.Value.String())
		}
		return true
	})
	return nil
}

// G13: a healthy day is quiet. Nothing of what people do on it is a warning, and
// at the level of info there is a line for each thing that was done to a login,
// and none for visitors, prefetches, links from elsewhere and second tabs.
func TestG13AHealthyDayIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &tally{lines: make(map[slog.Level][]string)}
		st := &trap{Store: memstore.New(memstore.Config{})}
		cfg := coatcheck.Config{Events: coatcheck.LogEvents(slog.New(told)), MaxPerUser: 2}
		m := manage(t, st, cfg)
		pages, others := life(m), life(manage(t, st, cfg)) // the same application in another process
		do := func(b *browser, method, path string, headers ...string) {
			time.Sleep(time.Second)
			b.Send(method, "https://app.example"+path, headers...)
		}
		visitor, laptop, phone, third := newBrowser(pages), newBrowser(pages), newBrowser(pages), newBrowser(pages)

		do(visitor, "POST", "/count")
		for range 20 {
			do(visitor, "GET", "/count", "Sec-Purpose", "prefetch")
			do(visitor, "GET", "/look")
		}
		guarded := newBrowser(m.Handler(m.RequireLogin(pages)))
		do(guarded, "GET", "/look")

		do(laptop, "POST", "/login")
		do(laptop, "POST", "/renew")
		do(laptop, "POST", "/again")
		do(phone, "POST", "/remember")
		do(third, "POST", "/login") // one too many: the laptop's ends
		do(phone, "GET", "/look")

		fromElsewhere := phone.Clone() // with the Lax marker alone
		fromElsewhere.SetCookie(sidName, "")
		do(fromElsewhere, "GET", "/count", from("cross-site", navigation)...)

		tab := phone.Clone()
		tab.Handler = others
		once := sync.OnceFunc(func() { do(tab, "POST", "/count") })
		st.set(func(_ context.Context, method string) error {
			if method == "Update" {
				st.set(nil, nil)
				once()
			}
			return nil
		}, nil)
		do(phone, "POST", "/count")

		tab = third.Clone()
		do(third, "POST", "/logout")
		do(tab, "POST", "/set") // a click in another tab

		do(visitor, "GET", "/look")
		time.Sleep(5 * time.Hour) // after lunch
		do(visitor, "GET", "/look")
		do(laptop, "GET", "/look")
		time.Sleep(31 * day)
		do(phone, "GET", "/look")

		if loud := append(told.lines[slog.LevelWarn], told.lines[slog.LevelError]...); len(loud) > 0 {
			t.Errorf("warnings and errors on a healthy day: %q", loud)
		}
		want := []string{"login", "renewed", "reauthenticated", "login", "login", "revoked", "logout", "write ended", "expired"}
		if got := told.lines[slog.LevelInfo]; !slices.Equal(got, want) {
			t.Errorf("at the level of info: got %q, want %q", got, want)
		}
		for _, kind := range []string{"created", "failed", "login required", "held back", "conflict", "expired"} {
			if !slices.Contains(told.lines[slog.LevelDebug], kind) {
				t.Errorf("no %q on this day: mend this test; debug has %q", kind, told.lines[slog.LevelDebug])
			}
		}
	})
}

// The table in the guide has the level of every kind.
func TestG13LevelsAreInTheGuide(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/guide/events.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]string)
	for _, level := range []string{"debug", "info", "warn", "error"} {
		row := regexp.MustCompile(`(?m)^\| ` + level + ` \| (.*) \|$`).FindSubmatch(page)
		if row == nil {
			t.Fatalf("the guide has no row on %s", level)
		}
		for _, kind := range regexp.MustCompile("`([a-z ]+)`").FindAllSubmatch(row[1], -1) {
			documented[string(kind[1])] = level
		}
	}
	kinds := regexp.MustCompile("(?m)^### `([a-z ]+)`$").FindAllSubmatch(page, -1) // TestEventsAreInTheGuide: all of them
	for _, kind := range kinds {
		told := &tally{lines: make(map[slog.Level][]string)}
		coatcheck.LogEvents(slog.New(told))(coatcheck.Event{Kind: coatcheck.Kind(kind[1])})
		for level := range told.lines {
			if got := strings.ToLower(level.String()); documented[string(kind[1])] != got {
				t.Errorf("%s is logged as %s; the guide says %q", kind[1], got, documented[string(kind[1])])
			}
		}
	}
	if len(kinds) != len(documented) || len(kinds) < 19 {
		t.Errorf("the guide has %d kinds, and %d in its table", len(kinds), len(documented))
	}
}
