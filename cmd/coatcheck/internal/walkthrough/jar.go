package walkthrough

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/wire"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// A jar knows every cookie that this application sets.
type jar struct {
	kinds         []kind
	ticket, stamp string // the session cookie, and the marker beside it; "" where there is none
}

// A kind is one cookie as it is declared.
type kind struct {
	line    *http.Cookie // as Set-Cookie has it
	Sort    string
	For     string
	framed  bool // signed or sealed: docs/spec/cookie.md, C6
	inClear bool // its value is no secret and opens nothing
	read    func(r *http.Request) (string, error)
	ends    func(value string) time.Time // what the value says; nil = nothing
}

func newJar(c cookies, keys *cookie.Keys, cfg coatcheck.Config) (jar, error) {
	session, err := sessionLines(keys, cfg)
	if err != nil {
		return jar{}, err
	}
	var j jar
	for _, line := range session {
		if strings.HasSuffix(line.Name, "-lax") {
			j.stamp = line.Name
			j.kinds = append(j.kinds, kind{line: line, Sort: "beside the ticket", inClear: true,
				For: "Tells the server that there is a ticket when you follow a link from another site: then the browser keeps the ticket itself back."})
		} else {
			j.ticket = line.Name
			j.kinds = append(j.kinds, kind{line: line, Sort: "the ticket", For: "Names your coat, the session that the server keeps. It says nothing about you."})
		}
	}
	j.kinds = append(j.kinds, boundKind())
	if j.ticket == "" {
		return jar{}, errors.New("no session cookie")
	}
	for _, k := range []struct {
		kind
		set func(http.ResponseWriter) error
	}{
		{kind{Sort: "plain", inClear: true, For: "A note in plain writing. You could read and change it.", read: reads(c.username, "%s")},
			func(w http.ResponseWriter) error { return c.username.Set(w, "x") }},
		{kind{Sort: "signed", framed: true, For: "Remembers your preference. You could read it, but a changed one is refused.", read: reads(c.theme, "%s")},
			func(w http.ResponseWriter) error { return c.theme.Set(w, "x") }},
		{kind{Sort: "signed", framed: true, For: "Counts your visits to this browser.", read: reads(c.visitor, "visit %d")},
			func(w http.ResponseWriter) error { return c.visitor.Set(w, 1) }},
		{kind{Sort: "encrypted", framed: true, For: "A pass for one minute. Only the server can read it.", read: reads(c.token, "valid: %t")},
			func(w http.ResponseWriter) error { return c.token.Set(w, true) }},
	} {
		lines, err := linesOf(k.set)
		if err != nil {
			return jar{}, err
		}
		k.line = lines[0]
		j.kinds = append(j.kinds, k.kind)
	}
	return j, nil
}

func reads[T any](c cookie.Cookie[T], format string) func(*http.Request) (string, error) {
	return func(r *http.Request) (string, error) {
		v, err := c.Get(r)
		return fmt.Sprintf(format, v), err
	}
}

// A headers is an answer of which only the headers count.
type headers http.Header

func (h headers) Header() http.Header         { return http.Header(h) }
func (h headers) Write(b []byte) (int, error) { return len(b), nil }
func (h headers) WriteHeader(int)             {}

// linesOf are the cookies that set sets.
func linesOf(set func(http.ResponseWriter) error) ([]*http.Cookie, error) {
	h := make(headers)
	if err := set(h); err != nil {
		return nil, err
	}
	var lines []*http.Cookie
	for _, line := range h["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			return nil, err
		}
		lines = append(lines, c)
	}
	if len(lines) == 0 {
		return nil, errors.New("no Set-Cookie")
	}
	return lines, nil
}

// sessionLines are the cookies of a session under cfg, which one login shows
// that nobody else sees.
func sessionLines(keys *cookie.Keys, cfg coatcheck.Config) ([]*http.Cookie, error) {
	cfg.Events, cfg.OnError = nil, nil
	m, err := coatcheck.New(memstore.New(memstore.Config{}), keys, cfg)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		return nil, err
	}
	return linesOf(func(w http.ResponseWriter) error {
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			coatcheck.From(r.Context()).Login(defaultUser)
		})).ServeHTTP(w, r)
		return nil
	})
}

