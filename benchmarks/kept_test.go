package benchmarks_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/benchmarks"
)

// kept are a handler and what a browser has of it.
type kept struct {
	http.Handler
	jar map[string]string
}

// send sends a request with the cookies of the jar, and keeps those of the answer.
func (k *kept) send(method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("User-Agent", benchmarks.UserAgent)
	for _, name := range slices.Sorted(maps.Keys(k.jar)) {
		r.AddCookie(&http.Cookie{Name: name, Value: k.jar[name]})
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	k.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		k.jar[c.Name] = c.Value
	}
	return w
}

// secret is the value of a cookie, or when it ends.
var secret = regexp.MustCompile(`^([^=]+)=[^;]+|Expires=[^;]+`)

// told is what an answer says, without what differs from token to token and from
// second to second.
func told(w *httptest.ResponseRecorder) string {
	text := strconv.Itoa(w.Code) + " " + w.Body.String()
	for _, name := range slices.Sorted(maps.Keys(w.Header())) {
		for _, line := range w.Header()[name] {
			if name == "Set-Cookie" {
				parts := strings.Split(secret.ReplaceAllString(line, "$1"), "; ")
				slices.Sort(parts)
				line = strings.Join(parts, "; ")
			}
			text += "\n" + name + ": " + line
		}
	}
	return text
}

// keptAndOurs are floor-kept and coatcheck, each with a session that was filled.
func keptAndOurs(t *testing.T) (pair [2]*kept) {
	for i, lib := range []benchmarks.Library{benchmarks.FloorKept, benchmarks.Coatcheck} {
		pair[i] = &kept{start(t, lib, memory).(http.Handler), make(map[string]string)}
		if w := pair[i].send("POST", "/fill?n=10"); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", lib.Name, w.Code, w.Body)
		}
	}
	return pair
}

// What floor-kept leaves out nobody sees: to the same requests it says what coatcheck
// does, also where a promise refuses them.
func TestKeptSaysTheSame(t *testing.T) {
	t.Parallel()
	forge := func(k *kept) {
		for name, value := range k.jar {
			if len(value) > 50 {
				k.jar[name] = value[:51] + string("AB"[strings.Count(value[51:], "A")])
			}
		}
	}
	elsewhere := func(k *kept) { (&kept{k.Handler, maps.Clone(k.jar)}).send("POST", "/login") }
	for name, steps := range map[string][]struct {
		method, path string
		header       []string
		before       func(*kept)
	}{
		"usual": {
			{method: "GET", path: "/untouched"}, {method: "GET", path: "/read"}, {method: "GET", path: "/profile"}, {method: "POST", path: "/count"},
			{method: "POST", path: "/cart"}, {method: "POST", path: "/set"}, {method: "POST", path: "/login"}, {method: "POST", path: "/count"}, {method: "GET", path: "/read"},
			{method: "POST", path: "/login?user=7"}, {method: "GET", path: "/read"},
		},
		"nobody's":   {{method: "GET", path: "/read", before: func(k *kept) { clear(k.jar) }}, {method: "POST", path: "/set"}, {method: "GET", path: "/untouched"}},
		"forged":     {{method: "GET", path: "/read", before: forge}, {method: "GET", path: "/profile"}},
		"cross-site": {{method: "POST", path: "/count", header: []string{"Sec-Fetch-Site", "cross-site"}}, {method: "POST", path: "/login", header: []string{"Origin", "https://evil.example"}}, {method: "POST", path: "/count"}},
		"another user": {
			{method: "POST", path: "/login?user=7"}, {method: "GET", path: "/read"}, {method: "POST", path: "/count"}, {method: "POST", path: "/fill?n=10"}, {method: "POST", path: "/fill?n=3&user=7"},
			{method: "GET", path: "/read"}, {method: "POST", path: "/count"},
		},
		"large":     {{method: "POST", path: "/fill4k"}, {method: "GET", path: "/read"}, {method: "POST", path: "/count"}, {method: "POST", path: "/count"}},
		"old token": {{method: "GET", path: "/read", before: elsewhere}, {method: "POST", path: "/count"}},
		"first":     {{method: "POST", path: "/count", before: func(k *kept) { clear(k.jar) }}, {method: "POST", path: "/count"}, {method: "POST", path: "/login"}, {method: "POST", path: "/count"}},
		"withheld": {
			{method: "GET", path: "/count", header: []string{"Sec-Fetch-Site", "cross-site"}, before: func(k *kept) { clear(k.jar) }}, {method: "HEAD", path: "/count"},
			{method: "GET", path: "/count", header: []string{"Sec-Purpose", "prefetch"}}, {method: "POST", path: "/count", header: []string{"Sec-Fetch-Site", "same-origin", "Referer", "https://evil.example/page"}},
			{method: "POST", path: "/count", header: []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://example.com"}},
		},
		"upgrade":  {{method: "GET", path: "/read", header: []string{"Upgrade", "websocket", "Sec-Fetch-Site", "cross-site"}}},
		"prefetch": {{method: "GET", path: "/read", header: []string{"Sec-Purpose", "prefetch"}}, {method: "HEAD", path: "/read"}},
	} {
		pair := keptAndOurs(t)
		for i, s := range steps {
			var said [2]string
			for j, k := range pair {
				if s.before != nil {
					s.before(k)
				}
				said[j] = told(k.send(s.method, s.path, s.header...))
			}
			if said[0] != said[1] {
				t.Errorf("%s, %d: %s %s: floor-kept says\n%s\ncoatcheck says\n%s", name, i, s.method, s.path, said[0], said[1])
			}
		}
	}
}

// The old token opens nothing after a login (G3), nor does any after its end (G2), and of
// two cookies of the name none counts (G8).
func TestKeptEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := keptAndOurs(t)[0]
		old := maps.Clone(k.jar)
		if w := k.send("POST", "/login"); w.Code != http.StatusOK {
			t.Fatalf("login: %d", w.Code)
		}
		if w := (&kept{k.Handler, old}).send("GET", "/read"); w.Code == http.StatusOK {
			t.Error("the token of before the login opens the session")
		}
		if w := (&kept{k.Handler, maps.Clone(old)}).send("POST", "/count"); w.Code != http.StatusConflict {
			t.Errorf("a change by the token of before the login: %d; want 409", w.Code)
		}
		if w := k.send("GET", "/read", "Cookie", "__Host-Http-sid="+strings.Repeat("A", 52)); w.Code == http.StatusOK {
			t.Error("two cookies of the name open one")
		}
		time.Sleep(20 * time.Minute)
		if w := k.send("GET", "/read"); w.Code != http.StatusOK { // moves the idle end
			t.Errorf("after 20 minutes: %d", w.Code)
		}
		time.Sleep(20 * time.Minute)
		if w := k.send("GET", "/read"); w.Code != http.StatusOK {
			t.Errorf("20 minutes after the last request: %d", w.Code)
		}
		time.Sleep(40 * time.Minute)
		if w := k.send("GET", "/read"); w.Code == http.StatusOK {
			t.Error("idle for 40 minutes it is open")
		}
	})
}

// Nothing is lost of what requests count at once (G1).
func TestKeptLosesNothing(t *testing.T) {
	t.Parallel()
	k := keptAndOurs(t)[0]
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			mine := &kept{k.Handler, maps.Clone(k.jar)}
			for range 50 {
				if w := mine.send("POST", "/count"); w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	if w := k.send("POST", "/count"); w.Body.String() != "401" {
		t.Errorf("counted %s; want 401", w.Body)
	}
}
