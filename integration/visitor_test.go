//go:build linux

package integration_test

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// A visitor is a browser in front of coatcheck serve. It is for one goroutine;
// copies share the cookies that they had.
type visitor struct {
	client  *http.Client
	cookies map[string]string
}

// newClient is an HTTP client whose connections end with the test.
func newClient(t testing.TB, connections int) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func newVisitor(client *http.Client) *visitor {
	return &visitor{client: client, cookies: make(map[string]string)}
}

// copy has the same cookies from now on.
func (v *visitor) copy() *visitor { return &visitor{v.client, maps.Clone(v.cookies)} }

// send makes a request. What could not be sent, or was not answered, is status 0.
func (v *visitor) send(site *servers.Serve, method, path string, form ...string) (status int, body string) {
	values := make(url.Values)
	for i := 0; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	r, err := http.NewRequest(method, site.URL()+path, strings.NewReader(values.Encode()))
	if err != nil {
		return 0, err.Error()
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := v.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return 0, err.Error()
	}
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = c.Value
		}
	}
	return res.StatusCode, string(text)
}

// must is send where the answer is known.
func (v *visitor) must(t testing.TB, site *servers.Serve, method, path string, status int, want string, form ...string) {
	t.Helper()
	if got, body := v.send(site, method, path, form...); got != status || cmp.Or(want, body) != body {
		t.Errorf("%s %s: got %d %.200q, want %d %q", method, path, got, body, status, want)
	}
}

// A listed session is what its user sees of it.
type listed struct {
	Handle  string
	Current bool
}

// sessions asks for those of the visitor's user.
func (v *visitor) sessions(t testing.TB, site *servers.Serve) (list []listed) {
	t.Helper()
	_, text := v.send(site, "GET", "/sessions")
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("GET /sessions: got %s", text)
	}
	return list
}

// newProgram is the program coatcheck with a secret of its own.
func newProgram(t testing.TB) *servers.Coatcheck {
	program := servers.NewCoatcheck(t)
	program.Env = []string{"SECRET_KEY=" + rand.Text() + rand.Text()}
	return program
}

// A place is a store as the command line of coatcheck names it.
type place struct {
	name string
	url  func(t *testing.T, program *servers.Coatcheck) string
}

// sharedPlaces are the stores that several processes can use, on the servers
// that the tests share.
var sharedPlaces = []place{
	{"SQLite", sqliteURL},
	{"PostgreSQL", func(t *testing.T, _ *servers.Coatcheck) string {
		server := servers.Postgres(t)
		return server.DSN(server.NewDatabase(t))
	}},
	{"MariaDB", func(t *testing.T, _ *servers.Coatcheck) string {
		server := servers.MariaDB(t)
		return server.URL(server.NewDatabase(t))
	}},
	{"Redis", func(t *testing.T, _ *servers.Coatcheck) string { return "redis://" + servers.SharedRedis(t).Addr() }},
	{"Redis Cluster", func(t *testing.T, _ *servers.Coatcheck) string {
		return clusterURL(servers.SharedRedisCluster(t))
	}},
}

func sqliteURL(_ *testing.T, program *servers.Coatcheck) string {
	return "sqlite:" + filepath.Join(program.Dir, "sessions.db")
}

func clusterURL(cluster *servers.RedisCluster) string {
	return "redis+cluster://" + strings.Join(cluster.Addrs(), ",")
}

func sentinelURL(set *servers.RedisSentinel) string {
	return "redis+sentinel://" + strings.Join(set.Addrs(), ",") + "/" + servers.RedisMasterSet
}
