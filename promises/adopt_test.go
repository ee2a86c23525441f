package promises_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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

// foreign is the other system: a cookie "old" that says who is logged in.
func foreign(r *http.Request) (coatcheck.Adoption, error) {
	c, err := r.Cookie("old")
	if err != nil {
		return coatcheck.Adoption{}, nil
	}
	user, _, _ := strings.Cut(c.Value, "-")
	if user == "down" {
		return coatcheck.Adoption{}, errors.New("connection refused")
	}
	return coatcheck.Adoption{
		Identity: "old:" + c.Value, User: user, Until: moved,
		Values: map[string]json.RawMessage{"cart": json.RawMessage(`["tea","jam"]`)},
	}, nil
}

// moved is the end of the move, in synctest's time and in ours.
var moved = time.Now().AddDate(0, 6, 0)

var cartKey = coatcheck.NewKey[[]string]("cart")

// adopting is the application: it says who is logged in and what the cart holds.
func adopting(t testing.TB, m *coatcheck.Manager) http.Handler {
	t.Helper()
	return finding(t, m, foreign)
}

func finding(t testing.TB, m *coatcheck.Manager, find func(*http.Request) (coatcheck.Adoption, error)) http.Handler {
	t.Helper()
	adopt, err := m.Adopting(find)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		cart, _ := cartKey.Get(s)
		fmt.Fprint(w, s.User(), cart)
	})
	mux.Handle("/account", m.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, coatcheck.From(r.Context()).User())
	})))
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Logout() })
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("eve") })
	mux.HandleFunc("/renew", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Renew() })
	mux.HandleFunc("/keep", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.NewKey[int]("kept").Set(coatcheck.From(r.Context()), 1)
	})
	return adopt(mux)
}

// arrival is a browser that comes with the foreign cookie alone.
func arrival(h http.Handler, value string) *browser {
	b := newBrowser(h)
	b.SetCookie("old", value)
	return b
}

const bobsCart = "bob[tea jam]"

func wantBody(t testing.TB, what string, w *httptest.ResponseRecorder, want string) {
	t.Helper()
	if got := w.Body.String(); got != want {
		t.Errorf("%s: %d %q; want %q", what, w.Code, got, want)
	}
}

func listed(t testing.TB, m *coatcheck.Manager, user string, want int) []coatcheck.Info {
	t.Helper()
	list, err := m.Sessions(context.Background(), user)
	if err != nil || len(list) != want {
		t.Fatalf("%s has %d sessions, %v; want %d", user, len(list), err, want)
	}
	return list
}

// The first requests of a browser come at once: all get one session with one
// token (G3), whose values and user are the foreign ones.
func TestAdoptInParallel(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]coatcheck.Config{
		"any number": {}, "two, refused beyond": {MaxPerUser: 2, AtLimit: coatcheck.Refuse}, "two, the oldest goes": {MaxPerUser: 2},
	} {
		t.Run(name, func(t *testing.T) { adoptInParallel(t, cfg) })
	}
}

func adoptInParallel(t *testing.T, cfg coatcheck.Config) {
	m := manage(t, memstore.New(memstore.Config{}), cfg)
	h := adopting(t, m)
	var wg sync.WaitGroup
	var mu sync.Mutex
	tokens := make(map[string]int)
	for range 64 {
		wg.Go(func() {
			b := arrival(h, "bob-1")
			w := b.Send("GET", "/")
			mu.Lock()
			defer mu.Unlock()
			tokens[b.Cookies()[sidName]]++
			wantBody(t, "parallel", w, bobsCart)
		})
	}
	wg.Wait()
	if len(tokens) != 1 || tokens[""] != 0 {
		t.Errorf("%d tokens; want one, for all", len(tokens))
	}
	listed(t, m, "bob", 1)
	for token := range tokens { // it opens the session without the foreign cookie
		b := newBrowser(h)
		b.SetCookie(sidName, token)
		wantBody(t, "our cookie alone", b.Send("GET", "/account"), "bob")
	}
	wantBody(t, "another session", arrival(h, "bob-2").Send("GET", "/"), bobsCart)
	listed(t, m, "bob", 2)
	third := arrival(h, "bob-3")
	if w := third.Send("GET", "/account"); (w.Code == http.StatusOK) != (cfg.AtLimit != coatcheck.Refuse || cfg.MaxPerUser == 0) {
		t.Errorf("a third session: %d", w.Code)
	}
}

