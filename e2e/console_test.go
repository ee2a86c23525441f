package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chromedp/cdproto/accessibility"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/console"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A shaky store is away when it is told to be.
type shaky struct {
	store.Store
	away atomic.Bool
}

var errAway = errors.New("dial tcp 10.0.0.7:5432: connect: connection refused")

func (s *shaky) Unwrap() store.Store { return s.Store }

func (s *shaky) Ping(context.Context) error {
	if s.away.Load() {
		return errAway
	}
	return nil
}

func (s *shaky) Stats(ctx context.Context) (store.Stats, error) {
	if s.away.Load() {
		return store.Stats{}, errAway
	}
	counter, _ := store.As[store.Counter](s.Store)
	return counter.Stats(ctx)
}

func (s *shaky) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if s.away.Load() {
		return store.Record{}, errAway
	}
	return s.Store.Load(ctx, id)
}

func (s *shaky) User(ctx context.Context, user string) ([]store.Record, error) {
	if s.away.Load() {
		return nil, errAway
	}
	return s.Store.User(ctx, user)
}

// An operated site is an application with a console, for operators whose sessions
// are in their cookies.
type operated struct {
	t     *testing.T
	url   string
	store *shaky
	m     *coatcheck.Manager
	app   http.Handler
	hour  *console.Recorder
	page  *console.Console
}

var cups = coatcheck.NewKey[int]("cups")

// operate starts the application. Operators are all who log in at /ops/login.
func operate(t *testing.T) *operated {
	t.Helper()
	o := newOperated(t, &shaky{Store: memstore.New(memstore.Config{})})
	server := httptest.NewUnstartedServer(o.app)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(func() {
		o.page.Close()
		server.Close()
	})
	o.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return o
}

// newOperated is the application without a server.
func newOperated(t *testing.T, kept *shaky) *operated {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	o := &operated{t: t, store: kept, hour: new(console.Recorder)}
	o.m, err = coatcheck.New(o.hour.Store(o.store), keys, coatcheck.Config{Events: o.hour.Events(nil), MaxPerUser: 4})
	if err != nil {
		t.Fatal(err)
	}
	operators, err := coatcheck.NewInCookie(keys, coatcheck.StoreRevoker(memstore.New(memstore.Config{})), coatcheck.Config{Name: "__Host-Http-ops"})
	if err != nil {
		t.Fatal(err)
	}
	o.page, err = console.New(o.m, console.Config{
		Recorder: o.hour, Operators: operators, Name: "Tea & Coffee", Login: "/ops/login",
		Authorize:  func(r *http.Request) bool { return operators.From(r.Context()).User() != "" },
		ShowValues: func(_ *http.Request, _, name string) bool { return name == "cups" },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ops/console/", o.page)
	mux.HandleFunc("/ops/login", func(w http.ResponseWriter, r *http.Request) {
		if s := operators.From(r.Context()); s.User() == "" {
			s.Login("ada")
		} else {
			s.Reauthenticate()
		}
		w.Header().Set("Location", coatcheck.SafeReturn(r.FormValue("next")))
		w.WriteHeader(http.StatusSeeOther)
	})
	mux.Handle("/", o.m.Handler(o.shop()))
	o.app = operators.Handler(mux)
	return o
}

// shop is what its customers use.
func (o *operated) shop() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		s.Login(r.FormValue("user"))
		s.SetLabel("desk", r.FormValue("desk"))
	})
	mux.HandleFunc("POST /drink", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		cups.Update(s, func(n int) int { return n + 1 })
		coatcheck.NewKey[string](r.FormValue("note")).Set(s, "kept to themselves")
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Logout() })
	mux.Handle("GET /members", o.m.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})))
	return mux
}

// A customer of theirs is a browser that never sees the console.
type drinker struct {
	t testing.TB
	*coatchecktest.Browser
	agent string
}

func (o *operated) customer(agent string) drinker {
	return drinker{o.t, coatchecktest.NewHandlerBrowser(o.app), agent}
}

const (
	agentFirefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	agentSafari  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)

