package promises_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// G3: "Login, Reauthenticate and Renew are the only ways to bind or raise
// privilege and always change the token, in one conditional step (Replace); the
// old one is dead at once, with no grace." So does Remember (G6).
func TestG3TokenChanges(t *testing.T) {
	tests := []struct {
		before, steps, user string
		changes             bool
	}{
		{"d", "a", "ann", true},
		{"a", "a", "ann", true},
		{"a", "b", "bob", true},
		{"a", "p", "ann", true},
		{"a", "n", "ann", true},
		{"a", "m", "ann", true},
		{"d", "n", "", true},
		{"d", "m", "", true},
		{"a", "npdaf", "ann", true},
		{"a", "df", "ann", false},
		{"d", "l", "", false},
	}
	for _, test := range tests {
		t.Run(test.before+" then "+test.steps, func(t *testing.T) {
			t.Parallel()
			st := &trap{Store: memstore.New(memstore.Config{})}
			b := newBrowser(g3App(manage(t, st, coatcheck.Config{})))
			wants(t, b.Send("POST", "/?"+test.before), 200, "")
			old, writes := b.Clone(), st.count("")
			wants(t, b.Send("POST", "/?"+test.steps), 200, "")
			if changed := b.Cookies()[sidName] != old.Cookies()[sidName]; changed != test.changes {
				t.Errorf("the token changed: %t, want %t", changed, test.changes)
			}
			if n := st.count("") - writes - st.count("Sweep"); n > 2 {
				t.Errorf("%d store calls, want a Load and one more", n)
			}
			if n := st.count("Replace"); n == 1 != test.changes {
				t.Errorf("%d calls of Replace", n)
			}
			w := b.Send("GET", "/")
			if user, _, _ := strings.Cut(w.Body.String(), "|"); user != test.user {
				t.Errorf("the user is %q, want %q", user, test.user)
			}
			if test.changes {
				wants(t, old.Send("GET", "/"), 200, "||")
				wants(t, old.Clone().Send("POST", "/?d"), 409, "")
			}
		})
	}
}

// G3: "A login as another user drops the first user's values; from anonymous
// they are kept."
func TestG3WhatALoginKeeps(t *testing.T) {
	tests := []struct{ first, second, want string }{
		{"df", "a", "ann|dark|hello"},
		{"", "dfa", "ann|dark|hello"},
		{"df", "al", "ann|light|hello"},
		{"adf", "a", "ann|dark|hello"},
		{"adf", "p", "ann|dark|hello"},
		{"adf", "n", "ann|dark|hello"},
		{"adf", "b", "bob||"},
		{"a", "dfb", "bob||"}, // pending ones too
		{"a", "dfcb", "bob||"},
		{"adf", "bl", "bob|light|"},
		{"adf", "lb", "bob||"},
		{"df", "ab", "bob||"},
		{"adf", "ba", "ann||"},
		{"adf", "oa", "ann||"},
		{"adf", "odb", "bob|dark|"},
	}
	for _, test := range tests {
		t.Run(test.first+" then "+test.second, func(t *testing.T) {
			t.Parallel()
			b := newBrowser(g3App(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})))
			wants(t, b.Send("POST", "/?"+test.first), 200, "")
			wants(t, b.Send("POST", "/?"+test.second), 200, "")
			wants(t, b.Send("GET", "/?flashes"), 200, test.want)
		})
	}
}

// G3: a login that must replay on what another request wrote keeps and drops the
// same.
func TestG3LoginReplays(t *testing.T) {
	for _, test := range []struct{ first, steps, want string }{
		{"f", "a", "ann|dark|hello"},
		{"af", "b", "bob||"},
		{"af", "a", "ann|dark|hello"},
		{"af", "bl", "bob|light|"},
	} {
		t.Run(test.first+" then "+test.steps, func(t *testing.T) {
			t.Parallel()
			st := holding(memstore.New(memstore.Config{}))
			b := newBrowser(g3App(manage(t, st, coatcheck.Config{})))
			elsewhere := newBrowser(g3App(manage(t, st, coatcheck.Config{})))
			wants(t, b.Send("POST", "/?"+test.first), 200, "")
			wear(elsewhere, b.Cookies())
			login := depart(t, b, "Replace", "POST", "/?"+test.steps)
			wants(t, elsewhere.Send("POST", "/?d"), 200, "")
			wants(t, login.land(), 200, "")
			wants(t, b.Send("GET", "/?flashes"), 200, test.want)
		})
	}
}

