package promises_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// G7: held back = ... and, for a request that would change something, an
// `Origin` or `Referer` of another host, whatever Fetch Metadata says. An unsafe
// method is refused with 403, a first write is held back.
func TestG7AnotherHost(t *testing.T) {
	t.Parallel()
	trusting := http.NewCrossOriginProtection()
	if err := trusting.AddTrustedOrigin("https://partner.example"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host    string // as the request has it
		headers []string
		another bool
	}{
		{"app.example", nil, false},
		{"app.example", []string{"Origin", "https://app.example"}, false},
		{"app.example", []string{"Origin", "https://app.example", "Referer", "https://app.example/in?next=https://evil.example/"}, false},
		{"app.example", []string{"Referer", "https://app.example"}, false},
		{"app.example", []string{"Referer", "https://app.example:8443/"}, false},
		{"app.example", []string{"Referer", "http://app.example/"}, false},
		{"APP.example:8443", []string{"Origin", "https://app.example:8443", "Referer", "https://app.example:8443/"}, false},
		{"[2001:db8::1]:8080", []string{"Origin", "http://[2001:db8::1]:8080"}, false},
		{"[2001:db8::1]", []string{"Origin", "http://[2001:db8::1]"}, false},
		{"app.example", []string{"Origin", "null"}, false},
		{"app.example", []string{"Origin", "null", "Referer", "https://app.example/"}, false},
		{"app.example", []string{"Referer", "about:blank"}, false},
		{"app.example", []string{"Referer", ""}, false},
		{"app.example", []string{"Origin", "https://partner.example"}, false},
		{"app.example", []string{"Origin", "https://partner.example", "Referer", "https://partner.example/pay"}, false},
		{"app.example", []string{"Referer", "https://partner.example/pay"}, false},
		{"127.0.0.1:8080", []string{"Origin", "https://coats.example"}, false},
		{"127.0.0.1:8080", []string{"Origin", "https://coats.example", "Referer", "https://coats.example/in"}, false},
		{"127.0.0.1:8080", []string{"Referer", "https://shop.example:8443/in"}, false},

		{"app.example", []string{"Origin", "https://evil.example"}, true},
		{"app.example", []string{"Referer", "https://evil.example/"}, true},
		{"app.example", []string{"Origin", "https://app.example", "Referer", "https://evil.example/"}, true},
		{"app.example", []string{"Origin", "https://evil.example", "Referer", "https://app.example/"}, true},
		{"app.example", []string{"Origin", "null", "Referer", "https://evil.example/"}, true},
		{"app.example", []string{"Origin", "https://partner.example.evil.example"}, true},
		{"app.example", []string{"Origin", "http://partner.example"}, true},
		{"app.example", []string{"Origin", "https://xapp.example"}, true},
		{"app.example", []string{"Origin", "https://app.example.evil.example"}, true},
		{"app.example", []string{"Origin", "https://sub.app.example"}, true},
		{"app.example", []string{"Referer", "https://evil.example?https://app.example/"}, true},
		{"app.example", []string{"Referer", "https://app.example@evil.example/"}, true},
		{"app.example", []string{"Referer", "https://app.example:80@evil.example:443/"}, true},
		{"app.example", []string{"Referer", "android-app://com.example.mail/"}, true},
		{"127.0.0.1:8080", []string{"Origin", "https://app.example"}, true},
		{"127.0.0.1:8080", []string{"Origin", "https://app.example", "X-Forwarded-Host", "app.example"}, true},
		{"127.0.0.1:8080", []string{"Origin", "https://evil.example", "X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example"}, true},
		{"127.0.0.1:8080", []string{"Origin", "http://coats.example"}, true},
		{"127.0.0.1:8080", []string{"Referer", "https://shop.example/in"}, true},
		{"", []string{"Origin", "https://evil.example"}, true},
	} {
		for _, site := range []string{"same-origin", "none"} {
			headers := append([]string{"Sec-Fetch-Site", site}, c.headers...)
			name := strings.Join(append([]string{c.host}, headers...), " ")
			var l coatchecktest.Events
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{
				CrossOrigin: trusting, Origins: []string{"https://coats.example", "https://shop.example:8443"}, Events: l.Record,
			})
			b := newBrowser(life(m))
			send := func(method, path string, more ...string) int {
				r := b.Request(method, path, append(headers, more...)...)
				r.Host = c.host
				return b.Serve(r).Code
			}
			told := func(kind coatcheck.Kind) {
				t.Helper()
				e := l.All()
				l.Reset()
				if len(e) != 1 || e[0].Kind != kind || e[0].Err == nil ||
					!strings.Contains(e[0].Err.Error(), "Config.Origins") || !strings.Contains(e[0].Err.Error(), `"`+c.host+`"`) {
					t.Errorf("%s: got the events %+v, want %s with both hosts and the setting", name, e, kind)
				}
			}
			for _, method := range []string{"POST", "DELETE", "websocket"} {
				status := 0
				if method == "websocket" {
					status = send("GET", "/look", "Connection", "Upgrade", "Upgrade", "websocket")
				} else {
					status = send(method, "/look")
				}
				if (status == 403) != c.another {
					t.Errorf("%s %s: got %d, another host is %t", method, name, status, c.another)
				} else if c.another {
					told(coatcheck.Refused)
				}
			}
			if status := send("GET", "/look"); status != 200 {
				t.Errorf("GET that only reads, %s: got %d", name, status)
			} else if c.another { // it asks for a value
				told(coatcheck.HeldBack)
			}
			// Also with the marker, which says that this is no first visit.
			for _, marked := range []bool{false, true} {
				wear(b, nil)
				if marked {
					b.SetCookie(markName, "1")
				}
				status := send("GET", "/set", fetching...)
				held := c.another || marked && site == "none" // that too is withheld
				if (status == 409) != held || (b.Cookies()[sidName] == "") != held {
					t.Errorf("first write, %s, marker %t: got %d and %v, another host is %t", name, marked, status, b.Cookies(), c.another)
				} else if c.another {
					told(coatcheck.HeldBack)
				}
				l.Reset()
			}
		}
	}
}