// A session that was adopted and ended stays ended, however it ended, also when
// its tombstone is forgotten, until the move is over (G2).
func TestAdoptOnce(t *testing.T) {
	t.Parallel()
	ends := map[string]func(t *testing.T, m *coatcheck.Manager, b *browser){
		"logout": func(t *testing.T, m *coatcheck.Manager, b *browser) { b.Send("POST", "/logout") },
		"revoked": func(t *testing.T, m *coatcheck.Manager, b *browser) {
			if ok, err := m.Revoke(context.Background(), "bob", listed(t, m, "bob", 1)[0].Handle); !ok || err != nil {
				t.Fatal(ok, err)
			}
		},
		"all revoked": func(t *testing.T, m *coatcheck.Manager, b *browser) {
			if _, err := m.RevokeAll(context.Background(), "bob"); err != nil {
				t.Fatal(err)
			}
		},
		"everybody": func(t *testing.T, m *coatcheck.Manager, b *browser) {
			if _, err := m.RevokeEverybody(context.Background()); err != nil {
				t.Fatal(err)
			}
		},
		"another login": func(t *testing.T, m *coatcheck.Manager, b *browser) { b.Send("POST", "/login") },
		"renewed":       func(t *testing.T, m *coatcheck.Manager, b *browser) { b.Send("POST", "/renew") },
		"idle":          func(t *testing.T, m *coatcheck.Manager, b *browser) { time.Sleep(time.Hour) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				moved := time.Now().AddDate(0, 6, 0)
				m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
				h := until(t, m, moved)
				b := arrival(h, "bob-1")
				wantBody(t, "adopted", b.Send("GET", "/"), bobsCart)
				end(t, m, b)
				for _, wait := range []time.Duration{0, 20 * time.Second, 41 * time.Second, time.Minute, 24 * time.Hour, 100 * 24 * time.Hour} {
					time.Sleep(wait)
					if _, err := m.Sweep(context.Background()); err != nil {
						t.Fatal(err)
					}
					w := arrival(h, "bob-1").Send("GET", "/")
					if w.Code == http.StatusOK {
						wantBody(t, fmt.Sprint("after another ", wait), w, "[]")
					}
					if len(w.Result().Cookies()) > 1 {
						t.Errorf("after another %v: cookies %v", wait, w.Result().Cookies())
					}
				}
				time.Sleep(time.Until(moved) + time.Hour)
				wantBody(t, "after the move", arrival(h, "bob-2").Send("GET", "/"), "[]")
			})
		})
	}
}

// until is adopting with an end of the move in synctest's time.
func until(t testing.TB, m *coatcheck.Manager, end time.Time) http.Handler {
	t.Helper()
	return finding(t, m, func(r *http.Request) (coatcheck.Adoption, error) {
		a, err := foreign(r)
		a.Until = end
		return a, err
	})
}

// G3: an identity that two users of the other system have, as where it keeps the id
// of a session through a login, never opens the session of one to the other: a
// planted cookie would be enough.
func TestAdoptAnothersIdentity(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
	h := finding(t, m, func(r *http.Request) (coatcheck.Adoption, error) {
		a, err := foreign(r)
		a.Identity = "one and the same"
		return a, err
	})
	owner := arrival(h, "alice-1")
	wants(t, owner.Send("GET", "/"), 200, "alice[tea jam]")
	planted := arrival(h, "mallory-1")
	wants(t, planted.Send("GET", "/"), 200, "[]")
	if planted.Cookies()[sidName] != "" || l.Count(coatcheck.Refused) != 1 {
		t.Errorf("got the cookies %v and the events %v", planted.Cookies(), l.Kinds())
	}
	wants(t, owner.Send("GET", "/"), 200, "alice[tea jam]")
	wants(t, arrival(h, "alice-1").Send("GET", "/"), 200, "alice[tea jam]")
}

// A held-back request adopts nothing (G7), and says so where a login is needed:
// the same request from our own pages then finds it.
func TestAdoptHeldBack(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	h := adopting(t, m)
	b := arrival(h, "bob-1")
	cross := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	wantBody(t, "held back", b.Send("GET", "/", cross...), "[]")
	if w := b.Send("GET", "/account", cross...); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "<a ") {
		t.Errorf("a page that needs a login: %d %s; want a link to it", w.Code, w.Body)
	}
	if w := b.Send("GET", "/keep", cross...); w.Code != http.StatusConflict {
		t.Errorf("a write: %d; want 409", w.Code)
	}
	listed(t, m, "bob", 0)
	wantBody(t, "from our own page", b.Send("GET", "/account", "Sec-Fetch-Site", "same-origin"), "bob")
}

