package cli_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// routes are those of the walk-through, with what their forms want.
var routes = []struct{ do, form string }{
	{"GET /", ""}, {"GET /ticket.svg", ""}, {"GET /events", ""}, {"GET /healthz", ""}, {"GET /set-cookie", ""}, {"GET /get-cookie", ""},
	{"GET /login", ""}, {"POST /login", "user=mallory"}, {"GET /profile", ""},
	{"POST /preferences", "theme=dark"}, {"GET /preferences", ""}, {"GET /visitor", ""},
	{"POST /token", ""}, {"GET /token", ""}, {"POST /visits", ""},
	{"POST /cart", "item=tea"}, {"GET /cart", ""}, {"POST /dashboard", "widget=clock"}, {"GET /dashboard", ""},
	{"POST /one-time", ""}, {"POST /one-time/redeem", "code=x"},
	{"GET /sessions", ""}, {"POST /sessions/label", "label=x"}, {"POST /sessions/revoke", "handle=x"}, {"POST /sessions/revoke-others", ""},
	{"GET /logout", ""}, {"POST /logout", ""}, {"GET /nowhere", ""},
}

// badCookies are Cookie headers, by what is bad about them.
func badCookies(t *testing.T, s *server, v *victim) map[string]string {
	t.Helper()
	gone := newGoBrowser(t, s.url) // logged out since
	gone.send(t, "POST", "/login", "user=gone")
	old := gone.cookies(t)[sid]
	gone.send(t, "POST", "/logout", "")
	token := v.token
	flip := func(at int) string {
		b := []byte(token)
		if b[at]++; b[at] > 'z' || b[at] == '[' || b[at] == ':' || b[at] == '`' {
			b[at] = 'A'
		}
		return string(b)
	}
	h := "Cookie: "
	return map[string]string{
		"none": "", "ended": h + sid + "=" + old + "; " + sid + "-lax=1", "ended, twice": h + sid + "=" + old + "; " + sid + "=" + old,
		"forged version": h + sid + "=" + flip(0), "forged key": h + sid + "=" + flip(4), "forged id": h + sid + "=" + flip(20), "forged MAC": h + sid + "=" + flip(50),
		"all A": h + sid + "=" + strings.Repeat("A", 52), "too short": h + sid + "=" + token[:51], "too long": h + sid + "=" + token + "A",
		"empty": h + sid + "=", "no value": h + sid, "no name": h + "=" + token, "quoted": h + sid + `="` + token + `"`,
		"in another case": h + strings.ToLower(sid) + "=" + token, "with a blank": h + sid + " =x" + token, "percent": h + sid + "=%41" + token[1:],
		"another name": h + "sid=" + token + "; __Host-sid=" + token + "; " + sid + "-lax=" + token,
		"twice":        h + sid + "=" + flip(20) + "; " + sid + "=x", "twice, the other way": h + sid + "=x; " + sid + "=" + flip(20),
		"two headers": h + sid + "=" + flip(50) + "\r\n" + h + sid + "=" + old, "five": h + sid + "=" + token + strings.Repeat("; "+sid+"=x", 4),
		"huge": h + sid + "=" + strings.Repeat("A", 30_000), "hundreds": h + strings.Repeat("a=b; ", 2000),
		"names without end": h + strings.Repeat("a", 20_000), "separators": h + strings.Repeat(";", 5000) + " = ; == ;; ,",
		"not ASCII": h + sid + "=\xff\xfe\x80; username=\xc3\x28",
		"JSON":      h + sid + `={"user":"victim"}`, "SQL": h + sid + "=' OR 1=1 --", "a path": h + sid + "=../../../../etc/passwd", "a format": h + sid + "=%s%n%x",
		"line feed": h + sid + "=x%0d%0aSet-Cookie:%20a=b", "the others too": h + "username=%ZZ; preferences=x; visitor=AAAA; token=....; theme=\"",
		"the handle": h + sid + "=" + devices(t, v.browser.send(t, "GET", "/sessions", ""))[0]["handle"].(string),
	}
}