func (d drinker) does(method, path string, form ...string) int {
	d.t.Helper()
	values := make([]string, 0, len(form)/2)
	for i := 0; i+1 < len(form); i += 2 {
		values = append(values, form[i]+"="+strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", "#", "%23").Replace(form[i+1]))
	}
	r, err := http.NewRequest(method, "http://localhost"+path, strings.NewReader(strings.Join(values, "&")))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", d.agent)
	res, err := d.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// console opens the console in a tab, as ada.
func (o *operated) console(b *tab) *playground {
	o.t.Helper()
	b.open(o.url + "/ops/login?next=/ops/console/")
	p := play(o.t, o.url+"/ops/console", b)
	p.size(1280, 820, "light")
	p.title("Overview")
	return p
}

// title waits until a page of that title is there.
func (p *playground) title(text string) {
	p.t.Helper()
	p.until("document.readyState == 'complete' && document.querySelector('h1')?.textContent === " + quote(text))
}

// reads waits until the page says each of these.
func (p *playground) reads(wants ...string) {
	p.t.Helper()
	for _, want := range wants {
		p.until("document.querySelector('main').innerText.replace(/\\s+/g, ' ').includes(" + quote(want) + ")")
	}
}

// customers of an application that has some of everything.
func (o *operated) customers() (phone, desk drinker) {
	phone, desk = o.customer(agentSafari), o.customer(agentFirefox)
	phone.does("POST", "/login", "user", "123")
	phone.does("POST", "/drink", "note", "sugar")
	desk.does("POST", "/login", "user", "123", "desk", "front desk")
	o.customer(agentFirefox).does("GET", "/members")
	return phone, desk
}

// handle is that of the newest session of a user.
func (o *operated) handle(user string) string {
	o.t.Helper()
	list, err := o.m.Sessions(o.t.Context(), user)
	if err != nil || len(list) == 0 {
		o.t.Fatalf("sessions of %s: %v, %v", user, list, err)
	}
	return list[0].Handle
}

// clickOn presses the mouse where an element is, in view.
func (p *playground) clickOn(selector string) {
	p.t.Helper()
	at := eval[[]int](p.tab, "(e => { e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect(); return [Math.round(r.x + r.width / 2), Math.round(r.y + r.height / 2)] })(document.querySelector("+quote(selector)+"))")
	p.do("press "+selector, func(ctx context.Context) error { return p.p.press(ctx, at[0], at[1]) })
}

// write puts the cursor into a field with the mouse, and types.
func (p *playground) write(selector, text string) {
	p.t.Helper()
	p.clickOn(selector)
	eval[bool](p.tab, "(document.activeElement.select?.(), true)")
	p.key(text)
}

// What an operator does with a mouse: finds a user, ends one session, all of them,
// looks at one session, and at events as they happen.
func TestConsoleByMouse(t *testing.T) {
	t.Parallel()
	o := operate(t)
	phone, desk := o.customers()
	p := o.console(chromiumEngine.newTab(t))
	p.reads("Live sessions 2", "Logins 2", "Users with one 1", "login required")
	p.clickOn(".tile.good summary")
	p.reads("from Logins")

	p.write("#find", "123")
	p.clickOn(".find button")
	p.title("User 123")
	p.reads("Safari on iPhone", "Firefox on Linux", "desk: front desk")
	first := o.handle("123")
	p.clickOn("a.handle")
	p.title("Session " + first)
	p.reads("desk: front desk", "Ends in any case")
	p.back()
	p.title("User 123")
	p.clickOn("form[action=end] button") // the newest: the desk's
	p.until("document.querySelector('#done')")
	p.reads("You ended 1 session. "+first, "Ended by ada")
	if desk.does("GET", "/members") == 200 || phone.does("GET", "/members") != 200 {
		t.Error("not the desk's session has ended, or not that alone")
	}
	p.clickOn("form[action=end-all] button")
	p.reads("No session of this user is live.")
	if phone.does("GET", "/members") == 200 {
		t.Error("the phone's session goes on")
	}

	p.clickOn("nav a[href=events]")
	p.title("Events")
	p.reads("Live.")
	o.customer(agentFirefox).does("POST", "/login", "user", "<i>Zoë</i> & co")
	p.until("document.querySelector('#events .fresh.event b').textContent == 'login' && document.querySelector('#events .user').textContent == '<i>Zoë</i> & co'")
	p.clickOn("#pause")
	p.reads("Paused.")
	o.customer(agentFirefox).does("POST", "/login", "user", "345")
	if eval[bool](p.tab, "document.querySelector('#events').innerText.includes('345')") {
		t.Error("the list goes on while it is paused")
	}
	p.clickOn("#pause")
	p.until("document.querySelector('#events .user').textContent == '345'")
	p.clickOn("#events a.user")
	p.title("User 345")
	p.clickOn("nav a[href=events]")
	p.title("Events")
	p.write("[name=user]", "345")
	p.clickOn("main form button")
	p.until("document.querySelectorAll('#events > li').length == 1 && location.search.includes('user=345')")
	p.reads("Live.")
	other := o.customer(agentFirefox)
	other.does("POST", "/login", "user", "678")
	other.does("POST", "/login", "user", "345")
	p.until("document.querySelectorAll('#events > li').length == 2")
}

// "Why was user 123 logged out?", by keyboard alone, and one session's page, which
// shows the value that the application lets it show.
func TestConsoleByKeyboard(t *testing.T) {
	t.Parallel()
	o := operate(t)
	_, desk := o.customers()
	desk.does("POST", "/drink", "note", "honey")
	handle := o.handle("123")
	desk.does("POST", "/logout")
	p := o.console(chromiumEngine.newTab(t))
	const focused = `(e => e.labels?.[0]?.textContent.trim().replace(/\s+/g, " ") || e.getAttribute("aria-label") || e.textContent.trim().replace(/\s+/g, " "))(document.activeElement)`
	tabTo := func(what string) {
		t.Helper()
		for range 60 {
			p.key("\t")
			if got := eval[string](p.tab, focused); strings.HasPrefix(got, what) {
				if !eval[bool](p.tab, "getComputedStyle(document.activeElement).outlineStyle != 'none' && document.activeElement.matches(':focus-visible')") {
					t.Errorf("nobody sees that %q has the focus", what)
				}
				return
			}
		}
		t.Fatalf("the tab key does not lead to %q", what)
	}
	tabTo("Skip to the page")
	p.key("\r")
	tabTo("Numbers of Logins")
	p.key("\r")
	p.until("document.querySelector('.tile.good details').open")
	p.open(o.url + "/ops/console/")
	tabTo("Why logged out?")
	p.key("\r")
	p.title("Why was I logged out?")
	tabTo("User or handle") // of the search above
	tabTo("User or handle")
	p.key("123")
	tabTo("At about")
	p.key(time.Now().UTC().Format("15:04"))
	tabTo("Find out")
	p.key(" ")
	p.title("Why was 123 logged out?")
	p.reads("The answer", "Logged out: a request of the session itself asked for it", "Session "+handle+" of user 123", "Safari on iPhone")
	tabTo(o.handle("123")) // the phone's, which lives
	p.key("\r")
	p.title("Session " + o.handle("123"))
	p.reads("cups", "sugar", "1 value not shown")
	if got := p.text(".json"); got != "1" {
		t.Errorf("the value of cups is shown as %q", got)
	}
	if eval[bool](p.tab, "document.documentElement.outerHTML.includes('kept to themselves')") {
		t.Error("a value is on the page that the application does not let it show")
	}
	tabTo("End this session")
	p.key("\r")
	p.title("User 123")
	p.reads("You ended 1 session.")
}

// consolePages are all pages with something on them.
func (o *operated) pages() []string {
	return []string{"", "user?q=123", "user?q=nobody", "session?q=" + o.handle("123"), "session?q=AAAAAAAAAAAA", "why", "why?q=123&at=x", "why?q=nobody", "events", "user"}
}

// Who hears the pages finds landmarks, names and the numbers of each chart.
func TestConsoleAccessibilityTree(t *testing.T) {
	t.Parallel()
	o := operate(t)
	_, desk := o.customers()
	desk.does("POST", "/logout")
	p := o.console(chromiumEngine.newTab(t))
	for _, path := range o.pages() {
		p.open(o.url + "/ops/console/" + path)
		eval[bool](p.tab, "document.querySelectorAll('details').forEach(d => d.open = true), true")
		seen := make(map[string]int)
		for _, n := range call(p.tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
			if n.Ignored {
				continue
			}
			role, name := axText(n.Role), axText(n.Name)
			seen[role]++
			seen[role+" "+name]++
			switch role {
			case "button", "link", "textbox", "combobox", "DisclosureTriangle", "region", "navigation", "heading", "table":
				if name == "" && role != "table" {
					t.Errorf("%q: a %s has no name", path, role)
				}
			case "image", "img":
				t.Errorf("%q: a picture %q that the numbers should stand for", path, name)
			}
		}
		for _, want := range []string{"main", "banner", "contentinfo", "search", "navigation Pages"} {
			if seen[want] != 1 && seen[want+" "] != 1 {
				t.Errorf("%q: %d of %q, want one", path, seen[want], want)
			}
		}
		if path == "" {
			for _, want := range []string{"heading Logins", "heading Store errors", "region What deserves attention", "heading Why sessions ended", "table Logins by five minutes, the latest first"} {
				if seen[want] != 1 {
					t.Errorf("the overview has %d of %q, want one", seen[want], want)
				}
			}
			if seen["rowheader"] < 7*13 {
				t.Errorf("%d rows of numbers; want all of seven charts", seen["rowheader"])
			}
		}
		if same := eval[[]string](p.tab, "[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, i, all) => all.indexOf(id) !== i)"); len(same) > 0 {
			t.Errorf("%q: ids that are there twice: %v", path, same)
		}
		if levels := eval[string](p.tab, "[...document.querySelectorAll('h1,h2,h3,h4')].map(h => h.tagName[1]).join('')"); strings.Count(levels, "1") != 1 || strings.Contains(levels, "13") {
			t.Errorf("%q: the headings have the levels %s", path, levels)
		}
	}
}

// In every window, light and dark, there is nothing to scroll sideways and nothing
// too pale to read, also with the longest names.
func TestConsoleInEveryWindow(t *testing.T) {
	t.Parallel()
	o := operate(t)
	o.customers()
	long := strings.Repeat("W", 255)
	d := o.customer("curl" + strings.Repeat("W", 100))
	d.does("POST", "/login", "user", long, "desk", strings.Repeat("w", 255))
	d.does("POST", "/drink", "note", strings.Repeat("n", 128))
	o.store.away.Store(true)
	d.does("GET", "/members")
	o.store.away.Store(false)
	p := o.console(chromiumEngine.newTab(t))
	check := func(path string) {
		t.Helper()
		p.open(o.url + "/ops/console/" + path)
		eval[bool](p.tab, "document.querySelectorAll('details').forEach(d => d.open = true), true")
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{320, 360, 544, 768, 1024, 1280, 2200} {
				p.size(width, 800, scheme)
				if too := eval[string](p.tab, `(d => d.scrollWidth > d.clientWidth ? d.scrollWidth + " wide: " + [...document.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > d.clientWidth + 1).map(e => e.tagName + "." + e.className + "#" + e.id).slice(0, 5) : "")(document.scrollingElement)`); too != "" {
					t.Errorf("%.40s, %d pixels: %s", path, width, too)
				}
			}
			if pale := eval[[]string](p.tab, strings.Replace(contrasts, "n < 60", "n < 12", 1)); len(pale) > 0 {
				t.Errorf("%.40s, %s: too little contrast: %q", path, scheme, pale)
			}
		}
	}
	for _, path := range append(o.pages(), "user?q="+long, "session?q="+o.handle(long)+"&user="+long, "why?q="+long, "events?user="+long) {
		check(path)
	}
	o.store.away.Store(true)
	for _, path := range []string{"", "user?q=123", "why?q=123"} {
		check(path)
	}
}

// distant is a store at the other end of a network, which takes its time.
type distant struct {
	store.Store
	random *rand.Rand
}

func (d distant) Unwrap() store.Store { return d.Store }

func (d distant) travel() {
	time.Sleep(300*time.Microsecond + time.Duration(d.random.ExpFloat64()*float64(400*time.Microsecond)))
}

func (d distant) Load(ctx context.Context, id store.ID) (store.Record, error) {
	d.travel()
	return d.Store.Load(ctx, id)
}

func (d distant) Create(ctx context.Context, rec store.Record) error {
	d.travel()
	return d.Store.Create(ctx, rec)
}

func (d distant) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	d.travel()
	return d.Store.Update(ctx, rec, ifVersion)
}

