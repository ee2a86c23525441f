package main

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/examples/internal/openid"
	"github.com/coatcheck/coatcheck/examples/internal/openid/openidtest"
	"github.com/coatcheck/coatcheck/memstore"
)

// A world is the application, the provider, and what the application sent and
// said.
type world struct {
	t      *testing.T
	site   string
	p      *openid.Provider
	app    *app
	client *http.Client // without a jar
	outbox string
}

func begin(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, outbox: t.TempDir()}
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	w.site = "https://" + server.Listener.Addr().String()
	w.p, w.client = openidtest.Start(t, openid.Config{
		Users: map[string]string{"alice": "wonder"},
		Clients: []openid.Client{
			{ID: "oidc", Secret: "s3cret", Redirects: []string{w.site + "/callback"}, LoggedOut: []string{w.site + "/"}, BackChannel: w.site + "/ended"},
			{ID: "another", Secret: "s3cret"},
		},
	})
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	w.app, err = newApp(t.Context(), settings{
		site: w.site, issuer: w.p.Issuer(), client: "oidc", secret: "s3cret", keys: keys, http: w.client,
		send: func(m letter) error { return post(w.outbox, m) },
	}, memstore.New(memstore.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = w.app.handler()
	server.StartTLS()
	return w
}

// A browser here knows no sites: what browsers withhold is tested in three of
// them, in e2e.
type browser struct {
	*world
	http.Client
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, http.Client{Transport: w.client.Transport, Jar: jar, Timeout: time.Minute}}
}

func (b *browser) do(method, url string, form url.Values, headers ...string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, url, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res, string(body)
}

// login goes to the provider, types the password if it is asked for, and returns
// what the provider's answer leads to.
func (b *browser) login(by string) (*http.Response, string) {
	b.t.Helper()
	res, body := b.do("POST", b.site+"/login", url.Values{"by": {by}})
	if id := res.Request.URL.Query().Get("id"); res.Request.URL.Path == "/login" && id != "" {
		res, body = b.do("POST", b.p.Issuer()+"/login", url.Values{"id": {id}, "user": {"alice"}, "password": {"wonder"}})
	}
	return res, body
}

var field = regexp.MustCompile(`name="(state|code)" value="([^"]*)"`)

// fields are those of the form that the provider's page posts by itself.
func fields(page string) url.Values {
	form := url.Values{}
	for _, f := range field.FindAllStringSubmatch(page, -1) {
		form.Set(f[1], html.UnescapeString(f[2]))
	}
	return form
}

// is checks who the home page says this is, and how much is in the cart.
func (b *browser) is(what, user, things string) {
	b.t.Helper()
	_, body := b.do("GET", b.site+"/", nil)
	if want := `data-user="` + user + `" data-cart="` + things + `"`; !strings.Contains(body, want) {
		b.t.Errorf("%s: want %s in %s", what, want, body)
	}
}

// The code flow: the state is in the session, good once and for this browser; a
// second tab does not disturb it, and what was kept before the login stays.
func TestCodeFlow(t *testing.T) {
	t.Parallel()
	w := begin(t)
	b := w.browser()
	b.do("POST", b.site+"/keep", url.Values{"item": {"tea"}})
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.do("POST", b.site+"/login", url.Values{}) // in another tab, which is left alone
	b.CheckRedirect = nil
	if res, body := b.login(""); res.Request.URL.String() != b.site+"/" {
		t.Fatalf("after the login at %v: %s", res.Request.URL, body)
	}
	b.is("after the login", "alice", "1")

	var back string
	b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/callback" && strings.HasPrefix(r.URL.String(), b.site) {
			back = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	b.login("")
	if res, _ := w.browser().do("GET", back, nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("the way back in another browser: got %d, want 403", res.StatusCode)
	}
	b.CheckRedirect = nil
	if res, _ := b.do("GET", back, nil); res.StatusCode != http.StatusOK {
		t.Errorf("the way back: got %d", res.StatusCode)
	}
	if res, _ := b.do("GET", back, nil); res.StatusCode != http.StatusOK || res.Request.URL.String() != b.site+"/" {
		t.Errorf("the way back once more: got %d at %v, want home: alice is logged in", res.StatusCode, res.Request.URL)
	}
	b.is("after the way back once more", "alice", "1")
	nobody := w.browser()
	if res, _ := nobody.do("GET", back, nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("the way back of another: got %d, want 403", res.StatusCode)
	}
	for _, state := range []string{"", "x", "\x00\xff", strings.Repeat("A", 26), strings.Repeat("A", 5000)} {
		if res, _ := nobody.do("GET", b.site+"/callback?"+url.Values{"state": {state}, "code": {"x"}}.Encode(), nil); res.StatusCode != http.StatusForbidden {
			t.Errorf("the state %.10q: got %d, want 403", state, res.StatusCode)
		}
	}
}

