package promises_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// An oldSystem is another system with one browser: who is logged in there, under an
// id that stays.
type oldSystem struct {
	user   string
	stored bool      // it has a store, whose word counts; else a cookie
	wrote  time.Time // the cookie, zero = it does not say
	began  time.Time // the login, zero = it does not say
	until  time.Time
	asOf   time.Time // instead of the time of asking
}

func (e *oldSystem) find(r *http.Request) (coatcheck.Adoption, error) {
	if _, err := r.Cookie("old"); err != nil {
		return coatcheck.Adoption{}, nil
	}
	a := coatcheck.Adoption{Identity: "old", User: e.user, AuthTime: e.began, Until: e.until, AsOf: e.wrote}
	if e.stored {
		a.Login, a.AsOf = "user:"+e.user, time.Now()
		if !e.asOf.IsZero() {
			a.AsOf = e.asOf
		}
	}
	return a, nil
}

// A time is the end of the move in synctest's time.
func ahead() time.Time { return time.Now().AddDate(0, 6, 0) }

// following is finding, with a logout that the other system has made.
func following(t *testing.T, m *coatcheck.Manager, e *oldSystem) http.Handler {
	h := finding(t, m, e.find)
	adopt, err := m.Adopting(e.find)
	if err != nil {
		t.Fatal(err)
	}
	ended := adopt(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := m.EndAdopted(r.Context(), ""); err != nil {
			t.Error(err)
		}
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ended" {
			ended.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func opens(t *testing.T, what string, h http.Handler, want string) *browser {
	t.Helper()
	b := arrival(h, "x")
	wantBody(t, what, b.Send("GET", "/"), want)
	return b
}

// G2: where a store says who is logged in under an id that stays through logins, what
// was ended here opens nothing more, and the next login there does: of another user,
// or of the same after nobody was seen to be.
func TestAdoptNextLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &oldSystem{user: "bob", stored: true, until: ahead()}
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		h := finding(t, m, e.find)
		b := opens(t, "first", h, "bob[]")
		first := b.Cookies()[sidName]
		b.Send("POST", "/logout")
		for _, wait := range []time.Duration{0, 20 * time.Second, time.Minute, 24 * time.Hour, 100 * 24 * time.Hour} {
			time.Sleep(wait)
			opens(t, fmt.Sprint("ended here, ", wait), h, "[]")
		}
		read := time.Now() // by a request that is slow: bob is logged in
		time.Sleep(time.Second)
		e.user = ""
		opens(t, "nobody there", h, "[]")
		time.Sleep(time.Second)
		e.user, e.asOf = "bob", read
		opens(t, "what was read before", h, "[]")
		e.asOf = time.Time{}
		again := opens(t, "a login after it", h, "bob[]")
		if again.Cookies()[sidName] == first || again.Cookies()[sidName] == "" {
			t.Error("the next login has the token of the one before (G3)")
		}
		old := newBrowser(h)
		old.SetCookie(sidName, first)
		wantBody(t, "the token of before", old.Send("GET", "/"), "[]")
		time.Sleep(time.Second)
		e.user = "eve"
		eve := opens(t, "another user", h, "eve[]")
		if eve.Cookies()[sidName] == again.Cookies()[sidName] {
			t.Error("two users have one token (G3)")
		}
		wantBody(t, "and the first", again.Send("GET", "/"), "bob[]")
		listed(t, m, "bob", 1)
		listed(t, m, "eve", 1)
		e.user, e.asOf = "bob", time.Now().Add(-2*time.Second)
		opens(t, "the user of before, read before", h, "[]")
	})
}

// An end that follows one in the other system is not for ever, and one of here is.
func TestEndAdopted(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]bool{"cookies that say when they were written": true, "that do not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &oldSystem{user: "bob", until: ahead()}
				write := func() {
					if says {
						e.wrote = time.Now().Truncate(time.Second)
					}
				}
				write()
				m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
				h := following(t, m, e)
				b := opens(t, "first", h, "bob[]")
				first := b.Cookies()[sidName]
				time.Sleep(time.Minute)
				b.Send("POST", "/renew") // it stays the session of that login
				b.Send("GET", "/ended")
				wantBody(t, "ended there", newBrowser(h).Send("GET", "/"), "[]")
				listed(t, m, "bob", 0)
				if says {
					opens(t, "a copy of the old cookie", h, "[]")
				}
				time.Sleep(time.Second)
				write()
				b = opens(t, "the next login", h, "bob[]")
				if b.Cookies()[sidName] == first {
					t.Error("it has the token of before (G3)")
				}
				b.Send("POST", "/logout")
				for _, wait := range []time.Duration{0, time.Minute, 24 * time.Hour} {
					time.Sleep(wait)
					opens(t, fmt.Sprint("ended here, ", wait), h, "[]")
				}
			})
		})
	}
}

