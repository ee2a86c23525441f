package promises_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// G13: Events (created, login, renewed, logout, expired, revoked, refused with
// its reason, held back, conflict, value mismatch, store error) with the
// handle, never the token. ASVS 16.3.1–16.3.3: each event once, in UTC.
func TestG13Events(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &trap{Store: memstore.New(memstore.Config{})}
		var l coatchecktest.Events
		m := manage(t, st, coatcheck.Config{Events: l.Record, Cookie: cookie.Policy{}})
		mistyped := coatcheck.NewKey[string]("hits")
		app := life(m)
		b := newBrowser(app)
		as := func(act func(*coatcheck.Session)) func() {
			return func() {
				b.Handler = only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { act(s) })
				b.Send("POST", "/")
				b.Handler = app
			}
		}
		do := func(path string, headers ...string) func() {
			return func() { b.Send("POST", "https://app.example"+path, headers...) }
		}
		once := func(method string, err error) func(context.Context, string) error {
			var used atomic.Bool
			return func(_ context.Context, called string) error {
				if called != method || used.Swap(true) {
					return nil
				}
				return err
			}
		}
		var handle string // of the browser's session before the step
		const anyHandle = "*"
		for _, step := range []struct {
			name string
			do   func()
			want []coatcheck.Event
		}{
			{"look at nothing", do("/look"), nil},
			{"first write", do("/set"), []coatcheck.Event{{Kind: coatcheck.Created, Handle: anyHandle}}},
			{"read", do("/look"), nil},
			{"write", do("/count"), nil},
			{"login", do("/login"), []coatcheck.Event{{Kind: coatcheck.LoggedIn, Handle: anyHandle, User: "alice"}}},
			{"renew", do("/renew"), []coatcheck.Event{{Kind: coatcheck.Renewed, Handle: anyHandle, User: "alice"}}},
			{"authenticate again", do("/again"), []coatcheck.Event{{Kind: coatcheck.Reauthenticated, Handle: anyHandle, User: "alice"}}},
			{"mistyped read", as(func(s *coatcheck.Session) { mistyped.Get(s) }),
				[]coatcheck.Event{{Kind: coatcheck.Mismatch, Handle: "own", Reason: "the stored value does not fit the key's type", Err: coatcheck.ErrValue}}},
			{"mistyped update", as(func(s *coatcheck.Session) { mistyped.Update(s, strings.ToUpper) }),
				[]coatcheck.Event{{Kind: coatcheck.Mismatch, Handle: "own", Reason: "the stored value does not fit the key's type", Err: coatcheck.ErrValue}}},
			{"mistyped once more", do("/count"),
				[]coatcheck.Event{{Kind: coatcheck.Mismatch, Handle: "own", Reason: "the stored value does not fit the key's type", Err: coatcheck.ErrValue}}},
			{"conflict", func() {
				st.set(once("Update", coatcheck.ErrConflict), nil)
				b.Send("POST", "/count")
				st.set(nil, nil)
			},
				[]coatcheck.Event{{Kind: coatcheck.Conflict, Handle: "own", User: "alice", Reason: "another process had written the session"}}},
			{"load fails", func() { st.set(once("Load", io.ErrUnexpectedEOF), nil); b.Send("POST", "/look"); st.set(nil, nil) },
				[]coatcheck.Event{{Kind: coatcheck.StoreError, Handle: "own", Reason: "load", Err: io.ErrUnexpectedEOF}}},
			{"late login", func() {
				b.Handler = only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
					s.User()
					io.WriteString(w, "x")
					s.Login("bob")
				})
				b.Send("POST", "/")
				b.Handler = app
			}, []coatcheck.Event{{Kind: coatcheck.Late, Handle: "own", User: "alice", Reason: "a change that needs a cookie, after the answer had begun"}}},
			{"cross-origin", do("/set", "Sec-Fetch-Site", "cross-site"),
				[]coatcheck.Event{{Kind: coatcheck.Refused, Reason: "cross-origin request",
					Err: http.NewCrossOriginProtection().Check(b.Request("POST", "/set", "Sec-Fetch-Site", "cross-site"))}}},
			{"held back", func() {
				jar := b.Cookies()
				b.SetCookie(sidName, "")
				b.Send("GET", "/set", from("cross-site", navigation)...)
				wear(b, jar)
			}, []coatcheck.Event{{Kind: coatcheck.HeldBack, Reason: "the browser kept the cookie back because the visitor came from another site"}}},
			{"forged", func() {
				jar := b.Cookies()
				b.SetCookie(sidName, "forged")
				b.Send("GET", "/look")
				wear(b, jar)
			}, []coatcheck.Event{{Kind: coatcheck.Refused, Reason: "session cookie: malformed"}}},
			{"revocation", func() { m.RevokeAll(t.Context(), "alice") },
				[]coatcheck.Event{{Kind: coatcheck.Revoked, Handle: "own", User: "alice", Reason: "by RevokeAll"}}},
			{"read after the end", do("/look"), nil},
			{"write after the end", func() { b.SetCookie(overName, ""); b.Send("POST", "/count") }, []coatcheck.Event{{Kind: coatcheck.WriteEnded, Handle: "own", Reason: "the session had ended"}}},
			{"login after the end", do("/login"), []coatcheck.Event{{Kind: coatcheck.LoggedIn, Handle: anyHandle, User: "alice"}}},
			{"logout", do("/logout"), []coatcheck.Event{{Kind: coatcheck.LoggedOut, Handle: "own", User: "alice"}}},
			{"logout again", do("/logout"), nil},
			{"login and write", do("/login"), []coatcheck.Event{{Kind: coatcheck.LoggedIn, Handle: anyHandle, User: "alice"}}},
			{"too long idle", func() { time.Sleep(time.Hour); b.Send("GET", "/look") },
				[]coatcheck.Event{{Kind: coatcheck.Expired, Handle: "own", User: "alice", Reason: "nobody used it for its idle time"}}},
			{"when the store has forgotten it", func() { m.Sweep(t.Context()); b.Send("GET", "/look") },
				[]coatcheck.Event{{Kind: coatcheck.Expired, Handle: "own", Reason: "unknown session"}}},
			{"write after expiry", do("/set"), []coatcheck.Event{
				{Kind: coatcheck.Expired, Handle: "own", Reason: "unknown session"}, {Kind: coatcheck.Created, Handle: anyHandle}}},
		} {
			time.Sleep(time.Second)
			step.do()
			// What follows one that looks at the tombstone or the swept record
			// tells it again, so only what this step told counts.
			got := l.All()
			l.Reset()
			if len(got) != len(step.want) {
				t.Errorf("%s: got %+v, want %+v", step.name, got, step.want)
				continue
			}
			for i, want := range step.want {
				e := got[i]
				if e.Time.Location() != time.UTC || time.Since(e.Time) != 0 {
					t.Errorf("%s: the time is %v, want %v in UTC", step.name, e.Time, time.Now())
				}
				switch want.Handle {
				case "own":
					want.Handle = handle
				case anyHandle:
					if len(e.Handle) != 12 || e.Handle == handle {
						t.Errorf("%s: the handle is %q, want a new one", step.name, e.Handle)
					}
					handle, want.Handle = e.Handle, e.Handle
				}
				if e.Kind != want.Kind || e.Handle != want.Handle || e.User != want.User || e.Reason != want.Reason || !errors.Is(e.Err, want.Err) {
					t.Errorf("%s: got %+v, want %+v", step.name, e, want)
				}
			}
		}
	})
}

