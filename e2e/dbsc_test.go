package e2e_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// Chromium binds a session to a key where both features are on, of which the second
// stands in for hardware, and the certificate is one that it trusts.
var bindingFeatures = chromedp.Flag("enable-features", "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting")

var bindingEngine = &engine{name: "Chromium that binds", needs: chromiumEngine.needs, launch: func(programs map[string]string) (driver, error) {
	return startChromium(programs, "binding", bindingFeatures)
}}

const (
	boundName = "__Host-sid-bound"
	shortLife = 3 * time.Second // of a bound cookie: it is proven anew at each visit
)

// A breakable store can be taken away.
type breakable struct {
	store.Store
	away atomic.Bool
}

func (b *breakable) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if b.away.Load() {
		return store.Record{}, errors.New("the store is away")
	}
	return b.Store.Load(ctx, id)
}

// A boundSite is the application with bound sessions.
type boundSite struct {
	*site
	store  *breakable
	cfg    coatcheck.Config
	life   time.Duration
	answer atomic.Int32 // to refreshes, in place of ours; 0 = ours
	fails  atomic.Bool  // at registrations
}

func serveBound(t *testing.T, cfg coatcheck.Config, life time.Duration) *boundSite {
	t.Helper()
	s := &boundSite{site: &site{t: t}, store: &breakable{Store: memstore.New(memstore.Config{})}, cfg: cfg, life: life}
	s.start()
	s.server()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("left out %q; events:", s.skips())
			for _, e := range s.events.All() {
				t.Log(e.Kind, e.Reason, e.Err)
			}
			t.Logf("requests:\n%s", s.dump())
		}
	})
	return s
}

// server begins the application: another time that is a restart, or another server.
func (s *boundSite) server() {
	s.t.Helper()
	cfg := s.cfg
	cfg.Events = s.events.Record
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		s.t.Fatal(err)
	}
	if s.m, err = coatcheck.New(s.store, keys, cfg); err != nil {
		s.t.Fatal(err)
	}
	bound, err := dbsc.New(s.m, dbsc.Config{MaxAge: s.life})
	if err != nil {
		s.t.Fatal(err)
	}
	pages := s.application()
	mux := http.NewServeMux()
	mux.HandleFunc("/dbsc/refresh", func(w http.ResponseWriter, r *http.Request) {
		if status := int(s.answer.Load()); status != 0 {
			w.WriteHeader(status)
			return
		}
		bound.ServeHTTP(w, r)
	})
	mux.HandleFunc("/dbsc/register", func(w http.ResponseWriter, r *http.Request) {
		if s.fails.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		bound.ServeHTTP(w, r)
	})
	mux.Handle("/dbsc/", bound)
	mux.Handle("/", pages)
	mux.Handle("/stepup", bound.RequireProof(pages))
	app := s.m.Handler(mux)
	s.handler.Store(&app)
}

// login opens a tab and logs it in, and waits until its session is bound and it has
// brought the bound cookie.
func (s *boundSite) login() *tab {
	s.t.Helper()
	b := bindingEngine.newTab(s.t)
	s.logIn(b)
	return b
}

func (s *boundSite) logIn(b *tab) {
	s.t.Helper()
	before := len(s.accepted("/dbsc/register"))
	b.open(s.app + "/login")
	b.shows(s.app+"/login", "alice")
	for end := time.Now().Add(patience); len(s.accepted("/dbsc/register")) == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("the browser did not register:\n%s", s.dump())
		}
	}
	b.open(s.app + "/private")
	b.shows(s.app+"/private", "alice")
	if list := s.seen("app.test", "/private"); list[len(list)-1].cookie(boundName) == "" {
		s.t.Fatalf("the bound cookie did not come:\n%s", s.dump())
	}
}

// accepted are the requests for a path that were answered 200.
func (s *boundSite) accepted(path string) (list []visit) {
	for _, v := range s.seen("app.test", path) {
		if v.status == http.StatusOK {
			list = append(list, v)
		}
	}
	return list
}

// skips are the reasons for which the browser left out a refresh, of all requests.
func (s *boundSite) skips() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.visits {
		if said := v.header.Get("Secure-Session-Skipped"); said != "" {
			list = append(list, v.uri+": "+said)
		}
	}
	return list
}

// forget drops the bound cookie, which the browser then proves the key for. Of a
// cookie with less than two minutes left it does so at each visit, and twice, which
// soon reaches its quota.
func (s *boundSite) forget(b *tab) {
	s.t.Helper()
	b.drop(s.app, boundName)
}