// G13: the event of a refusal names the setting that would let the origin in: one of
// an application's own scheme, which Config.Origins refuses, is CrossOrigin's.
func TestCrossOriginHint(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]string{
		"https://app.example": "Config.Origins", "HTTP://app.example": "Config.Origins",
		"capacitor://localhost": "Config.CrossOrigin.AddTrustedOrigin", "ionic://localhost": "Config.CrossOrigin.AddTrustedOrigin",
	} {
		for _, trusted := range []bool{false, true} {
			var l coatchecktest.Events
			cross := http.NewCrossOriginProtection()
			if trusted {
				if err := cross.AddTrustedOrigin(origin); err != nil {
					t.Fatal(err)
				}
			}
			m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{CrossOrigin: cross, Events: l.Record})
			w := newBrowser(life(m)).Send("POST", "/look", "Origin", origin)
			e := l.All()
			if trusted {
				if w.Code != 200 {
					t.Errorf("%s, trusted: got %d, %+v", origin, w.Code, e)
				}
				continue
			}
			if w.Code != 403 || len(e) != 1 || e[0].Err == nil || !strings.HasSuffix(e[0].Err.Error(), " "+want) {
				t.Errorf("%s: got %d, %+v, want 403 and the hint %s", origin, w.Code, e, want)
			}
		}
	}
}

// G13: where Fetch Metadata says that a request is another site's, the event names
// the origin and the setting that lets it in.
func TestCrossOriginHintOfAnotherSite(t *testing.T) {
	t.Parallel()
	for _, site := range []string{"cross-site", "same-site"} {
		var l coatchecktest.Events
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
		w := newBrowser(life(m)).Send("POST", "/look", "Origin", "https://bank.example", "Sec-Fetch-Site", site)
		e := l.All()
		if w.Code != 403 || len(e) != 1 || e[0].Err == nil {
			t.Fatalf("%s: got %d, %+v", site, w.Code, e)
		}
		for _, want := range []string{site, "https://bank.example", "Config.CrossOrigin.AddTrustedOrigin"} {
			if !strings.Contains(e[0].Err.Error(), want) {
				t.Errorf("%s: the event says %q and not %s", site, e[0].Err, want)
			}
		}
	}
}

