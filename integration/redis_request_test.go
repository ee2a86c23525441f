//go:build linux

package integration_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
)

// A redisApp is an application over a store, and one browser.
type redisApp struct {
	handler http.Handler
	cookies map[string]string
}

func newRedisApp(t testing.TB, st store.Store) *redisApp {
	t.Helper()
	return newRedisProcess(t, st, rand.Text()+rand.Text())
}

// newRedisProcess is an application that shares its secret with others.
func newRedisProcess(t testing.TB, st store.Store, secret string) *redisApp {
	t.Helper()
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := coatcheck.New(st, keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	visits := coatcheck.NewKey[int]("visits")
	mux := http.NewServeMux()
	mux.HandleFunc("/static", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		n, _ := visits.Get(s)
		w.Header().Set("User", s.User())
		w.Write([]byte(strconv.Itoa(n)))
	})
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		n := visits.Update(coatcheck.From(r.Context()), func(n int) int { return n + 1 })
		w.Write([]byte(strconv.Itoa(n)))
	})
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("someone") })
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Logout() })
	return &redisApp{handler: sessions.Handler(mux), cookies: make(map[string]string)}
}

// get makes a request as the browser would.
func (a *redisApp) get(t testing.TB, path string) *http.Response {
	t.Helper()
	r := httptest.NewRequest("GET", "https://app.example"+path, nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for name, value := range a.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	res := w.Result()
	if res.StatusCode != http.StatusOK {
		t.Errorf("GET %s: got status %d", path, res.StatusCode)
	}
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(a.cookies, c.Name)
		} else {
			a.cookies[c.Name] = c.Value
		}
	}
	return res
}

// commandCalls is how often the server has run each command.
func commandCalls(server *servers.Redis) map[string]int {
	text, _ := server.Do("INFO", "commandstats")
	calls := make(map[string]int)
	for line := range strings.Lines(text) {
		name, stats, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if n, _, _ := strings.Cut(stats, ","); ok {
			calls[name], _ = strconv.Atoi(n)
		}
	}
	return calls
}

// sent counts the commands that the store sends itself, of those that scripts
// run at most the GET of a decision in a Cluster.
func sent(nodes ...*servers.Redis) (n int) {
	for _, node := range nodes {
		calls := commandCalls(node)
		for _, name := range []string{"get", "evalsha", "eval", "hgetall"} {
			n += calls[name]
		}
	}
	return n
}

// TestRedisRoundTrips counts at the server what a request costs.
func TestRedisRoundTrips(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	cluster := servers.NewRedisCluster(t)
	for _, kind := range []struct {
		name  string
		nodes []*servers.Redis
		store store.Store
		want  map[string]int
	}{
		{"standalone", []*servers.Redis{server}, openRedis(t, at(server.Addr()), redisstore.Config{}), map[string]int{
			"static": 0, "read": 1, "first count": 1, "count": 2, "login": 2, "logout": 2,
		}},
		// Commands, of which those to different servers go at once: the login is
		// load; entry and new record; the step that decides; two to tidy up.
		// These are four round trips and six commands; the seventh is a script's.
		{"cluster", cluster.Nodes, openRedis(t, at(cluster.Addrs()...), redisstore.Config{}), map[string]int{
			"static": 0, "read": 1, "first count": 1, "count": 2, "login": 7, "logout": 3,
		}},
	} {
		app := newRedisApp(t, kind.store)
		cost := func(name, path string) {
			t.Helper()
			before := sent(kind.nodes...)
			app.get(t, path)
			if n := sent(kind.nodes...) - before; n != kind.want[name] {
				t.Errorf("%s: %s: %d commands, want %d", kind.name, name, n, kind.want[name])
			}
		}
		cost("static", "/static")
		cost("first count", "/count")
		cost("static", "/static")
		for range 3 {
			cost("read", "/read")
			cost("count", "/count")
		}
		cost("login", "/login")
		cost("read", "/read")
		cost("count", "/count")
		cost("logout", "/logout")
	}
}