// What bad input gets: a visitor without a cookie, with an old one, with a forged one,
// from another site, twice at once, on a slow line: a page that works. Never a
// 500, never a loop, never somebody else's session.
func TestBadInput(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"memory": nil, "SQLite": {"--store", "sqlite:" + filepath.Join(t.TempDir(), "bad.db")}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, flags...)
			v := newVictim(t, s)
			l := line{t, strings.TrimPrefix(s.url, "http://")}
			loris := holdOn(t, l) // has its half of a request sent while all else happens
			for what, cookies := range badCookies(t, s, v) {
				t.Run("cookie "+what, func(t *testing.T) { badCookie(t, l, v, cookies) })
			}
			t.Run("from another site", func(t *testing.T) { fromElsewhere(t, l, v) })
			t.Run("shapes", func(t *testing.T) { shapes(t, l, v) })
			t.Run("at once", func(t *testing.T) { atOnce(t, s, l, v) })
			t.Run("slow line", func(t *testing.T) { slowLine(t, l, v) })
			loris()
			v.untouched(t)
		})
	}
}

// badCookie takes all routes, and then a login, which works from there.
func badCookie(t *testing.T, l line, v *victim, cookies string) {
	headers := []string{cookies, "Sec-Fetch-Site: same-origin"}
	if cookies == "" {
		headers = headers[1:]
	}
	for _, r := range routes {
		v.works(t, r.do+" "+cookies, l.sends(request(r.do, r.form, headers...), 1<<20), false)
	}
	a := l.sends(request("POST /login", "user=mallory", headers...), 1<<20)
	if a == nil || a.Status != 200 || len(a.SetCookies) == 0 {
		t.Fatalf("login with it: got %+v, want 200 and a session", a)
	}
	jar := "Cookie: "
	for _, set := range a.SetCookies {
		pair, _, _ := strings.Cut(set, ";")
		jar += pair + "; "
	}
	if a := l.sends(request("GET /profile", "", jar), 1<<20); a == nil || a.Body != "User mallory" {
		t.Errorf("after the login: got %+v, want the profile", a)
	}
}

