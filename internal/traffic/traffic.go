// Package traffic is what the visitors of an application do all day, good and
// bad, for tests that look whether something grows.
package traffic

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
)

var (
	visits = coatcheck.NewKey[int]("visits")
	note   = coatcheck.NewKey[string]("note")
	code   = coatcheck.NewKey[string]("code")
)

// Site is the application.
func Site(m *coatcheck.Manager) http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, f func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { f(w, r, m.From(r.Context())) })
	}
	handle("/look", func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		n, _ := visits.Get(s)
		fmt.Fprintf(w, "%s %d", s.User(), n)
	})
	handle("/count", func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		n := visits.Update(s, func(n int) int { return n + 1 })
		fmt.Fprintf(w, "%s %d", s.User(), n)
	})
	handle("/note", func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		note.Set(s, strings.Repeat("x", 500))
	})
	handle("/flash", func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Flash("hello"); s.Flashes() })
	handle("/code", func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		code.SetFor(s, "4711", time.Minute)
		code.Pop(s)
	})
	handle("/login", func(_ http.ResponseWriter, r *http.Request, s *coatcheck.Session) { s.Login(r.URL.Query().Get("user")) })
	handle("/renew", func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Renew() })
	handle("/logout", func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { s.Logout() })
	handle("/others", func(w http.ResponseWriter, r *http.Request, _ *coatcheck.Session) {
		if _, err := m.RevokeOthers(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	handle("/panic", func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		note.Set(s, "lost")
		panic(http.ErrAbortHandler)
	})
	handle("/stream", func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		ended := s.Ended()
		io.WriteString(w, "x")
		http.NewResponseController(w).Flush()
		select {
		case <-ended:
		case <-r.Context().Done():
		}
	})
	return m.Handler(mux)
}

// A Crowd is a number of visitors who take turns. What they do depends on the
// seed alone. It is for one goroutine; several have a crowd each.
type Crowd struct {
	name     string
	base     string
	transit  http.RoundTripper
	rand     *rand.Rand
	visitors []visitor
	Requests int
}

// A visitor is one browser. The store has exactly one session of each that is
// logged in or has kept something.
type visitor struct {
	user   string
	in     bool
	kept   bool
	visits int
	jar    map[string]string
}

// NewCrowd returns visitors of the site at base, reached through transit.
func NewCrowd(name, base string, transit http.RoundTripper, visitors int) *Crowd {
	c := &Crowd{name: name, base: base, transit: transit, visitors: make([]visitor, visitors)}
	var seed [32]byte
	copy(seed[:], name)
	c.rand = rand.New(rand.NewChaCha8(seed))
	for i := range c.visitors {
		c.visitors[i] = visitor{user: fmt.Sprint(name, "-", i), jar: make(map[string]string)}
	}
	return c
}

// Live returns how many sessions the visitors have.
func (c *Crowd) Live() int {
	n := 0
	for _, v := range c.visitors {
		if v.in || v.kept {
			n++
		}
	}
	return n
}

// Users are those who are logged in, each with one session.
func (c *Crowd) Users() []string {
	var list []string
	for _, v := range c.visitors {
		if v.in {
			list = append(list, v.user)
		}
	}
	return list
}