// G7: no setting takes the origin "null", so the event names what makes it.
func TestCrossOriginNull(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
	w := newBrowser(life(m)).Send("POST", "/look", "Origin", "null")
	if e := l.All(); w.Code != 403 || len(e) != 1 || e[0].Err == nil || !strings.Contains(e[0].Err.Error(), "Referrer-Policy") {
		t.Errorf("got %d, %+v", w.Code, e)
	}
}

// G6: where neither Fetch Metadata nor Origin says anything we do not ask net/http, whose
// answer is known; if it becomes another one day, this fails.
func TestG6NobodySaysTheOrigin(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Sec-Fetch-Site", "Origin"} {
		r := httptest.NewRequest("POST", "https://example.com/", nil)
		if name != "" {
			r.Header[name] = []string{""}
		}
		if err := http.NewCrossOriginProtection().Check(r); err != nil {
			t.Errorf("net/http refuses a POST with no more than an empty %q, and we do not ask it: %v", name, err)
		}
	}
}

// G6: What cannot work is an error at construction: an origin that no browser
// would send.
func TestG6Origins(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"https://app.example", "http://localhost", "http://localhost:8080", "https://app.example:8443", "http://[::1]:8080", "http://127.0.0.1",
		"https://xn--caf-dma.example", "http://app.example:443", "https://app.example:80",
	} {
		if _, err := coatcheck.New(memstore.New(memstore.Config{}), keys(t), coatcheck.Config{Origins: []string{good}}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "app.example", "app.example:8443", "//app.example", "https://", "https://app.example/", "https://app.example/in", "https://app.example?x",
		"https://app.example#x", "https://u@app.example", "https://app.example:443", "http://app.example:80", "https://app.example:", "ftp://app.example",
		"null", "*", "https://*", "https://*.app.example", "https://app .example", "https://app.example\r\n", "https://café.example", "https://app%2eexample",
	} {
		_, err := coatcheck.New(memstore.New(memstore.Config{}), keys(t), coatcheck.Config{Origins: []string{"https://app.example", bad}})
		if err == nil || !strings.HasPrefix(err.Error(), "coatcheck: Config.Origins has ") || !strings.Contains(err.Error(), "want ") {
			t.Errorf("%q: got %v, want an error that says what is wanted", bad, err)
		}
	}
}

// G6: an origin of Config.Origins counts as the request's own behind a proxy
// that rewrites Host, also without Fetch Metadata, and as no more than that: the
// browser's word that the request is another site's stands.
func TestG6OriginsBehindAProxy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		origins []string
		headers []string
		refused bool
	}{
		{nil, []string{"Origin", "https://app.example"}, true},
		{nil, nil, false},
		{[]string{"https://app.example"}, []string{"Origin", "https://app.example"}, false},
		{[]string{"https://app.example"}, []string{"Origin", "https://APP.example"}, false},
		{[]string{"https://app.example"}, []string{"Origin", "https://app.example", "Sec-Fetch-Site", "same-origin"}, false},
		{[]string{"https://app.example"}, []string{"Origin", "https://app.example:8443"}, true},
		{[]string{"https://app.example"}, []string{"Origin", "http://app.example"}, true},
		{[]string{"https://app.example"}, []string{"Origin", "https://evil.example"}, true},
		{[]string{"https://app.example"}, []string{"Origin", "null"}, true},
		{[]string{"https://app.example"}, []string{"Origin", "https://app.example", "Referer", "https://evil.example/"}, true},
		{[]string{"https://app.example", "https://www.app.example"}, []string{"Origin", "https://www.app.example", "Sec-Fetch-Site", "same-site"}, true},
		{[]string{"https://app.example", "https://other.example"}, []string{"Origin", "https://other.example", "Sec-Fetch-Site", "cross-site"}, true},
	} {
		var l coatchecktest.Events
		list := append([]string{}, c.origins...)
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Origins: list, Events: l.Record})
		clear(list) // the configuration was given by value
		for _, path := range []string{"/login", "/set", "/logout", "/look"} {
			b := begin(t, m, life(m))
			l.Reset()
			r := b.Request("POST", path, c.headers...)
			r.Host = "127.0.0.1:8080"
			if w := b.Serve(r); (w.Code == 403) != c.refused {
				t.Errorf("POST %s with Origins %q and %q: got %d, refused should be %t", path, c.origins, c.headers, w.Code, c.refused)
			}
		}
	}
}