// TestRedisDump: G9. Whoever has all that the server has can open nothing.
func TestRedisDump(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	app := newRedisApp(t, openRedis(t, at(server.Addr()), redisstore.Config{}))
	app.get(t, "/count")
	app.get(t, "/login")
	app.get(t, "/count")
	if user := app.get(t, "/read").Header.Get("User"); user != "someone" {
		t.Fatalf("the session's own cookie: got user %q", user)
	}
	var token, name string
	for n, value := range app.cookies {
		if len(value) > len(token) {
			name, token = n, value
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	fields := make(map[string]bool)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ask := func(command ...string) rueidis.RedisResult {
		return client.Do(t.Context(), client.B().Arbitrary(command...).Build())
	}
	keys, err := ask("KEYS", "*").AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		fields[key] = true
		if value, err := ask("GET", key).ToString(); err == nil {
			fields[value] = true
		}
		index, _ := ask("HGETALL", key).AsStrMap()
		for field, value := range index {
			fields[field], fields[value] = true, true
		}
	}
	if len(fields) < 4 {
		t.Fatalf("the dump has %d fields only", len(fields))
	}
	tried := 0
	try := func(value string) {
		tried++
		thief := &redisApp{handler: app.handler, cookies: map[string]string{name: value}}
		if user := thief.get(t, "/read").Header.Get("User"); user != "" {
			t.Errorf("a field of the dump opens the session of %q", user)
		}
	}
	for field := range fields {
		for _, secret := range []string{token, string(raw), string(raw[5:23])} {
			if strings.Contains(field, secret) {
				t.Error("a part of the token is stored")
			}
		}
		for _, size := range []int{len(field), 18, 32, 39, 52} {
			for from := 0; from+size <= len(field); from++ {
				part := []byte(field[from : from+size])
				try(base64.RawURLEncoding.EncodeToString(part))
				try(hex.EncodeToString(part))
				if size == 18 { // as the random part of a token without a MAC
					whole := append(append([]byte{}, raw[:5]...), part...)
					try(base64.RawURLEncoding.EncodeToString(append(whole, make([]byte, 16)...)))
				}
			}
		}
	}
	t.Logf("%d fields, %d cookies tried", len(fields), tried)
}

// TestRedisIncrements: G1. 64 clients of one session, on two processes, make 50
// increments each and see 3,200 different numbers.
func TestRedisIncrements(t *testing.T) {
	for _, kind := range []struct {
		name  string
		addrs func(t *testing.T) []string
		cache time.Duration
	}{
		{"standalone", func(t *testing.T) []string { return []string{servers.SharedRedis(t).Addr()} }, 0},
		{"cached", func(t *testing.T) []string { return []string{servers.SharedRedis(t).Addr()} }, time.Minute},
		{"cluster", func(t *testing.T) []string { return servers.SharedRedisCluster(t).Addrs() }, 0},
	} {
		t.Run(kind.name, func(t *testing.T) {
			cfg := redisstore.Config{Prefix: rand.Text(), ClientCache: kind.cache}
			secret := rand.Text() + rand.Text()
			var apps []*redisApp
			for range 2 {
				apps = append(apps, newRedisProcess(t, openRedis(t, at(kind.addrs(t)...), cfg), secret))
			}
			apps[0].get(t, "/count")
			const clients, each = 64, 50
			numbers := make(chan string, clients*each)
			var wg sync.WaitGroup
			for i := range clients {
				wg.Go(func() {
					for range each {
						body, err := io.ReadAll(apps[i%2].getAs(t, "/count", apps[0].cookies).Body)
						if err != nil {
							t.Error(err)
						}
						numbers <- string(body)
					}
				})
			}
			wg.Wait()
			close(numbers)
			seen := make(map[string]bool)
			for n := range numbers {
				seen[n] = true
			}
			if len(seen) != clients*each {
				t.Errorf("%d increments carry %d different numbers", clients*each, len(seen))
			}
			body, _ := io.ReadAll(apps[1].getAs(t, "/read", apps[0].cookies).Body)
			if string(body) != strconv.Itoa(clients*each+1) {
				t.Errorf("the counter ends at %s, want %d", body, clients*each+1)
			}
		})
	}
}

// getAs is get with another browser's cookies.
func (a *redisApp) getAs(t testing.TB, path string, cookies map[string]string) *http.Response {
	t.Helper()
	return (&redisApp{handler: a.handler, cookies: maps.Clone(cookies)}).get(t, path)
}
