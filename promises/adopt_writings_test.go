package promises_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A signedCookie is the session of another system, in a cookie that it may write anew.
// The value of the cookie "old" is the name of one.
type signedCookie struct {
	user    string // over there
	written time.Time
	began   time.Time // the login, zero = it does not say
	whole   bool
}

// A cookieWorld is another system whose sessions are cookies, and one of ours that
// adopts them.
type cookieWorld struct {
	t       *testing.T
	st      store.Store
	cfg     coatcheck.Config
	cookies map[string]signedCookie
	called  map[string]string // users there, as they are called here; absent = the same
	until   time.Time
	apart   time.Duration

	m *coatcheck.Manager
	http.Handler
}

func newCookieWorld(t *testing.T, st store.Store, cfg coatcheck.Config) *cookieWorld {
	w := &cookieWorld{t: t, st: st, cfg: cfg, cookies: make(map[string]signedCookie), called: make(map[string]string), until: time.Now().AddDate(1, 0, 0)}
	w.restart()
	return w
}

// restart is a new process on the same store.
func (w *cookieWorld) restart() {
	w.m = manage(w.t, w.st, w.cfg)
	app := finding(w.t, w.m, w.find)
	adopt, err := w.m.Adopting(w.find)
	if err != nil {
		w.t.Fatal(err)
	}
	more := adopt(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		switch r.URL.Path {
		case "/login-bob":
			s.Login("bob")
		case "/label":
			s.SetLabel("sid", "1")
		case "/others":
			if _, err := w.m.RevokeOthers(r.Context()); err != nil {
				w.t.Error(err)
			}
		case "/over-there":
			if err := w.m.EndAdopted(r.Context(), ""); err != nil {
				w.t.Error(err)
			}
		case "/never": // as bridge.Move.Login and Logout
			name, _ := r.Cookie("issued")
			if err := w.m.AdoptNever(r.Context(), w.adoption(name.Value)); err != nil {
				w.t.Error(err)
			}
		}
	}))
	w.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/", "/login", "/logout", "/renew", "/account":
			app.ServeHTTP(rw, r)
		default:
			more.ServeHTTP(rw, r)
		}
	})
}

func (w *cookieWorld) find(r *http.Request) (coatcheck.Adoption, error) {
	if c, err := r.Cookie("old"); err == nil {
		return w.adoption(c.Value), nil
	}
	return coatcheck.Adoption{}, nil
}

func (w *cookieWorld) adoption(name string) coatcheck.Adoption {
	c, ok := w.cookies[name]
	if !ok {
		return coatcheck.Adoption{}
	}
	a := coatcheck.Adoption{Identity: name, User: c.user, AsOf: c.written, AuthTime: c.began, Until: w.until, Writings: "user " + c.user, Whole: c.whole, ClocksApart: w.apart}
	if here := w.called[c.user]; here != "" {
		a.User = here
	}
	return a
}

// writes has the other system write a cookie of this name now, and waits.
func (w *cookieWorld) writes(name, user string) {
	w.cookies[name] = signedCookie{user: user, written: time.Now().Truncate(time.Second)}
	time.Sleep(time.Minute)
}

// opens wants that a browser which comes with the cookie alone is this user.
func (w *cookieWorld) opens(what, name, want string) *browser {
	w.t.Helper()
	b := arrival(w, name)
	wantBody(w.t, what+": "+name, b.Send("GET", "/"), want+"[]")
	return b
}

// staysOut wants that of these cookies none opens anything, now, 61 seconds and a day
// later, also by a new process.
func (w *cookieWorld) staysOut(what string, names ...string) {
	w.t.Helper()
	for _, wait := range []time.Duration{0, 61 * time.Second, 24 * time.Hour, 100 * 24 * time.Hour} {
		time.Sleep(wait)
		if _, err := w.m.Sweep(context.Background()); err != nil {
			w.t.Fatal(err)
		}
		if wait == 24*time.Hour {
			w.restart()
		}
		for _, name := range names {
			w.opens(fmt.Sprint(what, ", ", wait), name, "")
		}
	}
}