// G3: "Unknown ids are never adopted; no record comes from a read, an unknown id,
// a logout."
func TestG3UnknownIDsAreNeverAdopted(t *testing.T) {
	t.Parallel()
	var log coatchecktest.Events
	st := &trap{Store: memstore.New(memstore.Config{})}
	app := g3App(manage(t, st, coatcheck.Config{Events: log.Record}))
	elsewhere := newBrowser(g3App(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})))
	wants(t, elsewhere.Send("POST", "/?a"), 200, "")
	genuine := elsewhere.Cookies()[sidName]
	changed := []byte(genuine)
	changed[10] ^= 1
	cookies := map[string]string{
		"none":               "",
		"of another store":   genuine,
		"forged":             string(changed),
		"chosen by somebody": "1234",
	}
	for name, value := range cookies {
		b := newBrowser(app)
		if value != "" {
			b.SetCookie(sidName, value)
		}
		w := b.Send("GET", "/")
		wants(t, w, 200, "||")
		bare(t, w)
		wants(t, b.Clone().Send("POST", "/?o"), 200, "")
		wants(t, b.Send("POST", "/?F"), 200, "")
		wants(t, b.Send("POST", "/?n"), 200, "")
		if n := st.count("Create") + st.count("Update") + st.count("Replace"); n != 0 {
			t.Errorf("%s: %d records came from a read, a renewal or a logout", name, n)
		}
		for _, steps := range []string{"d", "a"} {
			c := b.Clone()
			wants(t, c.Send("POST", "/?"+steps), 200, "")
			if c.Cookies()[sidName] == value {
				t.Errorf("%s: the write kept the token that came", name)
			}
			wants(t, b.Send("GET", "/"), 200, "||")
		}
		st.mu.Lock()
		clear(st.calls)
		st.mu.Unlock()
	}
	if log.Count(coatcheck.Refused) == 0 {
		t.Error("nobody was told")
	}
}

// G3: "Two logins at once from one anonymous session make two sessions, and the
// first to commit takes the values: documented."
func TestG3TwoLoginsAtOnce(t *testing.T) {
	for _, users := range []string{"aa", "ab"} {
		for _, processes := range []int{1, 2} {
			t.Run(fmt.Sprint(users, "/", processes), func(t *testing.T) {
				t.Parallel()
				st := holding(memstore.New(memstore.Config{}))
				first := newBrowser(g3App(manage(t, st, coatcheck.Config{})))
				wants(t, first.Send("POST", "/?d"), 200, "")
				second := first.Clone()
				if processes == 2 {
					second.Handler = g3App(manage(t, st, coatcheck.Config{}))
				}
				late := depart(t, second, "handler", "POST", "/?"+users[1:]+"-")
				wants(t, first.Send("POST", "/?"+users[:1]), 200, "")
				wants(t, late.land(), 200, "")
				names := map[byte]string{'a': "ann", 'b': "bob"}
				wants(t, first.Send("GET", "/"), 200, names[users[0]]+"|dark|")
				wants(t, second.Send("GET", "/"), 200, names[users[1]]+"||")
			})
		}
	}
}

// G3: "A Login whose session was ended or replaced before it commits makes a new,
// empty session by Create". What the request itself keeps is kept.
func TestG3LoginAfterTheEnd(t *testing.T) {
	for _, test := range []struct{ first, end, login, want string }{
		{"d", "o", "a", "ann||"},
		{"d", "o", "af", "ann||hello"},
		{"f", "o", "fa", "ann||hello"}, // one: what it was added to is gone
		{"ad", "o", "a", "ann||"},
		{"ad", "n", "af", "ann||hello"},
		{"ad", "o", "bf", "bob||hello"},
		{"ad", "b", "bf", "bob||hello"},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			t.Parallel()
			st := holding(memstore.New(memstore.Config{}))
			b := newBrowser(g3App(manage(t, st, coatcheck.Config{})))
			wants(t, b.Send("POST", "/?"+test.first), 200, "")
			creates := st.count("Create")
			login := depart(t, b, "handler", "POST", "/?"+test.login+"-")
			wants(t, b.Clone().Send("POST", "/?"+test.end), 200, "")
			wants(t, login.land(), 200, "")
			if n := st.count("Create") - creates; n != 1 {
				t.Errorf("%d calls of Create, want 1", n)
			}
			wants(t, b.Send("GET", "/?flashes"), 200, test.want)
		})
	}
}

