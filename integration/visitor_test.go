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
	"strconv"
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
	again   int // how often it was told to try again
}

// newClient is an HTTP client whose connections end with the test.
func newClient(t testing.TB, connections int) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// patience bounds the wait for what must come. It is long because a busy machine
// is no failure: only what never comes is one.
const patience = 5 * time.Minute

// patiently asks again while the answer is 503 with Retry-After, as people do,
// and returns how often it had to.
func patiently(ask func() (status int, header http.Header)) (again int) {
	for end := time.Now().Add(patience); ; again++ {
		status, header := ask()
		wait, err := strconv.Atoi(header.Get("Retry-After"))
		if status != http.StatusServiceUnavailable || err != nil || time.Now().After(end) {
			return again
		}
		time.Sleep(time.Duration(wait) * time.Second)
	}
}

// receive is what comes on a channel. What never comes fails the test, and does not
// let it wait for ever.
func receive[T any](t testing.TB, from <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatalf("not after %v: %s", patience, what)
	}
	return v
}

func newVisitor(client *http.Client) *visitor {
	return &visitor{client: client, cookies: make(map[string]string)}
}

// copy has the same cookies from now on.
func (v *visitor) copy() *visitor { return &visitor{client: v.client, cookies: maps.Clone(v.cookies)} }

// send makes a request, again where it is told to. What could not be sent, or was
// not answered, is status 0.
func (v *visitor) send(site *servers.Serve, method, path string, form ...string) (status int, body string) {
	v.again += patiently(func() (int, http.Header) {
		var header http.Header
		status, body, header = v.sendOnce(site, method, path, form...)
		return status, header
	})
	return status, body
}

// sendOnce makes a request once, whatever the answer.
func (v *visitor) sendOnce(site *servers.Serve, method, path string, form ...string) (status int, body string, header http.Header) {
	values := make(url.Values)
	for i := 0; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	r, err := http.NewRequest(method, site.URL()+path, strings.NewReader(values.Encode()))
	if err != nil {
		return 0, err.Error(), nil
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := v.client.Do(r)
	if err != nil {
		return 0, err.Error(), nil
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return 0, err.Error(), nil
	}
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = c.Value
		}
	}
	return res.StatusCode, string(text), res.Header
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
