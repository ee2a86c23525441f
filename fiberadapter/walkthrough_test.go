package fiberadapter_test

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/fiberadapter"
	"github.com/gofiber/fiber/v3"
)

// The application of `coatcheck serve`, as one for Fiber.
type walk struct {
	sessions *coatcheck.Manager
	name     cookie.Cookie[string]
	theme    cookie.Cookie[string]
	visitor  cookie.Cookie[int]
	token    cookie.Cookie[string]
}

var (
	items   = coatcheck.NewKey[[]string]("cart")
	widget  = coatcheck.NewKey[string]("widget")
	oneTime = coatcheck.NewKey[string]("one-time")
)

// newWalk starts it.
func newWalk(t *testing.T, cfg coatcheck.Config) (*site, *visitor) {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, cfg)
	w := &walk{
		sessions: s.sessions,
		name:     cookie.New[string]("username", cookie.Policy{MaxAge: time.Hour}),
		theme:    cookie.NewSigned[string]("theme", keys, cookie.Policy{MaxAge: 24 * time.Hour}),
		visitor:  cookie.NewSigned[int]("visitor", keys, cookie.Policy{MaxAge: 365 * 24 * time.Hour, SameSite: http.SameSiteLaxMode}),
		token:    cookie.NewSealed[string]("token", keys, cookie.Policy{MaxAge: time.Minute}),
	}
	s.Use(fiberadapter.New(s.sessions))
	w.cookies(s.App)
	w.people(s.App)
	w.values(s.App)
	w.devices(s.App)
	return s, s.serve(t)
}

func (w *walk) cookies(app *fiber.App) {
	app.Get("/set-cookie", func(c fiber.Ctx) error {
		if err := fiberadapter.SetCookie(c, w.name, "alice"); err != nil {
			return err
		}
		return c.SendString("Cookie set")
	})
	app.Get("/get-cookie", func(c fiber.Ctx) error {
		name, err := fiberadapter.GetCookie(c, w.name)
		if err != nil {
			name = "None"
		}
		return c.SendString("Username: " + name)
	})
	app.Post("/forget-cookie", func(c fiber.Ctx) error { return fiberadapter.ClearCookie(c, w.name) })
	app.Post("/preferences", func(c fiber.Ctx) error { return fiberadapter.SetCookie(c, w.theme, c.FormValue("theme")) })
	app.Get("/preferences", func(c fiber.Ctx) error {
		theme, err := fiberadapter.RefreshCookie(c, w.theme)
		if err != nil {
			theme = "default"
		}
		return c.SendString("Theme: " + theme)
	})
	app.Get("/visitor", func(c fiber.Ctx) error {
		n, _ := fiberadapter.GetCookie(c, w.visitor)
		if err := fiberadapter.SetCookie(c, w.visitor, n+1); err != nil {
			return err
		}
		if n == 0 {
			return c.SendString("Welcome, new visitor")
		}
		return c.SendString(fmt.Sprint("Welcome back, visit ", n+1))
	})
	app.Post("/token", func(c fiber.Ctx) error {
		if err := fiberadapter.SetCookie(c, w.token, rand.Text()); err != nil {
			return err
		}
		return c.SendString("Token issued")
	})
	app.Get("/token", func(c fiber.Ctx) error {
		if _, err := fiberadapter.GetCookie(c, w.token); err != nil {
			return c.Status(401).SendString("Token missing or expired")
		}
		return c.SendString("Token valid")
	})
}

func (w *walk) people(app *fiber.App) {
	both := []string{"GET", "POST"}
	app.Add(both, "/login", func(c fiber.Ctx) error {
		user := c.FormValue("user", "123")
		coatcheck.From(c.Context()).Login(user)
		return c.SendString("Logged in")
	})
	app.Get("/profile", func(c fiber.Ctx) error {
		user := coatcheck.From(c.Context()).User()
		if user == "" {
			return c.Status(401).SendString("Not logged in")
		}
		return c.SendString("User " + user)
	})
	app.Add(both, "/logout", func(c fiber.Ctx) error {
		coatcheck.From(c.Context()).Logout()
		return c.SendString("Logged out")
	})
}