// A revocation counts for foreign sessions that were not adopted yet, and not for
// logins after it. ASVS 7.4.2, 7.4.5
func TestAdoptAfterRevocation(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	revocations := map[string]func(m *coatcheck.Manager, handle string) error{
		"Revoke":    func(m *coatcheck.Manager, handle string) error { _, err := m.Revoke(ctx, "bob", handle); return err },
		"RevokeAll": func(m *coatcheck.Manager, _ string) error { _, err := m.RevokeAll(ctx, "bob"); return err },
		"RevokeLabel": func(m *coatcheck.Manager, _ string) error {
			_, err := m.RevokeLabel(ctx, "bob", "sid", "1")
			return err
		},
		"RevokeEverybody": func(m *coatcheck.Manager, _ string) error { _, err := m.RevokeEverybody(ctx); return err },
	}
	for name, revoke := range revocations {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &oldSystem{user: "bob", until: ahead()}
				m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
				h := finding(t, m, e.find)
				owner := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s := coatcheck.From(r.Context())
					s.Login("bob")
					s.SetLabel("sid", "1")
				})))
				owner.Send("POST", "/")
				if err := revoke(m, listed(t, m, "bob", 1)[0].Handle); err != nil {
					t.Fatal(err)
				}
				for _, wait := range []time.Duration{0, 2 * time.Minute, 100 * 24 * time.Hour} {
					time.Sleep(wait)
					opens(t, fmt.Sprint("revoked, ", wait), h, "[]")
					if w := arrival(h, "x").Send("HEAD", "/account"); w.Code == http.StatusOK {
						t.Error("HEAD is answered as if it was not revoked (G4)")
					}
				}
				if _, err := m.Adopt(ctx, coatcheck.Adoption{Identity: "another", User: "bob", Remember: time.Hour, Until: e.until}); !errors.Is(err, coatcheck.ErrEnded) {
					t.Errorf("imported: %v; want ErrEnded", err)
				}
				e.began = time.Now()
				opens(t, "a login after it", h, "bob[]")
				e.user, e.began = "eve", time.Time{}
				e2 := &oldSystem{user: "eve", until: e.until}
				h = finding(t, m, func(r *http.Request) (coatcheck.Adoption, error) {
					a, err := e2.find(r)
					a.Identity = "eve's"
					return a, err
				})
				want := "eve[]"
				if name == "RevokeEverybody" {
					want = "[]"
				}
				opens(t, "another user", h, want)
			})
		})
	}
}

// listing is held with what its store offers.
type listing struct{ *held }

func (l listing) Unwrap() store.Store { return l.Store }

// RevokeEverybody while a foreign session is being adopted whose user has none here.
func TestAdoptDuringRevokeEverybody(t *testing.T) {
	t.Parallel()
	st := &held{Store: memstore.New(memstore.Config{}), arrived: make(chan bool), goOn: make(chan bool)}
	m := manage(t, listing{st}, coatcheck.Config{})
	h := adopting(t, m)
	done := make(chan string)
	go func() { done <- arrival(h, "bob-1").Send("GET", "/").Body.String() }()
	<-st.arrived
	if _, err := m.RevokeEverybody(context.Background()); err != nil {
		t.Fatal(err)
	}
	close(st.goOn)
	if got := <-done; strings.Contains(got, "bob") {
		t.Errorf("adopted after the revocation: %q", got)
	}
	listed(t, m, "bob", 0)
	wantBody(t, "later", arrival(h, "bob-1").Send("GET", "/"), "[]")
}

// What is kept of a foreign session goes when nothing can have its identity (G14),
// and not before.
func TestAdoptGuardEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New(memstore.Config{})
		m := manage(t, st, coatcheck.Config{})
		ctx := context.Background()
		ends := time.Now().AddDate(0, 0, 7)
		for i := range 10 {
			a := coatcheck.Adoption{Identity: strconv.Itoa(i), Until: ahead(), Ends: ends}
			if err := m.AdoptNever(ctx, a); err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct {
			wait time.Duration
			want int64
		}{{time.Until(ends), 11}, {2 * time.Hour, 1}} {
			time.Sleep(step.wait)
			if _, err := m.Sweep(ctx); err != nil {
				t.Fatal(err)
			}
			if n, err := st.Stats(ctx); err != nil || int64(n.Sessions) != step.want { // one says that there is a move
				t.Errorf("after another %v: %d records, %v; want %d", step.wait, n.Sessions, err, step.want)
			}
		}
	})
}

// An import ends nobody's session, and makes no more than may be.
func TestAdoptWithinMaxPerUser(t *testing.T) {
	t.Parallel()
	for _, policy := range []coatcheck.Limit{coatcheck.EndOldest, coatcheck.Refuse} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{MaxPerUser: 2, AtLimit: policy})
		ctx := context.Background()
		for i := range 4 {
			a := coatcheck.Adoption{Identity: strconv.Itoa(i), User: "bob", Remember: time.Hour, Until: time.Now().AddDate(0, 6, 0)}
			ok, err := m.Adopt(ctx, a)
			if ok != (i < 2) || (err != nil) != (i >= 2) || err != nil && !errors.Is(err, coatcheck.ErrTooMany) {
				t.Errorf("session %d: %v, %v", i, ok, err)
			}
		}
		listed(t, m, "bob", 2)
	}
}

// A new name of our cookie, as of AllowInsecureHTTP, revives nothing (G2).
func TestAdoptUnderAnotherName(t *testing.T) {
	t.Parallel()
	var st store.Store = memstore.New(memstore.Config{})
	m := manage(t, st, coatcheck.Config{})
	b := arrival(adopting(t, m), "bob-1")
	wantBody(t, "adopted", b.Send("GET", "/"), bobsCart)
	b.Send("POST", "/logout")
	renamed := manage(t, st, coatcheck.Config{Name: "__Host-Http-new"})
	wantBody(t, "under another name", arrival(adopting(t, renamed), "bob-1").Send("GET", "/"), "[]")
}
