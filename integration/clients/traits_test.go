//go:build linux

package clients_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"crypto/tls"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// A trait is a question about a client, answered by a run.
type trait struct {
	title string // of its column
	asks  string
	ask   func(v *visit) string
	must  string // the only answer with which coatcheck works
}

// The answers.
const (
	sent, notSent = "sent", "not sent"
	takes, drops  = "takes", "refuses"
	gone, stays   = "deletes", "keeps"
	same          = "as it was"
)

var secureTraits = []trait{
	{title: "`http://localhost`", asks: "a `Secure` cookie goes back over plain HTTP to `localhost`",
		ask: func(v *visit) string { return v.over("http://localhost").comesBack("a=1; Path=/; Secure") }},
	{title: "`http://127.0.0.1`", asks: "and to `127.0.0.1`",
		ask: func(v *visit) string { return v.over("http://127.0.0.1").comesBack("a=1; Path=/; Secure") }},
	{title: "`https://localhost`", asks: "a `__Host-Http-` cookie goes back over HTTPS to `localhost`", must: sent,
		ask: func(v *visit) string {
			return v.over("https://localhost").comesBack("__Host-Http-a=1; Path=/; Secure; HttpOnly; SameSite=Strict")
		}},
	{title: "`https://127.0.0.1`", asks: "and to `127.0.0.1`",
		ask: func(v *visit) string {
			return v.over("https://127.0.0.1").comesBack("__Host-Http-a=1; Path=/; Secure; HttpOnly; SameSite=Strict")
		}},
	{title: "`__Host-`", asks: "a `__Host-` cookie without `Secure`", ask: takesTrait("__Host-a=1; Path=/")},
	{title: "`__Host-Http-`", asks: "a `__Host-Http-` cookie without `HttpOnly`", ask: takesTrait("__Host-Http-a=1; Path=/; Secure")},
	{title: "`SameSite`", asks: "a `SameSite=None` cookie without `Secure`, which no browser takes", ask: takesTrait("a=1; Path=/; SameSite=None")},
}

var lifetimeTraits = []trait{
	{title: "`Max-Age=0`", asks: "a line with `Max-Age=0` and no `Expires`", ask: deletesTrait("a=2; Path=/; Max-Age=0")},
	{title: "`Max-Age=-1`", asks: "a line with `Max-Age=-1` and no `Expires`", ask: deletesTrait("a=2; Path=/; Max-Age=-1")},
	{title: "past `Expires`", asks: "a line with `Expires` in the past and no `Max-Age`", ask: deletesTrait("a=2; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")},
	{title: "`Max-Age` alone", asks: "what comes back of a cookie with `Max-Age` and no `Expires`",
		ask: func(v *visit) string { return v.whatComesBack("a=1", "a=1; Max-Age=3600; Path=/") }},
	{title: "`Expires` alone", asks: "what comes back of a cookie with `Expires` and no `Max-Age`",
		ask: func(v *visit) string { return v.whatComesBack("a=1", "a=1; Path=/; Expires="+inAnHour()) }},
	{title: "ours", asks: "what comes back of a cookie as coatcheck sets it, with both", must: same,
		ask: func(v *visit) string {
			line, err := newRaw().Line("1", time.Hour)
			if err != nil {
				return err.Error()
			}
			return v.whatComesBack(ours+"=1", line)
		}},
	{title: "both", asks: "`Max-Age` of an hour, and behind it an `Expires` in the past: which counts",
		ask: func(v *visit) string {
			if v.comesBack("a=1; Max-Age=3600; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT") == sent {
				return "`Max-Age`"
			}
			return "`Expires`"
		}},
}

var otherTraits = []trait{
	{title: "deletion", asks: "a cookie after coatcheck's line that deletes it", must: gone,
		ask: func(v *visit) string {
			raw := newRaw()
			line, err := raw.Line("1", time.Hour)
			if err != nil {
				return err.Error()
			}
			return v.deletes(line, raw.Expired())
		}},
	{title: "three lines", asks: "of three cookies that one answer sets, how many come back", must: "3",
		ask: func(v *visit) string {
			v.set(three("=1; Path=/")...)
			return fmt.Sprint(count(v.sent()))
		}},
	{title: "three deletions", asks: "of three that one answer deletes, how many stay",
		ask: func(v *visit) string {
			v.set(three("=1; Path=/; Max-Age=3600; Expires=" + inAnHour())...)
			v.set(three("=; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT")...)
			return fmt.Sprint(count(v.sent()))
		}},
	{title: "quotes", asks: "what comes back of the value `\"a b\"`, with its quotes",
		ask: func(v *visit) string { return v.whatComesBack(`q="a b"`, `q="a b"; Path=/`) }},
}