// form_post, as a browser sends it: without the session's cookie and its marker.
// The page that posts it once more brings them, so that the cart stays.
func TestFormPost(t *testing.T) {
	t.Parallel()
	w := begin(t)
	b := w.browser()
	b.do("POST", b.site+"/keep", url.Values{"item": {"tea"}})
	_, page := b.login("form_post")
	form := fields(page)
	if len(form) != 2 {
		t.Fatalf("no form of the provider's: %s", page)
	}
	site, err := url.Parse(w.site)
	if err != nil {
		t.Fatal(err)
	}
	bare := w.browser() // what the browser sends from another site
	for _, c := range b.Jar.Cookies(site) {
		if c.Name == "__Host-begun" {
			bare.Jar.SetCookies(site, []*http.Cookie{{Name: c.Name, Value: c.Value, Secure: true, Path: "/"}})
		}
	}
	cross := []string{"Origin", w.p.Issuer(), "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	if res, _ := bare.do("POST", b.site+"/callback", form, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); res.StatusCode != http.StatusForbidden {
		t.Errorf("from any site: got %d, want 403", res.StatusCode)
	}
	if res, _ := bare.do("POST", b.site+"/callback", url.Values{"state": {"x"}, "code": form["code"], "again": {"1"}}, cross...); res.StatusCode != http.StatusForbidden {
		t.Errorf("with another state: got %d, want 403", res.StatusCode)
	}
	ownPage := []string{"Origin", b.site, "Sec-Fetch-Site", "same-origin"}
	twice := url.Values{"state": form["state"], "code": form["code"], "again": {"1"}}
	for _, from := range [][]string{cross, ownPage} {
		if res, _ := w.browser().do("POST", b.site+"/callback", twice, from...); res.StatusCode != http.StatusForbidden {
			t.Errorf("in another browser: got %d, want 403", res.StatusCode)
		}
	}
	res, page := bare.do("POST", b.site+"/callback", form, cross...)
	again := fields(page)
	if res.StatusCode != http.StatusOK || !strings.Contains(page, `name=again`) || again.Encode() != form.Encode() {
		t.Fatalf("no page that posts it once more: %d %s", res.StatusCode, page)
	}
	again.Set("again", "1")
	for _, what := range []string{"after the login", "after Back, and the form once more"} {
		if res, body := b.do("POST", b.site+"/callback", again, ownPage...); res.StatusCode != http.StatusOK || res.Request.URL.String() != b.site+"/" {
			t.Fatalf("%s: %d %s", what, res.StatusCode, body)
		}
		b.is(what, "alice", "1")
	}

	// A browser that withholds the cookies all the same is logged in, once.
	other := w.browser()
	_, page = other.login("form_post")
	form = fields(page)
	form.Set("again", "1")
	if res, body := other.do("POST", b.site+"/callback", form, cross...); res.Request.URL.String() != b.site+"/" {
		t.Fatalf("withheld twice: %d %s", res.StatusCode, body)
	}
	other.is("withheld twice", "alice", "0")
}

