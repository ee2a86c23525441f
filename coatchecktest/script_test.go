package coatchecktest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// jarApp sets the cookie that the query has as a Set-Cookie, and tells which ones
// came, and what else the request was like.
var jarApp = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if set := r.FormValue("set"); set != "" {
		w.Header().Set("Set-Cookie", set)
	}
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s%s %s %s", r.Method, r.Host, r.URL.Path, r.Header["Cookie"], body)
})

// A script keeps what a browser would not, until it is deleted.
func TestScriptObeysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			b           *coatchecktest.Browser
			first, late string
		}{
			"script":  {coatchecktest.NewScript(jarApp), "[short=1; there=2]", "[short=1; there=2]"},
			"browser": {coatchecktest.NewHandlerBrowser(jarApp), "[short=1]", "[]"},
		} {
			c.b.Send("GET", "/?set=short=1%3B+Max-Age=60%3B+Secure%3B+Path=/")
			c.b.Send("GET", "/far/?set=there=2%3B+Path=/far")
			if got := c.b.Send("GET", "/").Body.String(); got != "GET example.com/ "+c.first+" " {
				t.Errorf("%s: got %q, want %s", name, got, c.first)
			}
			time.Sleep(time.Hour)
			if got := c.b.Send("GET", "/").Body.String(); got != "GET example.com/ "+c.late+" " {
				t.Errorf("%s after an hour: got %q, want %s", name, got, c.late)
			}
			c.b.Send("GET", "/far/?set=there=%3B+Max-Age=-1%3B+Path=/far")
			if left := c.b.Cookies(); left["there"] != "" {
				t.Errorf("%s: deleted, and %v", name, left)
			}
		}
	})
}

// A clone has the cookies of then, in front of the same site, and obeys nothing.
func TestClone(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t, memstore.New(memstore.Config{}))
	browsers := browsers(t, sessions)
	browsers["script"] = coatchecktest.NewScript(newApp(sessions))
	for name, b := range browsers {
		b.Session(t, sessions, func(s *coatcheck.Session) { s.Login("alice") })
		stolen := b.Clone()
		if w := stolen.Send("GET", "/"); w.Body.String() != "alice 0" {
			t.Errorf("%s, stolen: got %q", name, w.Body)
		}
		stolen.SetCookie("mine", "1")
		if b.Cookies()["mine"] != "" || len(stolen.Cookies()) != len(b.Cookies())+1 {
			t.Errorf("%s: a cookie of the clone is in %v", name, b.Cookies())
		}
		b.Send("POST", "/logout")
		if w := stolen.Send("GET", "/"); w.Body.String() != " 0" {
			t.Errorf("%s, stolen, after the logout: got %q", name, w.Body)
		}
	}
	// It is not behind the first one's handler.
	b := coatchecktest.NewScript(jarApp)
	c := b.Clone()
	c.Handler = nil
	if _, err := c.Get("/"); err == nil || !strings.Contains(err.Error(), "Handler is nil") {
		t.Errorf("without a handler: got %v", err)
	}
}

// SetCookie plants one and takes one away, at whatever path it was set.
func TestSetCookie(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]*coatchecktest.Browser{"script": coatchecktest.NewScript(jarApp), "browser": coatchecktest.NewHandlerBrowser(jarApp)} {
		b.Send("GET", "/deep/er?set=a=first%3B+Path=/deep")
		b.SetCookie("a", "planted")
		if got := b.Send("GET", "/deep/er").Body.String(); got != "GET example.com/deep/er [a=planted] " {
			t.Errorf("%s: got %q", name, got)
		}
		if b.SetCookie("a", ""); len(b.Cookies()) != 0 {
			t.Errorf("%s: taken away, and %v", name, b.Cookies())
		}
	}
}

// Serve sends the cookies of the request and no others, with its body, its context
// and its host, and keeps those of the answer.
func TestServe(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(jarApp)
	defer server.Close()
	for name, b := range map[string]*coatchecktest.Browser{
		"server": coatchecktest.NewBrowser(server), "handler": coatchecktest.NewHandlerBrowser(jarApp), "script": coatchecktest.NewScript(jarApp),
	} {
		b.SetCookie("own", "1")
		r := b.Request("POST", "/in?set=kept=2", "Accept", "text/plain")
		if r.RemoteAddr == "" || r.RequestURI != "/in?set=kept=2" || r.Header.Get("Cookie") != "own=1" || r.Header.Get("Accept") != "text/plain" {
			t.Errorf("%s: Request returns one from %q of %q with %v", name, r.RemoteAddr, r.RequestURI, r.Header)
		}
		r.Header.Set("Cookie", "other=3; other=4")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("text")), 4
		host := r.Host
		if got := b.Serve(r).Body.String(); got != "POST "+host+"/in [other=3; other=4] text" || b.Cookies()["kept"] != "2" || b.Cookies()["own"] != "1" {
			t.Errorf("%s: got %q, and the cookies %v", name, got, b.Cookies())
		}
	}
	b := coatchecktest.NewScript(nil)
	b.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Context().Value(b), r.TLS != nil) })
	if got := b.Serve(b.Request("GET", "/").WithContext(context.WithValue(t.Context(), b, "passed on "))).Body.String(); got != "passed on true" {
		t.Errorf("the context: got %q", got)
	}
	if got := b.Send("GET", "http://example.com/").Body.String(); got != "<nil> false" {
		t.Errorf("plain HTTP: got %q", got)
	}
}

// A panic of the handler reaches the test.
func TestServePassesAPanicOn(t *testing.T) {
	t.Parallel()
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("recovered %v", got)
		}
	}()
	coatchecktest.NewScript(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })).Send("GET", "/")
}

// Several requests at once of one script are safe.
func TestScriptAtOnce(t *testing.T) {
	t.Parallel()
	b := coatchecktest.NewScript(jarApp)
	done := make(chan bool)
	for i := range 8 {
		go func() {
			b.Send("GET", fmt.Sprint("/?set=a", i, "=1"))
			b.Clone()
			done <- true
		}()
	}
	for range 8 {
		<-done
	}
	if n := len(b.Cookies()); n != 8 {
		t.Errorf("%d cookies, want 8", n)
	}
}

// Events keeps them in their order, until Reset, and prints no user.
func TestEvents(t *testing.T) {
	t.Parallel()
	var events coatchecktest.Events
	sessions := newSessionsWith(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: events.Record})
	if len(events.All()) != 0 || len(events.Kinds()) != 0 || events.Count(coatcheck.LoggedIn) != 0 {
		t.Errorf("at first: %v", &events)
	}
	b := coatchecktest.NewHandlerBrowser(newApp(sessions))
	b.Send("POST", "/login?user=alice")
	b.Send("POST", "/logout")
	if got := fmt.Sprint(events.Kinds()); got != "[login logout]" || events.Count(coatcheck.LoggedOut) != 1 || events.Count(coatcheck.Created) != 0 {
		t.Errorf("got %s", got)
	}
	all := events.All()
	if all[0].User != "alice" {
		t.Errorf("got %+v", all[0])
	}
	all[0].Kind = "changed"
	var text bytes.Buffer
	fmt.Fprintf(&text, "%v %+v %#v %s", &events, &events, &events, &events)
	if got := text.String(); got != strings.TrimSpace(strings.Repeat("[login logout] ", 4)) {
		t.Errorf("printed: %s", got)
	}
	if events.Reset(); len(events.All()) != 0 {
		t.Errorf("after Reset: %v", &events)
	}
}
