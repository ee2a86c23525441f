//go:build linux

package proxies_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/proxies"
)

// caches are the shared caches, each before the application and without more
// configuration than it needs. Caddy has none.
var caches = []struct{ name, site string }{
	{"nginx", `proxy_cache_path cache keys_zone=app:1m;
server {
    listen 80;
    listen 443 ssl;
    ssl_certificate     /etc/ssl/app.example.pem;
    ssl_certificate_key /etc/ssl/app.example.key;
    location / {
        proxy_pass http://127.0.0.1:8080;
        proxy_cache app;
    }
}
`},
	{"HAProxy", `cache app
    total-max-size 4
    max-age 60
    process-vary on
frontend web
    bind :80
    bind :443 ssl crt /etc/ssl/app.example.pem
    default_backend app
backend app
    http-request cache-use app
    http-response cache-store app
    server app1 127.0.0.1:8080
`},
	{"Apache", `# a2enmod proxy proxy_http ssl cache cache_socache socache_shmcb
CacheSocache shmcb
CacheEnable socache /
<VirtualHost *:80>
    ProxyPass / http://127.0.0.1:8080/
</VirtualHost>
<VirtualHost *:443>
    SSLEngine on
    SSLCertificateFile    /etc/ssl/app.example.pem
    SSLCertificateKeyFile /etc/ssl/app.example.key
    ProxyPass / http://127.0.0.1:8080/
</VirtualHost>
`},
	{"Varnish", ""},
}

// G12, C19: no cache hands a cookie that package cookie set to the next visitor,
// whatever the handler said of caching. Where it may, two of four do.
func TestCaches(t *testing.T) {
	var mu sync.Mutex
	handed := make(map[string]string)
	t.Run("each", func(t *testing.T) {
		for _, c := range caches {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				unsafe := runCache(t, c.name, c.site)
				mu.Lock()
				defer mu.Unlock()
				handed[c.name] = unsafe
			})
		}
	})
	if t.Failed() {
		return
	}
	table := "| cache | with `AllowCaching` | as it is |\n| --- | --- | --- |\n"
	for _, c := range caches {
		table += fmt.Sprintf("| %s | %s | nobody |\n", c.name, handed[c.name])
	}
	comparePage(t, "caches", table)
}

// runCache returns who gets a visitor's cookie where that is allowed, and fails
// the test if anybody does otherwise.
func runCache(t *testing.T, name, site string) string {
	l := listen(t)
	server := &http.Server{Handler: cacheable(t)}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	p := proxies.Start(t, name, proxies.Options{Upstream: l.Addr().String(), Site: site})
	unsafe := "nobody"
	for path, control := range map[string]string{
		"/plain": "max-age=60", "/set": "max-age=60", "/set?a": "public, max-age=60", "/set?b": "s-maxage=60", "/set?c": "", "/set?d&expires=1": "",
		"/set?e": "private", "/set?f": "max-age=60, public", "/clear": "public, max-age=60", "/allowed": "max-age=60",
	} {
		separator := map[bool]string{false: "?", true: "&"}[strings.Contains(path, "?")]
		url := "http://" + p.HTTP + path + separator + "control=" + strings.NewReplacer(" ", "%20", "=", "%3D").Replace(control)
		first, body := ask(t, url)
		second, again := ask(t, url)
		if path == "/plain" && body != again {
			t.Errorf("an answer without a cookie is not kept: this is no test of a cache\n%s", p.Log())
		}
		if path == "/plain" {
			continue
		}
		if first == "" {
			t.Errorf("%s with %q: the visitor's own cookie is gone", path, control)
		}
		switch {
		case path == "/allowed" && first == second:
			unsafe = "**the next visitor**"
		case path != "/allowed" && second != "" && body == again:
			t.Errorf("%s with %q: the cookie %q goes to the next visitor", path, control, second)
		}
	}
	return unsafe
}

// cacheable answers with headers that its visitors choose, and gives each a
// cookie with a number of their own.
func cacheable(t *testing.T) http.Handler {
	theme := cookie.New[int]("theme", cookie.Policy{MaxAge: time.Hour})
	allowed := cookie.New[int]("theme", cookie.Policy{MaxAge: time.Hour, AllowCaching: true})
	var visitors atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if control := r.FormValue("control"); control != "" {
			w.Header().Set("Cache-Control", control)
		}
		if r.FormValue("expires") != "" {
			w.Header().Set("Expires", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
		}
		var err error
		n := int(visitors.Add(1))
		switch r.URL.Path {
		case "/set":
			err = theme.Set(w, n)
		case "/clear":
			err = theme.Clear(w)
		case "/allowed":
			err = allowed.Set(w, n)
		}
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, n)
	})
}

// ask makes a request without cookies.
func ask(t *testing.T, url string) (setCookie, body string) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "app.example"
	res, err := (&http.Client{Timeout: patience}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: got %d %q, %v", url, res.StatusCode, text, err)
	}
	return res.Header.Get("Set-Cookie"), string(text)
}