// pastHour lives through an hour at the application, of a clock that the test has,
// and returns the pages that its operator then sees, at ten past two: user 123 was
// logged out at 14:05:10.
func pastHour(t *testing.T, paths ...string) map[string]*httptest.ResponseRecorder {
	pages := make(map[string]*httptest.ResponseRecorder)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(13*time.Hour + 5*time.Minute) // since midnight
		random := rand.New(rand.NewPCG(14, 5))
		kept := &shaky{Store: distant{memstore.New(memstore.Config{}), random}}
		o := newOperated(t, kept)
		ada := o.customer(agentFirefox)
		var guests []drinker
		phone, desk := o.customer(agentSafari), o.customer(agentFirefox)
		for minute := range 65 {
			for range 2 + random.IntN(3) + minute*(65-minute)/200 {
				d := o.customer([]string{agentFirefox, agentSafari}[random.IntN(2)])
				d.does("POST", "/login", "user", fmt.Sprint(200+len(guests)))
				guests = append(guests, d)
			}
			for i, d := range guests {
				switch random.IntN(12) {
				case 0:
					d.does("POST", "/drink", "note", "milk")
				case 1:
					if i%2 == 0 {
						d.does("POST", "/logout")
					}
				case 2:
					d.does("GET", "/members")
				}
			}
			if minute%9 == 4 {
				for range 3 + random.IntN(12) {
					r := httptest.NewRequest("GET", "/members", nil)
					r.Header.Set("Cookie", sidName+"=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
					o.app.ServeHTTP(httptest.NewRecorder(), r)
				}
			}
			switch minute {
			case 15:
				phone.does("POST", "/login", "user", "123")
				desk.does("POST", "/login", "user", "123", "desk", "front desk")
			case 35:
				phone.does("POST", "/drink", "note", "sugar")
				desk.does("POST", "/drink", "note", "milk")
			case 40: // for a moment nobody reaches the store
				kept.away.Store(true)
				for _, d := range guests[:9] {
					d.does("GET", "/members")
				}
				kept.away.Store(false)
			case 60:
				time.Sleep(10 * time.Second)
				ada.does("POST", "/ops/login")
				list, err := o.m.Sessions(t.Context(), "123")
				if err != nil || len(list) != 2 {
					t.Fatalf("sessions of 123: %v, %v", list, err)
				}
				ada.does("POST", "/ops/console/end", "user", "123", "handle", list[1].Handle)
				time.Sleep(50 * time.Second)
				continue
			}
			time.Sleep(time.Minute)
		}
		for _, path := range paths {
			r := httptest.NewRequest("GET", "http://localhost/ops/console/"+path, nil)
			for _, c := range ada.Jar.Cookies(r.URL) {
				r.AddCookie(c)
			}
			pages[path] = httptest.NewRecorder()
			o.app.ServeHTTP(pages[path], r)
		}
	})
	return pages
}