func (w *walk) values(app *fiber.App) {
	app.Post("/visits", func(c fiber.Ctx) error {
		n := visits.Update(coatcheck.From(c.Context()), func(n int) int { return n + 1 })
		return c.SendString(fmt.Sprint("Visit ", n))
	})
	app.Post("/cart", func(c fiber.Ctx) error {
		coatcheck.Append(coatcheck.From(c.Context()), items, strings.Clone(c.FormValue("item")))
		return nil
	})
	app.Get("/cart", func(c fiber.Ctx) error {
		list, _ := items.Get(coatcheck.From(c.Context()))
		return c.JSON(list)
	})
	app.Post("/dashboard", func(c fiber.Ctx) error {
		widget.Set(coatcheck.From(c.Context()), strings.Clone(c.FormValue("widget")))
		return nil
	})
	app.Get("/dashboard", func(c fiber.Ctx) error {
		w, ok := widget.Get(coatcheck.From(c.Context()))
		if !ok {
			w = "none"
		}
		return c.SendString("Widget: " + w)
	})
	app.Post("/one-time", func(c fiber.Ctx) error {
		code := rand.Text()
		oneTime.SetFor(coatcheck.From(c.Context()), code, 5*time.Minute)
		return c.SendString(code)
	})
	app.Post("/one-time/redeem", func(c fiber.Ctx) error {
		code, ok := oneTime.Pop(coatcheck.From(c.Context()))
		if !ok || subtle.ConstantTimeCompare([]byte(code), []byte(c.FormValue("code"))) != 1 {
			return c.Status(403).SendString("Refused")
		}
		return c.SendString("Accepted")
	})
}

func (w *walk) devices(app *fiber.App) {
	members := app.Group("/sessions", fiberadapter.With(w.sessions.RequireLogin))
	members.Get("/", func(c fiber.Ctx) error {
		list, err := w.sessions.Sessions(c.Context(), coatcheck.From(c.Context()).User())
		if err != nil {
			return err
		}
		type device struct {
			Handle  string `json:"handle"`
			Current bool   `json:"current"`
		}
		devices := []device{}
		for _, i := range list {
			devices = append(devices, device{i.Handle, i.Current})
		}
		return c.JSON(devices)
	})
	members.Post("/revoke", func(c fiber.Ctx) error {
		ok, err := w.sessions.Revoke(c.Context(), coatcheck.From(c.Context()).User(), c.FormValue("handle"))
		if err != nil {
			return err
		}
		if !ok {
			return fiber.ErrNotFound
		}
		return c.SendString("Revoked")
	})
	members.Post("/revoke-others", func(c fiber.Ctx) error {
		n, err := w.sessions.RevokeOthers(c.Context())
		if err != nil {
			return err
		}
		return c.SendString(fmt.Sprint("Revoked ", n))
	})
}

// The walk-through, step by step.
func TestWalkthrough(t *testing.T) {
	s, v := newWalk(t, coatcheck.Config{})
	v.want(200, "Username: None", "GET /get-cookie")
	set := v.want(200, "Cookie set", "GET /set-cookie").Get("Set-Cookie")
	if !strings.HasPrefix(set, "username=alice; ") || !strings.Contains(set, "Max-Age=3600") || !strings.Contains(set, "Path=/") {
		t.Errorf("Set-Cookie: %s", set)
	}
	v.want(200, "Username: alice", "GET /get-cookie")
	v.want(200, "", "POST /forget-cookie")
	v.want(200, "Username: None", "GET /get-cookie")

	v.want(200, "Theme: default", "GET /preferences")
	v.want(200, "", "POST /preferences?theme=dark")
	v.want(200, "Theme: dark", "GET /preferences")
	by := []byte(v.jar["theme"]) // changed by hand
	by[len(by)/2] ^= 1
	v.jar["theme"] = string(by)
	v.want(200, "Theme: default", "GET /preferences")
	v.want(200, "Welcome, new visitor", "GET /visitor")
	v.want(200, "Welcome back, visit 2", "GET /visitor")
	v.want(200, "Welcome back, visit 3", "GET /visitor")
	v.want(401, "Token missing or expired", "GET /token")
	v.want(200, "Token issued", "POST /token")
	v.want(200, "Token valid", "GET /token")

	v.want(401, "Not logged in", "GET /profile")
	v.want(200, "Visit 1", "POST /visits")
	before := v.jar[sid]
	v.want(200, "Logged in", "POST /login")
	if v.jar[sid] == before {
		t.Error("G3: the login kept the token")
	}
	v.want(200, "User 123", "GET /profile")
	v.want(200, "Visit 2", "POST /visits")

	v.want(200, "null", "GET /cart")
	v.want(200, "", "POST /cart?item=tea")
	v.want(200, "", "POST /cart?item=milk")
	v.want(200, `["tea","milk"]`, "GET /cart")
	v.want(200, "Widget: none", "GET /dashboard")
	v.want(200, "", "POST /dashboard?widget=clock")
	v.want(200, "Widget: clock", "GET /dashboard")

	res := v.open("POST /one-time")
	code, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	v.want(200, "Accepted", "POST /one-time/redeem?code="+url.QueryEscape(string(code)))
	v.want(403, "Refused", "POST /one-time/redeem?code="+url.QueryEscape(string(code)))
	walkDevices(v)
	v.want(200, "Logged out", "POST /logout")
	v.want(401, "Not logged in", "GET /profile")
	if s.rows(t) != 0 || v.jar[sid] != "" {
		t.Errorf("after the logout: %d sessions, cookies %v", s.rows(t), v.jar)
	}
}