// expire waits for the end of a short cookie, here and there.
func (s *boundSite) expire() { time.Sleep(s.life + 500*time.Millisecond) }

// Bound after a login by a page or by a script; refreshed in one trip each time,
// with the challenge that came with the last cookie. The other browser notices
// nothing.
func TestBound(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 0)
	b := s.login()
	if n := len(s.seen("app.test", "/dbsc/register")); n != 1 {
		t.Errorf("%d registrations, want 1", n)
	}
	for range 2 {
		s.forget(b)
		b.open(s.app + "/private")
		b.shows(s.app+"/private", "alice")
	}
	for _, v := range s.seen("app.test", "/dbsc/refresh") {
		if v.status != http.StatusOK || v.header.Get("Secure-Session-Response") == "" {
			t.Errorf("a refresh of more than one trip: %v", v)
		}
	}
	if n := len(s.accepted("/dbsc/refresh")); n != 2 {
		t.Errorf("%d refreshes, want 2:\n%s", n, s.dump())
	}
	infos, err := s.m.Sessions(context.Background(), "alice")
	if err != nil || len(infos) != 1 || infos[0].Binding == nil || infos[0].Binding.Algorithm != "ES256" {
		t.Errorf("%+v, %v", infos, err)
	}
	if skips := s.skips(); len(skips) > 0 {
		t.Errorf("left out: %q", skips)
	}

	fetched := bindingEngine.newTab(t)
	fetched.open(s.app + "/static")
	before := len(s.accepted("/dbsc/register"))
	eval[bool](fetched, "fetch('/login', {method: 'POST'}).then(r => r.ok)")
	s.awaitAccepted("/dbsc/register", before+1)

	other := chromiumEngine.newTab(t)
	other.open(s.app + "/login")
	other.shows(s.app+"/login", "alice")
	other.open(s.app + "/private")
	other.shows(s.app+"/private", "alice")
}

func (s *boundSite) awaitAccepted(path string, n int) {
	s.t.Helper()
	for end := time.Now().Add(patience); len(s.accepted(path)) < n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%s: %d, want %d:\n%s", path, len(s.accepted(path)), n, s.dump())
		}
	}
}

// Eight requests at once, after the cookie's end, in two tabs: all are served.
func TestBoundAtOnce(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 0)
	one := s.login()
	two := one.another()
	two.open(s.app + "/static")
	for _, b := range []*tab{one, two} {
		s.forget(b)
		got := eval[[]int](b, "Promise.all([...Array(8).keys()].map(n => fetch('/private?' + n).then(r => r.status)))")
		for _, status := range got {
			if status != http.StatusOK {
				t.Errorf("%v; left out %q:\n%s", got, s.skips(), s.dump())
				break
			}
		}
	}
}

// A login again binds anew; the old binding's refresh is refused, and nobody is
// locked out.
func TestBoundLoginAgain(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 0)
	b := s.login()
	s.logIn(b)
	s.forget(b)
	b.open(s.app + "/private?again")
	b.shows(s.app+"/private?again", "alice")
	if n := len(s.accepted("/dbsc/refresh")); n == 0 {
		t.Errorf("no refresh")
	}
	if n := s.live(); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// After a logout nothing is bound, and nothing is refreshed for ever; the next login
// binds again.
func TestBoundLogout(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, shortLife)
	b := s.login()
	b.open(s.app + "/logout")
	b.shows(s.app+"/logout", "")
	s.expire()
	b.open(s.app + "/look")
	b.shows(s.app+"/look", "")
	before := len(s.seen("app.test", "/dbsc/refresh"))
	b.open(s.app + "/look?again")
	b.shows(s.app+"/look?again", "")
	if n := len(s.seen("app.test", "/dbsc/refresh")); n != before {
		t.Errorf("%d refreshes of nothing:\n%s", n-before, s.dump())
	}
	s.logIn(b)
}

// A link on another site, after the cookie's end: with Strict cookies the landing
// page leads on, with Lax ones our own page does, and the browser proves the key on
// the way.
func TestBoundLanding(t *testing.T) {
	t.Parallel()
	lax := coatcheck.Config{}
	lax.Cookie.SameSite = http.SameSiteLaxMode
	for name, cfg := range map[string]coatcheck.Config{
		"Strict": {Landing: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/in/") }}, "Lax": lax,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveBound(t, cfg, shortLife)
			b := s.login()
			b.open(s.page(s.evil, "<a id=go href='"+s.app+"/in/x?a=1#f'>go</a>"))
			b.until("document.querySelector('#go')")
			s.expire()
			b.click("#go")
			b.shows(s.app+"/in/x?a=1#f", "alice")
			if n := len(s.accepted("/dbsc/refresh")); n == 0 {
				t.Errorf("no refresh:\n%s", s.dump())
			}
		})
	}
}

