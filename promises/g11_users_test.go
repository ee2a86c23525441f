package promises_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)

func list(t testing.TB, b *browser) []coatcheck.Info {
	t.Helper()
	w := b.Send("GET", "/sessions")
	wants(t, w, 200, "")
	var infos []coatcheck.Info
	if err := json.Unmarshal(w.Body.Bytes(), &infos); err != nil {
		t.Fatal(err)
	}
	return infos
}

// G11: "List (device, created, last seen, current one marked)"; the newest first,
// and of exactly that user.
func TestG11List(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		app := g11App(m)
		start := time.Now().UTC()
		laptop, phone, script, other := newBrowser(app), newBrowser(app), newBrowser(app), newBrowser(app)
		wants(t, newBrowser(app).Send("POST", "/count"), 200, "1") // anonymous
		wants(t, laptop.Send("POST", "/login?user=ann", "User-Agent", firefox), 200, "")
		wants(t, other.Send("POST", "/login?user=Ann"), 200, "")
		time.Sleep(time.Minute)
		wants(t, phone.Send("POST", "/login?user=ann", "User-Agent", iphone), 200, "")
		time.Sleep(time.Minute)
		wants(t, script.Send("POST", "/login?user=ann", "User-Agent", "curl/8.5.0"), 200, "")
		time.Sleep(10 * time.Minute)
		wants(t, laptop.Send("GET", "/user"), 200, "user ann") // a touch
		time.Sleep(time.Minute)

		got := list(t, laptop)
		if len(got) != 3 {
			t.Fatalf("%d sessions, want 3", len(got))
		}
		min := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
		for i, want := range []coatcheck.Info{
			{Device: "curl", Address: "192.0.2.1", Created: min(2), LastSeen: min(2)},
			{Device: "Safari on iPhone", Address: "192.0.2.1", Created: min(1), LastSeen: min(1)},
			{Device: "Firefox on Linux", Address: "192.0.2.1", Created: min(0), LastSeen: min(12), Current: true},
		} {
			if g := got[i]; g.Device != want.Device || !g.Created.Equal(want.Created) || !g.LastSeen.Equal(want.LastSeen) ||
				g.Current != want.Current || len(g.Handle) != 12 {
				t.Errorf("session %d is %+v, want %+v", i, g, want)
			}
		}
		time.Sleep(22 * time.Minute) // phone and script have expired, nothing was swept
		if got := list(t, laptop); len(got) != 1 || !got[0].Current {
			t.Errorf("%d sessions after the others expired, want the current one", len(got))
		}
		if got, err := m.Sessions(t.Context(), "ann"); len(got) != 1 || err != nil || got[0].Current {
			t.Errorf("outside a request: %v, %v; want one session, not current", got, err)
		}
		if _, err := m.Sessions(t.Context(), ""); !errors.Is(err, coatcheck.ErrValue) {
			t.Errorf("Sessions of nobody: %v, want ErrValue", err)
		}
	})
}

// G11: "end one": of that user alone, by the handle in the list.
func TestG11Revoke(t *testing.T) {
	t.Parallel()
	var log coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: log.Record})
	app := g11App(m)
	laptop, phone, other := newBrowser(app), newBrowser(app), newBrowser(app)
	wants(t, laptop.Send("POST", "/login?user=ann"), 200, "")
	wants(t, phone.Send("POST", "/login?user=ann"), 200, "")
	wants(t, other.Send("POST", "/login?user=bob"), 200, "")
	foreign := list(t, other)[0].Handle
	for _, handle := range []string{foreign, "", "nosuchhandle"} {
		wants(t, laptop.Send("POST", "/revoke?handle="+handle), 200, "false user ann")
	}
	wants(t, other.Send("GET", "/user"), 200, "user bob")
	if n := log.Count(coatcheck.Revoked); n != 0 {
		t.Errorf("%d revocations heard of, want none", n)
	}
	for _, info := range list(t, laptop) {
		if !info.Current {
			wants(t, laptop.Send("POST", "/revoke?handle="+info.Handle), 200, "true user ann")
			wants(t, laptop.Send("POST", "/revoke?handle="+info.Handle), 200, "false user ann")
		}
	}
	wants(t, phone.Send("GET", "/user"), 200, "user ")
	wants(t, laptop.Send("GET", "/user"), 200, "user ann")
	// The own session ends for the rest of the request too, as by Logout.
	wants(t, laptop.Send("POST", "/revoke?handle="+list(t, laptop)[0].Handle), 200, "true user ")
	if len(laptop.Cookies()) > 0 {
		t.Errorf("the cookies %v are left", laptop.Cookies())
	}
	wants(t, laptop.Send("GET", "/user"), 200, "user ")
	if n := log.Count(coatcheck.Revoked); n != 2 {
		t.Errorf("%d revocations heard of, want 2", n)
	}
}

