package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
)

// newTestShop is the application as main makes it, on SQLite.
func newTestShop(t *testing.T, ctx context.Context, c config) *shop {
	t.Helper()
	c.log = slog.New(slog.DiscardHandler)
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	db, err := openDatabase(ctx, filepath.Join(t.TempDir(), "shop.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.close)
	s, err := newShop(ctx, c, db, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A person has a browser, and looks at pages.
type person struct {
	*coatchecktest.Browser
	t     *testing.T
	agent string // of the browser
}

const exampleOrigin = "https://example.com" // of coatchecktest.NewHandlerBrowser

func (s *shop) newPerson(t *testing.T) *person {
	return &person{Browser: coatchecktest.NewHandlerBrowser(s.routes()), t: t}
}

// send makes a request as a page does, and returns where it led and what is shown
// there.
func (p *person) send(method, path string, form url.Values) (at, page string) {
	p.t.Helper()
	r, err := http.NewRequest(method, exampleOrigin+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("User-Agent", p.agent)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", exampleOrigin)
		r.Header.Set("Referer", exampleOrigin+"/cart")
	}
	res, err := p.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprint(res.StatusCode, " ", strings.TrimPrefix(res.Request.URL.String(), exampleOrigin)), string(body)
}

func (p *person) get(path string) (at, page string) { p.t.Helper(); return p.send("GET", path, nil) }

// post sends a form of names and values by turns.
func (p *person) post(path string, fields ...string) (at, page string) {
	p.t.Helper()
	form := make(url.Values)
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return p.send("POST", path, form)
}

func (p *person) register(name string) {
	p.t.Helper()
	if at, page := p.post("/register", "login", name, "password", "correct horse"); at != "200 /" || !strings.Contains(page, "Welcome!") {
		p.t.Fatalf("register: at %s: %s", at, page)
	}
}

// see fails the test unless the place, and each text on the page, is as wanted.
func (p *person) see(at, page, wantAt string, texts ...string) {
	p.t.Helper()
	if at != wantAt {
		p.t.Errorf("at %s, want %s", at, wantAt)
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			p.t.Errorf("%s does not show %q:\n%s", at, text, page)
		}
	}
}

func see(p *person, wantAt string, texts ...string) func(at, page string) {
	return func(at, page string) { p.t.Helper(); p.see(at, page, wantAt, texts...) }
}

// A visitor's cart comes along through signing in, and nothing stays after signing
// out. Whoever guesses learns nothing.
func TestSignIn(t *testing.T) {
	s := newTestShop(t, t.Context(), config{origin: exampleOrigin})
	p := s.newPerson(t)
	see(p, "200 /", "Hat is in your cart.", "Cart (1)")(p.post("/cart", "goods", "Hat"))
	see(p, "400 /cart")(p.post("/cart", "goods", "Elephant"))
	p.register("carol")
	see(p, "200 /cart", "1 × Hat")(p.get("/cart"))
	see(p, "200 /", "You are signed out.", "Cart (0)", "Sign in")(p.post("/signout"))
	for _, name := range []string{"carol", "nobody"} {
		see(p, "200 /signin?next=%2Forders", "do not fit")(p.post("/signin", "login", name, "password", "wrong", "next", "/orders"))
	}
	see(p, "200 /orders", "carol")(p.post("/signin", "login", "carol", "password", "correct horse", "next", "/orders"))
	see(p, "200 /")(p.post("/signin", "login", "carol", "password", "correct horse", "next", "//evil.example/"))
	see(p, "200 /signin?next=", "taken", `value="carol"`)(p.post("/register", "login", "carol", "password", "correct horse"))
}

// Two clicks are one order; what goes into the cart meanwhile is for the next.
func TestCheckout(t *testing.T) {
	s := newTestShop(t, t.Context(), config{origin: exampleOrigin})
	p := s.newPerson(t)
	p.post("/cart", "goods", "Hat")
	see(p, "200 /signin?next=%2Fcart")(p.post("/checkout"))
	p.register("carol")
	see(p, "200 /orders", "Thank you!", "1 × Hat")(p.post("/checkout"))
	see(p, "200 /", "Your cart is empty.")(p.post("/checkout"))
	for range 2 {
		if err := s.db.place(t.Context(), userOf(t, p, s), "the same", "1 × Coat"); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.db.purchases(t.Context(), userOf(t, p, s)); err != nil || len(list) != 2 {
		t.Errorf("%d orders (%v), want 2", len(list), err)
	}

	order := add(map[string]int{"Coat": 2, "Hat": 1})(basket{})
	took := takeOut(order)
	rest := took(add(map[string]int{"Hat": 1})(order))
	if rest.String() != "1 × Hat" || rest.Total() != 3900 || rest.Name == order.Name || rest.Name == "" {
		t.Errorf("what is left is %q for %d", rest, rest.Total())
	}
	if again := took(rest); again.String() != "1 × Hat" {
		t.Errorf("after a second click %q", again)
	}
}

func userOf(t *testing.T, p *person, s *shop) (user string) {
	t.Helper()
	p.Session(t, s.sessions, func(sess *coatcheck.Session) { user = sess.User() })
	return user
}

// Whoever has a passkey shows it before each payment, and for one payment only.
func TestStepUp(t *testing.T) {
	s := newTestShop(t, t.Context(), config{origin: exampleOrigin})
	p := s.newPerson(t)
	p.register("carol")
	if err := s.db.keepPasskey(t.Context(), userOf(t, p, s), &webauthn.Credential{ID: []byte("key")}); err != nil {
		t.Fatal(err)
	}
	p.post("/cart", "goods", "Hat")
	see(p, "200 /confirm?next=%2Fcart", "Show my passkey")(p.post("/checkout"))
	see(p, "200 /cart")(p.post("/confirm", "password", "correct horse", "next", "/cart"))
	see(p, "200 /confirm?next=%2Fcart")(p.post("/checkout")) // a password is not a passkey

	see(p, "409 /confirm/finish", "begin again")(p.post("/confirm/finish"))
	see(p, "200 /confirm/begin", "challenge")(p.post("/confirm/begin"))
	see(p, "403 /confirm/finish")(p.post("/confirm/finish", "not", "an answer"))
	see(p, "409 /confirm/finish")(p.post("/confirm/finish")) // a challenge is good once

	p.Session(t, s.sessions, func(sess *coatcheck.Session) { confirmed.SetFor(sess, true, confirmedFor) })
	see(p, "200 /orders", "Thank you!")(p.post("/checkout"))
	p.post("/cart", "goods", "Hat")
	see(p, "200 /confirm?next=%2Fcart")(p.post("/checkout"))
}

// The account asks who it is after five minutes; a session lasts twelve hours, or
// as long as it was asked to.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := newTestShop(t, ctx, config{origin: exampleOrigin})
		p, remembered := s.newPerson(t), s.newPerson(t)
		p.register("carol")
		remembered.post("/signin", "login", "carol", "password", "correct horse", "remember", "on")
		see(p, "200 /account", "New password")(p.get("/account"))
		time.Sleep(freshFor + time.Second)
		see(p, "200 /confirm?next=%2Faccount", "Is it you?")(p.get("/account"))
		see(p, "200 /confirm?next=%2Fcart", "Is it you?")(p.post("/account/password", "password", "another one"))
		see(p, "200 /confirm?next=%2Faccount", "does not fit")(p.post("/confirm", "password", "wrong", "next", "/account"))
		see(p, "200 /account")(p.post("/confirm", "password", "correct horse", "next", "/account"))
		time.Sleep(13 * time.Hour)
		see(p, "200 /signin?next=%2Forders")(p.get("/orders"))
		for range 3 {
			see(remembered, "200 /orders", "carol")(remembered.get("/orders"))
			time.Sleep(rememberFor - time.Hour)
		}
		see(remembered, "200 /orders", "carol")(remembered.get("/orders"))
		time.Sleep(rememberFor * 3 / 2)
		see(remembered, "200 /signin?next=%2Forders")(remembered.get("/orders"))
	})
}

// A new password, and the list of devices, end what is elsewhere.
func TestDevices(t *testing.T) {
	s := newTestShop(t, t.Context(), config{origin: exampleOrigin})
	one, two, three := s.newPerson(t), s.newPerson(t), s.newPerson(t)
	one.register("carol")
	two.agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
	three.agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	signIn := func(p *person) {
		t.Helper()
		see(p, "200 /")(p.post("/signin", "login", "carol", "password", "correct horse"))
	}
	signIn(two)
	signIn(three)
	list, err := s.sessions.Sessions(t.Context(), userOf(t, one, s))
	if err != nil || len(list) != 3 {
		t.Fatalf("%d sessions (%v), want 3", len(list), err)
	}
	see(one, "200 /devices", "Safari 18.5 on iOS 18.5", "Firefox 140.0 on Linux")(one.get("/devices"))
	see(one, "400 /devices/name")(one.post("/devices/name", "name", "\x00"))
	see(one, "200 /devices", "This device", list[1].Handle, "<strong>kitchen tablet</strong>")(one.post("/devices/name", "name", "kitchen tablet"))
	see(one, "200 /devices", "Signed out there.")(one.post("/devices/end", "handle", list[1].Handle)) // two's
	see(two, "200 /signin?next=%2Forders")(two.get("/orders"))
	see(three, "200 /orders")(three.get("/orders"))
	see(one, "200 /account", "changed")(one.post("/account/password", "password", "another horse"))
	see(three, "200 /signin?next=%2Forders")(three.get("/orders"))
	see(one, "200 /orders", "carol")(one.get("/orders"))
	see(three, "200 /signin?next=", "do not fit")(three.post("/signin", "login", "carol", "password", "correct horse"))
}

// A notice comes when the job has packed the order, and the websocket ends with
// the session.
func TestNotices(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := newTestShop(t, ctx, config{origin: exampleOrigin})
	p := s.newPerson(t)
	p.register("carol")
	server := httptest.NewServer(s.routes())
	defer server.Close()
	go s.work(ctx)

	header := make(http.Header)
	for _, c := range p.Jar.Cookies(&url.URL{Scheme: "https", Host: "example.com", Path: "/"}) {
		header.Add("Cookie", c.Name+"="+c.Value)
	}
	conn, _, err := websocket.Dial(ctx, server.URL+"/notices", &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	p.post("/cart", "goods", "Scarf")
	p.post("/checkout")
	_, said, err := conn.Read(ctx)
	if err != nil || string(said) != "Packed: 1 × Scarf" {
		t.Errorf("got %q, %v", said, err)
	}
	if _, err := s.sessions.RevokeAll(ctx, userOf(t, p, s)); err != nil {
		t.Fatal(err)
	}
	_, _, err = conn.Read(ctx)
	if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("got %v, want the end of the session", err)
	}
	if _, res, err := websocket.Dial(ctx, server.URL+"/notices", &websocket.DialOptions{HTTPHeader: header}); err == nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("with the dead cookie: got %v", err)
	}
}