// G2: where the other system writes the cookie that is the session anew, the end of a
// session that one writing opened is the end for those that were written before it,
// whoever ends it, however our names change, and also when the tombstone is forgotten.
func TestG2OtherWritings(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	handle := func(w *cookieWorld) string { return listed(w.t, w.m, "bob", 1)[0].Handle }
	ends := map[string]func(w *cookieWorld, b *browser) error{
		"Logout": func(_ *cookieWorld, b *browser) error { b.Send("POST", "/logout"); return nil },
		"Logout after a renewal and a login of the same user": func(_ *cookieWorld, b *browser) error {
			b.Send("POST", "/renew")
			b.Send("POST", "/login-bob")
			b.Send("POST", "/logout")
			return nil
		},
		"Logout of a request that another's renewal overtook": func(_ *cookieWorld, b *browser) error {
			late := b.Clone()
			b.Send("POST", "/renew")
			late.Send("POST", "/logout")
			return nil
		},
		"a login as somebody else": func(_ *cookieWorld, b *browser) error { b.Send("POST", "/login"); return nil },
		"Revoke": func(w *cookieWorld, _ *browser) error {
			_, err := w.m.Revoke(ctx, "bob", handle(w))
			return err
		},
		"Revoke, and another name here since": func(w *cookieWorld, _ *browser) error {
			_, err := w.m.Revoke(ctx, "bob", handle(w))
			w.called["bob"] = "robert"
			return err
		},
		"RevokeAll, and another name here since": func(w *cookieWorld, _ *browser) error {
			_, err := w.m.RevokeAll(ctx, "bob")
			w.called["bob"] = "robert"
			return err
		},
		"RevokeLabel, and another name here since": func(w *cookieWorld, b *browser) error {
			b.Send("POST", "/label")
			n, err := w.m.RevokeLabel(ctx, "bob", "sid", "1")
			if n != 1 {
				w.t.Errorf("%d sessions of that label", n)
			}
			w.called["bob"] = "robert"
			return err
		},
		"RevokeOthers, and another name here since": func(w *cookieWorld, _ *browser) error {
			other := newBrowser(w)
			other.Send("POST", "/login-bob")
			other.Send("POST", "/others")
			w.called["bob"] = "robert"
			return nil
		},
		"MaxPerUser": func(w *cookieWorld, _ *browser) error {
			for range 2 {
				newBrowser(w).Send("POST", "/login-bob")
			}
			return nil
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := coatcheck.Config{}
				if name == "MaxPerUser" {
					cfg.MaxPerUser = 2
				}
				w := newCookieWorld(t, memstore.New(memstore.Config{}), cfg)
				w.writes("earlier", "bob")
				w.writes("eve's", "eve")
				w.writes("first", "bob")
				w.writes("later", "bob")
				b := w.opens("before", "first", "bob")
				w.writes("latest", "bob")
				if err := end(w, b); err != nil {
					t.Fatal(err)
				}
				w.staysOut(name, "earlier", "first", "later", "latest")
				w.opens("another user", "eve's", "eve")
				if !strings.HasPrefix(name, "Revoke") { // of one revoked nothing without a LoginTime is adopted
					w.writes("new", "bob")
					w.opens("a login after it", "new", "bob")
				}
			})
		})
	}
}

// An expiry is no end of a login: a cookie that was written meanwhile opens a session.
func TestOtherWritingsAfterExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCookieWorld(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		w.writes("first", "bob")
		w.writes("later", "bob")
		b := w.opens("before", "first", "bob")
		time.Sleep(60 * 24 * time.Hour)
		wantBody(t, "expired", b.Send("GET", "/"), "[]")
		b.Send("POST", "/logout")
		w.opens("after it", "later", "bob")
	})
}

