package promises_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// labelApp does what the letters of the query say.
func labelApp(m *coatcheck.Manager, errs *error) http.Handler {
	steps := map[rune]func(*coatcheck.Session){
		'a': func(s *coatcheck.Session) { s.Login("alice") },
		'b': func(s *coatcheck.Session) { s.Login("bob") },
		'x': func(s *coatcheck.Session) { s.SetLabel("sid", "x-1") },
		'y': func(s *coatcheck.Session) { s.SetLabel("sid", "y-2") },
		'k': func(s *coatcheck.Session) { s.SetLabel("device", "kitchen tablet") },
		'-': func(s *coatcheck.Session) { s.SetLabel("sid", "") },
		'c': func(s *coatcheck.Session) { s.Commit() },
		'd': func(s *coatcheck.Session) { s.Clear() },
		'f': func(s *coatcheck.Session) { s.Flash("hello") },
		'F': func(s *coatcheck.Session) { s.Flashes() },
		'm': func(s *coatcheck.Session) { s.Remember(48 * time.Hour) },
		'n': func(s *coatcheck.Session) { s.Renew() },
		'o': func(s *coatcheck.Session) { s.Logout() },
		'p': func(s *coatcheck.Session) { s.Reauthenticate() },
		'u': func(s *coatcheck.Session) { hits.Update(s, increase) },
	}
	return only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		for _, step := range r.URL.RawQuery {
			steps[step](s)
		}
		*errs = s.Err()
		fmt.Fprintf(w, "%s %s %v", s.Label("sid"), s.Label("device"), s.Keys())
	})
}

// R6, G11: a label belongs to the login. It stays when the token is renewed and
// when the values go, a later login drops it, and Info lists it.
func TestLabelsBelongToTheLogin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		steps []string
		want  map[string]string
	}{
		{[]string{"ax"}, map[string]string{"sid": "x-1"}},
		{[]string{"xa"}, map[string]string{"sid": "x-1"}},
		{[]string{"xca"}, map[string]string{"sid": "x-1"}},
		{[]string{"xua"}, map[string]string{"sid": "x-1"}},
		{[]string{"fxFa"}, map[string]string{"sid": "x-1"}},
		{[]string{"acx"}, map[string]string{"sid": "x-1"}},
		{[]string{"xda"}, map[string]string{"sid": "x-1"}},
		{[]string{"axd"}, map[string]string{"sid": "x-1"}},
		{[]string{"axcd"}, map[string]string{"sid": "x-1"}},
		{[]string{"axk"}, map[string]string{"sid": "x-1", "device": "kitchen tablet"}},
		{[]string{"axy"}, map[string]string{"sid": "y-2"}},
		{[]string{"axcy"}, map[string]string{"sid": "y-2"}},
		{[]string{"ax-"}, nil},
		{[]string{"axc-"}, nil},
		{[]string{"ax", "n"}, map[string]string{"sid": "x-1"}},
		{[]string{"ax", "p", "n", "m"}, map[string]string{"sid": "x-1"}},
		{[]string{"ax", "n", "k", "n"}, map[string]string{"sid": "x-1", "device": "kitchen tablet"}},
		{[]string{"ax", "u", "d"}, map[string]string{"sid": "x-1"}},
		{[]string{"ax", "yd"}, map[string]string{"sid": "y-2"}},
		{[]string{"ax", "dy"}, map[string]string{"sid": "y-2"}},
		{[]string{"ax", "-"}, nil},
		{[]string{"ax", "a"}, nil},
		{[]string{"ax", "ua"}, nil},
		{[]string{"ax", "da"}, nil},
		{[]string{"ax", "ya"}, map[string]string{"sid": "y-2"}},
		{[]string{"ax", "ay"}, map[string]string{"sid": "y-2"}},
		{[]string{"axk", "yca"}, map[string]string{"sid": "y-2"}},
		{[]string{"x", "a"}, nil},
		{[]string{"bx", "a"}, nil},
		{[]string{"bx", "ya"}, map[string]string{"sid": "y-2"}},
		{[]string{"axoa"}, nil},
		{[]string{"axcoa"}, nil},
		{[]string{"ax", "oa"}, nil},
	} {
		t.Run(strings.Join(test.steps, ","), func(t *testing.T) {
			t.Parallel()
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
			var err error
			b := newBrowser(labelApp(m, &err))
			for _, steps := range test.steps {
				wants(t, b.Send("POST", "/?u"), 200, "") // so that there are values beside
				want := b.Send("POST", "/?"+steps)
				wants(t, want, 200, "")
				if err != nil {
					t.Fatalf("%s: %v", steps, err)
				}
				if strings.Contains(want.Body.String(), "label") {
					t.Errorf("%s: Keys shows a label: %s", steps, want.Body)
				}
			}
			list, err := m.Sessions(context.Background(), "alice")
			if err != nil || len(list) != 1 || !maps.Equal(list[0].Labels, test.want) {
				t.Fatalf("got %+v, %v; want one session with labels %v", list, err, test.want)
			}
			seen := strings.TrimSpace(strings.Split(b.Send("GET", "/").Body.String(), "[")[0])
			if want := strings.TrimSpace(test.want["sid"] + " " + test.want["device"]); seen != want {
				t.Errorf("the session has %q, want %q", seen, want)
			}
			text, _ := json.Marshal(list[0])
			if strings.Contains(string(text), "labels") != (len(test.want) > 0) {
				t.Errorf("as JSON %s, want labels only where there are some", text)
			}
		})
	}
}