// The partner's pages may call the API and read the answers, 401 too; others not.
func TestAPI(t *testing.T) {
	const partner = "https://partner.example.com"
	s := newTestShop(t, t.Context(), config{origin: exampleOrigin, partner: partner})
	p := s.newPerson(t)
	call := func(method, origin, body string) (int, string, string) {
		t.Helper()
		r, err := http.NewRequest(method, exampleOrigin+"/api/cart", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		if method == "OPTIONS" {
			r.Header.Set("Access-Control-Request-Method", "POST")
			r.Header.Set("Access-Control-Request-Headers", "content-type")
		}
		res, err := p.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		said, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header.Get("Access-Control-Allow-Origin"), strings.TrimSpace(string(said))
	}
	if status, allowed, _ := call("GET", partner, ""); status != 401 || allowed != partner {
		t.Errorf("nobody: got %d for %q", status, allowed)
	}
	p.register("carol")
	if status, allowed, _ := call("OPTIONS", partner, ""); status != 200 || allowed != partner {
		t.Errorf("preflight: got %d for %q", status, allowed)
	}
	if status, allowed, said := call("POST", partner, `{"Hat": 2}`); status != 200 || allowed != partner || said != `{"Hat":2}` {
		t.Errorf("got %d for %q: %s", status, allowed, said)
	}
	if status, allowed, _ := call("GET", "https://evil.example", ""); allowed != "" {
		t.Errorf("a stranger: got %d for %q", status, allowed)
	}
	if status, _, _ := call("POST", "https://evil.example", `{"Coat": 1}`); status != 403 {
		t.Errorf("a stranger's write: got %d, want 403", status)
	}
	if status, _, said := call("GET", partner, ""); status != 200 || said != `{"Hat":2}` {
		t.Errorf("got %d: %s", status, said)
	}
}

// Without its database the shop lives, is not ready, and tells nobody that they
// are signed out.
func TestHealth(t *testing.T) {
	s := newTestShop(t, t.Context(), config{origin: exampleOrigin})
	p := s.newPerson(t)
	p.register("carol")
	see(p, "200 /livez")(p.get("/livez"))
	see(p, "200 /readyz")(p.get("/readyz"))
	s.db.close()
	see(p, "200 /livez")(p.get("/livez"))
	see(p, "503 /readyz")(p.get("/readyz"))
	see(p, "503 /orders")(p.get("/orders"))
	see(p, "200 /static/shop.css")(p.get("/static/shop.css"))
}
