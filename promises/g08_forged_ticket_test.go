package promises_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// G8: what we did not issue is refused without a store call; malformed, quoted
// and oversized cookies too, alone and of several. T1: Anything else is malformed,
// and so is another version. T2: A token that no configured secret verifies is
// forged. Both are refused without a call to the store.
func TestG8RefusedWithoutAStoreCall(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{Events: l.Record})
	h := only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { io.WriteString(w, s.User()) })
	token := begin(t, m, h).Cookies()[sidName]

	foreign, err := cookie.NewKeys("Zx5-another-secret-of-43-characters-k3W9pQ7")
	if err != nil {
		t.Fatal(err)
	}
	otherKeys, err := coatcheck.New(memstore.New(memstore.Config{}), foreign, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	otherApp, err := coatcheck.New(memstore.New(memstore.Config{}), keys(t).Application("other"), coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	otherName := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Name: "__Host-other"})
	login := func(m *coatcheck.Manager, name string) string {
		b := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Login("alice") }))
		b.Send("POST", "/")
		return b.Cookies()[name]
	}
	version := []byte(decoded(t, token))
	version[0]++

	const malformed, forged = "malformed", "forged"
	for _, c := range []struct{ name, header, reason string }{
		{"empty", sidName + "=", malformed},
		{"one byte short", sidName + "=" + token[:51], malformed},
		{"one byte long", sidName + "=" + token + "A", malformed},
		{"half", sidName + "=" + token[:26], malformed},
		{"twice as long", sidName + "=" + token + token, malformed},
		{"padded", sidName + "=" + token[:50] + "==", malformed},
		{"standard base64", sidName + "=" + strings.Repeat("+/", 26), malformed},
		{"another version", sidName + "=" + base64.RawURLEncoding.EncodeToString(version), malformed},
		{"hexadecimal", sidName + "=" + strings.Repeat("0f", 32), malformed},
		{"the marker's value", sidName + "=1", malformed},
		{"zeros", sidName + "=" + strings.Repeat("A", 52), malformed},
		{"random", sidName + "=" + "AQ" + strings.Repeat("x", 50), "unknown key"},
		{"other keys", sidName + "=" + login(otherKeys, sidName), "unknown key"},
		{"other application", sidName + "=" + login(otherApp, sidName), forged},
		{"other cookie name", sidName + "=" + login(otherName, "__Host-other"), forged},
		{"quoted", sidName + `="` + token + `"`, cookie.ReasonQuoted},
		{"a quote in it", sidName + `=` + token[:51] + `"`, "bytes that no cookie may have"},
		{"a space in it", sidName + `=` + token[:26] + " " + token[27:], "bytes that no cookie may have"},
		{"a line break in it", sidName + `=` + token[:26] + "\n" + token[27:], "bytes that no cookie may have"},
		{"a NUL in it", sidName + `=` + token[:26] + "\x00" + token[27:], "bytes that no cookie may have"},
		{"two of another", sidName + "=x; " + sidName + "=y", "several of the name, none genuine"},
		{"two, forged and quoted", sidName + "=AQ" + strings.Repeat("x", 50) + "; " + sidName + `="` + token + `"`, "several of the name, none genuine"},
		{"five, one genuine", sidName + "=" + token + strings.Repeat("; "+sidName+"=x", 4), "more of the name than are looked at"},
		{"5,000, one genuine", strings.Repeat(sidName+"=x; ", 4999) + sidName + "=" + token, "more of the name than are looked at"},
		{"4 KiB", sidName + "=" + strings.Repeat("A", 4096), cookie.ReasonTooLong},
		{"1 MB", sidName + "=" + strings.Repeat("A", 1<<20), cookie.ReasonTooLong},
	} {
		l.Reset()
		before := store.count("")
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", c.header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 || w.Body.String() != "" || len(w.Header()["Set-Cookie"]) > 0 {
			t.Errorf("%s: got %d %q with cookies %q, want an anonymous answer", c.name, w.Code, w.Body, w.Header()["Set-Cookie"])
		}
		if n := store.count("") - before; n != 0 {
			t.Errorf("%s: %d calls of the store, want none", c.name, n)
		}
		e := l.All()
		if len(e) != 1 || e[0].Kind != coatcheck.Refused || !strings.HasPrefix(e[0].Reason, "session cookie: ") || !strings.HasSuffix(e[0].Reason, c.reason) {
			t.Errorf("%s: got the events %+v, want one refused as %s", c.name, e, c.reason)
		}
	}
}

