//go:build linux

// Package visit is a browser at an application of another system and at the bridge to
// it. The application speaks HTTP: POST /login puts the JSON of its body into a new
// session, GET /show answers what the session holds, as JSON, POST /logout ends it.
package visit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
)

// A Visit is one browser.
type Visit struct {
	t      testing.TB
	url    *url.URL
	client http.Client
	Source bridge.Source
}

// New is a browser without cookies.
func New(t testing.TB, app string, source bridge.Source) *Visit {
	t.Helper()
	u, err := url.Parse(app)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Visit{t, u, http.Client{Jar: jar, Timeout: time.Minute}, source}
}

// Another is one at the same application, without cookies.
func (v *Visit) Another() *Visit { v.t.Helper(); return New(v.t, v.url.String(), v.Source) }

func (v *Visit) do(method, path string, body []byte) []byte {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.url.String()+path, bytes.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		v.t.Fatalf("%s %s: %s, %v\n%s", method, path, resp.Status, err, answer)
	}
	return answer
}

// Login logs in at the application.
func (v *Visit) Login(values map[string]any) {
	v.t.Helper()
	body, err := json.Marshal(values)
	if err != nil {
		v.t.Fatal(err)
	}
	v.do(http.MethodPost, "/login", body)
}

// Logout logs out at the application.
func (v *Visit) Logout() { v.t.Helper(); v.do(http.MethodPost, "/logout", nil) }

// Show is what the application has in its session.
func (v *Visit) Show() (values map[string]json.RawMessage) {
	v.t.Helper()
	answer := v.do(http.MethodGet, "/show", nil)
	if string(answer) == "[]" { // PHP's empty array
		return nil
	}
	if err := json.Unmarshal(answer, &values); err != nil {
		v.t.Fatalf("%v in %s", err, answer)
	}
	return values
}

// Request is one with the browser's cookies.
func (v *Visit) Request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, v.url.String(), nil).WithContext(v.t.Context())
	for _, c := range v.client.Jar.Cookies(v.url) {
		r.AddCookie(c)
	}
	return r
}

// Cookies are the browser's.
func (v *Visit) Cookies() []*http.Cookie { return v.client.Jar.Cookies(v.url) }

// SetCookies puts cookies into the browser.
func (v *Visit) SetCookies(list ...*http.Cookie) { v.client.Jar.SetCookies(v.url, list) }

// Read is what the bridge reads.
func (v *Visit) Read() (bridge.Session, error) { return v.Source.Read(v.Request()) }

// MustRead is Read of a session that is there.
func (v *Visit) MustRead() bridge.Session {
	v.t.Helper()
	s, err := v.Read()
	if err != nil {
		v.t.Fatal(err)
	}
	return s
}

// Issue logs in by the bridge.
func (v *Visit) Issue(s bridge.Session) {
	v.t.Helper()
	w := httptest.NewRecorder()
	if err := v.Source.Issue(w, v.Request(), s); err != nil {
		v.t.Fatal(err)
	}
	v.SetCookies(w.Result().Cookies()...)
}

// End logs out by the bridge.
func (v *Visit) End() {
	v.t.Helper()
	w := httptest.NewRecorder()
	if err := v.Source.End(w, v.Request()); err != nil {
		v.t.Fatal(err)
	}
	v.SetCookies(w.Result().Cookies()...)
}

// Logouts checks that a logout on either side is seen on the other. Stored says that
// there is a store, so that a copy of a cookie is dead too.
func (v *Visit) Logouts(login map[string]any, stored bool) {
	v.t.Helper()
	for name, end := range map[string]func(){"there": v.Logout, "here": v.End} {
		v.Login(login)
		if s := v.MustRead(); s.User == "" {
			v.t.Fatal("the login there is none here")
		}
		copied := v.Cookies()
		end()
		if s, err := v.Read(); err == nil && s.User != "" {
			v.t.Errorf("after a logout %s: here is %q", name, s.User)
		}
		if shown := v.Show(); len(shown) > 0 && bytes.Contains(fmt.Append(nil, shown), []byte("somebody")) {
			v.t.Errorf("after a logout %s: there is %s", name, shown)
		}
		if !stored {
			continue
		}
		v.SetCookies(copied...)
		if s, err := v.Read(); !errors.Is(err, bridge.ErrEnded) {
			v.t.Errorf("after a logout %s a copy of the cookie gives %q, %v here; want ErrEnded", name, s.User, err)
		}
	}
}

// random is a session of values that JSON has.
func random(n *rand.Rand, userKey string) map[string]any {
	values := map[string]any{userKey: fmt.Sprint("user", n.Uint32())}
	for range n.IntN(7) {
		values[fmt.Sprint("key", n.IntN(1000))] = value(n, 2)
	}
	return values
}

func value(n *rand.Rand, depth int) any {
	switch k := n.IntN(8); {
	case k == 0:
		return n.Int64N(1<<53) - 1<<52
	case k == 1:
		return n.NormFloat64()
	case k == 2:
		return strings.Repeat("é☃\x00\"';|}{/<a&\n", n.IntN(8))
	case k == 3:
		return n.IntN(2) == 0
	case k == 4:
		return nil
	case k == 5 && depth > 0:
		list := make([]any, n.IntN(4))
		for i := range list {
			list[i] = value(n, depth-1)
		}
		return list
	case k == 6 && depth > 0:
		object := map[string]any{"a": value(n, depth-1)}
		for range n.IntN(3) {
			object[fmt.Sprint("k", n.IntN(9))] = value(n, depth-1)
		}
		return object
	}
	return n.IntN(10)
}

// Random sends 200 random sessions each way. What is in ignored the application puts
// into every session by itself. Keep may take out what it cannot hold.
func (v *Visit) Random(userKey string, keep func(map[string]any), ignored ...string) {
	v.t.Helper()
	seed := rand.Uint64()
	n := rand.New(rand.NewPCG(seed, 0))
	for i := range 200 {
		in := random(n, userKey)
		if keep != nil {
			keep(in)
		}
		v.Logout()
		v.Login(in)
		s, err := v.Read()
		if err != nil || s.User != in[userKey] || len(s.Refused) > 0 {
			v.t.Fatalf("seed %d, session %d: user %q of %q, refused %v, %v", seed, i, s.User, in[userKey], s.Refused, err)
		}
		if name := Differ(in, s.Values, ignored...); name != "" {
			v.t.Fatalf("seed %d, session %d: %s is %s here, want %#v", seed, i, name, s.Values[name], in[name])
		}
		for _, name := range ignored {
			delete(s.Values, name)
		}
		own := make(map[string]any) // as it reads what it wrote itself
		for name, raw := range v.Show() {
			own[name] = raw
		}
		v.Logout()
		v.Issue(s)
		shown := v.Show()
		if name := Differ(own, shown, ignored...); name != "" {
			v.t.Fatalf("seed %d, session %d: %s is %s there, want %#v", seed, i, name, shown[name], in[name])
		}
	}
}

// Differ names a value that is not the same, or missing, or too much.
func Differ(want map[string]any, got map[string]json.RawMessage, ignored ...string) string {
	skip := make(map[string]bool)
	for _, name := range ignored {
		skip[name] = true
	}
	for name, v := range want {
		raw, err := json.Marshal(v)
		if err != nil || !skip[name] && !Equal(raw, got[name]) {
			return name
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok && !skip[name] {
			return name
		}
	}
	return ""
}

// Equal reports whether two texts are the same as JSON.
func Equal(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