// G11: "end … the others": "RevokeOthers first commit[s] what is pending" and
// "keeps the session as it is after that commit".
func TestG11RevokeOthers(t *testing.T) {
	for _, query := range []string{"", "?renew", "?count", "?login=ann", "?login=ann&count"} {
		t.Run(query, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := g11App(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}))
				laptop, phone, tablet, other := newBrowser(app), newBrowser(app), newBrowser(app), newBrowser(app)
				wants(t, laptop.Send("POST", "/others"), 401, "")
				for _, b := range []*browser{laptop, phone, tablet} {
					wants(t, b.Send("POST", "/login?user=ann"), 200, "")
				}
				wants(t, other.Send("POST", "/login?user=bob"), 200, "")
				time.Sleep(time.Second)
				wants(t, laptop.Send("POST", "/others"+query), 200, "2")
				wants(t, laptop.Send("GET", "/user"), 200, "user ann")
				wants(t, phone.Send("GET", "/user"), 200, "user ")
				wants(t, tablet.Send("GET", "/user"), 200, "user ")
				wants(t, other.Send("GET", "/user"), 200, "user bob")
				if strings.Contains(query, "count") {
					wants(t, laptop.Send("POST", "/count"), 200, "8")
				}
				if got := list(t, laptop); len(got) != 1 || !got[0].Current {
					t.Errorf("the list after it: %v", got)
				}
			})
		})
	}
}

// G11: "keeps the session as it is after that commit": also where the request is
// what makes the session, and where the kept one is renewed by a request that
// began before. A login elsewhere that began before is defeated.
func TestG11RevokeOthersAndRequestsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := holding(memstore.New(memstore.Config{}))
		app := g11App(manage(t, st, coatcheck.Config{}))
		laptop, phone := newBrowser(app), newBrowser(app)
		login := depart(t, phone, "Create", "POST", "/login?user=ann")
		wants(t, laptop.Send("POST", "/login?user=ann"), 200, "")
		renewal := depart(t, laptop, "Replace", "POST", "/renew")
		time.Sleep(time.Second)
		wants(t, laptop.Send("POST", "/others"), 200, "0")
		wants(t, login.land(), 409, "")
		wants(t, renewal.land(), 200, "")
		wants(t, laptop.Send("GET", "/user"), 200, "user ann")
		wants(t, phone.Send("GET", "/user"), 200, "user ")
		time.Sleep(time.Second)
		wants(t, phone.Send("POST", "/others?login=ann"), 200, "1")
		wants(t, phone.Send("GET", "/user"), 200, "user ann")
		wants(t, laptop.Send("GET", "/user"), 200, "user ")
	})
}

// G11: RevokeOthers needs a request and a user; RevokeAll only the user.
func TestG11RevokeWithoutARequest(t *testing.T) {
	t.Parallel()
	st := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, st, coatcheck.Config{})
	app := g11App(m)
	if _, err := m.RevokeOthers(t.Context()); err == nil {
		t.Error("RevokeOthers outside a request gave no error")
	}
	if _, err := m.RevokeAll(t.Context(), ""); !errors.Is(err, coatcheck.ErrValue) {
		t.Errorf("RevokeAll of nobody: %v, want ErrValue", err)
	}
	laptop, phone, admin := newBrowser(app), newBrowser(app), newBrowser(app)
	wants(t, laptop.Send("POST", "/login?user=ann"), 200, "")
	wants(t, phone.Send("POST", "/login?user=ann"), 200, "")
	wants(t, admin.Send("POST", "/login?user=root"), 200, "")
	calls := st.count("")
	admin.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := m.RevokeAll(r.Context(), "ann")
		fmt.Fprint(w, n, err)
	}))
	wants(t, admin.Send("POST", "/"), 200, "2 <nil>")
	if n := st.count("") - calls; n != 1 {
		t.Errorf("%d store calls, want EndUser alone: the request did not look", n)
	}
	wants(t, laptop.Send("GET", "/user"), 200, "user ")
	wants(t, phone.Send("GET", "/user"), 200, "user ")
}