// A page that wants a fresh proof gets one between the 307 and the page, and a form
// is posted again.
func TestBoundStepUp(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 10*time.Minute) // more than two minutes: no early refresh
	b := s.login()
	time.Sleep(2*time.Minute + time.Second)
	if got := eval[string](b, "fetch('/stepup', {method: 'POST', body: 'x=1'}).then(r => r.status + ' ' + r.redirected)"); got != "200 true" && got != "404 true" {
		t.Errorf("%s:\n%s", got, s.dump())
	}
	list := s.seen("app.test", "/stepup")
	if len(list) != 2 || list[0].status != http.StatusTemporaryRedirect || list[1].method != "POST" || !list[1].handled {
		t.Errorf("%v", list)
	}
	if n := len(s.accepted("/dbsc/refresh")); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

// The cookies of a real browser, in a second client: they open what they opened
// until the short one is over, and then nothing, whatever the thief does; the
// owner goes on.
func TestBoundStolen(t *testing.T) {
	t.Parallel()
	// More than the two minutes before its end in which the browser proves anew at
	// each visit, and so comes to its quota on a slow machine.
	s := serveBound(t, coatcheck.Config{}, 2*time.Minute+15*time.Second)
	b := s.login()
	stolen := b.cookies(s.app)
	if stolen[boundName].SameSite != "Strict" || !stolen[boundName].HTTPOnly || !stolen[boundName].Secure || stolen[boundName].Path != "/" {
		t.Errorf("%+v", stolen[boundName])
	}
	thief := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer thief.CloseIdleConnections()
	steal := func(method, path string, header http.Header) int {
		r, err := http.NewRequest(method, strings.Replace(s.app, "app.test", "127.0.0.1", 1)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = strings.TrimPrefix(s.app, "https://")
		if header != nil {
			r.Header = header
		}
		for name, c := range stolen {
			r.AddCookie(&http.Cookie{Name: name, Value: c.Value})
		}
		resp, err := thief.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp.StatusCode
	}
	s.expire()
	if got := steal("GET", "/private", nil); got != http.StatusUnauthorized {
		t.Errorf("the pair, after the bound cookie's life: %d, want 401", got)
	}
	refresh := s.accepted("/dbsc/refresh")
	id := ""
	if infos := s.await("/dbsc/register", 1); len(infos) > 0 && len(refresh) > 0 {
		id = refresh[0].header.Get("Sec-Secure-Session-Id")
	}
	b.open(s.app + "/private")
	b.shows(s.app+"/private", "alice")
	if id == "" {
		id = s.await("/dbsc/refresh", 1)[0].header.Get("Sec-Secure-Session-Id")
	}
	seen := s.await("/dbsc/refresh", 1)[0].header.Get("Secure-Session-Response")
	if got := steal("POST", "/dbsc/refresh", http.Header{"Sec-Secure-Session-Id": {id}}); got != http.StatusForbidden {
		t.Errorf("a refresh without a proof: %d, want 403", got)
	}
	if got := steal("POST", "/dbsc/refresh", http.Header{"Sec-Secure-Session-Id": {id}, "Secure-Session-Response": {seen[:len(seen)-4] + "AAAA"}}); got != http.StatusForbidden {
		t.Errorf("a refresh with a forged proof: %d, want 403", got)
	}
	s.expire()
	if got := steal("GET", "/private", nil); got != http.StatusUnauthorized {
		t.Errorf("afterwards: %d, want 401", got)
	}
	b.open(s.app + "/private?again")
	b.shows(s.app+"/private?again", "alice")
}

// Ten visits within seconds do not reach the browser's quota.
func TestBoundQuota(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 0)
	b := s.login()
	for n := range 10 {
		url := fmt.Sprint(s.app, "/private?", n)
		b.open(url)
		b.shows(url, "alice")
	}
	if n, skips := len(s.seen("app.test", "/dbsc/refresh")), s.skips(); n > 0 || len(skips) > 0 {
		t.Errorf("%d refreshes; left out %q", n, skips)
	}
}

