//go:build linux

package proxies_test

import (
	"bufio"
	"os"
	"strconv"
	"testing"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/internal/proxies"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

// The stream of coatcheck serve arrives through nginx as people write it.
func TestServeStream(t *testing.T) {
	t.Parallel()
	site := servers.NewCoatcheck(t).Serve(t, "--store", "memory:")
	p := proxies.Start(t, "nginx", proxies.Options{Upstream: "127.0.0.1:" + strconv.Itoa(site.Port)})
	q := newPerson(t, p, "HTTP/1.1")
	delete(q.headers, "Origin")
	delete(q.headers, "Referer")
	if status, body := q.do(t, "POST", "/login", "username", "alice", "password", "wonderland"); status != 200 {
		t.Fatalf("login: got %d %q", status, body)
	}
	res, err := q.client.Do(q.request("GET", "/events"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || line == "" {
		t.Errorf("got %q, %v, want the beginning of the stream", line, err)
	}
}