// G5: A damaged record is an ended session plus an event. R1: Data of another
// version, ... is damaged. A damaged record is ended (its browser is anonymous
// from then on) and reported by an event.
func TestG13DamagedRecord(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(good []byte) []byte{
		"empty":                 func([]byte) []byte { return nil },
		"another version":       func(b []byte) []byte { b[0]++; return b },
		"cut":                   func(b []byte) []byte { return b[:len(b)-1] },
		"a length past the end": func(b []byte) []byte { return append(b, 5, 'x') },
		"too long":              func(b []byte) []byte { return append(b, make([]byte, 64<<10)...) },
		"garbage":               func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) },
	} {
		st := &trap{Store: memstore.New(memstore.Config{})}
		var l coatchecktest.Events
		m := manage(t, st, coatcheck.Config{Events: l.Record})
		b := begin(t, m, life(m))
		records, _ := st.User(t.Context(), "alice")
		bad := records[0]
		bad.Data, bad.Version = damage(bytes.Clone(bad.Data)), bad.Version+1
		if err := st.Store.Update(t.Context(), bad, records[0].Version); err != nil {
			t.Fatal(err)
		}
		l.Reset()
		if w := b.Send("GET", "/look"); w.Code != 200 || w.Body.String() != "0" {
			t.Errorf("%s: got %d %q, want an anonymous answer", name, w.Code, w.Body)
		}
		if e := l.All(); len(e) != 1 || e[0].Kind != coatcheck.Damaged || e[0].Handle != bad.ID.Handle() || e[0].User != "alice" {
			t.Errorf("%s: got the events %+v, want damaged", name, e)
		}
		if n := st.count("End"); n != 1 {
			t.Errorf("%s: ended %d times, want once", name, n)
		}
		l.Reset()
		b.Send("GET", "/look")
		if len(l.All()) != 0 {
			t.Errorf("%s: the second look tells %v", name, l.Kinds())
		}
		if w := b.Send("POST", "/login"); w.Code != 200 || w.Body.String() != "alice0" {
			t.Errorf("%s: login then gives %d %q", name, w.Code, w.Body)
		}
	}
}