const ours = "__Host-Http-ours"

// newRaw is a cookie of the library with the zero policy.
func newRaw() *cookie.Raw {
	raw, err := cookie.NewRaw(ours, cookie.Policy{})
	if err != nil {
		panic(err)
	}
	return raw
}

func inAnHour() string { return time.Now().Add(time.Hour).UTC().Format(http.TimeFormat) }

func three(attributes string) []string {
	return []string{"a" + attributes, "b" + attributes, "c" + attributes}
}

func count(header string) int { return strings.Count(header, "=") }

func takesTrait(line string) func(*visit) string {
	return func(v *visit) string {
		if v.comesBack(line) == sent {
			return takes
		}
		return drops
	}
}

// deletesTrait asks what becomes of the cookie a.
func deletesTrait(line string) func(*visit) string {
	return func(v *visit) string { return v.deletes("a=1; Path=/", line) }
}

// A jarSite sets the cookies that it is asked for, and says which came.
type jarSite struct{ http, https string } // the ports

func newJarSite(t *testing.T, authority *servers.Authority) *jarSite {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /set", func(w http.ResponseWriter, r *http.Request) {
		for _, line := range r.URL.Query()["line"] {
			w.Header().Add("Set-Cookie", line)
		}
	})
	mux.HandleFunc("GET /sent", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Join(r.Header["Cookie"], "; "))
	})
	certificate, err := tls.LoadX509KeyPair(authority.Certificate, authority.Key)
	if err != nil {
		t.Fatal(err)
	}
	plain, secure := httptest.NewServer(mux), httptest.NewUnstartedServer(mux)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	secure.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	return &jarSite{port(plain.URL), port(secure.URL)}
}

func port(site string) string { return site[strings.LastIndexByte(site, ':'):] }

// A visit is somebody at the jarSite, with no cookies in the beginning.
type visit struct {
	t    *testing.T
	d    driver
	site *jarSite
	who  string
	base string
}

// over is the visit to another scheme and host; without it is https://localhost.
func (v *visit) over(base string) *visit {
	port := v.site.https
	if strings.HasPrefix(base, "http:") {
		port = v.site.http
	}
	o := *v
	o.base = base + port
	return &o
}

func (v *visit) get(path string) string {
	v.t.Helper()
	status, body := v.d.send(v.t, v.who, "GET", v.base+path, "")
	if status != http.StatusOK {
		v.t.Fatalf("GET %s%s: got %d %s", v.base, path, status, body)
	}
	return body
}

func (v *visit) set(lines ...string) { v.get("/set?" + url.Values{"line": lines}.Encode()) }
func (v *visit) sent() string        { return v.get("/sent") }

// comesBack sets a cookie and reports whether it is sent, in whatever form.
func (v *visit) comesBack(line string) string {
	v.set(line)
	if name, _, _ := strings.Cut(line, "="); strings.Contains(v.sent(), name+"=") {
		return sent
	}
	return notSent
}

// whatComesBack sets a cookie and compares what is sent.
func (v *visit) whatComesBack(want, line string) string {
	v.set(line)
	switch got := v.sent(); got {
	case want:
		return same
	case "":
		return notSent
	default:
		return "`" + got + "`"
	}
}

// deletes sets a cookie, and then the line that should delete it.
func (v *visit) deletes(line, deletion string) string {
	v.set(line)
	if v.sent() == "" {
		return notSent
	}
	v.set(deletion)
	if v.sent() == "" {
		return gone
	}
	return stays
}

// answers asks a client all questions.
func answers(t *testing.T, d driver, site *jarSite, traits []trait) []string {
	t.Helper()
	var list []string
	for _, q := range traits {
		v := (&visit{t: t, d: d, site: site, who: strings.Trim(strings.ReplaceAll(q.title, "/", "-"), "`")}).over("https://localhost")
		got := q.ask(v)
		if q.must != "" && got != q.must {
			t.Errorf("%s: got %s, want %s", q.asks, got, q.must)
		}
		list = append(list, got)
	}
	return list
}
