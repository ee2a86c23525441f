//go:build linux

package scs_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"regexp"
	"testing"

	original "github.com/alexedwards/scs/v2"

	"github.com/coatcheck/coatcheck/bridge/scs"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/moving"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// TestMove takes over the sessions of scs, in all stores; in one by a codec of JSON, in
// one under hashed tokens.
func TestMove(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			store, kv, tool := open(t)
			from := "scs"
			w := newWorld(t, store, kv, func(m *original.SessionManager, cfg *scs.Config) {
				switch name {
				case "goredisstore":
					from, m.Codec, cfg.Codec = "scs-json", jsonCodec{}, scs.JSON{}
				case "pgxstore":
					m.HashTokenInStore, cfg.HashTokenInStore = true, true
				}
			})
			servers.SharedRedis(t).Must(t, "FLUSHDB") // of other tests, by another codec
			s := moving.System{Source: w.source, Open: func() moving.Browser { return newPerson(t, w) }, Users: []string{"alice", "bob"}}
			s.Live(t)
			tool.Args = append(tool.Args, "--from", from, "--user-key", "userID")
			s.Bulk(t, tool)
		})
	}
}

// A person is at the application.
type person struct {
	t *testing.T
	w *world
	http.Client
}

func newPerson(t *testing.T, w *world) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t, w, http.Client{Jar: jar}}
}

func (p *person) visit(path string) string {
	p.t.Helper()
	resp, err := p.Get(p.w.old.URL + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s %s, %v", path, resp.Status, body, err)
	}
	return string(body)
}

func (p *person) Login(user string) {
	p.t.Helper()
	p.w.put = map[string]any{"userID": user, "cart": []string{"tea"}}
	p.visit("/login")
}

func (p *person) Logout() { p.t.Helper(); p.visit("/logout") }

var shown = regexp.MustCompile(`(?m)^userID="(.*)"$`)

func (p *person) User() string {
	p.t.Helper()
	if found := shown.FindStringSubmatch(p.visit("/show")); found != nil {
		return found[1]
	}
	return ""
}

func (p *person) Request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, p.w.old.URL, nil)
	for _, c := range p.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return r
}

func (p *person) Take(w *httptest.ResponseRecorder) {
	p.Jar.SetCookies(p.Request().URL, w.Result().Cookies())
}