// What a cookie says of the time is by the other system's clock: one that is half a
// minute ahead of ours opens nothing. What says no time opens nothing, and neither does
// what was written anew of a login that says when it was.
func TestG2OtherWritingsAndClocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCookieWorld(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		w.writes("first", "bob")
		b := w.opens("before", "first", "bob")
		login := time.Now()
		now := login.Add(time.Minute)
		w.cookies["ahead"] = signedCookie{user: "bob", written: now.Add(29 * time.Second)}
		w.cookies["no time"] = signedCookie{user: "bob"}
		w.cookies["to come"] = signedCookie{user: "bob", written: now.AddDate(1, 0, 0)}
		w.cookies["written anew"] = signedCookie{user: "bob", written: now.AddDate(0, 2, 0), began: login}
		w.cookies["a login to come"] = signedCookie{user: "bob", written: now.AddDate(0, 2, 0), began: now.AddDate(2, 0, 0)}
		w.cookies["after it"] = signedCookie{user: "bob", written: now.Add(31 * time.Second)}
		w.cookies["a login after it"] = signedCookie{user: "bob", began: now.Add(time.Microsecond)}
		time.Sleep(time.Minute)
		b.Send("POST", "/logout")
		w.staysOut("logged out", "first", "ahead", "no time", "to come", "written anew", "a login to come")
		w.opens("by a time", "after it", "bob")
		w.opens("by the time of the login", "a login after it", "bob")

		// The application knows better.
		w.writes("carl's", "carl")
		b = w.opens("before", "carl's", "carl")
		w.apart = 2 * time.Second
		now = time.Now()
		w.cookies["carl's, then"] = signedCookie{user: "carl", written: now.Add(2 * time.Second)}
		w.cookies["carl's, later"] = signedCookie{user: "carl", written: now.Add(3 * time.Second)}
		b.Send("POST", "/logout")
		time.Sleep(3 * time.Second)
		w.opens("2 seconds later", "carl's, then", "")
		w.opens("3 seconds later", "carl's, later", "carl")

		// The time of a login is ahead of ours: as long as that is to come, and later.
		ahead := time.Now().Add(20 * time.Second)
		w.cookies["anna's"] = signedCookie{user: "anna", written: ahead, began: ahead}
		w.cookies["anna's, anew"] = signedCookie{user: "anna", written: ahead.Add(time.Hour), began: ahead}
		w.opens("ahead", "anna's", "anna").Send("POST", "/logout")
		w.staysOut("a login that was ahead", "anna's", "anna's, anew")
	})
}

// An end that the other system has made keeps out what it wrote before, as far as the
// clocks tell, and not the login that follows; of one made here a copy that says no
// time must not come back by it.
func TestOtherWritingsEndedThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCookieWorld(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		w.writes("earlier", "bob")
		w.writes("first", "bob")
		b := w.opens("before", "first", "bob")
		b.Send("GET", "/over-there")
		wantBody(t, "over there", newBrowser(w).Send("GET", "/"), "[]")
		w.opens("a copy", "earlier", "")
		time.Sleep(time.Second)
		w.cookies["next"] = signedCookie{user: "bob", written: time.Now().Truncate(time.Second)}
		w.opens("the next login there", "next", "bob")
		w.cookies["no time"] = signedCookie{user: "bob"}
		w.opens("one that says no time", "no time", "bob").Send("POST", "/logout")
		w.cookies["no time either"] = signedCookie{user: "bob"}
		b = w.opens("logged out here", "no time either", "")
		b.Send("GET", "/over-there")
		w.staysOut("logged out here", "no time", "no time either")
	})
}

// Of a login whose cookies are known to be one (LoginKey), the end keeps out cookies of
// before the value was there, and no other login that has it; the end of one without it
// keeps out all.
func TestG2OtherWritingsAndWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCookieWorld(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		w.writes("without", "bob")
		w.writes("phone", "bob")
		w.writes("laptop", "bob")
		for _, name := range []string{"phone", "laptop"} {
			c := w.cookies[name]
			c.whole = true
			w.cookies[name] = c
		}
		w.opens("before", "laptop", "bob").Send("POST", "/logout")
		w.staysOut("the laptop logged out", "laptop", "without")
		w.opens("the laptop logged out", "phone", "bob")

		w.writes("anna's", "anna")
		w.writes("anna's phone", "anna")
		c := w.cookies["anna's phone"]
		c.whole = true
		w.cookies["anna's phone"] = c
		w.opens("before", "anna's", "anna").Send("POST", "/logout")
		w.staysOut("one without logged out", "anna's", "anna's phone")
	})
}

// What was issued for a login here is as if the session had come of it, and what is
// brought to a logout ends then. A spent one that is brought again says nothing more.
func TestG2OtherWritingsOfWhatWasIssued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newCookieWorld(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		never := func(b *browser, name string) { b.SetCookie("issued", name); b.Send("POST", "/never") }
		b := newBrowser(w)
		b.Send("POST", "/login-bob")
		w.writes("issued", "bob")
		never(b, "issued")
		w.writes("written anew", "bob")
		wantBody(t, "logged in", b.Send("GET", "/"), "bob[]")
		other := w.opens("another device", "written anew", "bob")
		w.writes("again", "bob")
		b.Send("POST", "/logout")
		w.staysOut("logged out", "issued", "again")
		wantBody(t, "another device, 100 days idle", other.Send("GET", "/"), "[]")

		w.writes("anna's", "anna")
		w.writes("anna's, anew", "anna")
		never(newBrowser(w), "anna's, anew")
		w.staysOut("brought to a logout", "anna's", "anna's, anew")
		w.writes("anna's next", "anna")
		never(newBrowser(w), "anna's, anew")
		w.opens("a login between", "anna's next", "anna")
	})
}