// fromElsewhere takes all routes as other sites can make a browser take them,
// with what such a browser sends of the victim's: the Lax marker at most.
func fromElsewhere(t *testing.T, l line, v *victim) {
	marker := "Cookie: " + sid + "-lax=1"
	for _, r := range routes {
		for what, headers := range map[string][]string{
			"link":           {marker, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Referer: http://evil.example/"},
			"link of itself": {marker, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Referer: http://localhost" + strings.Fields(r.do)[1]},
			"first link":     {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"},
			"frame":          {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"},
			"image":          {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"},
			"fetch":          {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Origin: http://evil.example"},
			"worker":         {marker, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: empty"},
			"prefetch":       {marker, "Sec-Fetch-Site: cross-site", "Sec-Purpose: prefetch", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"},
			"sibling":        {"Cookie: " + v.cookie, "Sec-Fetch-Site: same-site", "Origin: http://sub.localhost"},
			"old browser":    {"Cookie: " + v.cookie, "Origin: http://evil.example"},
			"opaque":         {"Cookie: " + v.cookie, "Origin: null"},
		} {
			if strings.HasPrefix(r.do, "GET ") && strings.HasPrefix(headers[0], "Cookie: "+v.cookie) {
				continue // the victim's own read, whatever its Origin says
			}
			method, _, _ := strings.Cut(r.do, " ")
			a := l.sends(request(r.do, r.form, headers...), 1<<20)
			v.works(t, what+" "+r.do, a, what == "prefetch")
			if a != nil && method == "POST" && a.Status != http.StatusForbidden {
				t.Errorf("%s %s: got %d, want 403", what, r.do, a.Status)
			}
			if a != nil && headers[0] == marker && len(sessionCookies(a)) > 0 && !strings.HasSuffix(r.do, "/login") {
				t.Errorf("%s %s: got %q over a session that was held back", what, r.do, sessionCookies(a))
			}
		}
	}
}

func sessionCookies(a *answer) (list []string) {
	for _, set := range a.SetCookies {
		if strings.HasPrefix(set, sid) {
			list = append(list, set)
		}
	}
	return list
}

// shapes are requests of no browser.
func shapes(t *testing.T, l line, v *victim) {
	for what, r := range map[string]string{
		"POST without a body": request("POST /cart", ""), "odd percents": request("POST /cart", "item=%ZZ&%&=&item"),
		"not UTF-8": request("POST /login", "user=%ff%fe"), "control characters": request("POST /login", "user=a%00b%0a"), "user too long": request("POST /login", "user="+strings.Repeat("a", 5000)),
		"empty user": request("POST /login", "user="), "value too large": request("POST /dashboard", "widget="+strings.Repeat("w", 100_000)),
		"form too large": request("POST /cart", "item="+strings.Repeat("i", 2<<20)), "semicolons": request("POST /cart", "item=a;item=b"),
		"multipart without parts": "POST /cart HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 4\r\n\r\n--x-",
		"JSON as a form":          "POST /cart HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"item\":\"tea\"}",
		"GET with a body":         request("GET /visitor", "item=tea"), "HTTP/1.0": "GET /visitor HTTP/1.0\r\n\r\n",
		"absolute URL": request("GET http://evil.example/profile", ""), "dots": request("GET /a/../profile", ""), "escaped dots": request("GET /%2e%2e/%2e%2e/etc/passwd", ""),
		"NUL": request("GET /profile%00", ""), "two slashes": request("GET //evil.example/profile", ""), "query without end": request("GET /profile?"+strings.Repeat("a=b&", 5000), ""),
		"broken chunks": "POST /cart HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nZZ\r\nitem=tea\r\n",
		"both lengths":  "POST /cart HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Length: 8\r\n\r\n0\r\n\r\n",
		"no Host":       "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "headers too large": request("GET /", "", "X: "+strings.Repeat("x", 200_000)),
		"controls in a cookie": request("GET /profile", "", "Cookie: "+sid+"=\x01\x02\x7f\t"),
		"no HTTP":              "\x16\x03\x01\x00\r\n\r\n", "websocket": request("GET /profile", "", "Connection: Upgrade", "Upgrade: websocket", "Sec-Fetch-Site: cross-site", "Origin: http://evil.example"),
		"proxies": request("GET /profile", "", "X-Forwarded-For: '; --, \x7f", "Forwarded: for=evil", "User-Agent: \xff<script>"),
	} {
		a := l.sends(r, 1<<20)
		if a != nil && a.Status/100 == 3 { // what net/http does to a path with dots or slashes
			if location := "/profile"; !strings.Contains(what, "dots") && !strings.Contains(what, "slashes") {
				t.Errorf("%s: got %d, want no redirect to %s", what, a.Status, location)
			}
			continue
		}
		v.works(t, what, a, false)
	}
	for _, method := range []string{"HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT", "PATCH", "get", "X"} {
		for _, r := range routes {
			_, path, _ := strings.Cut(r.do, " ")
			v.works(t, method+" "+path, l.sends(request(method+" "+path, ""), 1<<20), method == "HEAD")
		}
	}
}

// atOnce takes every route twice at the same time, within one session.
func atOnce(t *testing.T, s *server, l line, v *victim) {
	b := newGoBrowser(t, s.url)
	for _, r := range routes {
		b.send(t, "POST", "/login", "user=twice")
		cookies := "Cookie: " + sid + "=" + b.cookies(t)[sid]
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { v.works(t, r.do+" at once", l.sends(request(r.do, r.form, cookies), 1<<20), false) })
		}
		if strings.HasSuffix(r.do, "/events") { // streams until the session ends
			wg.Go(func() { v.works(t, "logout beside it", l.sends(request("POST /logout", "", cookies), 1<<20), false) })
		}
		wg.Wait()
	}
	if a := b.send(t, "POST", "/login", "user=twice"); a.Status != 200 {
		t.Errorf("login after it: got %d %q", a.Status, a.Body)
	}
}

// slowLine sends byte by byte, and leaves in the middle.
func slowLine(t *testing.T, l line, v *victim) {
	for _, r := range routes {
		whole := request(r.do, r.form, "Cookie: "+sid+"="+strings.Repeat("A", 52))
		v.works(t, r.do+" slowly", l.sends(whole, 1), false)
		for _, part := range []int{len(whole) / 4, len(whole) - 1} {
			if conn, err := net.Dial("tcp", l.addr); err == nil {
				io.WriteString(conn, whole[:part])
				conn.Close()
			}
		}
	}
}

// holdOn opens connections that say half of what they have to say. The returned
// function says the rest: the server may have given up on them, but no more.
func holdOn(t *testing.T, l line) func() {
	t.Helper()
	whole := []byte(request("POST /cart", "item=late"))
	var conns []net.Conn
	for range 50 {
		conn, err := net.Dial("tcp", l.addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(whole[:len(whole)-4])
		conns = append(conns, conn)
	}
	return func() {
		for _, conn := range conns {
			conn.SetDeadline(time.Now().Add(patience))
			conn.Write(whole[len(whole)-4:])
			reply, _ := io.ReadAll(conn)
			if bytes.HasPrefix(reply, []byte("HTTP/1.1 5")) || bytes.Contains(reply, []byte("victim")) {
				t.Errorf("a late request: got %.200q", reply)
			}
			conn.Close()
		}
	}
}