// G11: "RevokeAll and RevokeOthers first commit what is pending": when that fails
// nothing is revoked, and the error says so.
func TestG11RevocationCommitsFirst(t *testing.T) {
	for _, works := range []bool{true, false} {
		t.Run(fmt.Sprint(works), func(t *testing.T) {
			t.Parallel()
			st := &trap{Store: memstore.New(memstore.Config{})}
			m := manage(t, st, coatcheck.Config{})
			app := g11App(m)
			ann, admin := newBrowser(app), newBrowser(app)
			wants(t, ann.Send("POST", "/login?user=ann"), 200, "")
			wants(t, admin.Send("POST", "/login?user=root"), 200, "")
			if !works {
				st.set(away("Update"), nil)
			}
			admin.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				g1Count.Set(coatcheck.From(r.Context()), 3)
				n, err := m.RevokeAll(r.Context(), "ann")
				if works && (n != 1 || err != nil || st.count("Update") != 1) {
					t.Errorf("RevokeAll: %d, %v after %d updates", n, err, st.count("Update"))
				}
				if !works && (n != 0 || !errors.Is(err, errAway)) {
					t.Errorf("RevokeAll: %d, %v", n, err)
				}
			}))
			w := admin.Send("POST", "/")
			st.set(nil, nil)
			if works {
				wants(t, w, 200, "")
				wants(t, ann.Send("GET", "/user"), 200, "user ")
			} else {
				wants(t, w, 503, "")
				wants(t, ann.Send("GET", "/user"), 200, "user ann")
			}
		})
	}
}

// G11: "MaxPerUser with EndOldest".
func TestG11EndOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log coatchecktest.Events
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{MaxPerUser: 2, Events: log.Record})
		app := g11App(m)
		first, second, third, other := newBrowser(app), newBrowser(app), newBrowser(app), newBrowser(app)
		wants(t, other.Send("POST", "/login?user=bob"), 200, "")
		for _, b := range []*browser{first, second, third} {
			wants(t, b.Send("POST", "/login?user=ann"), 200, "")
			time.Sleep(time.Second)
		}
		wants(t, first.Send("GET", "/user"), 200, "user ")
		wants(t, second.Send("GET", "/user"), 200, "user ann")
		wants(t, third.Send("GET", "/user"), 200, "user ann")
		wants(t, other.Send("GET", "/user"), 200, "user bob")
		// To log in again in the same browser makes no more of them.
		wants(t, second.Send("POST", "/login?user=ann"), 200, "")
		wants(t, second.Send("GET", "/user"), 200, "user ann")
		wants(t, third.Send("GET", "/user"), 200, "user ann")
		if n := log.Count(coatcheck.Revoked); n != 1 {
			t.Errorf("%d revocations heard of, want 1", n)
		}
	})
}

// Config.MaxPerUser: "EndOldest holds once the logins in flight have returned":
// of logins at once as many stay as may, and not fewer.
func TestG11EndOldestOfParallelLogins(t *testing.T) {
	for _, max := range []int{1, 3} {
		t.Run(fmt.Sprint(max), func(t *testing.T) {
			t.Parallel()
			const logins = 8
			st := &trap{Store: memstore.New(memstore.Config{})}
			m := manage(t, st, coatcheck.Config{MaxPerUser: max})
			app := g11App(m)
			browsers := make([]*browser, logins)
			for i := range browsers {
				browsers[i] = newBrowser(app)
			}
			// Nobody lists before every record is there.
			var created atomic.Int32
			all := make(chan struct{})
			st.set(nil, func(_ context.Context, method string) error {
				if method == "Create" {
					if created.Add(1) == logins {
						close(all)
					}
					<-all
				}
				return nil
			})
			parallel(logins, func(i int) {
				if w := browsers[i].Send("POST", "/login?user=ann"); w.Code != 200 {
					t.Errorf("answer %d %q", w.Code, w.Body)
				}
			})
			left := slices.DeleteFunc(browsers, func(b *browser) bool { return b.Send("GET", "/user").Body.String() != "user ann" })
			if len(left) != max {
				t.Errorf("%d sessions are left, want %d", len(left), max)
			}
		})
	}
}

