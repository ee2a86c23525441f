package cli

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/pflag"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// What becomes of a session in time, as sessions explain has it.
func TestExplain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New(memstore.Config{})
		keys, err := cookie.NewKeys(newSecret())
		if err != nil {
			t.Fatal(err)
		}
		sessions, err := coatcheck.New(st, keys, coatcheck.Config{})
		if err != nil {
			t.Fatal(err)
		}
		explain := func(id store.ID) string {
			t.Helper()
			var out strings.Builder
			e := explanation{Handle: id.Handle()}
			if err := e.fill(t.Context(), st, sessions, id, time.Now().UTC()); err != nil {
				t.Fatal(err)
			}
			e.print(&out, "")
			return out.String()
		}
		begin := time.Now().UTC() // 2000-01-01
		idle, short := store.ID{1}, store.ID{2}
		for _, rec := range []store.Record{
			{ID: idle, User: "ann\u202e", Deadline: begin.Add(12 * time.Hour)},
			{ID: short, Deadline: begin.Add(30 * time.Minute)},
		} {
			rec.Version, rec.AuthTime, rec.Created, rec.Seen, rec.Expires = 1, begin, begin, begin, begin.Add(30*time.Minute)
			if err := st.Create(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
		}
		wants := func(got string, lines ...string) {
			t.Helper()
			for _, line := range lines {
				if !strings.Contains(got, line+"\n") {
					t.Errorf("got\n%s\nwant the line %q", got, line)
				}
			}
			if strings.Contains(got, "\u202e") {
				t.Errorf("it turns text around: %q", got)
			}
		}
		wants(explain(idle), "state      live", "why        it ends 2000-01-01 00:30:00 if nobody uses it before, and 2000-01-01 12:00:00 in any case",
			"user       ann�", "cookie     the session of user ann�", "bytes      0")
		wants(explain(short), "state      live", "user       -", "cookie     the session of a visitor")
		time.Sleep(30 * time.Minute)
		wants(explain(idle), "state      expired", "why        nobody used it for its idle time", "ended      2000-01-01 00:30:00", "cookie     "+cookieUnknown)
		wants(explain(short), "state      expired", "why        its lifetime was over")
		if _, err := st.End(t.Context(), idle, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		wants(explain(idle), "state      ended", "ended      2000-01-01 00:30:00", "remembered until 2000-01-01 00:31:00", "cookie     "+cookieEnded)
		time.Sleep(time.Minute)
		wants(explain(idle), "state      ended", "cookie     "+cookieUnknown)
		for range 2 {
			if _, err := st.Sweep(t.Context(), time.Now().Add(time.Second), 10); err != nil {
				t.Fatal(err)
			}
		}
		wants(explain(idle), "state      unknown", "cookie     "+cookieUnknown)
	})
}

// A handle may begin with a hyphen, and is no flag then.
func TestHandleLast(t *testing.T) {
	t.Parallel()
	c, _, err := Root().Find([]string{"sessions", "explain"})
	if err != nil {
		t.Fatal(err)
	}
	c.InitDefaultHelpFlag()
	flags := make(map[string]bool)
	c.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
	if !maps.Equal(flags, explainFlags) {
		t.Errorf("the command has the flags %v, explainFlags %v", flags, explainFlags)
	}
	for _, c := range [][2]string{
		{"sessions explain -WcmrGf4P3Av --store sqlite:x", "sessions explain --store sqlite:x -- -WcmrGf4P3Av"},
		{"sessions explain --store sqlite:x --WcmrGf4P3A", "sessions explain --store sqlite:x -- --WcmrGf4P3A"},
		{"sessions explain --json -WcmrGf4P3Av", "sessions explain --json -- -WcmrGf4P3Av"},
		{"sessions explain --user -WcmrGf4P3Av x", "sessions explain --user -WcmrGf4P3Av x"},
		{"sessions explain --prefix=abc WcmrGf4P3Avx", "sessions explain --prefix=abc WcmrGf4P3Avx"},
		{"sessions explain --user=annab x", "sessions explain --user=annab x"},
		{"sessions explain --unknown-flag", "sessions explain --unknown-flag"},
		{"sessions explain -- -WcmrGf4P3Av", "sessions explain -- -WcmrGf4P3Av"},
		{"sessions explain", "sessions explain"},
		{"sessions list --user -WcmrGf4P3Av", "sessions list --user -WcmrGf4P3Av"},
	} {
		if got := strings.Join(handleLast(strings.Fields(c[0])), " "); got != c[1] {
			t.Errorf("%s: got %s, want %s", c[0], got, c[1])
		}
	}
}