// G3: "RevokeAll(user) also defeats a login of that user whose request began
// before it." "ErrEnded from that means the user was revoked."
func TestG3RevokeAllDefeatsLogins(t *testing.T) {
	for _, test := range []struct {
		first, place, login string
		code                int
		want                string
	}{
		{"", "handler", "-a", 409, "||"},
		{"", "Create", "a", 409, "||"},
		{"d", "Replace", "a", 409, "|dark|"}, // the anonymous session stays
		{"b", "Replace", "a", 409, "bob||"},
		{"a", "Replace", "a", 409, "||"},
		{"a", "Replace", "p", 409, "||"},
		{"a", "Replace", "b", 200, "bob||"}, // another user
		{"", "Create", "b", 200, "bob||"},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprint(test, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					st := holding(slow{memstore.New(memstore.Config{})})
					m := manage(t, st, coatcheck.Config{})
					b := newBrowser(g3App(m))
					wants(t, b.Send("POST", "/?"+test.first), 200, "")
					time.Sleep(time.Second)
					login := depart(t, b, test.place, "POST", "/?"+test.login)
					time.Sleep(time.Second)
					if _, err := m.RevokeAll(t.Context(), "ann"); err != nil {
						t.Fatal(err)
					}
					if late { // the revocation still stands as long as a login may commit
						time.Sleep(48 * time.Second)
						if _, err := m.Sweep(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					w := login.land()
					wants(t, w, test.code, "")
					if test.code == 409 {
						bare(t, w)
						records, err := st.User(t.Context(), "ann")
						if len(records) != 0 || err != nil {
							t.Errorf("%d sessions of the revoked user are left, %v", len(records), err)
						}
					}
					wants(t, b.Send("GET", "/"), 200, test.want)
					time.Sleep(time.Second)
					wants(t, b.Send("POST", "/?a"), 200, "") // a new request may
				})
			})
		}
	}
}

// G11: "Called with a request's context, RevokeAll … first commit[s] what is
// pending, and that request's own start then counts as after the revocation": a
// login later in the same request stands.
func TestG3LoginAfterOwnRevocation(t *testing.T) {
	for _, test := range []struct{ first, steps, want string }{
		{"ad", "Ra", "ann||"},
		{"d", "Ra", "ann|dark|"},
		{"", "Ra", "ann||"},
		{"ad", "Rap", "ann||"},
		{"ad", "Racp", "ann||"},
		{"d", "aR", "||"}, // committed first, then ended
		{"bd", "R", "bob|dark|"},
		{"bd", "Ra", "ann||"},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBrowser(g3App(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})))
				wants(t, b.Send("POST", "/?"+test.first), 200, "")
				time.Sleep(time.Second)
				wants(t, b.Send("POST", "/?"+test.steps), 200, "")
				if test.want == "||" && len(b.Cookies()) > 0 { // G2: as after a Logout
					t.Errorf("the cookies %v are left", b.Cookies())
				}
				wants(t, b.Send("GET", "/"), 200, test.want)
			})
		})
	}
}