// G11: "MaxPerUser with … Refuse".
func TestG11Refuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &trap{Store: memstore.New(memstore.Config{})}
		app := g11App(manage(t, st, coatcheck.Config{MaxPerUser: 2, AtLimit: coatcheck.Refuse}))
		first, second, third := newBrowser(app), newBrowser(app), newBrowser(app)
		wants(t, first.Send("POST", "/login?user=ann"), 200, "")
		wants(t, second.Send("POST", "/login?user=ann"), 200, "")
		wants(t, third.Send("POST", "/count"), 200, "1")
		w := third.Send("POST", "/login?user=ann")
		wants(t, w, 409, "Too many sessions. Nothing was changed.")
		bare(t, w)
		wants(t, third.Send("POST", "/count"), 200, "2") // its anonymous session lives
		wants(t, first.Send("GET", "/user"), 200, "user ann")
		wants(t, third.Send("POST", "/login?user=bob"), 200, "")
		// Who has one of them may log in again.
		wants(t, second.Send("POST", "/login?user=ann"), 200, "")
		wants(t, third.Send("POST", "/login?user=ann"), 409, "")
		st.set(away("User"), nil)
		wants(t, third.Send("POST", "/login?user=ann"), 503, "")
		st.set(nil, nil)
		time.Sleep(20 * time.Minute)
		wants(t, second.Send("GET", "/user"), 200, "user ann")
		time.Sleep(20 * time.Minute) // the first has expired, and counts no more
		wants(t, third.Send("POST", "/login?user=ann"), 200, "")
	})
}

// Config.MaxPerUser: "Refuse may let those through" that are in flight, and then
// refuses.
func TestG11RefuseParallelLogins(t *testing.T) {
	t.Parallel()
	st := holding(memstore.New(memstore.Config{}))
	app := g11App(manage(t, st, coatcheck.Config{MaxPerUser: 1, AtLimit: coatcheck.Refuse}))
	var flights []*flight
	for range 4 {
		flights = append(flights, depart(t, newBrowser(app), "User", "POST", "/login?user=ann"))
	}
	codes := make(map[int]int)
	for _, f := range flights {
		codes[f.land().Code]++
	}
	if codes[200] == 0 || codes[200]+codes[409] != 4 {
		t.Errorf("status codes %v, want 200 and 409, the first at least once", codes)
	}
	wants(t, newBrowser(app).Send("POST", "/login?user=ann"), 409, "")
}

// Config.MaxPerUser: a double click on "Log in" under Refuse. Its second half takes
// the place of the first, whose answer the browser has thrown away: nobody is locked
// out, and none is one too many. Another device is refused as before.
func TestG11RefuseDoubleClick(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"Load", "after Load", "User", "Replace"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			st := holding(memstore.New(memstore.Config{}))
			cfg := coatcheck.Config{MaxPerUser: 1, AtLimit: coatcheck.Refuse}
			app := g11App(manage(t, st, cfg))
			b := newBrowser(app)
			wants(t, b.Send("POST", "/count"), 200, "1")
			second := depart(t, b, place, "POST", "/login?user=ann")
			first := b.Clone() // its answer is lost
			first.Handler = g11App(manage(t, st, cfg))
			wants(t, first.Send("POST", "/login?user=ann"), 200, "")
			wants(t, second.land(), 200, "")
			wants(t, b.Send("GET", "/user"), 200, "user ann")
			if records, err := st.User(t.Context(), "ann"); len(records) != 1 || err != nil {
				t.Errorf("%d sessions, %v; want 1", len(records), err)
			}
			wants(t, newBrowser(app).Send("POST", "/login?user=ann"), 409, "")
			wants(t, b.Send("POST", "/login?user=ann"), 200, "")
		})
	}
}

// The place that is taken over is one of the same user, made of the very token.
func TestG11RefuseTakesNoOtherPlace(t *testing.T) {
	t.Parallel()
	st := holding(memstore.New(memstore.Config{}))
	cfg := coatcheck.Config{MaxPerUser: 1, AtLimit: coatcheck.Refuse}
	app := g11App(manage(t, st, cfg))
	b, other := newBrowser(app), newBrowser(app)
	wants(t, other.Send("POST", "/login?user=ann"), 200, "")
	wants(t, b.Send("POST", "/count"), 200, "1")
	second := depart(t, b, "User", "POST", "/login?user=ann")
	first := b.Clone()
	first.Handler = g11App(manage(t, st, cfg))
	wants(t, first.Send("POST", "/login?user=bob"), 200, "")
	wants(t, second.land(), 409, "")
	wants(t, other.Send("GET", "/user"), 200, "user ann")
}

// walked is a store whose walks miss a user whose token is renewed meanwhile.
type walked struct {
	*memstore.Store
	walks  int
	during func(walk int) (missed string)
}

func (w *walked) All(ctx context.Context) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		w.walks++
		missed := w.during(w.walks)
		for rec := range w.Store.All(ctx) {
			if rec.User != missed && !yield(rec, nil) {
				return
			}
		}
	}
}