// While the store is away the browser keeps its binding, says what it left out, is
// answered 503, and goes on when the store is back.
func TestBoundOutage(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, shortLife)
	b := s.login()
	s.expire()
	s.store.away.Store(true)
	b.open(s.app + "/private?away")
	list := s.await("/private", 2)
	if v := list[len(list)-1]; v.status != http.StatusServiceUnavailable || !strings.HasPrefix(v.header.Get("Secure-Session-Skipped"), "server_error") {
		t.Errorf("%v, left out %q", v, s.skips())
	}
	s.store.away.Store(false)
	b.open(s.app + "/private?back")
	b.shows(s.app+"/private?back", "alice")

	// A refresh alone that failed, as at a proxy: the session is there and cannot be
	// shown, and that is no logout either. In a jar of its own, for the quota.
	b = s.login()
	list = s.await("/private", 1)
	s.expire()
	s.answer.Store(http.StatusServiceUnavailable)
	b.open(s.app + "/private?503")
	list = s.await("/private", len(list)+1)
	if v := list[len(list)-1]; v.status != http.StatusServiceUnavailable {
		t.Errorf("%v", v)
	}
	b.open(s.app + "/look?503") // a page for everybody
	b.shows(s.app+"/look?503", "")
	s.answer.Store(0)
	b.open(s.app + "/private?again")
	b.shows(s.app+"/private?again", "alice")
	if s.events.Count(coatcheck.Skipped) == 0 {
		t.Error("no event")
	}
}

// A registration that failed is not tried again by the browser, but offered again by
// a page that it opens.
func TestBoundOfferedAgain(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 0)
	b := bindingEngine.newTab(t)
	s.fails.Store(true)
	b.open(s.app + "/login")
	b.shows(s.app+"/login", "alice")
	s.await("/dbsc/register", 1)
	s.fails.Store(false)
	time.Sleep(16 * time.Second)
	b.open(s.app + "/private")
	b.shows(s.app+"/private", "alice")
	s.awaitAccepted("/dbsc/register", 1)
	s.forget(b)
	b.open(s.app + "/private?bound")
	b.shows(s.app+"/private?bound", "alice")
	if len(s.accepted("/dbsc/refresh")) == 0 {
		t.Errorf("no refresh:\n%s", s.dump())
	}
}

// A browser that cannot prove its key for now can log in, and is bound anew.
func TestBoundLoginInAnOutage(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, shortLife)
	b := s.login()
	s.expire()
	s.answer.Store(http.StatusServiceUnavailable)
	s.logIn(b)
	if n := s.live(); n != 1 {
		t.Errorf("%d sessions, want the new one alone", n)
	}
	s.answer.Store(0)
}

// What ends a binding for good in Chromium: too many, a redirect, a second 403, and
// 404. The user logs in again, and has one session.
func TestBoundLost(t *testing.T) {
	t.Parallel()
	for _, status := range []int32{http.StatusTooManyRequests, http.StatusFound, http.StatusForbidden, http.StatusNotFound} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			s := serveBound(t, coatcheck.Config{}, shortLife)
			b := s.login()
			s.expire()
			s.answer.Store(status)
			b.open(s.app + "/private?lost")
			list := s.await("/private", 2)
			if v := list[len(list)-1]; v.status != http.StatusUnauthorized {
				t.Errorf("%v", v)
			}
			s.answer.Store(0)
			b.open(s.app + "/look")
			b.shows(s.app+"/look", "")
			s.logIn(b)
			if n := s.live(); n != 1 {
				t.Errorf("%d sessions, want the new one alone", n)
			}
		})
	}
}

// A cookie of which two minutes are left is refreshed before it is over: no visit
// waits for that.
func TestBoundEarly(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 130*time.Second)
	b := s.login()
	b.open(s.app + "/private?first")
	b.shows(s.app+"/private?first", "alice")
	time.Sleep(15 * time.Second)
	b.open(s.app + "/private?early")
	b.shows(s.app+"/private?early", "alice")
	s.awaitAccepted("/dbsc/refresh", 1)
}

// The server is started again, which is also what another server of the same
// application is: the binding stays.
func TestBoundServers(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 0)
	b := s.login()
	for n := range 2 {
		s.server()
		s.forget(b)
		url := fmt.Sprint(s.app, "/private?", n)
		b.open(url)
		b.shows(url, "alice")
	}
	if len(s.accepted("/dbsc/register")) != 1 || len(s.accepted("/dbsc/refresh")) < 2 {
		t.Errorf("%s", s.dump())
	}
}