// Step is what one visitor does next. An error says what was not as it should be.
func (c *Crowd) Step() error {
	v := &c.visitors[c.rand.IntN(len(c.visitors))]
	switch p := c.rand.IntN(100); {
	case p < 40:
		return c.expect(v, "GET", "/look", fmt.Sprintf("%s %d", v.who(), v.visits))
	case p < 60:
		v.kept, v.visits = true, v.visits+1
		return c.expect(v, "POST", "/count", fmt.Sprintf("%s %d", v.who(), v.visits))
	case p < 65:
		v.kept = true
		return c.expect(v, "POST", "/note", "")
	case p < 68: // leaves nothing, and so makes no session
		return c.expect(v, "POST", "/flash", "")
	case p < 71: // nor does this
		return c.expect(v, "POST", "/code", "")
	case p < 78:
		v.in = true
		return c.expect(v, "POST", "/login?user="+v.user, "")
	case p < 81:
		return c.expect(v, "POST", "/renew", "")
	case p < 85:
		v.in, v.kept, v.visits = false, false, 0
		return c.expect(v, "POST", "/logout", "")
	case p < 87:
		return c.elsewhere(v)
	case p < 90:
		return c.forged()
	case p < 92:
		return c.fromOutside(v)
	case p < 94:
		_, _, err := c.send(v.copy(), "POST", "/panic")
		if err == nil {
			err = fmt.Errorf("%s: a panic was answered", v.user)
		} else {
			err = nil
		}
		return err
	case p < 95:
		return c.stream(v)
	default: // somebody who keeps nothing
		return c.expect(&visitor{user: "nobody", jar: make(map[string]string)}, "GET", "/look", " 0")
	}
}

func (v *visitor) who() string {
	if v.in {
		return v.user
	}
	return ""
}

// copy is a visitor whose answers change nothing here.
func (v *visitor) copy() *visitor {
	jar := make(map[string]string, len(v.jar))
	for name, value := range v.jar {
		jar[name] = value
	}
	return &visitor{user: v.user, jar: jar}
}

// elsewhere logs in on another device, which then ends.
func (c *Crowd) elsewhere(v *visitor) error {
	if !v.in {
		return nil
	}
	other := &visitor{user: v.user, in: true, jar: make(map[string]string)}
	if err := c.expect(other, "POST", "/login?user="+v.user, ""); err != nil {
		return err
	}
	if err := c.expect(v, "POST", "/others", ""); err != nil {
		return err
	}
	return c.expect(other, "GET", "/look", " 0")
}

// forged comes with cookies that nobody issued.
func (c *Crowd) forged() error {
	v := &visitor{user: "forger", jar: map[string]string{"__Host-Http-sid": "AQAAAAAA" + strings.Repeat("x", c.rand.IntN(60))}}
	return c.expect(v, "GET", "/look", " 0")
}

// fromOutside is what another site makes the browser send.
func (c *Crowd) fromOutside(v *visitor) error {
	status, _, err := c.send(v.copy(), "POST", "/logout", "Sec-Fetch-Site", "cross-site")
	if err == nil && status != http.StatusForbidden {
		err = fmt.Errorf("%s: a cross-site logout: %d", v.user, status)
	}
	return err
}

// stream listens for a moment.
func (c *Crowd) stream(v *visitor) error {
	if !v.in {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r, err := c.request(ctx, v, "GET", "/stream")
	if err != nil {
		return err
	}
	c.Requests++
	if res, err := c.transit.RoundTrip(r); err == nil {
		io.Copy(io.Discard, res.Body) // ends with ctx
		res.Body.Close()
	}
	return nil
}

func (c *Crowd) request(ctx context.Context, v *visitor, method, path string, headers ...string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	for name, value := range v.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r, nil
}

func (c *Crowd) send(v *visitor, method, path string, headers ...string) (status int, body string, err error) {
	r, err := c.request(context.Background(), v, method, path, headers...)
	if err != nil {
		return 0, "", err
	}
	c.Requests++
	res, err := c.transit.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	for _, cookie := range res.Cookies() {
		if cookie.MaxAge < 0 {
			delete(v.jar, cookie.Name)
		} else {
			v.jar[cookie.Name] = cookie.Value
		}
	}
	return res.StatusCode, string(text), err
}

func (c *Crowd) expect(v *visitor, method, path, want string) error {
	status, body, err := c.send(v, method, path)
	if err == nil && (status != http.StatusOK || body != want) {
		err = fmt.Errorf("%s: %s %s: got %d %q, want %q", v.user, method, path, status, body, want)
	}
	return err
}
