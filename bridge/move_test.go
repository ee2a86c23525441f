package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// A moving application: who is logged in, a login and a logout on both sides.
type moving struct {
	sessions *coatcheck.Manager
	old      *flask.Source
	move     *bridge.Move
	handler  http.Handler
}

var cart = coatcheck.NewKey[[]string]("cart")

func newMoving(t *testing.T, c flask.Config, cfg bridge.MoveConfig) *moving {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	m := new(moving)
	st := memstore.New(memstore.Config{})
	if m.sessions, err = coatcheck.New(st, keys, coatcheck.Config{}); err != nil {
		t.Fatal(err)
	}
	c.SecretKey = "the secret of Flask"
	if m.old, err = flask.New(c); err != nil {
		t.Fatal(err)
	}
	cfg.Until = time.Now().AddDate(0, 3, 0)
	cfg.Values = []string{"cart"}
	if m.move, err = bridge.NewMove(m.sessions, m.old, cfg); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		kept, _ := cart.Get(s)
		fmt.Fprint(w, s.User(), kept)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if err := m.move.Login(w, r, r.FormValue("user"), bridge.Session{}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := m.move.Logout(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	m.handler = m.move.Handler(mux)
	return m
}

// flaskLogin is a login at Flask, as its cookie.
func (m *moving) flaskLogin(t *testing.T, user string) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	err := m.old.Issue(w, foreigntest.Request(), bridge.Session{User: user, Values: map[string]json.RawMessage{"cart": json.RawMessage(`["tea"]`), "other": json.RawMessage(`1`)}})
	if err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()[0]
}

// flaskUser is who Flask takes the browser's cookies for.
func (m *moving) flaskUser(t *testing.T, b *http.Client) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, site, nil)
	for _, c := range b.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	s, err := m.old.Read(r)
	if err != nil && !bridge.Skips(err) {
		t.Fatal(err)
	}
	return s.User
}

const site = "https://example.com/"

func (m *moving) browser(cookies ...*http.Cookie) *http.Client {
	b := coatchecktest.NewHandlerBrowser(m.handler)
	r := httptest.NewRequest(http.MethodGet, site, nil)
	b.Jar.SetCookies(r.URL, cookies)
	return &b.Client
}

func get(t *testing.T, b *http.Client) string {
	t.Helper()
	resp, err := b.Get(site)
	if err != nil {
		t.Fatal(err)
	}
	return body(t, resp)
}

func post(t *testing.T, b *http.Client, path string) {
	t.Helper()
	resp, err := b.Post(site+path, "application/x-www-form-urlencoded", nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := body(t, resp); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s", path, resp.Status, text)
	}
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	var b strings.Builder
	if _, err := fmt.Fprint(&b, readAll(resp)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func readAll(resp *http.Response) string {
	var b strings.Builder
	buf := make([]byte, 1024)
	for {
		n, err := resp.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

// The login crosses in both directions, and so does the logout.
func TestMoveCrosses(t *testing.T) {
	t.Parallel()
	kinds := map[string]func() flask.Config{
		"cookie": func() flask.Config { return flask.Config{} },
		"stored": func() flask.Config { return flask.Config{KV: new(foreigntest.KV)} },
	}
	for name, config := range kinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMoving(t, config(), bridge.MoveConfig{})
				there := m.flaskLogin(t, "bob")
				var wg sync.WaitGroup
				for range 64 {
					wg.Go(func() {
						if got := get(t, m.browser(there)); got != "bob[tea]" {
							t.Errorf("parallel: %q", got)
						}
					})
				}
				wg.Wait()
				if list, err := m.sessions.Sessions(t.Context(), "bob"); err != nil || len(list) != 1 {
					t.Errorf("%d sessions, %v; want one", len(list), err)
				}
				b := m.browser(there)
				get(t, b)
				post(t, b, "logout")
				if got := get(t, b); got != "[]" || m.flaskUser(t, b) != "" {
					t.Errorf("after the logout: %q, there %q", got, m.flaskUser(t, b))
				}
				ended(t, m, there)

				b = m.browser()
				post(t, b, "login?user=eve")
				if got := get(t, b); got != "eve[]" || m.flaskUser(t, b) != "eve" {
					t.Errorf("after the login: %q, there %q", got, m.flaskUser(t, b))
				}
				u := httptest.NewRequest(http.MethodGet, site, nil).URL
				issued := b.Jar.Cookies(u)
				post(t, b, "logout")
				for _, c := range issued {
					if c.Name == "session" {
						ended(t, m, c)
					}
				}
			})
		})
	}
}

// ended: a copy of the old cookie opens nothing here, now and later (G2).
func ended(t *testing.T, m *moving, copied *http.Cookie) {
	t.Helper()
	for _, wait := range []time.Duration{0, 61 * time.Second, 24 * time.Hour} {
		time.Sleep(wait)
		if _, err := m.sessions.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := get(t, m.browser(copied)); strings.Contains(got, "bob") || strings.Contains(got, "eve") {
			t.Errorf("a copy of the cookie another %v later: %q", wait, got)
		}
	}
}

