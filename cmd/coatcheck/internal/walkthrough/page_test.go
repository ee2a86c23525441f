package walkthrough_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/walkthrough"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/testvectors"
)

// routes are those of the walk-through.
var routes = []string{"GET /set-cookie", "GET /get-cookie", "GET /login", "POST /login", "GET /profile", "GET /logout", "POST /logout",
	"GET /preferences", "POST /preferences", "GET /visitor", "GET /token", "POST /token", "POST /visits", "GET /cart", "POST /cart",
	"GET /dashboard", "POST /dashboard", "POST /one-time", "POST /one-time/redeem", "GET /sessions", "POST /sessions/label", "POST /sessions/revoke", "POST /sessions/revoke-others"}

func TestPage(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newSite(t, coatcheck.Config{}))
	defer server.Close()
	res, err := server.Client().Get(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || len(res.Cookies()) != 0 {
		t.Fatalf("got %d, cookies %v, %v", res.StatusCode, res.Cookies(), err)
	}
	page := string(body)
	policy := res.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("Content-Security-Policy %q lacks %s", policy, want)
		}
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" { // or going back would show what was
		t.Errorf("Cache-Control is %q, want no-store", got)
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("Content-Security-Policy %q allows too much", policy)
	}
	// The policy allows the style and the script that are there, byte for byte,
	// and the page has nothing else that would need to be allowed.
	for _, tag := range []string{"style", "script"} {
		all := regexp.MustCompile(`(?s)<`+tag+`[^>]*>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		if len(all) != 1 || !strings.Contains(policy, tag+"-src 'sha256-"+sha256Base64(all[0][1])+"';") {
			t.Errorf("Content-Security-Policy %q does not allow the one %s of the page", policy, tag)
		}
		page = strings.Replace(page, all[0][0], "", 1)
	}
	if m := regexp.MustCompile(`<img|<iframe|<object| style=| on[a-z]+=|url\(|@import|javascript:`).FindString(page); m != "" {
		t.Errorf("the page has %q, which its policy forbids", m)
	}
	for _, link := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if link[1] != "/ticket.svg" && !strings.HasPrefix(link[1], "#") {
			t.Errorf("the page leads to %s", link[1])
		}
	}
	for _, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		if !strings.Contains(page, fmt.Sprintf("<form method=%q action=%q", method, path)) {
			t.Errorf("the page has no form for %s", route)
		}
	}
}

// everything does all that makes the browser and the server hold something.
func everything(v *visitor) {
	for _, what := range []string{"GET /set-cookie", "POST /preferences theme=dark", "GET /visitor", "POST /token", "POST /visits",
		"POST /cart item=tea", "POST /dashboard widget=clock", "POST /one-time", "POST /login user=123"} {
		route, form, _ := strings.Cut(strings.Replace(what, " ", "\x00", 1), " ")
		v.do(strings.Replace(route, "\x00", " ", 1), form)
	}
}

func (v *visitor) page() string { return v.do("GET /", "").Body.String() }

// The page shows what is held on both sides, as it is in the store.
func TestPageShowsWhatIsHeld(t *testing.T) {
	t.Parallel()
	st := &watched{Store: memstore.New(memstore.Config{})}
	v := visit(newSiteOn(t, st, "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa", coatcheck.Config{}))
	if page := v.page(); !strings.Contains(page, "No ticket yet.") || !strings.Contains(page, "No coat.") {
		t.Errorf("to a stranger the page shows\n%s", page)
	}
	everything(v)
	page := v.page()
	rec, err := st.Load(t.Context(), st.ids[len(st.ids)-1])
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{rec.ID.Handle(), fmt.Sprintf("%016x", rec.Version), `<b class="user">123</b>`, "[&#34;tea&#34;]", "&#34;clock&#34;",
		fmt.Sprintf(`data-until="%d"`, rec.Expires.UnixMilli()), fmt.Sprintf(`data-until="%d"`, rec.Deadline.UnixMilli()),
		"The server reads: <b>dark</b>", "The server reads: <b>visit 1</b>", "Max-Age=43200", "SameSite=Lax", "gone in", "this browser"}
	for name := range v.Cookies() {
		wants = append(wants, name)
	}
	if len(v.Cookies()) != 6 {
		t.Errorf("the jar has %v, want six cookies", v.Cookies())
	}
	for _, want := range wants {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	v.SetCookie("__Host-Http-theme", v.Cookies()["__Host-Http-theme"][1:])
	v.SetCookie("neighbour", "of-another-program")
	page = v.page()
	if !strings.Contains(page, "counts as absent") || !strings.Contains(page, "<code>neighbour</code>") || strings.Contains(page, "of-another-program") {
		t.Error("a forged cookie, or one of another program, is not shown as such")
	}
	ticket := v.Cookies()["__Host-Http-sid"]
	v.do("POST /sessions/revoke", "handle="+rec.ID.Handle()) // G2: to revoke the own session is a logout
	if page = v.page(); v.Cookies()["__Host-Http-sid"] != "" || strings.Contains(page, rec.ID.Handle()) {
		t.Error("after the end the page still shows the ticket or the coat")
	}
	v.SetCookie("__Host-Http-sid", ticket) // of another tab, say
	if page = v.page(); !strings.Contains(page, "No coat for that ticket.") {
		t.Error("after the end the page still shows a coat")
	}
}

// G13, tip 2: HttpOnly keeps a cookie from scripts, so the page does not hand
// it to them: neither as held, nor as it travelled.
func TestPageShowsNoToken(t *testing.T) {
	t.Parallel()
	v := visit(newSite(t, coatcheck.Config{}))
	v.headers = map[string]string{"Coatcheck-Page": "1"}
	secrets := make(map[string]bool)
	var shown strings.Builder
	note := func() {
		for name, value := range v.Cookies() {
			// The marker is the session's handle, for all to see.
			if name != "username" && !strings.HasSuffix(name, "-lax") && len(value) > 8 {
				secrets[value] = true
			}
		}
	}
	for _, route := range append([]string{"POST /one-time"}, routes...) {
		if strings.Contains(route, "logout") {
			continue
		}
		w := v.do(route, "user=123&theme=dark&item=tea&widget=clock")
		note()
		v.headers["Coatcheck-Exchange"] = w.Header().Get("Coatcheck-Exchange")
		page := v.page()
		if path := strings.Fields(route)[1]; !strings.Contains(page, "<b>"+route+"</b>") || w.Header().Get("Coatcheck-Exchange") == "" {
			t.Errorf("the page does not show the request for %s", path)
		}
		shown.WriteString(page)
	}
	if len(secrets) < 5 {
		t.Fatalf("%d secrets, want those of all cookies", len(secrets))
	}
	for value := range secrets {
		for i := 6; i+6 <= len(value); i += 3 {
			if strings.Contains(shown.String(), value[i:i+6]) {
				t.Errorf("the page shows bytes %d to %d of a cookie that scripts must not read", i, i+6)
				break
			}
		}
	}
}

// An exchange is shown once, to whoever made it; without the page's header none
// is kept, and no answer differs.
func TestExchangeIsTheVisitorsOwn(t *testing.T) {
	t.Parallel()
	site := newSite(t, coatcheck.Config{})
	v, other := visit(site), visit(site)
	if w := v.do("GET /set-cookie", ""); w.Header().Get("Coatcheck-Exchange") != "" {
		t.Error("an exchange was kept that nobody asked for")
	}
	v.headers = map[string]string{"Coatcheck-Page": "1"}
	w := v.do("POST /cart", "item=tea")
	if w.Body.String() != `["tea"]` {
		t.Errorf("the page's request is answered %s", w.Body)
	}
	v.headers["Coatcheck-Exchange"] = w.Header().Get("Coatcheck-Exchange")
	other.headers = map[string]string{"Coatcheck-Exchange": "x"}
	for who, page := range map[string]string{"somebody with another number": other.page(), "somebody without": visit(site).page()} {
		if !strings.Contains(page, "<b>GET /</b>") {
			t.Errorf("%s sees another request than their own", who)
		}
	}
	if page := v.page(); !strings.Contains(page, "<b>POST /cart</b>") || !strings.Contains(page, "Set-Cookie:") {
		t.Error("the page does not show the request that was made")
	}
	if page := v.page(); !strings.Contains(page, "<b>GET /</b>") {
		t.Error("the page shows the request a second time")
	}
}

// A counting store counts the calls.
type counting struct {
	store.Store
	calls []string
}

func (c *counting) Load(ctx context.Context, id store.ID) (store.Record, error) {
	c.calls = append(c.calls, "Load")
	return c.Store.Load(ctx, id)
}

func (c *counting) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	c.calls = append(c.calls, "Update")
	return c.Store.Update(ctx, rec, ifVersion)
}

func (c *counting) User(ctx context.Context, user string) ([]store.Record, error) {
	c.calls = append(c.calls, "User")
	return c.Store.User(ctx, user)
}

// The page asks the store for one record, and for the list of the user's; what
// it notes of other requests costs no call.
func TestPageCostsNoStoreCalls(t *testing.T) {
	t.Parallel()
	st := &counting{Store: memstore.New(memstore.Config{})}
	v := visit(newSiteOn(t, st, "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa", coatcheck.Config{}))
	for _, step := range []struct {
		what, form string
		want       []string
	}{
		{"GET /", "", nil},
		{"POST /cart", "item=tea", nil}, // Create is not counted
		{"GET /", "", []string{"Load"}},
		{"POST /cart", "item=tea", []string{"Load", "Update"}},
		{"POST /login", "", []string{"Load"}}, // and Replace
		{"GET /", "", []string{"Load", "User"}},
		{"GET /get-cookie", "", nil},
		{"GET /profile", "", []string{"Load"}},
	} {
		for _, page := range []string{"", "1"} {
			if page != "" && step.what == "POST /cart" {
				continue // a second item is another request
			}
			v.headers = map[string]string{"Coatcheck-Page": page}
			st.calls = nil
			if v.do(step.what, step.form); !slices.Equal(st.calls, step.want) {
				t.Errorf("%s: calls %v, want %v", step.what, st.calls, step.want)
			}
		}
	}
}

// docs/spec/record.md: R1, R2.
func TestPageReadsRecords(t *testing.T) {
	t.Parallel()
	var file struct {
		Cases []struct {
			ID, Data, Error string
			Entries         []struct {
				Name, Value string
				Expires     int64
			}
		}
	}
	f, err := testvectors.Files().Open("session-records.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := json.NewDecoder(f).Decode(&file); err != nil {
		t.Fatal(err)
	}
	good := 0
	for _, c := range file.Cases {
		data, err := hex.DecodeString(c.Data)
		if err != nil {
			t.Fatal(err)
		}
		values, err := walkthrough.ReadValues(data)
		if c.Entries == nil || c.Error != "" { // Manager refuses those; here they must only not panic
			continue
		}
		good++
		if err != nil || len(values) != len(c.Entries) {
			t.Errorf("%s: got %v, %v; want %d entries", c.ID, values, err, len(c.Entries))
			continue
		}
		for i, want := range c.Entries {
			got := values[i]
			if got.Name != want.Name || got.JSON != want.Value || want.Expires != 0 && got.Expires.UnixMilli() != want.Expires || (want.Expires == 0) != got.Expires.IsZero() {
				t.Errorf("%s: got %+v, want %+v", c.ID, got, want)
			}
		}
	}
	if good < 5 {
		t.Errorf("%d good vectors, want more", good)
	}
}

// The countdowns are right to the second: those of the session, and those that
// signed and encrypted cookies carry.
func TestPageCountsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := visit(newSite(t, coatcheck.Config{}))
		v.do("POST /token", "")
		v.do("POST /one-time", "")
		time.Sleep(13 * time.Second)
		page := v.page()
		for _, want := range []string{">47 seconds<", ">4 min 47 s<", ">32 min 47 s<", ">3 hours 59 min<"} {
			if !strings.Contains(page, want) {
				t.Errorf("after 13 s the page lacks %s", want)
			}
		}
		time.Sleep(5 * time.Minute)
		if page = v.page(); strings.Contains(page, `class="name">one-time/`) {
			t.Error("the page shows a value that has expired")
		}
		if !strings.Contains(page, ">33 minutes<") { // this request counted as activity
			t.Error("the page does not show the idle end as it is now in the store")
		}
	})
}

// From another site the browser holds the Strict ticket back; the page says so
// and is no reason to think that there is none.
func TestPageFromAnotherSite(t *testing.T) {
	t.Parallel()
	v := visit(newSite(t, coatcheck.Config{}))
	v.do("POST /login", "")
	v.SetCookie(sid, "")
	for _, site := range []string{"cross-site", "none"} { // none: an address that led here through another site
		v.headers = map[string]string{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
		w := v.do("GET /", "")
		if page := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(page, " data-held>") || !strings.Contains(page, "It was not shown a ticket.") {
			t.Errorf("%s: got %d and no word that the ticket was held back", site, w.Code)
		}
	}
}

// A page that asks again after each press knows whether the cookie came back. It
// does not say that the browser kept what it has not, and says why.
func TestPageTellsOfCookiesNotKept(t *testing.T) {
	t.Parallel()
	const notKept = "has not kept it"
	site := newSite(t, coatcheck.Config{})
	for _, c := range []struct {
		route string
		keeps bool // the browser
	}{
		{"GET /set-cookie", true}, {"GET /set-cookie", false}, {"POST /login", true}, {"POST /login", false},
		{"POST /visits", false}, {"POST /preferences", false}, {"POST /token", false},
	} {
		v := visit(site)
		v.headers = map[string]string{"Coatcheck-Page": "1"}
		w := v.do(c.route, "theme=dark")
		if !c.keeps {
			for name := range v.Cookies() {
				v.SetCookie(name, "")
			}
		}
		v.headers["Coatcheck-Exchange"] = w.Header().Get("Coatcheck-Exchange")
		page := v.page()
		if strings.Contains(page, notKept) == c.keeps || strings.Contains(page, "coatcheck serve --tls") == c.keeps {
			t.Errorf("%s, kept %t: the page says otherwise", c.route, c.keeps)
		}
		if !c.keeps && (strings.Contains(page, "your browser kept the note") || strings.Contains(page, "gave your browser the ticket")) {
			t.Errorf("%s: the page says that the browser has the cookie, and it has not", c.route)
		}
	}
	v := visit(site)
	v.do("POST /login", "")
	v.headers = map[string]string{"Coatcheck-Page": "1"}
	v.headers["Coatcheck-Exchange"] = v.do("POST /logout", "").Header().Get("Coatcheck-Exchange")
	if strings.Contains(v.page(), notKept) {
		t.Error("after a logout the page says that the browser has not kept the cookie")
	}
}

// The list of devices shows what a visitor calls this browser, as text.
func TestPageShowsLabels(t *testing.T) {
	t.Parallel()
	site := newSite(t, coatcheck.Config{})
	tablet, phone := visit(site), visit(site)
	tablet.do("POST /login", "user=123")
	phone.do("POST /login", "user=123")
	if page := phone.page(); strings.Contains(page, `class="device"><b>`) {
		t.Error("the page has an empty label")
	}
	tablet.do("POST /sessions/label", "label=<i>kitchen")
	if page := phone.page(); strings.Count(page, "<b>&lt;i&gt;kitchen</b>") != 1 || strings.Contains(page, "<i>kitchen") {
		t.Error("the page does not show the label once, as text")
	}
}