// The pictures of the console: its own pages, after an hour that passed in a moment.
func TestPicturesOfConsole(t *testing.T) {
	t.Parallel()
	e := chromiumEngine
	e.run(t)
	why := "why?q=123&at=14:05"
	pages := pastHour(t, "", "user?q=123", why, "events", "icon")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := pages[strings.TrimPrefix(r.URL.RequestURI(), "/")]
		if page == nil {
			w.Header().Set("Content-Type", "text/event-stream")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		maps.Copy(w.Header(), page.Header())
		w.Header().Del("Set-Cookie")
		w.WriteHeader(page.Code)
		w.Write(page.Body.Bytes())
	}))
	t.Cleanup(server.CloseClientConnections)
	p := play(t, server.URL, e.newTab(t))
	for _, window := range []struct {
		name          string
		width, height int64
	}{{"wide", 1280, 940}, {"narrow", 360, 780}} {
		for _, scheme := range []string{"light", "dark"} {
			p.size(window.width, window.height, scheme)
			for _, page := range []struct{ path, name string }{{"", "overview"}, {"user?q=123", "user"}, {why, "why"}, {"events", "events"}} {
				p.open(server.URL + "/" + page.path)
				p.shot(window.name+"-console-"+page.name+"-"+scheme, window.name == "wide" && (page.name == "overview" || page.name == "why"))
			}
		}
	}
}