// What a request may not keep it adopts not either: HEAD is answered as GET would
// be (G4), a prefetch is refused (G14), and without a look nothing happens (G5).
func TestAdoptOnlyWhereKept(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	h := adopting(t, m)
	b := arrival(h, "bob-1")
	if w := b.Send("HEAD", "/account"); w.Code != http.StatusOK || len(w.Result().Cookies()) != 0 {
		t.Errorf("HEAD: %d, cookies %v", w.Code, w.Result().Cookies())
	}
	if w := b.Send("GET", "/", "Sec-Purpose", "prefetch"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("prefetch: %d; want 503", w.Code)
	}
	if w := arrival(h, "down-1").Send("GET", "/"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("an outage there: %d; want 503, not a visitor (G5)", w.Code)
	}
	listed(t, m, "bob", 0)
	wantBody(t, "GET", b.Send("GET", "/account"), "bob")
	adopt, _ := m.Adopting(func(*http.Request) (coatcheck.Adoption, error) {
		t.Error("asked although nobody looks")
		return coatcheck.Adoption{}, nil
	})
	arrival(adopt(http.NotFoundHandler()), "bob-1").Send("GET", "/")
}

// An anonymous session of ours goes on as the user's, with what it kept.
func TestAdoptFromAnonymous(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	h := adopting(t, m)
	b := newBrowser(h)
	b.Send("POST", "/keep")
	anonymous := b.Cookies()[sidName]
	b.SetCookie("old", "bob-1")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			c := b.Clone()
			c.Send("GET", "/")
			wantBody(t, "adopted", c.Send("GET", "/account"), "bob")
		})
	}
	wg.Wait()
	listed(t, m, "bob", 1)
	alone := newBrowser(h)
	alone.SetCookie(sidName, anonymous)
	if w := alone.Send("GET", "/account"); w.Code == http.StatusOK {
		t.Error("the anonymous token opens the user's session (G3)")
	}
}

// Secrets rotate while sessions are adopted: an adopted one is found again under
// the key that made it, and an ended one under none.
func TestAdoptRotation(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	const first, second = "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa", "vB3n-8sK1wQe6TzU0xYc4dFg9hJr2mPl"
	rotated := func(secrets ...string) *coatcheck.Manager {
		k, err := cookie.NewKeys(secrets...)
		if err != nil {
			t.Fatal(err)
		}
		m, err := coatcheck.New(st, k, coatcheck.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	before, after := rotated(first), rotated(second, first)
	b := arrival(adopting(t, before), "bob-1")
	wantBody(t, "before", b.Send("GET", "/account"), "bob")
	c := arrival(adopting(t, after), "bob-1")
	wantBody(t, "after", c.Send("GET", "/account"), "bob")
	if b.Cookies()[sidName] != c.Cookies()[sidName] {
		t.Error("two tokens of one foreign session")
	}
	listed(t, after, "bob", 1)
	if w := arrival(adopting(t, rotated(second)), "bob-1").Send("GET", "/account"); w.Code == http.StatusOK {
		t.Error("adopted twice, under another secret (G2)")
	}
}

// A guard is never pushed out of a full store (G14).
func TestAdoptGuardStays(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{MaxSessions: 50})
	m := manage(t, st, coatcheck.Config{})
	h := adopting(t, m)
	b := arrival(h, "bob-1")
	wantBody(t, "adopted", b.Send("GET", "/account"), "bob")
	guards := 0
	for rec, err := range st.All(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.User != "bob" && rec.User[:5] != "\x01movi" {
			guards++
			if rec.User == "" {
				t.Error("a guard without a user: an anonymous record goes first")
			}
		}
	}
	if guards != 1 {
		t.Errorf("%d guards", guards)
	}
	for info, err := range m.All(context.Background()) {
		if err != nil || info.User != "bob" {
			t.Errorf("a list shows %v %v", info, err)
		}
	}
}

// A dead process leaves a guard without a session: the next request within the
// minute finishes it, and a later one does not, since the session may have been
// made and ended (G2).
func TestAdoptHalfDone(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{time.Second, 2 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			st := &dying{Store: memstore.New(memstore.Config{})}
			m := manage(t, st, coatcheck.Config{})
			h := until(t, m, time.Now().AddDate(0, 6, 0))
			b := arrival(h, "bob-1")
			if w := b.Send("GET", "/account"); w.Code != http.StatusServiceUnavailable {
				t.Errorf("a store that fails: %d; want 503", w.Code)
			}
			st.well = true
			time.Sleep(wait)
			w := b.Send("GET", "/account")
			if ok := w.Code == http.StatusOK; ok != (wait < time.Minute) {
				t.Errorf("%v later: %d", wait, w.Code)
			}
		})
	}
}