// G11, G2: RevokeLabel ends the sessions of this user with this label, under
// whatever token, and no other.
func TestRevokeLabel(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	var failed error
	app := labelApp(m, &failed)
	with := func(steps ...string) *browser {
		b := newBrowser(app)
		for _, s := range steps {
			wants(t, b.Send("POST", "/?"+s), 200, "")
		}
		return b
	}
	found, again := with("ax", "n", "p", "d"), with("ax")
	others := map[string]*browser{
		"another label": with("ay"), "no label": with("a"), "another user": with("bx"), "the label of an earlier login": with("ax", "a"),
	}
	list, _ := m.Sessions(t.Context(), "alice")
	if n, err := m.RevokeLabel(t.Context(), "alice", "sid", "x-1"); n != 2 || err != nil {
		t.Fatalf("got %d, %v from %v; want 2", n, err, list)
	}
	for name, b := range map[string]*browser{"renewed": found, "plain": again} {
		if user, _ := stored(m, b); user != "" {
			t.Errorf("%s: still logged in", name)
		}
	}
	for name, b := range others {
		if user, _ := stored(m, b); user == "" {
			t.Errorf("%s: logged out", name)
		}
	}
	if n, err := m.RevokeLabel(t.Context(), "alice", "sid", "x-1"); n != 0 || err != nil {
		t.Errorf("a second time: %d, %v; want 0", n, err)
	}
	for _, bad := range [][2]string{{"", "x"}, {"sid", ""}, {"sid", "\n"}, {strings.Repeat("n", 65), "x"}, {"sid", strings.Repeat("v", 256)}} {
		if _, err := m.RevokeLabel(t.Context(), "alice", bad[0], bad[1]); !errors.Is(err, coatcheck.ErrValue) {
			t.Errorf("RevokeLabel(%q, %q): %v, want ErrValue", bad[0], bad[1], err)
		}
	}
	if _, err := m.RevokeLabel(t.Context(), "", "sid", "x"); !errors.Is(err, coatcheck.ErrValue) {
		t.Errorf("RevokeLabel of nobody: %v, want ErrValue", err)
	}
}

// G2: a renewal that comes between RevokeLabel's look and its end does not save
// the session.
func TestRevokeLabelFollowsARenewal(t *testing.T) {
	t.Parallel()
	st := &userTrap{Store: memstore.New(memstore.Config{})}
	m := manage(t, st, coatcheck.Config{})
	var err error
	b := newBrowser(labelApp(m, &err))
	b.Send("POST", "/?ax")
	st.after = func() { st.after = nil; b.Send("POST", "/?n") }
	if n, err := m.RevokeLabel(t.Context(), "alice", "sid", "x-1"); n != 1 || err != nil {
		t.Errorf("got %d, %v; want 1", n, err)
	}
	if user, _ := stored(m, b); user != "" {
		t.Errorf("%s is still logged in, with the renewed token", user)
	}
}

