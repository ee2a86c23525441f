//go:build linux

package proxies_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/proxies"
)

// A setup is a way to run proxy and application, a row of the guide's table.
type setup struct {
	name        string
	recommended bool // the proxy's configuration
	origins     bool // Config.Origins is set
}

var setups = []setup{
	{"as people write it", false, false},
	{"the same, and `Config.Origins`", false, true},
	{"as we recommend it", true, false},
}

// columns are those of the table.
var columns = []string{"login", "cart, profile, logout", "devices", "address", "events", "websocket", "largest session in a cookie"}

// TestProxies sends a person without Fetch Metadata through every proxy, in every
// way to run it, over each version of HTTP in front, with sessions in a store and
// in the cookie. What works is what docs/guide/proxies.md says; as we recommend
// it everything does.
//
// ASVS 4.1.3: the address is never what the client wrote, where the proxy writes
// the header.
func TestProxies(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[string]map[string][]string) // by row and column
	t.Run("each", func(t *testing.T) {
		for _, name := range proxies.Names {
			for _, s := range setups {
				for _, inCookie := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/in cookie %t", name, s.name, inCookie), func(t *testing.T) {
						t.Parallel()
						for _, version := range versions {
							if !speaks(name, version) {
								continue
							}
							row := s.visit(t, name, version, inCookie)
							mu.Lock()
							note(seen, name+", "+s.name, row)
							mu.Unlock()
						}
					})
				}
			}
		}
	})
	if t.Failed() {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)+1))
	for _, name := range proxies.Names {
		for _, s := range setups {
			row := seen[name+", "+s.name]
			fmt.Fprintf(&b, "| %s, %s |", name, s.name)
			for _, column := range columns {
				fmt.Fprintf(&b, " %s |", strings.Join(row[column], "; "))
			}
			b.WriteString("\n")
		}
	}
	comparePage(t, "matrix", b.String())
}

// note adds what one visit saw. Each column lists what differs.
func note(seen map[string]map[string][]string, name string, row map[string]string) {
	if seen[name] == nil {
		seen[name] = make(map[string][]string)
	}
	for column, value := range row {
		if value == "" { // another visit tells
			continue
		}
		if !slices.Contains(seen[name][column], value) {
			seen[name][column] = append(seen[name][column], value)
			slices.Sort(seen[name][column])
		}
	}
}

// visit starts proxy and application, and a person who uses all of it.
func (s setup) visit(t *testing.T, name, version string, inCookie bool) map[string]string {
	l := listen(t)
	p := proxies.Start(t, name, proxies.Options{Upstream: l.Addr().String(), Recommended: s.recommended})
	q := newPerson(t, p, version)
	cfg := coatcheck.Config{}
	if s.origins {
		cfg.Origins = []string{q.site}
	}
	a := newApp(t, l, inCookie, cfg)

	row := map[string]string{"login": q.logIn(t, a)}
	q.shops(t, a)
	row["devices"], row["address"] = q.devices(t, inCookie)
	if row["events"] = "yes"; !q.hears(t, "/events", patience) {
		row["events"] = "at the end"
	}
	row["websocket"] = q.talks(t)
	if inCookie {
		row["largest session in a cookie"] = q.largest(t)
	}
	if status, _ := q.do(t, "POST", "/logout"); status != 200 || len(q.cookies) > 0 {
		t.Errorf("logout: got %d, and the cookies %v are left", status, q.cookies)
	}
	row["cart, profile, logout"] = "yes"
	if row["login"] != "yes" {
		row["cart, profile, logout"] = "without `Origin` only"
	}
	if s.recommended {
		s.works(t, row)
	}
	return row
}

// works reports what does not, as we recommend it.
func (s setup) works(t *testing.T, row map[string]string) {
	for column, value := range row {
		want := "yes"
		switch column {
		case "address":
			want = "the client's"
		case "largest session in a cookie":
			want = "4,096"
		}
		if value != want && value != "" {
			t.Errorf("as we recommend it: %s: got %s, want %s", column, value, want)
		}
	}
}

// logIn says what comes of a login: "yes", or the status of one that the person
// then repeats without saying where it comes from.
func (q *person) logIn(t *testing.T, a *app) string {
	status, _ := q.do(t, "POST", "/login", "user", "alice")
	if status != 200 {
		if told := a.told(); status != 403 || !strings.Contains(told, "Config.Origins") || !strings.Contains(told, q.site) || !strings.Contains(told, a.Listener.Addr().String()) {
			t.Errorf("login: got %d, and %q; want both hosts and the setting that cures it", status, told)
		}
		// A browser with Fetch Metadata fares no better; what has neither does.
		modern := q.copy()
		modern.headers = map[string]string{"Origin": q.site, "Sec-Fetch-Site": "same-origin"}
		if status, _ := modern.do(t, "POST", "/login", "user", "alice"); status != 403 {
			t.Errorf("with Fetch Metadata: got %d, want 403 too", status)
		}
		delete(q.headers, "Origin")
		delete(q.headers, "Referer")
		if status, _ := q.do(t, "POST", "/login", "user", "alice"); status != 200 {
			t.Fatalf("login without Origin: got %d, %s", status, a.told())
		}
		return fmt.Sprint(status)
	}
	return "yes"
}

// shops looks at profile and cart.
func (q *person) shops(t *testing.T, a *app) {
	for path, want := range map[string]string{"/profile": "User alice, visit 1", "/cart": "[ticket]"} {
		if path == "/cart" {
			q.do(t, "POST", path, "item", "ticket")
		}
		if status, body := q.do(t, "GET", path); status != 200 || body != want {
			t.Errorf("%s: got %d %q, want %q; %s", path, status, body, want, a.told())
		}
	}
}

// devices asks for the list, and says whose address stands in it.
func (q *person) devices(t *testing.T, inCookie bool) (list, address string) {
	status, body := q.do(t, "GET", "/sessions")
	if inCookie {
		if status != 501 {
			t.Errorf("/sessions: got %d, want 501: nobody knows of sessions in cookies", status)
		}
		return "yes", "" // the stored ones tell
	}
	var all []coatcheck.Info
	if err := json.Unmarshal([]byte(body), &all); err != nil || len(all) == 0 || !all[0].Current {
		t.Fatalf("/sessions: got %d %q, want the current one first", status, body)
	}
	switch all[0].Address {
	case home:
		return "yes", "the client's"
	case "":
		return "yes", "none"
	case "6.6.6.6":
		return "yes", "**what the client wrote**"
	default:
		return "yes", "another: " + all[0].Address
	}
}

// largest finds the largest session cookie that gets through, name and value.
func (q *person) largest(t *testing.T) string {
	const name = "__Host-Http-sid"
	fits, size := 0, 0
	for too := 4000; too-fits > 1; {
		n := (fits + too) / 2
		c := q.copy()
		switch status, _ := c.do(t, "POST", "/text", "bytes", fmt.Sprint(n)); status {
		case 200:
			fits, size = n, len(name)+len(c.cookies[name])
		case 413, 502:
			too = n
		default:
			t.Fatalf("a text of %d bytes: got %d", n, status)
		}
	}
	if size >= 4094 { // three bytes are four characters
		return "4,096"
	}
	return fmt.Sprintf("%d,%03d", size/1000, size%1000)
}