// A logout comes while another request is adopting the same session: ended stays
// ended, then, 61 seconds and a day later (G2).
func TestAdoptDuringLogout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &held{Store: memstore.New(memstore.Config{}), arrived: make(chan bool), goOn: make(chan bool)}
		m := manage(t, st, coatcheck.Config{})
		h := until(t, m, time.Now().AddDate(0, 6, 0))
		late := arrival(h, "bob-1")
		done := make(chan *httptest.ResponseRecorder)
		go func() { done <- late.Send("GET", "/") }()
		<-st.arrived // its guard is there, its session is not
		b := arrival(h, "bob-1")
		wantBody(t, "meanwhile", b.Send("GET", "/account"), "bob")
		b.Send("POST", "/logout")
		close(st.goOn)
		if w := <-done; strings.Contains(w.Body.String(), "bob") || late.Cookies()[sidName] != "" {
			t.Errorf("the late one: %d %q %v", w.Code, w.Body, w.Result().Cookies())
		}
		for _, wait := range []time.Duration{0, 61 * time.Second, 24 * time.Hour} {
			time.Sleep(wait)
			if _, err := m.Sweep(context.Background()); err != nil {
				t.Fatal(err)
			}
			if w := arrival(h, "bob-1").Send("GET", "/"); strings.Contains(w.Body.String(), "bob") {
				t.Errorf("%v later: %q", wait, w.Body)
			}
			listed(t, m, "bob", 0)
		}
	})
}

// held holds the first session of bob up before it is created.
type held struct {
	store.Store
	first         atomic.Bool
	arrived, goOn chan bool
}

func (s *held) Create(ctx context.Context, rec store.Record) error {
	if rec.User == "bob" && s.first.CompareAndSwap(false, true) {
		close(s.arrived)
		<-s.goOn
	}
	return s.Store.Create(ctx, rec)
}

// dying fails where a user's session is created.
type dying struct {
	store.Store
	well bool
}

func (d *dying) Create(ctx context.Context, rec store.Record) error {
	if !d.well && rec.User == "bob" {
		return errors.New("connection lost")
	}
	return d.Store.Create(ctx, rec)
}

// What cannot be one of ours is told by an event and left alone.
func TestAdoptRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*coatcheck.Adoption){
		"user": func(a *coatcheck.Adoption) { a.User = "b\x01b" },
		"name": func(a *coatcheck.Adoption) { a.Values["\x00flash"] = json.RawMessage(`1`) },
		"JSON": func(a *coatcheck.Adoption) { a.Values["cart"] = json.RawMessage(`{`) },
		"size": func(a *coatcheck.Adoption) {
			a.Values["cart"] = json.RawMessage(`"` + strings.Repeat("x", 33<<10) + `"`)
		},
		"number": func(a *coatcheck.Adoption) { a.Values = many(300) },
		"until":  func(a *coatcheck.Adoption) { a.Until = time.Now().AddDate(2, 0, 0) },
	}
	for name, spoil := range tests {
		var told []coatcheck.Event
		st := memstore.New(memstore.Config{})
		m := manage(t, st, coatcheck.Config{Events: func(e coatcheck.Event) { told = append(told, e) }})
		adopt, err := m.Adopting(func(r *http.Request) (coatcheck.Adoption, error) {
			a, err := foreign(r)
			spoil(&a)
			return a, err
		})
		if err != nil {
			t.Fatal(err)
		}
		h := adopt(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, coatcheck.From(r.Context()).User()) }))
		w := arrival(h, "bob-1").Send("GET", "/")
		if w.Code != http.StatusOK || w.Body.String() != "" {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
		if len(told) != 1 || told[0].Kind != coatcheck.Refused || told[0].Err == nil {
			t.Errorf("%s: told %v", name, told)
		}
		if n, _ := st.Stats(context.Background()); n.Sessions != 1 { // that there is a move
			t.Errorf("%s: %d records", name, n.Sessions)
		}
	}
}

func many(n int) map[string]json.RawMessage {
	values := make(map[string]json.RawMessage)
	for i := range n {
		values[fmt.Sprint("v", i)] = json.RawMessage("1")
	}
	return values
}

// An adopted session is no login of now: RequireFresh does not take it for one.
func TestAdoptIsNotFresh(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	adopt, _ := m.Adopting(foreign)
	b := arrival(adopt(m.RequireFresh(time.Hour)(http.NotFoundHandler())), "bob-1")
	if w := b.Send("GET", "/"); w.Code != http.StatusForbidden && w.Code != http.StatusUnauthorized {
		t.Errorf("%d; want that a password is asked for", w.Code)
	}
}