// G6: "Remember(d), before or after Login in the same request or later, makes this
// session idle and live for at least d from then on …; it renews the token; Renew and Reauthenticate keep
// d, a later Login without it drops it. Login and re-authentication restart the
// lifetime, Renew does not."
func TestG3Lifetimes(t *testing.T) {
	const hour = time.Hour
	tests := []struct {
		steps    []string // an hour apart
		deadline time.Duration
		idle     time.Duration // as stored: a tenth more
	}{
		{[]string{"d"}, 4 * hour, 33 * time.Minute},
		{[]string{"a"}, 12 * hour, 33 * time.Minute},
		{[]string{"am"}, 48 * hour, 48 * hour},
		{[]string{"ma"}, 48 * hour, 48 * hour},
		{[]string{"mca"}, 48 * hour, 48 * hour},
		{[]string{"mdca"}, 48 * hour, 48 * hour},
		{[]string{"mFa"}, 48 * hour, 48 * hour},
		{[]string{"fmFa"}, 48 * hour, 48 * hour},
		{[]string{"acm"}, 48 * hour, 48 * hour},
		{[]string{"md"}, 48 * hour, 48 * hour},
		{[]string{"am", "d"}, 47 * hour, 47 * hour},
		{[]string{"am", "n"}, 47 * hour, 47 * hour},
		{[]string{"am", "p"}, 48 * hour, 48 * hour},
		{[]string{"am", "a"}, 12 * hour, 33 * time.Minute},
		{[]string{"am", "b"}, 12 * hour, 33 * time.Minute},
		{[]string{"am", "m"}, 48 * hour, 48 * hour},
		{[]string{"am", "oa"}, 12 * hour, 33 * time.Minute},
		{[]string{"amoa"}, 12 * hour, 33 * time.Minute},
		{[]string{"amcoa"}, 12 * hour, 33 * time.Minute},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.steps), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &recorder{Store: memstore.New(memstore.Config{})}
				b := newBrowser(g3App(manage(t, st, coatcheck.Config{})))
				for i, steps := range test.steps {
					time.Sleep(time.Duration(min(i, 1)) * hour)
					wants(t, b.Send("POST", "/?"+steps), 200, "")
				}
				if left := time.Until(st.last.Deadline); left != test.deadline {
					t.Errorf("the session's life ends after %v, want %v", left, test.deadline)
				}
				if left := time.Until(st.last.Expires); left != test.idle {
					t.Errorf("its idle end is after %v, want %v", left, test.idle)
				}
			})
		})
	}
}

// A recorder is a store that shows the record it was given last.
type recorder struct {
	store.Store
	last store.Record
}

func (r *recorder) Create(ctx context.Context, rec store.Record) error {
	r.last = rec
	return r.Store.Create(ctx, rec)
}

func (r *recorder) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	r.last = rec
	return r.Store.Update(ctx, rec, ifVersion)
}

func (r *recorder) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	r.last = rec
	return r.Store.Replace(ctx, old, ifVersion, rec, until)
}

// ASVS 7.5.1: AuthTime tells when the user last proved who they are; Renew and
// Remember prove nothing.
func TestG3AuthTime(t *testing.T) {
	for steps, again := range map[string]bool{"a": true, "p": true, "n": false, "m": false, "d": false, "pc": true} {
		t.Run(steps, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
				app := g3App(m)
				b := newBrowser(app)
				wants(t, b.Send("POST", "/?a"), 200, "")
				first := time.Now()
				time.Sleep(time.Minute)
				wants(t, b.Send("POST", "/?"+steps), 200, "")
				b.Handler = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					want := first
					if again {
						want = time.Now()
					}
					if got := coatcheck.From(r.Context()).AuthTime(); !got.Equal(want) {
						t.Errorf("AuthTime is %v, want %v", got, want)
					}
				}))
				b.Send("GET", "/")
			})
		})
	}
}

