package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// ownRevocations end the session of the request that calls them.
var ownRevocations = map[string]func(m *coatcheck.Manager, ctx context.Context, s *coatcheck.Session) error{
	"RevokeAll": func(m *coatcheck.Manager, ctx context.Context, s *coatcheck.Session) error {
		_, err := m.RevokeAll(ctx, s.User())
		return err
	},
	"Revoke": func(m *coatcheck.Manager, ctx context.Context, s *coatcheck.Session) error {
		_, err := m.Revoke(ctx, s.User(), s.Handle())
		return err
	},
	"RevokeLabel": func(m *coatcheck.Manager, ctx context.Context, s *coatcheck.Session) error {
		_, err := m.RevokeLabel(ctx, s.User(), "place", "kitchen")
		return err
	},
	"RevokeEverybody": func(m *coatcheck.Manager, ctx context.Context, s *coatcheck.Session) error {
		_, err := m.RevokeEverybody(ctx)
		return err
	},
	"RevokeAll, unseen": func(m *coatcheck.Manager, ctx context.Context, _ *coatcheck.Session) error {
		_, err := m.RevokeAll(ctx, "ann")
		return err
	},
}

// farewellApp has pages that end the session of whoever asks: "delete my account",
// "log me out everywhere".
func farewellApp(m *coatcheck.Manager, revoke func(*coatcheck.Manager, context.Context, *coatcheck.Session) error) http.Handler {
	ends := func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) bool {
		err := revoke(m, r.Context(), s)
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
		}
		return err == nil
	}
	return m.Handler(paths{
		"/login": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			s.Login("ann")
			s.SetLabel("place", "kitchen")
		},
		"/as": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) { s.Login(r.URL.RawQuery) },
		"/delete": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			if ends(s, w, r) {
				pause(r)
				s.Flash("Goodbye.")
				http.Redirect(w, r, "/", http.StatusSeeOther)
			}
		},
		"/everywhere": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			pause(r)
			if ends(s, w, r) {
				http.Redirect(w, r, "/", http.StatusSeeOther)
			}
		},
		"/password": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			if user := s.User(); ends(s, w, r) {
				s.Login(user)
			}
		},
		"/": func(s *coatcheck.Session, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, s.User(), s.Flashes())
		},
	})
}

// G2: a request that revokes the session it is in has asked for its end, as by
// Logout: what it keeps after that begins a new session in the same answer, and
// without that the cookie is cleared.
func TestG2OwnRevocation(t *testing.T) {
	t.Parallel()
	for name, revoke := range ownRevocations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New(memstore.Config{})
				b := newBrowser(farewellApp(manage(t, store, coatcheck.Config{}), revoke))
				wants(t, b.Send("POST", "/login"), 200, "")
				time.Sleep(time.Second)
				old := b.Clone()
				w := b.Send("POST", "/delete")
				wants(t, w, 303, "")
				if got := w.Header().Get("Clear-Site-Data"); got != `"cache", "storage"` {
					t.Errorf("Clear-Site-Data is %q", got)
				}
				wants(t, b.Send("GET", "/"), 200, "[Goodbye.]")
				wants(t, old.Send("GET", "/"), 200, "[]")
				wants(t, old.Send("POST", "/as?bob"), 200, "") // at once

				time.Sleep(time.Second)
				b = newBrowser(b.Handler)
				wants(t, b.Send("POST", "/login"), 200, "")
				time.Sleep(time.Second)
				wants(t, b.Send("POST", "/everywhere"), 303, "")
				if left := b.Cookies(); len(left) > 0 && name != "RevokeAll, unseen" { // which never looked
					t.Errorf("the cookies %v are left", left)
				}
				if list, err := store.User(t.Context(), "ann"); len(list) > 0 || err != nil {
					t.Errorf("%d sessions are left, %v", len(list), err)
				}
			})
		})
	}
}

// G2: a second click on "log me out everywhere" is answered as the first.
func TestG2OwnRevocationDoubleClick(t *testing.T) {
	t.Parallel()
	store := holding(memstore.New(memstore.Config{}))
	var log coatchecktest.Events
	b := newBrowser(farewellApp(manage(t, store, coatcheck.Config{Events: log.Record}), ownRevocations["RevokeAll"]))
	wants(t, b.Send("POST", "/login"), 200, "")
	second := depart(t, b, "EndUser", "POST", "/delete")
	wants(t, b.Send("POST", "/delete"), 303, "")
	wants(t, second.land(), 303, "")
	wants(t, b.Send("GET", "/"), 200, "[Goodbye.]")
	if n := log.Count(coatcheck.WriteEnded); n != 0 {
		t.Errorf("%d refused writes", n)
	}
}