// Adoption costs one store write more than a login.
func TestAdoptWrites(t *testing.T) {
	t.Parallel()
	st := &counting{Store: memstore.New(memstore.Config{})}
	m := manage(t, st, coatcheck.Config{})
	h := adopting(t, m)
	newBrowser(h).Send("POST", "/login")
	login := st.writes
	arrival(h, "carl-1").Send("GET", "/") // the first of a process notes that there is a move
	st.writes = 0
	arrival(h, "bob-1").Send("GET", "/")
	if st.writes > login+1 {
		t.Errorf("%d writes, a login %d", st.writes, login)
	}
}

type counting struct {
	store.Store
	writes int
}

func (c *counting) Create(ctx context.Context, rec store.Record) error {
	c.writes++
	return c.Store.Create(ctx, rec)
}

func (c *counting) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	c.writes++
	return c.Store.Update(ctx, rec, ifVersion)
}

// A bulk import comes before its browsers, may run again, and brings back nothing
// that ended since.
func TestAdoptImport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().AddDate(0, 6, 0)
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		a := coatcheck.Adoption{Identity: "old:bob-1", User: "bob", Until: end, Remember: 30 * 24 * time.Hour}
		ctx := context.Background()
		for try, want := range []bool{true, false} {
			if ok, err := m.Adopt(ctx, a); ok != want || err != nil {
				t.Errorf("try %d: %v %v", try, ok, err)
			}
		}
		h := finding(t, m, func(r *http.Request) (coatcheck.Adoption, error) {
			f, err := foreign(r)
			return coatcheck.Adoption{Identity: f.Identity, Until: end}, err // its store is gone
		})
		time.Sleep(20 * 24 * time.Hour)
		b := arrival(h, "bob-1")
		wantBody(t, "imported", b.Send("GET", "/account"), "bob")
		b.Send("POST", "/logout")
		time.Sleep(2 * time.Minute)
		if ok, err := m.Adopt(ctx, a); ok || err != nil {
			t.Errorf("after a logout: %v %v", ok, err)
		}
		listed(t, m, "bob", 0)
		for name, bad := range map[string]func(*coatcheck.Adoption){
			"identity": func(a *coatcheck.Adoption) { a.Identity = "" },
			"user":     func(a *coatcheck.Adoption) { a.User = "" },
			"remember": func(a *coatcheck.Adoption) { a.Remember = 0 },
			"past":     func(a *coatcheck.Adoption) { a.Until = time.Now() },
		} {
			wrong := a
			wrong.Identity = "other"
			bad(&wrong)
			if _, err := m.Adopt(ctx, wrong); !errors.Is(err, coatcheck.ErrValue) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestAdoptUnsupported(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	inCookie, err := coatcheck.NewInCookie(keys(t), coatcheck.StoreRevoker(st), coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	bearer, err := coatcheck.NewBearer(st, keys(t), coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*coatcheck.Manager{inCookie, bearer} {
		if _, err := m.Adopting(foreign); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Adopting: %v", err)
		}
		if _, err := m.Adopt(context.Background(), coatcheck.Adoption{}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Adopt: %v", err)
		}
	}
	m := manage(t, st, coatcheck.Config{})
	if w := arrival(m.Handler(adopting(t, m)), "bob-1").Send("GET", "/"); w.Code < 500 {
		t.Errorf("within Handler, where it would do nothing: %d", w.Code)
	}
}

// An adoption holds secrets.
func TestAdoptionPrintsNothing(t *testing.T) {
	t.Parallel()
	a := coatcheck.Adoption{Identity: "secret", User: "secret"}
	if text := fmt.Sprintf("%v %+v %#v %s", a, a, &a, a); strings.Contains(text, "secret") {
		t.Error(text)
	}
}

// G11: the device of an adopted session is named as that of a login is.
func TestAdoptNamesTheDevice(t *testing.T) {
	t.Parallel()
	st := memstore.New(memstore.Config{})
	m := manage(t, st, coatcheck.Config{Device: func(r *http.Request) string { return "Bob's " + r.Header.Get("X-Device") }})
	b := arrival(adopting(t, m), "bob-1")
	r := b.Request("GET", "/")
	r.Header.Set("X-Device", "phone")
	wantBody(t, "the first request", b.Serve(r), bobsCart)
	if got := listed(t, m, "bob", 1)[0].Device; got != "Bob's phone" {
		t.Errorf("the list says %q, want %q", got, "Bob's phone")
	}
}