// walkDevices are G11's: three devices, of which one is ended, then all others.
func walkDevices(v *visitor) {
	v.t.Helper()
	phone, tablet := v.other(), v.other()
	for _, device := range []*visitor{phone, tablet} {
		clear(device.jar)
		device.want(200, "Logged in", "GET /login")
	}
	res := v.open("GET /sessions")
	var list []struct {
		Handle  string
		Current bool
	}
	err := json.NewDecoder(res.Body).Decode(&list)
	res.Body.Close()
	if err != nil || len(list) != 3 {
		v.t.Fatalf("sessions: %v, %v, want three", list, err)
	}
	for _, d := range list {
		if !d.Current {
			v.want(200, "Revoked", "POST /sessions/revoke?handle="+d.Handle)
			break
		}
	}
	v.want(404, "", "POST /sessions/revoke?handle=AAAAAAAAAAAA")
	v.want(200, "Revoked 1", "POST /sessions/revoke-others")
	for _, device := range []*visitor{phone, tablet} {
		device.want(401, "Not logged in", "GET /profile")
		device.want(401, "", "GET /sessions")
	}
	v.want(200, "User 123", "GET /profile")
}

// G1: requests of one session at once lose nothing, and no number is answered
// twice; of many that redeem at once one is accepted. G2: a write in flight does
// not bring an ended session back.
func TestAtOnce(t *testing.T) {
	const clients, each = 16, 20
	_, v := newWalk(t, coatcheck.Config{})
	v.want(200, "Visit 1", "POST /visits")
	var (
		mu   sync.Mutex
		seen = map[string]int{}
		wg   sync.WaitGroup
	)
	for range clients {
		me := v.other()
		wg.Go(func() {
			for range each {
				body := me.patient("POST /visits")
				me.patient("POST /cart?item=x")
				mu.Lock()
				seen[body]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for n := range clients * each {
		if got := seen[fmt.Sprint("Visit ", n+2)]; got != 1 {
			t.Fatalf("Visit %d was answered %d times", n+2, got)
		}
	}
	v.want(200, "["+strings.TrimSuffix(strings.Repeat(`"x",`, clients*each), ",")+"]", "GET /cart")
	code := v.patient("POST /one-time")
	accepted := 0
	for range clients {
		me := v.other()
		wg.Go(func() {
			res := me.open("POST /one-time/redeem?code=" + url.QueryEscape(code))
			res.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			if res.StatusCode == 200 {
				accepted++
			}
		})
	}
	wg.Wait()
	if accepted != 1 {
		t.Errorf("%d of %d redeemed the code, want one", accepted, clients)
	}
	copied := v.other()
	v.want(200, "Logged out", "POST /logout")
	copied.want(409, "", "POST /visits")
}

// patient sends a request until it is not told to try again.
func (v *visitor) patient(what string) string {
	v.t.Helper()
	for {
		res := v.open(what)
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 && res.StatusCode != 503 {
			v.t.Errorf("%s: got %d %q, %v", what, res.StatusCode, body, err)
			return ""
		}
		if res.StatusCode == 200 {
			return string(body)
		}
	}
}
