package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// ask is the recipe of docs/guide/native-clients.md: what a client does with each
// status. It returns the answer and how many requests that took.
func (c *client) ask(method, url string) (w *httptest.ResponseRecorder, requests int) {
	for requests = 1; ; requests++ {
		sent := c.has()
		w = c.do(method, url)
		switch {
		case requests > 8:
			return w, requests
		case w.Code == http.StatusServiceUnavailable:
			time.Sleep(time.Second) // Retry-After
		case w.Code == http.StatusUnauthorized:
			c.keep("")
			c.do("POST", "/login?user=alice") // ask the person
		case w.Code == http.StatusConflict && c.has() == sent:
			requests++
			switch c.do("GET", "/private").Code { // any route behind RequireLogin
			case http.StatusUnauthorized:
				c.keep("") // over
			case http.StatusConflict:
				time.Sleep(100 * time.Millisecond) // replaced: an answer brings the new one
			}
		case w.Code != http.StatusConflict: // else there is a newer token by now
			return w, requests
		}
	}
}

// docs/guide/native-clients.md: after a revocation a client goes on within a few
// requests and not after a minute, on routes for everybody and on those for users;
// where another of its requests got a new token, with that.
func TestBearerRecipe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after    func(m *coatcheck.Manager, c *client)
		url      string
		body     string
		requests int
	}{
		"nothing":                   {func(*coatcheck.Manager, *client) {}, "/hit", "1", 1},
		"revoked, route for all":    {revokeAlice, "/hit", "1", 3},
		"revoked, route for users":  {revokeAlice, "/private", "private", 2},
		"replaced, route for all":   {renewLater, "/hit", "1", 5},
		"replaced, route for users": {renewLater, "/private", "private", 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := bearer(t, memstore.New(memstore.Config{}), coatcheck.Config{})
				app := &client{h: bearerApp(m)}
				wants(t, app.do("POST", "/login?user=alice"), 200, "")
				time.Sleep(time.Second)
				c.after(m, app)
				began := time.Now()
				w, n := app.ask("POST", c.url)
				wants(t, w, 200, c.body)
				if took := time.Since(began); n > c.requests || took > time.Second {
					t.Errorf("it took %d requests and %v, want at most %d and a second", n, took, c.requests)
				}
				synctest.Wait()
			})
		})
	}
}

func revokeAlice(m *coatcheck.Manager, c *client) {
	if _, err := m.RevokeAll(context.Background(), "alice"); err != nil {
		panic(err)
	}
	time.Sleep(time.Millisecond)
}

func (c *client) has() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token
}

func (c *client) keep(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = token
}

// renewLater is another request of the client, whose answer with the new token
// arrives a little later.
func renewLater(_ *coatcheck.Manager, c *client) {
	other := &client{h: c.h, token: c.token}
	if w := other.do("POST", "/renew"); w.Code != 200 {
		panic(fmt.Sprint(w.Code))
	}
	go func() {
		time.Sleep(150 * time.Millisecond)
		c.keep(other.token)
	}()
}