// G13: `log/slog` ... hang on them: what visitors do all day is debug, what
// deserves somebody's attention a warning, a failing store an error.
func TestG13LogEvents(t *testing.T) {
	t.Parallel()
	for kind, level := range map[coatcheck.Kind]slog.Level{
		coatcheck.Created: slog.LevelDebug, coatcheck.LoggedIn: slog.LevelInfo, coatcheck.Renewed: slog.LevelInfo,
		coatcheck.LoggedOut: slog.LevelInfo, coatcheck.Revoked: slog.LevelInfo, coatcheck.Expired: slog.LevelInfo,
		coatcheck.HeldBack: slog.LevelDebug, coatcheck.Conflict: slog.LevelDebug,
		coatcheck.Reauthenticated: slog.LevelInfo, coatcheck.LoginRequired: slog.LevelDebug, coatcheck.Failed: slog.LevelWarn,
		coatcheck.Refused: slog.LevelWarn, coatcheck.Mismatch: slog.LevelWarn, coatcheck.Damaged: slog.LevelWarn,
		coatcheck.WriteEnded: slog.LevelInfo, coatcheck.Late: slog.LevelWarn, coatcheck.TooOld: slog.LevelWarn, coatcheck.Insecure: slog.LevelWarn, coatcheck.Large: slog.LevelWarn,
		coatcheck.StoreError: slog.LevelError,
	} {
		var out bytes.Buffer
		told := func(min slog.Level, e coatcheck.Event) string {
			out.Reset()
			handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: min, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})
			coatcheck.LogEvents(slog.New(handler))(e)
			return out.String()
		}
		event := coatcheck.Event{Kind: kind, Handle: "handle", User: "o'hara\n", Reason: "because", Err: io.EOF}
		want := fmt.Sprintf("level=%s msg=session event=%s session=handle user=%q reason=because error=EOF\n", level, quoted(string(kind)), event.User)
		if got := told(slog.LevelDebug, event); got != want {
			t.Errorf("got  %swant %s", got, want)
		}
		if got := told(level+1, event); got != "" {
			t.Errorf("%s is told above its level: %s", kind, got)
		}
		if kind == coatcheck.Expired {
			level = slog.LevelDebug // of nobody
		}
		if got, want := told(slog.LevelDebug, coatcheck.Event{Kind: kind}), "level="+level.String()+" msg=session event="+quoted(string(kind))+"\n"; got != want {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

// quoted is a value as slog's text has it.
func quoted(s string) string {
	if strings.Contains(s, " ") {
		return strconv.Quote(s)
	}
	return s
}

// G13: No token, id or key in any log, error, `%v`, JSON or panic.
// ASVS 16.2.5, 3.3.4
func TestG13NoSecretInSight(t *testing.T) {
	t.Parallel()
	st := &ledger{Store: memstore.New(memstore.Config{})}
	var logged bytes.Buffer
	cfg := coatcheck.Config{Events: coatcheck.LogEvents(slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))}
	m := manage(t, st, cfg)
	var said strings.Builder
	say := func(values ...any) {
		for _, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
				fmt.Fprintf(&said, verb+"\n", v)
			}
			b, err := json.Marshal(v)
			fmt.Fprintln(&said, string(b), err)
			slog.New(slog.NewTextHandler(&said, nil)).Info("value", "value", v)
			slog.New(slog.NewJSONHandler(&said, nil)).Info("value", "value", v)
			func() {
				defer func() { fmt.Fprintln(&said, recover()) }()
				panic(v)
			}()
		}
	}
	b := newBrowser(only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		s.Login("alice")
		hits.Update(s, increase)
		s.Commit()
		note.Set(s, "pending")
		list, err := m.Sessions(r.Context(), "alice")
		type holder struct {
			S *coatcheck.Session
			M *coatcheck.Manager
			C context.Context
		}
		say(s, m, cfg, w, r.Context(), list, err, holder{s, m, r.Context()}, []any{s, m}, map[string]any{"s": s},
			context.WithValue(r.Context(), holder{}, 1), hits, s.Handle())
		if r.URL.Path == "/fail" {
			s.Login(strings.Repeat("x", 300))
			say(s.Err(), s)
		}
	}))
	w := b.Send("POST", "/")
	answers := w.Body.String()
	answers += b.Send("POST", "/fail").Body.String()
	old := b.Clone()
	old.Handler, b.Handler = life(m), life(m)
	b.Send("POST", "/renew")
	answers += old.Send("POST", "/count").Body.String()
	b.Send("POST", "/logout")
	for _, rec := range st.records {
		say(rec, &rec, []store.Record{rec}, rec.ID, &rec.ID, []store.ID{rec.ID}, map[store.ID]int{rec.ID: 1},
			&store.EndedError{Next: rec.ID, Until: time.Now()}, store.EndedError{Next: rec.ID},
			coatcheck.Event{Kind: coatcheck.LoggedIn, Handle: rec.ID.Handle(), Err: &store.EndedError{Next: rec.ID}})
	}

	secrets := map[string]string{"the key": "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa"}
	for _, name := range []string{"first", "renewed"} {
		jar := map[string]map[string]string{"first": old.Cookies(), "renewed": b.Cookies()}[name]
		if token := jar[sidName]; token != "" {
			secrets["the token, "+name] = token
			secrets["part of the token, "+name] = token[10:40]
		}
	}
	for i, rec := range st.records {
		id := rec.ID[:]
		for how, text := range map[string]string{
			"bytes": string(id[:8]), "hexadecimal": fmt.Sprintf("%x", id[:8]), "HEXADECIMAL": fmt.Sprintf("%X", id[:8]),
			"decimal": strings.Trim(fmt.Sprint(id[:8]), "[]"), "Go": strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", id[:8]), "[]byte{"), "}"),
			"base64": base64.StdEncoding.EncodeToString(id)[:10], "base64url": base64.RawURLEncoding.EncodeToString(id)[:10],
			"JSON": strings.ReplaceAll(strings.Trim(fmt.Sprint(id[:8]), "[]"), " ", ","),
		} {
			secrets[fmt.Sprintf("id %d as %s", i, how)] = text
		}
	}
	if len(secrets) < 10 || !strings.Contains(logged.String(), "login") || said.Len() < 1000 {
		t.Fatalf("%d secrets, %d bytes said: the test proves nothing", len(secrets), said.Len())
	}
	for what, secret := range secrets {
		for where, text := range map[string]string{"what was printed": said.String(), "the log": logged.String(), "the answers": answers} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s is in %s: %q", what, where, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}

// G13: no secret in a panic; From's says how to fix it.
func TestG13FromOutsideAHandler(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	for name, from := range map[string]func(){
		"From":         func() { coatcheck.From(t.Context()) },
		"Manager.From": func() { m.From(t.Context()) },
		"another manager's": func() {
			other := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
			newBrowser(only(other, func(_ http.ResponseWriter, r *http.Request, _ *coatcheck.Session) { m.From(r.Context()) })).Send("GET", "/")
		},
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, "Manager.Handler") {
					t.Errorf("%s: got %q, want how to fix it", name, text)
				}
			}()
			from()
		}()
	}
}