// A logout token of the provider ends the sessions that this login of the
// provider's began, days and renewals later; no other token does.
func TestLogoutToken(t *testing.T) {
	t.Parallel()
	w := begin(t)
	b, other, visitor := w.browser(), w.browser(), w.browser()
	b.login("")
	other.login("")
	visitor.do("POST", visitor.site+"/keep", url.Values{"item": {"tea"}})
	sids := w.p.Sessions("alice")
	if len(sids) != 2 {
		t.Fatalf("the provider has %d sessions of alice, want 2", len(sids))
	}
	sid := sids[0]
	if w.labelled(sid) != 1 || w.labelled(sids[1]) != 1 {
		t.Fatalf("%d and %d sessions have the labels of the provider's, want one each", w.labelled(sid), w.labelled(sids[1]))
	}
	tell := func(token string) int {
		res, _ := w.browser().do("POST", w.site+"/ended", url.Values{"logout_token": {token}})
		return res.StatusCode
	}
	sign := func(client, user, sid string) string {
		token, err := w.p.LogoutToken(client, user, sid)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := sign("oidc", "alice", sid)
	for name, token := range map[string]string{
		"none":                  "",
		"no token":              "x",
		"for another client":    sign("another", "alice", sid),
		"neither sub nor sid":   sign("oidc", "", ""),
		"with another payload":  strings.Join([]string{strings.Split(good, ".")[0], strings.Split(sign("oidc", "alice", sids[1]), ".")[1], strings.Split(good, ".")[2]}, "."),
		"an ID token":           w.idToken(b),
		"of another provider's": foreign(t),
	} {
		if status := tell(token); status != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", name, status)
		}
	}
	if n := len(w.live()); n != 2 {
		t.Fatalf("%d sessions of alice live after tokens that are none, want 2", n)
	}
	if status := tell(sign("oidc", "alice", "another sid")); status != http.StatusOK || len(w.live()) != 2 {
		t.Errorf("a sid we do not know: got %d and %d sessions, want 200 and 2", status, len(w.live()))
	}
	if status := tell(good); status != http.StatusOK || w.labelled(sid) != 0 || w.labelled(sids[1]) != 1 {
		t.Errorf("the sid: got %d, %d sessions of it and %d of the other; want 200, 0 and 1", status, w.labelled(sid), w.labelled(sids[1]))
	}
	if status := tell(sign("oidc", "", sids[1])); status != http.StatusOK || len(w.live()) != 0 {
		t.Errorf("a sid without a user: got %d and %d sessions, want 200 and none", status, len(w.live()))
	}
	b.is("after the logout token", "", "0")
	visitor.is("who was never logged in", "", "1")

	// The provider itself: its own logout tells us, and so does ours. Whoever was
	// logged out logs in again at once, in the same browser.
	b.login("")
	b.is("logged in again", "alice", "0")
	for _, sid := range w.p.Sessions("alice") {
		if err := w.p.End(t.Context(), sid); err != nil {
			t.Fatal(err)
		}
	}
	b.is("after a logout at the provider", "", "0")
	c := w.browser()
	c.login("")
	c.is("logged in again", "alice", "0")
	if res, body := c.do("POST", c.site+"/logout", nil); res.Request.URL.String() != c.site+"/" || len(w.p.Sessions("alice")) != 0 {
		t.Errorf("our logout ended at %v, the provider has %d sessions: %s", res.Request.URL, len(w.p.Sessions("alice")), body)
	}
	// Without a sid all that the user has.
	w.browser().login("")
	w.browser().login("")
	if n := len(w.live()); n != 2 {
		t.Errorf("%d sessions of alice, want 2", n)
	}
	if status := tell(sign("oidc", "alice", "")); status != http.StatusOK || len(w.live()) != 0 {
		t.Errorf("the user: got %d and %d sessions, want 200 and none", status, len(w.live()))
	}
}

func (w *world) live() []coatcheck.Info {
	w.t.Helper()
	list, err := w.app.sessions.Sessions(context.Background(), "alice")
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) labelled(sid string) (n int) {
	w.t.Helper()
	for _, info := range w.live() {
		if info.Labels[byProvider] == sid {
			n++
		}
	}
	return n
}

// idToken is a token of the same provider for the same client, and no logout token.
func (w *world) idToken(b *browser) string {
	b.t.Helper()
	var raw string
	r := httptest.NewRequest("GET", b.site+"/", nil)
	site, err := url.Parse(b.site)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(site) {
		r.AddCookie(c)
	}
	w.app.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ = idToken.Get(coatcheck.From(r.Context()))
	})).ServeHTTP(httptest.NewRecorder(), r)
	if _, err := w.app.tokens.Verify(oidc.ClientContext(b.t.Context(), w.client), raw); err != nil {
		b.t.Fatalf("no ID token in the session: %v", err)
	}
	return raw
}

// foreign is a good logout token of a provider that is not ours.
func foreign(t *testing.T) string {
	t.Helper()
	p, _ := openidtest.Start(t, openid.Config{})
	token, err := p.LogoutToken("oidc", "alice", "sid")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// A link in a mail logs in once, whatever opens it before, and in whatever browser.
func TestMailLink(t *testing.T) {
	t.Parallel()
	w := begin(t)
	b := w.browser()
	b.do("POST", b.site+"/keep", url.Values{"item": {"tea"}})
	b.do("POST", b.site+"/mail", url.Values{"address": {"Bob <bob@example.org>"}})
	link := w.letter()
	w.browser().do("GET", link, nil) // what looks through mails
	if _, page := b.do("GET", link, nil); !strings.Contains(page, "<button>Log in") {
		t.Fatalf("no button: %s", page)
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	token := url.Values{"token": u.Query()["token"]}
	if res, _ := b.do("POST", b.site+"/in", token); res.StatusCode != http.StatusOK {
		t.Errorf("the button: got %d", res.StatusCode)
	}
	b.is("after the link", "mail:bob@example.org", "1")
	if res, _ := w.browser().do("POST", b.site+"/in", token); res.StatusCode != http.StatusForbidden {
		t.Errorf("the same link again: got %d, want 403", res.StatusCode)
	}
	if res, _ := b.do("POST", b.site+"/mail", url.Values{"address": {"bob@example.org\r\nBcc: eve@example.org"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("an address with a header: got %d, want 403", res.StatusCode)
	}
}

var inMail = regexp.MustCompile(`https://\S+`)

func (w *world) letter() string {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.outbox, "*.eml"))
	if err != nil || len(names) != 1 {
		w.t.Fatalf("%d mails: %v", len(names), err)
	}
	text, err := os.ReadFile(names[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return inMail.FindString(string(text))
}