// G8: what we did not issue is refused. Exact names: a nameless or oddly spelt
// cookie is not ours, and no number of others hides ours.
func TestG8WhichCookieIsOurs(t *testing.T) {
	t.Parallel()
	var l coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: l.Record})
	h := only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { io.WriteString(w, s.User()) })
	token := begin(t, m, h).Cookies()[sidName]
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, "c%d=v; ", i)
	}
	for _, c := range []struct {
		name  string
		lines []string
		user  string
	}{
		{"alone", []string{sidName + "=" + token}, "alice"},
		{"behind thousands", []string{many.String() + sidName + "=" + token}, "alice"},
		{"before thousands", []string{sidName + "=" + token + "; " + many.String()}, "alice"},
		{"in a second line", []string{"a=b", sidName + "=" + token}, "alice"},
		{"nameless", []string{"=" + sidName + "=" + token}, ""},
		{"lower case", []string{strings.ToLower(sidName) + "=" + token}, ""},
		{"a space before =", []string{sidName + " =" + token}, ""},
		{"a longer name", []string{sidName + "x=" + token}, ""},
		{"in the value of another", []string{"a=" + sidName + "=" + token}, ""},
		{"beside the odd spellings", []string{"=" + sidName + "=x; " + strings.ToLower(sidName) + "=x; " + sidName + "=" + token}, "alice"},
	} {
		l.Reset()
		r := httptest.NewRequest("GET", "/?"+sidName+"="+token, nil) // ASVS 14.2.1: never from the URL
		r.Header["Cookie"] = c.lines
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Body.String() != c.user {
			t.Errorf("%s: got %q, want %q", c.name, w.Body, c.user)
		}
		if len(l.All()) != 0 {
			t.Errorf("%s: got the events %v, want none", c.name, l.Kinds())
		}
	}
}

func decoded(t *testing.T, token string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != 39 {
		t.Fatalf("the token is %q: %v, %d bytes; want 39", token, err, len(b))
	}
	return string(b)
}

// G8: A token carries a MAC; what we did not issue is refused without a store
// call: so every change of every bit of a token.
func TestG8EveryBit(t *testing.T) {
	t.Parallel()
	store := &trap{Store: memstore.New(memstore.Config{})}
	m := manage(t, store, coatcheck.Config{})
	b := begin(t, m, only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { io.WriteString(w, s.User()) }))
	token := decoded(t, b.Cookies()[sidName])
	before := store.count("")
	for bit := range len(token) * 8 {
		flipped := []byte(token)
		flipped[bit/8] ^= 1 << (bit % 8)
		b.SetCookie(sidName, base64.RawURLEncoding.EncodeToString(flipped))
		if w := b.Send("GET", "/"); w.Body.String() != "" {
			t.Errorf("bit %d flipped: got %q, want nobody", bit, w.Body)
		}
	}
	if n := store.count("") - before; n != 0 {
		t.Errorf("%d calls of the store, want none", n)
	}
	b.SetCookie(sidName, base64.RawURLEncoding.EncodeToString([]byte(token)))
	if w := b.Send("GET", "/"); w.Body.String() != "alice" {
		t.Errorf("unchanged: got %q, want alice", w.Body)
	}
}

// G8: Rotating keys logs nobody out: fallbacks verify, the first signs. T3: It
// does not depend on the key.
func TestG8Rotation(t *testing.T) {
	t.Parallel()
	const first, second = "fM3-tR8uJ1zYq6WcXb0NsLd5HgKe7PvA", "oQ9-vB4kT2xUi7MjZr1DyFh8SnGw5LcE"
	store := &trap{Store: memstore.New(memstore.Config{})}
	manager := func(secrets ...string) *coatcheck.Manager {
		k, err := cookie.NewKeys(secrets...)
		if err != nil {
			t.Fatal(err)
		}
		m, err := coatcheck.New(store, k, coatcheck.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	b := begin(t, manager(first), nil)
	old := b.Cookies()[sidName]
	user := func(m *coatcheck.Manager) string { user, _ := stored(m, b); return user }
	for _, step := range []struct {
		name string
		m    *coatcheck.Manager
		user string
	}{
		{"before", manager(first), "alice"},
		{"the new one announced", manager(first, second), "alice"},
		{"the new one signs", manager(second, first), "alice"},
		{"the old one gone", manager(second), ""},
	} {
		before := store.count("")
		if got := user(step.m); got != step.user {
			t.Errorf("%s: got %q, want %q", step.name, got, step.user)
		}
		if n := store.count("") - before; step.user == "" && n != 0 {
			t.Errorf("%s: %d calls of the store, want none", step.name, n)
		}
	}
	// A renewal under the new first key outlives the old one.
	b.Handler = life(manager(second, first))
	b.Send("POST", "/renew")
	if b.Cookies()[sidName] == old || user(manager(second)) != "alice" {
		t.Errorf("renewed: got %q under the new key alone, want alice", user(manager(second)))
	}
}

// G8: A session cookie is set only by the commit that made its token, or
// cleared: no late answer can put an old token back.
func TestG8LateAnswersSetNoCookie(t *testing.T) {
	t.Parallel()
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	for name, act := range map[string]func(*coatcheck.Session){
		"read":    func(*coatcheck.Session) {},
		"Set":     func(s *coatcheck.Session) { hits.Set(s, 9) },
		"Update":  func(s *coatcheck.Session) { hits.Update(s, increase) },
		"Renew":   (*coatcheck.Session).Renew,
		"Touch":   (*coatcheck.Session).Touch,
		"Flashes": func(s *coatcheck.Session) { s.Flashes() },
	} {
		var b *browser
		b = begin(t, m, only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
			s.User()
			login := b.Clone() // the same browser, whose login overtakes
			login.Handler = life(m)
			login.Send("POST", "/login")
			wear(b, login.Cookies())
			act(s)
		}))
		w := b.Send("POST", "/")
		if lines := w.Header()["Set-Cookie"]; len(lines) > 0 {
			t.Errorf("%s: the late answer sets %q", name, lines)
		}
		if user, _ := stored(m, b); user != "alice" {
			t.Errorf("%s: the browser is %q's, want alice's", name, user)
		}
	}
}