// With Follow a logout over there, or another user, ends the session here.
func TestMoveFollows(t *testing.T) {
	t.Parallel()
	m := newMoving(t, flask.Config{}, bridge.MoveConfig{Follow: true})
	b := m.browser(m.flaskLogin(t, "bob"))
	u := httptest.NewRequest(http.MethodGet, site, nil).URL
	for range 2 {
		if got := get(t, b); got != "bob[tea]" {
			t.Fatalf("%q", got)
		}
	}
	b.Jar.SetCookies(u, []*http.Cookie{m.flaskLogin(t, "eve")})
	get(t, b)
	if got := get(t, b); got != "eve[tea]" {
		t.Errorf("another user there: %q", got)
	}
	b.Jar.SetCookies(u, []*http.Cookie{{Name: "session", MaxAge: -1}})
	get(t, b)
	if got := get(t, b); got != "[]" {
		t.Errorf("nobody there: %q", got)
	}
}

// Sessions of a store are taken over in bulk, twice without harm, and then the
// store can go.
func TestMoveImport(t *testing.T) {
	t.Parallel()
	kv := new(foreigntest.KV)
	m := newMoving(t, flask.Config{KV: kv}, bridge.MoveConfig{})
	var cookies []*http.Cookie
	for i := range 20 {
		cookies = append(cookies, m.flaskLogin(t, fmt.Sprint("user", i)))
	}
	m.flaskLogin(t, "")
	if err := kv.Set(t.Context(), "session:bad", []byte("\x80\x04cos\nsystem\n."), 0); err != nil {
		t.Fatal(err)
	}
	get(t, m.browser(cookies[0])) // adopted live, before the import comes to it
	ctx, stop := context.WithCancel(t.Context())
	first, err := m.move.Import(ctx, func(done bridge.Imported) {
		if done.Taken == 7 {
			stop()
		}
	})
	if err == nil || first.Taken < 7 {
		t.Logf("stopped after %d: %v", first.Taken, err) // the store in memory does not look at ctx
	}
	second, err := m.move.Import(t.Context(), nil)
	if err != nil || first.Taken+second.Taken != 19 || second.Before != 20-second.Taken {
		t.Errorf("first %v, then %v, %v", first, second, err)
	}
	left := 0
	for _, n := range second.Left {
		left += n
	}
	if left != 2 || second.Left["nobody is logged in"] != 1 {
		t.Errorf("left %v", second.Left)
	}
	gone, err := flask.New(flask.Config{SecretKey: "the secret of Flask", KV: new(foreigntest.KV)})
	if err != nil {
		t.Fatal(err)
	}
	m.move, err = bridge.NewMove(m.sessions, gone, bridge.MoveConfig{Until: time.Now().AddDate(0, 3, 0), Imported: true})
	if err != nil {
		t.Fatal(err)
	}
	h := m.move.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, coatcheck.From(r.Context()).User()) }))
	for i, c := range cookies {
		r := httptest.NewRequest(http.MethodGet, site, nil)
		r.AddCookie(c)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Body.String() != fmt.Sprint("user", i) {
			t.Errorf("user%d is %q", i, w.Body)
		}
	}
}

// A revocation counts for old sessions too, with a Revoker; and the operator hears
// of a setting that does not match.
func TestMoveRevokerAndTold(t *testing.T) {
	t.Parallel()
	revoker := coatcheck.StoreRevoker(memstore.New(memstore.Config{}))
	var told []error
	m := newMoving(t, flask.Config{}, bridge.MoveConfig{Revoker: revoker, Told: func(_ *http.Request, err error) { told = append(told, err) }})
	old := m.flaskLogin(t, "bob")
	if err := revoker.Revoke(t.Context(), "bob", time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := get(t, m.browser(old)); got != "[]" {
		t.Errorf("after a revocation: %q", got)
	}
	if got := get(t, m.browser(m.flaskLogin(t, "eve"))); got != "eve[tea]" {
		t.Errorf("another user: %q", got)
	}
	other, err := flask.New(flask.Config{SecretKey: "the secret of Flask", Digest: "sha256"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := other.Issue(w, foreigntest.Request(), bridge.Session{User: "bob"}); err != nil {
		t.Fatal(err)
	}
	get(t, m.browser(w.Result().Cookies()...))
	var setting *bridge.SettingError
	if len(told) != 1 || !errors.As(told[0], &setting) {
		t.Errorf("told %v; want the setting", told)
	}
}

func TestMoveConfigIsChecked(t *testing.T) {
	t.Parallel()
	m := newMoving(t, flask.Config{}, bridge.MoveConfig{})
	for name, cfg := range map[string]bridge.MoveConfig{
		"Until is zero": {}, "400 days": {Until: time.Now().AddDate(2, 0, 0)},
	} {
		if _, err := bridge.NewMove(m.sessions, m.old, cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.move.Import(t.Context(), nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("sessions in cookies were imported: %v", err)
	}
}

// A made-up cookie of a system that signs nothing has no record kept at a logout: the
// session that gets this id later is adopted.
func TestLogoutKeepsNothingOfMadeUpCookies(t *testing.T) {
	t.Parallel()
	kv := new(foreigntest.KV)
	m := newMoving(t, flask.Config{KV: kv}, bridge.MoveConfig{})
	real := m.flaskLogin(t, "bob")
	key := "session:" + real.Value
	data, left, err := kv.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Del(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	post(t, m.browser(real), "logout") // no session has this id now
	if err := kv.Set(t.Context(), key, data, left); err != nil {
		t.Fatal(err)
	}
	if got := get(t, m.browser(real)); got != "bob[tea]" {
		t.Errorf("got %q; want the session adopted", got)
	}
}