func TestG11All(t *testing.T) {
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	app := g11App(m)
	want := map[string]int{"": 2, "alice": 2, "bob": 1}
	for user, n := range want {
		for range n {
			b := newBrowser(app)
			if user == "" {
				b.Send("GET", "/count")
			} else {
				b.Send("GET", "/login?user="+user)
			}
		}
	}
	got := make(map[string]int)
	for info, err := range m.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if info.Handle == "" || info.Created.IsZero() || info.Current {
			t.Errorf("got %+v", info)
		}
		got[info.User]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("G11: All yields sessions of %v, want %v", got, want)
	}
}

// G2, G11: a session that was missed at first ends too; a login that came after
// the call does not, and neither does one after it.
func TestG11RevokeEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &walked{Store: memstore.New(memstore.Config{})}
		m := manage(t, st, coatcheck.Config{})
		app := g11App(m)
		anonymous, alice, bob, late := newBrowser(app), newBrowser(app), newBrowser(app), newBrowser(app)
		anonymous.Send("GET", "/count")
		alice.Send("GET", "/login?user=alice")
		bob.Send("GET", "/login?user=bob")
		st.during = func(walk int) string {
			if walk > 1 {
				return "nobody"
			}
			time.Sleep(time.Millisecond)
			wants(t, late.Send("GET", "/login?user=carol"), 200, "")
			wants(t, alice.Send("GET", "/renew"), 200, "")
			return "alice"
		}
		time.Sleep(time.Millisecond)
		if n, err := m.RevokeEverybody(t.Context()); n != 3 || err != nil {
			t.Errorf("RevokeEverybody: got %d, %v, want 3", n, err)
		}
		for _, b := range []*browser{alice, bob} {
			wants(t, b.Send("GET", "/user"), 200, "user ")
		}
		wants(t, anonymous.Send("GET", "/count"), 409, "")
		wants(t, late.Send("GET", "/user"), 200, "user carol")
		time.Sleep(time.Millisecond)
		wants(t, bob.Send("GET", "/login?user=bob"), 200, "")
		wants(t, bob.Send("GET", "/user"), 200, "user bob")
	})
}

func TestG11EverybodyUnsupported(t *testing.T) {
	m, err := coatcheck.NewInCookie(keys(t), coatcheck.IrrevocableSessions{}, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := m.RevokeEverybody(t.Context()); n != 0 || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("RevokeEverybody: got %d, %v, want errors.ErrUnsupported", n, err)
	}
	for _, err := range m.All(t.Context()) {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("All: got %v, want errors.ErrUnsupported", err)
		}
	}
}

// G11, S8: RevokeOthers of a request that HEAD only rehearses has no session to
// keep, and still defeats a login that began before it.
func TestG11RevokeOthersByHead(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	m := manage(t, st, coatcheck.Config{})
	began := time.Now().UTC().Truncate(time.Microsecond)
	newBrowser(only(m, func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		s.Login("123")
		if _, err := m.RevokeOthers(r.Context()); err != nil {
			t.Error(err)
		}
	})).Send("HEAD", "/")
	rec := store.Record{
		ID: store.ID{1}, Version: 1, User: "123", AuthTime: began, Created: began, Seen: began,
		Expires: began.Add(time.Hour), Deadline: began.Add(time.Hour),
	}
	if err := st.Create(t.Context(), rec); !errors.Is(err, coatcheck.ErrEnded) {
		t.Errorf("got %v, want ErrEnded", err)
	}
}

// RevokeAll, RevokeOthers: "acts at once, also under HEAD, which keeps nothing
// that is pending".
func TestG11RevocationsByHead(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(context.Context, *coatcheck.Manager) (int, error){
		"RevokeAll":    func(ctx context.Context, m *coatcheck.Manager) (int, error) { return m.RevokeAll(ctx, "alice") },
		"RevokeOthers": func(ctx context.Context, m *coatcheck.Manager) (int, error) { return m.RevokeOthers(ctx) },
	} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		other := begin(t, m, nil)
		b := begin(t, m, only(m, func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
			hits.Set(s, 7)
			if n, err := revoke(r.Context(), m); n == 0 || err != nil {
				t.Errorf("%s: ended %d, %v", name, n, err)
			}
		}))
		b.Send("HEAD", "/")
		if user, _ := stored(m, other); user != "" {
			t.Errorf("%s by HEAD: the other session is still %q's", name, user)
		}
		if _, n := stored(m, b); n == 7 {
			t.Errorf("%s by HEAD: the value was kept", name)
		}
	}
}
