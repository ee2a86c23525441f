package main

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/examples/internal/openid"
)

// A company is an OpenID provider and the shop that its people sign in to.
type company struct {
	*openid.Provider
	shop    *shop
	refresh atomic.Int32 // how often a token was refreshed
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := new(company)
	app, at := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	t.Cleanup(app.Close)
	t.Cleanup(at.Close)
	var err error
	c.Provider, err = openid.New("http://"+at.Listener.Addr().String(), openid.Config{
		Users:   map[string]string{"alice": "wonder"},
		Clients: []openid.Client{{ID: clientID, Secret: "s3cret", Redirects: []string{exampleOrigin + "/openid/callback"}, BackChannel: "http://" + app.Listener.Addr().String() + "/openid/logout"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	at.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("grant_type") == "refresh_token" {
			c.refresh.Add(1)
		}
		c.Provider.ServeHTTP(w, r)
	})
	at.Start()
	c.shop = newTestShop(t, t.Context(), config{origin: exampleOrigin, issuer: c.Issuer(), secret: "s3cret"})
	app.Config.Handler = c.shop.routes()
	app.Start()
	return c
}

var field = regexp.MustCompile(`name="(state|code)" value="([^"]*)"`)

// send goes to the provider and returns the form that its page posts to us.
func (c *company) send(t *testing.T, p *person) url.Values {
	t.Helper()
	p.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != "example.com" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	r, err := http.NewRequest("POST", exampleOrigin+"/openid/start", strings.NewReader("next=%2Fcart"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := p.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	res, err = http.Get(res.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	res, err = http.PostForm(c.Issuer()+"/login", url.Values{"id": {res.Request.URL.Query().Get("id")}, "user": {"alice"}, "password": {"wonder"}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	form := make(url.Values)
	for _, m := range field.FindAllStringSubmatch(string(page), -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	if len(form) != 2 {
		t.Fatalf("no form to post: %s", page)
	}
	return form
}

// comeBack posts the form as a browser does: from another site, with the cookie
// that is SameSite=None and no other.
func (c *company) comeBack(p *person, form url.Values) (status int, to string) {
	r := httptest.NewRequest("POST", exampleOrigin+"/openid/callback", strings.NewReader(form.Encode()))
	for name, value := range map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Origin": c.Issuer(),
		"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
	} {
		r.Header.Set(name, value)
	}
	for _, kept := range p.Jar.Cookies(r.URL) {
		if kept.Name == "__Host-Http-trip" {
			r.AddCookie(kept)
		}
	}
	w := httptest.NewRecorder()
	c.shop.routes().ServeHTTP(w, r)
	p.Jar.SetCookies(r.URL, w.Result().Cookies())
	return w.Code, w.Header().Get("Location")
}

// The cart comes along to the provider and back; an answer is good once, and in
// the browser that asked for it.
func TestOpenID(t *testing.T) {
	c := newCompany(t)
	p, stranger := c.shop.newPerson(t), c.shop.newPerson(t)
	p.post("/cart", "goods", "Hat")
	form := c.send(t, p)
	c.send(t, stranger)
	_, to := c.comeBack(stranger, form)
	see(stranger, "400 /openid/done", "not begun here")(stranger.get(to))
	status, to := c.comeBack(p, form)
	if status != http.StatusSeeOther || to != "/openid/done?next=%2Fcart" {
		t.Fatalf("got %d to %q", status, to)
	}
	see(p, "200 /cart", "alice", "1 × Hat", "Welcome!")(p.get(to))
	_, to = c.comeBack(p, form) // once more: alice is signed in, and hears of no failure
	see(p, "200 /", "alice")(p.get(to))
	see(p, "200 /account", "Your company calls you")(p.get("/account"))
}

// The provider ends a session there, and the one that came from it ends here, also
// after its token has changed. Another of the same user stays.
func TestBackChannelLogout(t *testing.T) {
	c := newCompany(t)
	p, other := c.shop.newPerson(t), c.shop.newPerson(t)
	c.comeBack(p, c.send(t, p))
	sids := c.Sessions("alice")
	c.comeBack(other, c.send(t, other))
	p.Session(t, c.shop.sessions, func(s *coatcheck.Session) { s.Renew() })
	if err := c.End(t.Context(), sids[0]); err != nil {
		t.Fatal(err)
	}
	see(p, "200 /signin?next=%2Forders")(p.get("/orders"))
	see(other, "200 /orders", "alice")(other.get("/orders"))

	forged, err := http.NewRequest("POST", exampleOrigin+"/openid/logout", strings.NewReader("logout_token=x.y.z"))
	if err != nil {
		t.Fatal(err)
	}
	forged.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := p.Do(forged)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("a forged token: got %d, want 400", res.StatusCode)
	}
}

// Of ten requests that find the access token expired one refreshes it.
func TestRefresh(t *testing.T) {
	c := newCompany(t)
	p := c.shop.newPerson(t)
	c.comeBack(p, c.send(t, p))
	p.Session(t, c.shop.sessions, func(s *coatcheck.Session) {
		granted.Update(s, func(g grant) grant { g.Expires = time.Now().Add(-time.Minute); return g })
	})
	var pages sync.WaitGroup
	for range 10 {
		pages.Go(func() {
			at, page := p.get("/account")
			if at != "200 /account" || !strings.Contains(page, `<strong id="provider">alice</strong>`) {
				t.Error(fmt.Sprint(at, page))
			}
		})
	}
	pages.Wait()
	if n := c.refresh.Load(); n != 1 {
		t.Errorf("the token was refreshed %d times, want once", n)
	}
}