// G3: only a user who is one can log in: the identifier is checked, and nobody
// can authenticate again who is not logged in.
func TestG3RefusedLogins(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for _, test := range []struct {
		do   func(s *coatcheck.Session)
		want error
	}{
		{func(s *coatcheck.Session) { s.Login("") }, coatcheck.ErrValue},
		{func(s *coatcheck.Session) { s.Login(long) }, coatcheck.ErrValue},
		{func(s *coatcheck.Session) { s.Login("ann\n") }, coatcheck.ErrValue},
		{func(s *coatcheck.Session) { s.Login("ann\x00") }, coatcheck.ErrValue},
		{func(s *coatcheck.Session) { s.Login("\xff") }, coatcheck.ErrValue},
		{func(s *coatcheck.Session) { s.Login("a"); s.Login("") }, coatcheck.ErrValue},
		{func(s *coatcheck.Session) { s.Reauthenticate() }, coatcheck.ErrLoginRequired},
		{func(s *coatcheck.Session) { s.Login("a"); s.Logout(); s.Reauthenticate() }, coatcheck.ErrLoginRequired},
		{func(s *coatcheck.Session) { s.Login(long[:255]) }, nil},
	} {
		st := &trap{Store: memstore.New(memstore.Config{})}
		m := manage(t, st, coatcheck.Config{})
		b := newBrowser(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := coatcheck.From(r.Context())
			test.do(s)
			if !errors.Is(s.Err(), test.want) {
				t.Errorf("Err is %v, want %v", s.Err(), test.want)
			}
		})))
		w := b.Send("POST", "/")
		if test.want == nil {
			wants(t, w, 200, "")
			continue
		}
		wants(t, w, coatcheck.StatusOf(test.want), "")
		bare(t, w)
		if n := st.count(""); n != 0 {
			t.Errorf("%d store calls for a refused login", n)
		}
	}
}

// G3: two logins at once from one anonymous session: what is set beside each Login
// is in both sessions, whoever commits first; the rest is in the first alone.
func TestG3ValuesBesideALogin(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"after Load", "handler"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			m := manage(t, holding(memstore.New(memstore.Config{})), coatcheck.Config{})
			b := newBrowser(m.Handler(paths{
				"/cart": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
					coatcheck.Append(s, g1Cart, "tea")
					g3Theme.Set(s, "dark")
				},
				"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
					items, ok := g1Cart.Get(s)
					pause(r)
					s.Login("ann")
					if ok {
						g1Cart.Set(s, items)
					}
				},
				"/": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
					items, _ := g1Cart.Get(s)
					_, dark := g3Theme.Get(s)
					fmt.Fprint(w, s.User(), items, dark)
				},
			}))
			wants(t, b.Send("POST", "/cart"), 200, "")
			first := b.Clone()
			second := depart(t, b, place, "POST", "/login")
			wants(t, first.Send("POST", "/login"), 200, "")
			wants(t, second.land(), 200, "")
			wants(t, first.Send("GET", "/"), 200, "ann[tea] true")
			wants(t, b.Send("GET", "/"), 200, "ann[tea] false")
		})
	}
}

// What a login copies as it is belongs to the record that it begins with, also where that
// is another than the request has loaded: what another server has added since (R6), or
// the request itself (R3), is looked through.
func TestLoginAfterAnother(t *testing.T) {
	short := coatcheck.NewKey[string]("short")
	for name, between := range map[string]func(*coatcheck.Session, *browser){
		"another server": func(_ *coatcheck.Session, b *browser) { b.Send("POST", "/") },
		"the request": func(s *coatcheck.Session, _ *browser) {
			short.SetFor(s, "soon over", 20*time.Second)
			s.Commit()
			time.Sleep(20 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := memstore.New(memstore.Config{})
				label := only(manage(t, st, coatcheck.Config{}), func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.SetLabel("sid", "x") })
				m := manage(t, st, coatcheck.Config{})
				var b *browser
				login := only(m, func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
					if r.URL.Path == "/again" && s.User() == "alice" {
						other := newBrowser(label)
						wear(other, b.Cookies())
						between(s, other)
					}
					s.Login("alice")
					if r.URL.Path == "/" {
						g3Theme.Set(s, "dark")
					}
				})
				b = newBrowser(login)
				b.Send("POST", "/")
				if w := b.Send("POST", "/again"); w.Code != http.StatusOK {
					t.Errorf("got %d, want 200", w.Code)
				}
				for rec, err := range st.All(t.Context()) {
					if err != nil || bytes.Contains(rec.Data, []byte("soon over")) {
						t.Errorf("%v: %q is kept", err, rec.Data)
					}
				}
				if list, err := m.Sessions(t.Context(), "alice"); err != nil || len(list) != 1 || len(list[0].Labels) != 0 {
					t.Errorf("%v: got %+v, want one session without a label", err, list)
				}
			})
		})
	}
}
