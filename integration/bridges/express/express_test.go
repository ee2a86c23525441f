//go:build linux

package express_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/express"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/visit"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

var update = flag.Bool("update", false, "write testvectors/bridge/express.json anew")

func TestMain(m *testing.M) {
	code := servers.Main(m)
	if installed != "" {
		os.RemoveAll(installed)
	}
	os.Exit(code)
}

// installed is where the packages are.
var installed string

// packages installs the pinned npm packages, once for all tests.
var packages = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "express")
	if err != nil {
		return "", err
	}
	installed = dir
	for _, name := range []string{"package.json", "app.js"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			return "", err
		}
	}
	npm := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install: %w\n%s", err, out)
	}
	return dir, nil
})

// app starts the applications, and answers where they are.
func app(t testing.TB, settings ...string) (stored, inCookie string) {
	t.Helper()
	node := servers.Program(t, "node", "nodejs")
	servers.Program(t, "npm", "npm")
	redis := servers.SharedRedis(t)
	dir, err := packages()
	if err != nil && os.Getenv("COATCHECK_REQUIRE_ALL") == "" {
		t.Skipf("the packages of npm cannot be had: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "app.js")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), "REDIS=redis://"+redis.Addr(), "SECRETS=one", "KEYS=k1")
	cmd.Env = append(cmd.Env, settings...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for _, url := range []*string{&stored, &inCookie} {
		if !lines.Scan() {
			t.Fatal("the application did not start")
		}
		*url = "http://127.0.0.1:" + lines.Text()
	}
	return stored, inCookie
}

var policy = cookie.Policy{AllowInsecureHTTP: true, SameSite: http.SameSiteLaxMode}

func newSource(t testing.TB, maxAge time.Duration, secrets ...string) *express.Source {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{servers.SharedRedis(t).Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	source, err := express.New(express.Config{Secrets: secrets, Store: express.Redis(rediskv.New(client), ""), Policy: policy, MaxAge: maxAge})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func newCookieSource(t testing.TB, keys ...string) *express.CookieSource {
	t.Helper()
	source, err := express.NewCookie(express.CookieConfig{Keys: keys, Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// flat puts the user, which passport keeps within its own value, where visit looks for it.
type flat struct{ bridge.Source }

func (f flat) Read(r *http.Request) (bridge.Session, error) {
	s, err := f.Source.Read(r)
	if s.User != "" {
		s.Values["user"], _ = json.Marshal(s.User)
	}
	delete(s.Values, "passport")
	return s, err
}

func (f flat) Issue(w http.ResponseWriter, r *http.Request, s bridge.Session) error {
	delete(s.Values, "user")
	return f.Source.Issue(w, r, s)
}

var every = map[string]any{
	"user": "somebody", "null": nil, "true": true, "false": false, "int": 9007199254740991, "negative": -1, "float": 1.5e-300, "string": "Grüße ☃\x00\n", "empty": "",
	"list": []any{1, "a", nil, []any{}}, "object": map[string]any{"a": map[string]any{}, "b": 1}, "date": "2026-11-28T12:00:00.000Z",
}

func TestExpressSession(t *testing.T) {
	url, _ := app(t)
	v := visit.New(t, url, flat{newSource(t, 0, "one")})
	v.Login(every)
	s := v.MustRead()
	if name := visit.Differ(every, s.Values); s.User != "somebody" || name != "" {
		t.Errorf("user %q, %s is %s", s.User, name, s.Values[name])
	}
	if left := time.Until(s.Expires); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("expires in %v, want the 24 hours of connect-redis", left)
	}
	v.Issue(s)
	if shown := v.Show(); visit.Differ(every, shown) != "" {
		t.Errorf("there: %s", shown)
	}
	v.Logouts(map[string]any{"user": "somebody"}, true)
	v.Random("user", nil)
	seen := 0
	for s, err := range v.Source.(flat).Source.(bridge.Walker).All(t.Context()) {
		if err != nil || !strings.HasPrefix(s.ID, "express:s:") {
			t.Fatal(err)
		}
		seen++
	}
	if seen < 1 {
		t.Error("the walk saw nothing")
	}
}

func TestCookieSession(t *testing.T) {
	_, url := app(t)
	v := visit.New(t, url, flat{newCookieSource(t, "k1")})
	v.Login(every)
	s := v.MustRead()
	if name := visit.Differ(every, s.Values); s.User != "somebody" || name != "" {
		t.Errorf("user %q, %s is %s", s.User, name, s.Values[name])
	}
	v.Issue(s)
	if shown := v.Show(); visit.Differ(every, shown) != "" {
		t.Errorf("there: %s", shown)
	}
	v.Logouts(map[string]any{"user": "somebody"}, false)
	v.Random("user", nil)
}

// TestRotation: the first secret writes, all read; an error names the setting.
func TestRotation(t *testing.T) {
	stored, inCookie := app(t, "SECRETS=one", "KEYS=k1")
	storedNew, inCookieNew := app(t, "SECRETS=two,one", "KEYS=k2,k1")
	for _, c := range []struct {
		old, new string
		source   func(secrets ...string) bridge.Source
		first    string
		second   string
		setting  string
	}{
		{stored, storedNew, func(s ...string) bridge.Source { return newSource(t, 0, s...) }, "one", "two", "express.Config.Secrets"},
		{inCookie, inCookieNew, func(s ...string) bridge.Source { return newCookieSource(t, s...) }, "k1", "k2", "express.CookieConfig.Keys"},
	} {
		v := visit.New(t, c.old, c.source(c.second, c.first))
		v.Login(map[string]any{"user": "somebody"})
		if s := v.MustRead(); s.User != "somebody" {
			t.Errorf("%s: by the second secret: %q", c.setting, s.User)
		}
		next := visit.New(t, c.new, v.Source)
		next.Issue(bridge.Session{User: "other"})
		if shown := next.Show(); string(shown["user"]) != `"other"` {
			t.Errorf("%s: by the first secret: %s", c.setting, shown)
		}
		next.Source = c.source("wrong-secret")
		_, err := next.Read()
		var setting *bridge.SettingError
		if !errors.As(err, &setting) || setting.Setting != c.setting || strings.Contains(err.Error(), "wrong-secret") {
			t.Errorf("with a wrong secret: %v", err)
		}
	}
}

// TestExpiry: a session ends here when it ends there; what touch moves is the store's
// alone, and counts.
func TestExpiry(t *testing.T) {
	url, _ := app(t, "MAXAGE=3600000")
	v := visit.New(t, url, flat{newSource(t, time.Hour, "one")})
	v.Login(map[string]any{"user": "somebody"})
	s := v.MustRead()
	if left := time.Until(s.Expires); left < 50*time.Minute || left > time.Hour+time.Minute {
		t.Errorf("expires in %v, want an hour", left)
	}
	v.Issue(bridge.Session{User: "somebody"})
	if shown := v.Show(); string(shown["user"]) != `"somebody"` { // touches it there
		t.Errorf("there: %s", shown)
	}
	redis := servers.SharedRedis(t)
	key := "sess:" + strings.TrimPrefix(v.MustRead().ID, "express:s:")
	redis.Must(t, "PEXPIRE", key, "1")
	if err := servers.Until(func() error {
		if _, err := v.Read(); !errors.Is(err, bridge.ErrEnded) {
			return fmt.Errorf("still: %w", err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if shown := v.Show(); len(shown) > 0 {
		t.Errorf("ended there: %s", shown)
	}
}

// TestVectors makes the vectors, if it is told to.
func TestVectors(t *testing.T) {
	if !*update {
		t.Skip("with -update it writes the vectors")
	}
	stored, inCookie := app(t)
	var list []visit.Vector
	for name, values := range map[string]map[string]any{"every type": every, "an user": {"user": "ü", "n": 1}} {
		v := visit.New(t, stored, newSource(t, 0, "one"))
		v.Login(values)
		s := v.MustRead()
		key := "sess:" + strings.TrimPrefix(s.ID, "express:s:")
		plain := visit.JSONOf(t, values)
		delete(plain, "user")
		plain["passport"] = s.Values["passport"]
		list = append(list, visit.Vector{Name: "express-session: " + name, Cookies: cookies(v), Key: key, Record: []byte(servers.SharedRedis(t).Must(t, "GET", key)),
			Made: time.Now().Unix(), User: values["user"].(string), Values: plain})
		v = visit.New(t, inCookie, newCookieSource(t, "k1"))
		v.Login(values)
		list = append(list, visit.Vector{Name: "cookie-session: " + name, Cookies: cookies(v), Made: time.Now().Unix(), User: values["user"].(string), Values: plain})
	}
	visit.WriteVectors(t, "express.json", list)
}

func cookies(v *visit.Visit) (list []string) {
	for _, c := range v.Cookies() {
		list = append(list, c.Name, c.Value)
	}
	return list
}