// The browser is closed and started again: the key is still there.
func TestBoundRestart(t *testing.T) {
	t.Parallel()
	bindingEngine.run(t) // skips where there is none
	s := serveBound(t, coatcheck.Config{}, shortLife)
	for n := range 2 {
		d, err := startChromium(bindingEngine.programs(), "restarted", bindingFeatures)
		if err != nil {
			t.Fatal(err)
		}
		p, err := within(patience, func(ctx context.Context) (*chromiumPage, error) { return attachChromium(ctx, d.(*chromium).ctx) })
		if err != nil {
			d.stop()
			t.Fatal(err)
		}
		b := &tab{t, bindingEngine, p}
		if n == 0 {
			s.logIn(b)
		} else {
			b.open(s.app + "/private?restarted")
			b.shows(s.app+"/private?restarted", "alice")
		}
		d.stop()
		s.expire()
	}
	if len(s.accepted("/dbsc/register")) != 1 || len(s.accepted("/dbsc/refresh")) == 0 {
		t.Errorf("%s", s.dump())
	}
}

// A bound session that is ended from outside opens nothing, and its refresh is
// refused; the browser then lets go of it, and the next login binds again.
func TestBoundRevoked(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, 0)
	b := s.login()
	if n, err := s.m.RevokeAll(context.Background(), "alice"); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	s.forget(b)
	if got := eval[int](b, "fetch('/private?revoked').then(r => r.status)"); got != http.StatusUnauthorized {
		t.Errorf("%d, want 401", got)
	}
	refreshes := s.await("/dbsc/refresh", 1)
	if v := refreshes[len(refreshes)-1]; v.status != http.StatusUnauthorized {
		t.Errorf("%v, want 401", v)
	}
	b.open(s.app + "/look?revoked")
	b.shows(s.app+"/look?revoked", "")
	if n := len(s.seen("app.test", "/dbsc/refresh")); n != len(refreshes) {
		t.Errorf("%d refreshes of what has ended", n-len(refreshes))
	}
	s.logIn(b)
}

// A relay is the way to a server, which can be cut: connections end, and new ones are
// refused.
type relay struct {
	t        *testing.T
	addr, to string

	mu    sync.Mutex
	in    net.Listener // nil = cut
	conns []net.Conn
}

// behind puts a relay before the site and changes its origin.
func (s *boundSite) behind() *relay {
	s.t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(s.app, "https://"), ":")
	mine, err := freePort()
	if err != nil {
		s.t.Fatal(err)
	}
	r := &relay{t: s.t, addr: "127.0.0.1:" + mine, to: "127.0.0.1:" + port}
	r.mend()
	s.app = "https://app.test:" + mine
	s.t.Cleanup(r.cut)
	return r
}

func (r *relay) mend() {
	r.t.Helper()
	in, err := net.Listen("tcp", r.addr)
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); in, err = net.Listen("tcp", r.addr) {
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.in = in
	r.mu.Unlock()
	go func() {
		for {
			from, err := in.Accept()
			if err != nil {
				return
			}
			r.join(in, from)
		}
	}()
}

func (r *relay) join(in net.Listener, from net.Conn) {
	to, err := net.Dial("tcp", r.to)
	if err != nil {
		from.Close()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.in != in { // cut meanwhile
		from.Close()
		to.Close()
		return
	}
	r.conns = append(r.conns, from, to)
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			io.Copy(way[0], way[1])
			way[0].Close()
		}()
	}
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.in != nil {
		r.in.Close()
	}
	for _, c := range r.conns {
		c.Close()
	}
	r.in, r.conns = nil, nil
}

// A server that cannot be reached ends no binding: the browser proves the key as
// soon as it can be.
func TestBoundUnreachable(t *testing.T) {
	t.Parallel()
	s := serveBound(t, coatcheck.Config{}, shortLife)
	way := s.behind()
	b := s.login()
	before := len(s.accepted("/dbsc/refresh"))
	s.expire()
	way.cut()
	if got := eval[string](b, "fetch('/private?away').then(r => 'status ' + r.status, e => e.name)"); got != "TypeError" {
		t.Errorf("%s, want no answer", got)
	}
	way.mend()
	b.open(s.app + "/private?back")
	b.shows(s.app+"/private?back", "alice")
	if n := len(s.accepted("/dbsc/register")); n != 1 || len(s.accepted("/dbsc/refresh")) == before {
		t.Errorf("%d registrations:\n%s", n, s.dump())
	}
}