// A logout comes while another request adopts an earlier writing: that one ends
// with it.
func TestG2OtherWritingsDuringLogout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &held{Store: memstore.New(memstore.Config{}), arrived: make(chan bool), goOn: make(chan bool)}
		w := newCookieWorld(t, st, coatcheck.Config{})
		w.writes("earlier", "bob")
		w.writes("first", "bob")
		done := make(chan *httptest.ResponseRecorder)
		go func() { done <- arrival(w, "earlier").Send("GET", "/") }()
		<-st.arrived // its guard is there, its session is not
		w.opens("meanwhile", "first", "bob").Send("POST", "/logout")
		close(st.goOn)
		wantBody(t, "the late one", <-done, "[]")
		listed(t, w.m, "bob", 0)
		w.staysOut("logged out", "earlier", "first")
	})
}

// A record that cannot be read keeps all out, and an end that cannot be noted is none.
func TestG2OtherWritingsFailClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &notes{Store: memstore.New(memstore.Config{})}
		w := newCookieWorld(t, st, coatcheck.Config{})
		w.writes("earlier", "bob")
		w.writes("first", "bob")
		b := w.opens("before", "first", "bob")
		st.fail = true
		if answer := b.Send("POST", "/logout"); answer.Code != http.StatusServiceUnavailable {
			t.Errorf("the end could not be noted: %d", answer.Code)
		}
		wantBody(t, "it goes on", b.Send("GET", "/"), "bob[]")
		if answer := arrival(w, "earlier").Send("GET", "/"); answer.Code != http.StatusServiceUnavailable {
			t.Errorf("what has ended could not be asked: %d %s", answer.Code, answer.Body)
		}
		st.fail, st.damage = false, true
		b.Send("POST", "/logout")
		w.writes("next", "bob")
		w.opens("damaged", "next", "")
	})
}

// notes is a store with a fault in the records of ends.
type notes struct {
	store.Store
	fail, damage bool
	id           store.ID
}

func (n *notes) Load(ctx context.Context, id store.ID) (store.Record, error) {
	rec, err := n.Store.Load(ctx, id)
	if n.fail && id == n.id {
		return rec, errors.New("connection lost")
	}
	if strings.HasPrefix(rec.User, "\x01writings:") && n.damage {
		rec.Data = rec.Data[1:]
	}
	return rec, err
}

func (n *notes) Create(ctx context.Context, rec store.Record) error {
	if strings.HasPrefix(rec.User, "\x01writings:") && n.fail {
		n.id = rec.ID
		return errors.New("connection lost")
	}
	return n.Store.Create(ctx, rec)
}

// R14: a process that adopts nothing itself can tell whether a move is under way, from
// the first foreign session on to the end of the move.
func TestMoving(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New(memstore.Config{})
		ctx := context.Background()
		moving := func(when string, want bool) {
			t.Helper()
			if is, err := coatcheck.Moving(ctx, st); is != want || err != nil {
				t.Errorf("%s: %v, %v", when, is, err)
			}
		}
		w := newCookieWorld(t, st, coatcheck.Config{})
		w.until = ahead()
		newBrowser(w).Send("GET", "/")
		moving("no foreign session was seen", false)
		w.writes("first", "bob")
		arrival(w, "first").Send("HEAD", "/")
		moving("HEAD keeps nothing (G4)", false)
		w.opens("first", "first", "bob")
		moving("first", true)
		was := w.until
		w.until = w.until.AddDate(0, 3, 0)
		w.restart()
		w.opens("a longer move", "first", "bob")
		time.Sleep(time.Until(was.AddDate(0, 1, 0)))
		moving("the longer one counts", true)
		time.Sleep(time.Until(w.until.Add(2 * time.Hour)))
		moving("over", false)
	})
}
