package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
)

// What is hostile in what others chose: users, devices, labels, names of values,
// handles and errors. Each must stand on the pages as text.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'{{.}}`

// Stored HTML stays text, wherever it was stored, and what turns around what follows
// is spelled out.
func TestStoredHTML(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	user := hostile + "\u202egnp.exe"
	p := s.person()
	r := p.request("POST", "/login", url.Values{"user": {user}}.Encode())
	r.Header.Set("User-Agent", hostile+" Firefox/140.0")
	p.send(r)
	p.Session(t, s.sessions, func(o *coatcheck.Session) {
		o.SetLabel(hostile[:60], hostile)
		coatcheck.NewKey[string](hostile).Set(o, hostile)
	})
	other := s.person()
	r = other.request("POST", "/login", url.Values{"user": {"124"}}.Encode())
	r.Header.Set("User-Agent", `<b>curl`+"\u202e/8.14")
	other.send(r)
	s.hour.Events(nil)(coatcheck.Event{Kind: hostile, Reason: hostile, Handle: hostile, User: user, By: hostile, Err: errHostile{}})
	ada := s.operator("ada")
	q := url.QueryEscape(user)
	for _, path := range []string{"", "user?q=" + q, "user?q=124", "session?user=" + q + "&q=" + s.handleOf(user), "session?q=" + url.QueryEscape(hostile), "why?q=" + q + "&at=" + url.QueryEscape(hostile),
		"events", "events?user=" + q + "&group=" + url.QueryEscape(hostile) + "&handle=" + url.QueryEscape(hostile)} {
		a := ada.get("/console/" + path)
		if a.status != 200 {
			t.Errorf("%s: got %d", path, a.status)
		}
		seen := fields.ReplaceAllString(a.body, "") // what is sent back must be as it was
		for _, bad := range []string{"<script>alert", "<img", "\u202e", "<b>curl"} {
			if strings.Contains(seen, bad) {
				t.Errorf("%s: the page has %q", path, bad)
			}
		}
	}
	a := ada.get("/console/user?q=" + q)
	a.has(t, `\u202egnp.exe`, `<script>alert(1)</script>`)
	// And the links lead where they say.
	for _, m := range strings.Split(a.body, `name="user" value="`)[1:] {
		value, _, _ := strings.Cut(m, `"`)
		if !strings.HasPrefix(value, "&#34;&gt;&lt;script&gt;") {
			t.Errorf("a form is for user %q", value)
		}
	}
}

var fields = regexp.MustCompile(`value="[^"]*"`)

type errHostile struct{}

func (errHostile) Error() string { return hostile + strings.Repeat("<b>", 1000) }

// A POST from another origin ends nothing, not even from one that the application
// trusts for itself.
func TestForgedOrigin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.customer("123")
	handle := s.handleOf("123")
	ada := s.operator("ada")
	for name, headers := range map[string]map[string]string{
		"another site":      {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
		"a sibling":         {"Sec-Fetch-Site": "same-site", "Origin": "https://other.example.com"},
		"no Fetch Metadata": {"Origin": "https://evil.example"},
		"null":              {"Origin": "null"},
	} {
		for _, path := range []string{"/console/end", "/console/end-all"} {
			r := ada.request("POST", path, url.Values{"user": {"123"}, "handle": {handle}}.Encode())
			for k, v := range headers {
				r.Header.Set(k, v)
			}
			if a := ada.send(r); a.status != http.StatusForbidden {
				t.Errorf("%s: %s: got %d", name, path, a.status)
			}
		}
	}
	if s.handleOf("123") != handle {
		t.Error("it was ended")
	}
	for _, path := range []string{"/console/end?user=123&handle=" + handle, "/console/end-all?user=123"} {
		if a := ada.get(path); a.status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: got %d", path, a.status)
		}
		// Nor does the URL of a POST count.
		if a := ada.post(path, nil); a.status != http.StatusBadRequest {
			t.Errorf("POST %s: got %d", path, a.status)
		}
	}
	if s.handleOf("123") != handle {
		t.Error("it was ended")
	}
}

// An origin that the application trusts may not end sessions here.
func TestTrustedOrigin(t *testing.T) {
	t.Parallel()
	trusting := http.NewCrossOriginProtection()
	if err := trusting.AddTrustedOrigin("https://partner.example"); err != nil {
		t.Fatal(err)
	}
	s := newSiteWith(t, coatcheck.Config{CrossOrigin: trusting})
	s.customer("123")
	handle := s.handleOf("123")
	ada := s.operator("ada")
	r := ada.request("POST", "/console/end", url.Values{"user": {"123"}, "handle": {handle}}.Encode())
	r.Header.Set("Origin", "https://partner.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := ada.send(r); a.status != http.StatusForbidden {
		t.Errorf("got %d", a.status)
	} else {
		a.has(t, "Nothing was ended", "another origin")
	}
	if s.handleOf("123") != handle {
		t.Error("it was ended")
	}
}

// A handle of one user does not end a session of another, and no session is ended
// whose user is not named.
func TestMixedUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.customer("123")
	s.customer("456")
	handle := s.handleOf("123")
	ada := s.operator("ada")
	a := ada.post("/console/end", url.Values{"user": {"456"}, "handle": {handle}})
	ada.get("/console/"+a.header.Get("Location")).has(t, "Nothing was ended.")
	for _, form := range []url.Values{{}, {"user": {"123"}}, {"handle": {handle}}, {"user": {""}, "handle": {handle}}} {
		if a := ada.post("/console/end", form); a.status != http.StatusBadRequest {
			t.Errorf("%v: got %d", form, a.status)
		}
	}
	if a := ada.post("/console/end-all", url.Values{"user": {strings.Repeat("x", 300)}}); a.status != http.StatusInternalServerError {
		t.Errorf("a user that nobody can be: got %d", a.status)
	}
	if a := ada.post("/console/end", url.Values{"user": {strings.Repeat("x", 10_000)}}); a.status != http.StatusBadRequest {
		t.Errorf("a long form: got %d", a.status)
	}
	s.handleOf("123")
	s.handleOf("456")
}