// A userTrap does something after each list that it returns.
type userTrap struct {
	store.Store
	after func()
}

func (u *userTrap) User(ctx context.Context, user string) ([]store.Record, error) {
	records, err := u.Store.User(ctx, user)
	if u.after != nil {
		u.after()
	}
	return records, err
}

// G6: what is no label is an error, and says why.
func TestLabelErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value, says string
	}{
		{"", "x", "label name of 0 bytes; want 1 to 64"},
		{strings.Repeat("n", 65), "x", "label name of 65 bytes"},
		{"sid", strings.Repeat("v", 256), `label "sid" of 256 bytes; want 1 to 255`},
		{"sid", "a\nb", `label "sid" has a control character`},
		{"sid", "a\xff", `label "sid" is not UTF-8`},
		{"s\x00d", "a", `label name has a control character`},
		{"s\xffd", "", `label name is not UTF-8`},
		{strings.Repeat("n", 64), strings.Repeat("v", 255), ""},
		{"größe", `<b>"kitchen" & tablet</b>`, ""},
	} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			s.Login("alice")
			s.SetLabel(c.name, c.value)
			err := s.Err()
			if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, coatcheck.ErrValue) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("SetLabel(%q, %q): %v, want %q", c.name, c.value, err, c.says)
			}
		}))
		b.Send("POST", "/")
		list, err := m.Sessions(t.Context(), "alice")
		if err != nil || c.says == "" && (len(list) != 1 || list[0].Labels[c.name] != c.value) || c.says != "" && len(list) != 0 {
			t.Errorf("SetLabel(%q, %q): the list is %v, %v", c.name, c.value, list, err)
		}
	}
}

// G1: a label and a value that requests set at once are both kept.
func TestLabelsMerge(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	var failed error
	b := newBrowser(labelApp(m, &failed))
	b.Send("POST", "/?ax")
	first := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		s.SetLabel("device", "kitchen tablet")
		b.Send("POST", "/?u") // another request of the session commits meanwhile
		b.Send("POST", "/?y")
	}))
	for name, value := range b.Cookies() {
		first.SetCookie(name, value)
	}
	wants(t, first.Send("POST", "/"), 200, "")
	if got := b.Send("GET", "/").Body.String(); got != "y-2 kitchen tablet [hits]" {
		t.Errorf("got %q", got)
	}
}

// G2 cannot hold for one session in a cookie, and so no label finds it; the label
// itself stays as it does in a store.
func TestLabelsInCookies(t *testing.T) {
	t.Parallel()
	m, err := coatcheck.NewInCookie(keys(t), coatcheck.StoreRevoker(memstore.New(memstore.Config{})), coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	b := newBrowser(labelApp(m, &failed))
	for _, steps := range []string{"ax", "n", "d", ""} {
		if got := b.Send("POST", "/?"+steps).Body.String(); got != "x-1  []" {
			t.Errorf("after %q: %q", steps, got)
		}
	}
	if got := b.Send("POST", "/?a").Body.String(); got != "  []" {
		t.Errorf("after another login: %q", got)
	}
	if _, err := m.RevokeLabel(t.Context(), "alice", "sid", "x-1"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("RevokeLabel: %v, want ErrUnsupported", err)
	}
}

// G13: between a login and its commit no handle is told that nobody finds.
func TestNoHandleBeforeTheCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
		for name, change := range map[string]func(*coatcheck.Session){
			"Login":          func(s *coatcheck.Session) { s.Login("alice") },
			"Reauthenticate": (*coatcheck.Session).Reauthenticate,
			"Renew":          (*coatcheck.Session).Renew,
			"Remember":       func(s *coatcheck.Session) { s.Remember(time.Hour) },
		} {
			b := begin(t, m, only(m, func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
				change(s)
				if got := s.Handle(); got != "" {
					t.Errorf("%s: Handle is %s, which the commit replaces", name, got)
				}
				s.Commit()
				found, err := m.Revoke(r.Context(), "alice", s.Handle())
				if !found || err != nil {
					t.Errorf("%s: the handle after the commit finds %v, %v", name, found, err)
				}
			}))
			b.Send("POST", "/")
		}
	})
}
