package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const clients = 64

// A crowd is many clients with the cookies of one browser.
type crowd struct {
	server *server
	cookie string // the header of all their requests
	client *http.Client
}

// gather makes a session and the clients that share it.
func gather(t *testing.T) *crowd {
	t.Helper()
	s := serve(t)
	first := newGoBrowser(t, s.url)
	if a := first.send(t, "POST", "/login", ""); a.Status != http.StatusOK {
		t.Fatalf("login: got %d %s", a.Status, a.Body)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	t.Cleanup(transport.CloseIdleConnections)
	return &crowd{s, sid + "=" + first.cookies(t)[sid], &http.Client{Transport: transport, Timeout: patience}}
}

// patience bounds the wait for what must come. It is long because a busy machine
// is no failure: only what never comes is one.
const patience = 5 * time.Minute

// send is for any goroutine: what cannot be sent is status 0. It asks again while
// the answer is 503 with Retry-After, as people do: then nothing was stored.
func (c *crowd) send(method, path, form string) (a answer) {
	for end := time.Now().Add(patience); ; {
		a = c.sendOnce(method, path, form)
		if a.Status != http.StatusServiceUnavailable || time.Now().After(end) {
			return a
		}
		time.Sleep(time.Second) // as Retry-After says
	}
}

func (c *crowd) sendOnce(method, path, form string) answer {
	r, err := http.NewRequest(method, c.server.url+path, strings.NewReader(form))
	if err != nil {
		return answer{Body: err.Error()}
	}
	r.Header.Set("Cookie", c.cookie)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.client.Do(r)
	if err != nil {
		return answer{Body: err.Error()}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{Body: err.Error()}
	}
	return answer{res.StatusCode, string(body), res.Header["Set-Cookie"]}
}

// all calls f in every client at the same time, and returns the answers.
func (c *crowd) all(f func(client int) []answer) []answer {
	var (
		mu      sync.Mutex
		answers []answer
		wg      sync.WaitGroup
		start   = make(chan struct{})
	)
	for i := range clients {
		wg.Go(func() {
			<-start
			got := f(i)
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, got...)
		})
	}
	close(start)
	wg.Wait()
	return answers
}

// G1: no number is answered twice and none is left out.
func TestVisitsAreExact(t *testing.T) {
	t.Parallel()
	const each = 50
	c := gather(t)
	answers := c.all(func(int) (got []answer) {
		for range each {
			got = append(got, c.send("POST", "/visits", ""))
		}
		return got
	})
	seen := make(map[string]int)
	for _, a := range answers {
		if a.Status != http.StatusOK {
			t.Fatalf("got %d %s", a.Status, a.Body)
		}
		seen[a.Body]++
	}
	for n := range clients * each {
		if text := fmt.Sprintf("Visit %d", n+1); seen[text] != 1 {
			t.Errorf("%q was answered %d times", text, seen[text])
		}
	}
}

// G1: no item is lost, and those of one client stay in order.
func TestCartLosesNothing(t *testing.T) {
	t.Parallel()
	const each = 40 // 2,560 items of 9 bytes in JSON: less than the 32 KiB of a value
	c := gather(t)
	var want []string
	for i := range clients {
		for n := range each {
			want = append(want, fmt.Sprintf("c%02d-%02d", i, n))
		}
	}
	for _, a := range c.all(func(i int) (got []answer) {
		for n := range each {
			item := want[i*each+n]
			a := c.send("POST", "/cart", "item="+item)
			if a.Status == http.StatusOK && !strings.Contains(a.Body, `"`+item+`"`) {
				a = answer{Body: "the answer lacks the item that was added"}
			}
			got = append(got, a)
		}
		return got
	}) {
		if a.Status != http.StatusOK {
			t.Fatalf("got %d %.100s", a.Status, a.Body)
		}
	}
	var cart []string
	if err := json.Unmarshal([]byte(c.send("GET", "/cart", "").Body), &cart); err != nil {
		t.Fatal(err)
	}
	for i := range clients {
		prefix := fmt.Sprintf("c%02d-", i)
		mine := slices.DeleteFunc(slices.Clone(cart), func(item string) bool { return !strings.HasPrefix(item, prefix) })
		if !slices.Equal(mine, want[i*each:(i+1)*each]) {
			t.Errorf("client %d: got %q, want its %d items in order", i, mine, each)
		}
	}
	if len(cart) != len(want) {
		t.Errorf("the cart has %d items, want %d", len(cart), len(want))
	}
}

// Of any number of redemptions of one code exactly one is accepted.
func TestCodeIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	c := gather(t)
	for range 5 {
		code := c.send("POST", "/one-time", "").Body
		accepted := 0
		for _, a := range c.all(func(int) []answer { return []answer{c.send("POST", "/one-time/redeem", "code="+code)} }) {
			switch {
			case a.Status == http.StatusOK && a.Body == "Accepted":
				accepted++
			case a.Status != http.StatusForbidden || a.Body != "Refused":
				t.Errorf("got %d %q, want 200 Accepted or 403 Refused", a.Status, a.Body)
			}
		}
		if accepted != 1 {
			t.Errorf("the code was accepted %d times", accepted)
		}
	}
}

// G2: a logout sent many times at once, among requests that write, is one
// logout; nothing brings the session back.
func TestLogoutIsFinal(t *testing.T) {
	t.Parallel()
	c := gather(t)
	logouts := 0
	for _, a := range c.all(func(i int) []answer {
		if i%8 == 0 {
			return []answer{c.send("POST", "/logout", "")}
		}
		return []answer{c.send("POST", "/visits", ""), c.send("POST", "/visits", "")}
	}) {
		switch {
		case a.Status == http.StatusOK && a.Body == "Logged out":
			logouts++
		case a.Status == http.StatusOK && strings.HasPrefix(a.Body, "Visit "):
			// before the logout
		case a.Status != http.StatusConflict:
			t.Errorf("got %d %q, want 200 or 409", a.Status, a.Body)
		}
		for _, line := range a.SetCookies {
			if !strings.Contains(line, "; Max-Age=0;") && !strings.Contains(line, "-over=") { // the note that it has ended
				t.Errorf("%d %q set a cookie beside the logout: %.30s…", a.Status, a.Body, line)
			}
		}
	}
	if logouts != clients/8 {
		t.Errorf("%d of %d logouts were answered 200", logouts, clients/8)
	}
	if a := c.send("GET", "/profile", ""); a.Status != http.StatusUnauthorized {
		t.Errorf("GET /profile after the logout: got %d %s", a.Status, a.Body)
	}
	if a := c.send("POST", "/visits", ""); a.Status != http.StatusConflict {
		t.Errorf("POST /visits after the logout: got %d %s", a.Status, a.Body)
	}
}