func (j *jar) kind(name string) (kind, bool) {
	i := slices.IndexFunc(j.kinds, func(k kind) bool { return k.line.Name == name })
	if i < 0 {
		return kind{}, false
	}
	return j.kinds[i], true
}

// shown is as much of a cookie's value as a script in the page may learn. A
// value that opens something is cut after version and key id, which are the
// same in all of them; of other programs' cookies nothing is shown.
func (j *jar) shown(name, value string) string {
	k, ours := j.kind(name)
	switch {
	case value == "":
		return ""
	case !ours:
		return "…"
	case k.inClear:
		return cut(value, 40)
	}
	return cut(value, 6)
}

// number tells two values apart that are shown the same: a few bits of a hash,
// which say nothing of the value. It is "" where the value itself is shown.
func (j *jar) number(name, value string) string {
	if k, ours := j.kind(name); !ours || k.inClear || value == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("coatcheck/page" + value))
	return fmt.Sprintf("%05d", binary.BigEndian.Uint32(sum[:])%100_000)
}

func cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	return s[:max] + "…"
}

// A held cookie is one that the browser sent.
type held struct {
	kind
	pair
	Says       string    // what the server reads in it
	Until      time.Time // when the browser forgets it; zero: only the browser knows
	Attributes []attribute
}

// holds returns what the browser sent: our cookies, and the names of others'.
func (j *jar) holds(r *http.Request, c *coat) (ours []held, others []string) {
	brought := make(map[string]string)
	for _, c := range r.Cookies() {
		if _, ok := j.kind(c.Name); ok {
			brought[c.Name] = c.Value
		} else if !slices.Contains(others, c.Name) {
			others = append(others, cut(c.Name, 40))
		}
	}
	for _, k := range j.kinds {
		value, ok := brought[k.line.Name]
		if !ok {
			continue
		}
		h := held{kind: k, pair: j.pair(k.line.Name, value)}
		line := *k.line
		switch {
		case h.Name == j.ticket || h.Name == j.stamp:
			if c != nil {
				h.Until = c.Deadline
				line.MaxAge = int(c.Deadline.Sub(c.Created).Round(time.Second).Seconds())
			} else {
				line.MaxAge = 0
			}
		default:
			says, err := k.read(r)
			switch {
			case err != nil:
				h.Says = "changed by hand or expired: counts as absent"
			default:
				h.Says = says
				switch {
				case k.framed:
					h.Until = frameEnd(value)
				case k.ends != nil:
					h.Until = k.ends(value)
				}
			}
		}
		h.Attributes = attributesOf(&line)
		ours = append(ours, h)
	}
	return ours, others
}

// frameEnd is when a genuine signed or sealed cookie ends: C6.
func frameEnd(value string) time.Time {
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(b) < 14 {
		return time.Time{}
	}
	issued, ttl := wire.Frame(b)
	return issued.Add(ttl)
}

// An attribute is one rule that the browser keeps for a cookie.
type attribute struct{ Text, Says string }

func attributesOf(c *http.Cookie) []attribute {
	var list []attribute
	add := func(text, says string) { list = append(list, attribute{text, says}) }
	if c.MaxAge > 0 {
		add(fmt.Sprintf("Max-Age=%d", c.MaxAge), "The browser forgets it "+span(time.Duration(c.MaxAge)*time.Second)+" after it was set. (Expires says the same, for programs that know only that.)")
	}
	add("Path="+c.Path, "It goes to every address of this site.")
	if c.Secure {
		add("Secure", "It travels over encrypted connections only. (Most browsers also trust localhost, this computer itself.)")
	}
	if c.HttpOnly {
		add("HttpOnly", "Scripts in a page cannot read it, so a smuggled-in script cannot steal it.")
	}
	switch c.SameSite {
	case http.SameSiteStrictMode:
		add("SameSite=Strict", "The browser leaves it out when another site causes the request, so nobody can act in your name.")
	case http.SameSiteLaxMode:
		add("SameSite=Lax", "When another site causes the request it comes only if you followed a link.")
	}
	for _, prefix := range []string{"__Host-Http-", "__Host-"} {
		if strings.HasPrefix(c.Name, prefix) {
			add(prefix, "Browsers take a cookie with such a name only from this very host, and only with the rules above.")
			break
		}
	}
	return list
}