// G2, G3: what a login or renewal has just made of the session of a request that
// ends all of its user's ends with it, but only while it is the same user's: "Revoke
// while the user is the same; nothing else does". A login as somebody else goes on,
// and its cookie stays.
func TestG2OwnRevocationFollowsTheLogin(t *testing.T) {
	t.Parallel()
	for user, goesOn := range map[string]bool{"ann": false, "bob": true} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			store := holding(memstore.New(memstore.Config{}))
			app := func() http.Handler {
				return farewellApp(manage(t, store, coatcheck.Config{}), ownRevocations["RevokeAll"])
			}
			b := newBrowser(app())
			wants(t, b.Send("POST", "/login"), 200, "")
			end := depart(t, b, "EndUser", "POST", "/everywhere")
			other := b.Clone()
			other.Handler = app() // another process
			wants(t, other.Send("POST", "/as?"+user), 200, "")
			wants(t, end.land(), 303, "")
			if goesOn {
				wants(t, other.Send("GET", "/"), 200, "bob[]")
			} else {
				wants(t, other.Send("GET", "/"), 200, "[]")
			}
			if cleared := len(b.Cookies()) == 0; cleared == goesOn {
				t.Errorf("the cookies are %v", b.Cookies())
			}
		})
	}
}

// A new password: all sessions end, and whoever has set it goes on in a new one.
// What the pages keep stays.
func TestG2OwnRevocationThenLogin(t *testing.T) {
	t.Parallel()
	for name, revoke := range ownRevocations {
		if name == "RevokeAll, unseen" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBrowser(farewellApp(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}), revoke))
				wants(t, b.Send("POST", "/login"), 200, "")
				time.Sleep(time.Second)
				w := b.Send("POST", "/password")
				wants(t, w, 200, "")
				if got := w.Header().Get("Clear-Site-Data"); got != "" {
					t.Errorf("Clear-Site-Data is %q, want none", got)
				}
				wants(t, b.Send("GET", "/"), 200, "ann[]")
			})
		})
	}
}

// G2: "A request that began more than 50 s ago never sets a session cookie" nor
// clears one: it may be a newer login's.
func TestG2OwnRevocationLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(farewellApp(manage(t, holding(memstore.New(memstore.Config{})), coatcheck.Config{}), ownRevocations["RevokeAll"]))
		wants(t, b.Send("POST", "/login"), 200, "")
		end := depart(t, b, "handler", "POST", "/everywhere")
		time.Sleep(51 * time.Second)
		w := end.land()
		wants(t, w, 303, "")
		bare(t, w)
		wants(t, b.Send("GET", "/"), 200, "[]")
	})
}

// G14: a prefetch ends nothing; HEAD ends what GET would and clears no cookie.
func TestG14PrefetchRevokesNothing(t *testing.T) {
	t.Parallel()
	for name, revoke := range ownRevocations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBrowser(farewellApp(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}), revoke))
				wants(t, b.Send("POST", "/login"), 200, "")
				time.Sleep(time.Second)
				w := b.Send("GET", "/everywhere", "Sec-Purpose", "prefetch")
				wants(t, w, 503, "")
				bare(t, w)
				wants(t, b.Send("GET", "/"), 200, "ann[]")
				w = b.Send("HEAD", "/everywhere")
				wants(t, w, 303, "")
				bare(t, w)
				wants(t, b.Send("GET", "/"), 200, "[]")
			})
		})
	}
}

// The other carriers: of a session in its cookie the copy that the browser has
// goes, and a native client is told to forget its token.
func TestG2OwnRevocationOfOtherCarriers(t *testing.T) {
	t.Parallel()
	m := inCookie(t, coatcheck.StoreRevoker(memstore.New(memstore.Config{})))
	b := newBrowser(farewellApp(m, ownRevocations["RevokeAll"]))
	wants(t, b.Send("POST", "/login"), 200, "")
	old := b.Clone()
	wants(t, b.Send("POST", "/everywhere"), 303, "")
	if len(b.Cookies()) != 0 {
		t.Errorf("the cookies %v are left", b.Cookies())
	}
	wants(t, old.Send("GET", "/"), 200, "[]")

	c := &client{h: farewellApp(bearer(t, memstore.New(memstore.Config{}), coatcheck.Config{}), ownRevocations["RevokeAll"])}
	wants(t, c.do("POST", "/login"), 200, "")
	if w := c.do("POST", "/everywhere"); w.Code != 303 || c.token != "none" {
		t.Errorf("answer %d, the token is %q, want none", w.Code, c.token)
	}
}

// G13: one end, one event.
func TestG13OwnRevocationIsToldOnce(t *testing.T) {
	t.Parallel()
	for name, revoke := range ownRevocations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log coatchecktest.Events
			b := newBrowser(farewellApp(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: log.Record}), revoke))
			wants(t, b.Send("POST", "/login"), 200, "")
			wants(t, b.Send("POST", "/delete"), 303, "")
			var kinds []string
			for _, e := range log.All() {
				kinds = append(kinds, string(e.Kind))
			}
			if want := []string{"login", "revoked", "created"}; !slices.Equal(kinds, want) {
				t.Errorf("told %s, want %s", strings.Join(kinds, ", "), want)
			}
		})
	}
}
