package cli

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// attributes has, for each attribute of RFC 6265bis, what it does.
var attributes = map[string]func(value string, now time.Time) string{
	"max-age": func(value string, now time.Time) string {
		seconds, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil:
			return "not a number: browsers ignore it"
		case seconds <= 0:
			return "deleted at once"
		case seconds > int64(maxAge/time.Second):
			return "kept for 400 days, which is the most that browsers allow"
		}
		life := time.Duration(seconds) * time.Second
		return fmt.Sprintf("kept for %v, now until %s", life, moment(now.Add(life)))
	},
	"expires": func(value string, now time.Time) string {
		t, err := http.ParseTime(value)
		switch {
		case err != nil:
			return "a date that only some browsers may read; Max-Age goes first"
		case !t.After(now):
			return "in the past: deleted at once, unless there is a Max-Age, which goes first"
		}
		return "kept until then, unless there is a Max-Age, which goes first"
	},
	"path": func(value string, _ time.Time) string {
		if value == "/" {
			return "sent to every path"
		}
		return "sent to this path and below; no protection from pages elsewhere on the host"
	},
	"domain": func(string, time.Time) string {
		return "sent to every host below this domain too, and every one of them can overwrite it"
	},
	"secure":   func(string, time.Time) string { return "sent over HTTPS only" },
	"httponly": func(string, time.Time) string { return "kept from scripts" },
	"samesite": func(value string, _ time.Time) string {
		switch strings.ToLower(value) {
		case "strict":
			return "not sent with requests that other sites cause"
		case "lax":
			return "of what other sites cause, sent with links only"
		case "none":
			return "sent with requests of all sites; needs Secure"
		}
		return "unknown: browsers take their default"
	},
	"partitioned": func(string, time.Time) string { return "another one for each site that embeds this one" },
}

// cutAttribute returns the name, in lower case, and the value of an attribute.
func cutAttribute(a string) (name, value string) {
	name, value, _ = strings.Cut(a, "=")
	return strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
}

// deletes reports whether a Set-Cookie header removes the cookie.
func (c given) deletes(now time.Time) bool {
	expired := false
	for _, a := range c.attributes {
		switch name, value := cutAttribute(a); name {
		case "max-age": // goes before Expires
			if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
				return seconds <= 0
			}
		case "expires":
			t, err := http.ParseTime(value)
			expired = err == nil && !t.After(now)
		}
	}
	return expired
}

// explain prints what the attributes do, what is missing, and what the prefix
// of the name asks for.
func explain(p *printer, c given, now time.Time) {
	if !c.set {
		return
	}
	has := make(map[string]string)
	for _, a := range c.attributes {
		name, value := cutAttribute(a)
		text := "unknown: browsers ignore it"
		if says, ok := attributes[name]; ok {
			text = says(value, now)
			has[name] = value
		}
		fmt.Fprintf(p.w, "  %s: %s\n", printable(a), text)
	}
	_, age := has["max-age"]
	_, expires := has["expires"]
	if !age && !expires {
		fmt.Fprintln(p.w, "  no Max-Age: kept until the browser closes")
	}
	for _, missing := range []struct{ name, says string }{
		{"Secure", "sent over plain HTTP too, where anybody on the way can read and replace it"},
		{"HttpOnly", "every script in the page can read it"},
		{"SameSite", "browsers take Lax; some send it with forms of other sites for two minutes"},
	} {
		if _, ok := has[strings.ToLower(missing.name)]; !ok {
			fmt.Fprintf(p.w, "  no %s: %s\n", missing.name, missing.says)
		}
	}
	explainPrefix(p, c.name, has)
}

// explainPrefix checks what browsers ask of a name with a prefix, whose case
// does not matter to them.
func explainPrefix(p *printer, name string, has map[string]string) {
	name = strings.ToLower(name)
	_, secure := has["secure"]
	_, scripts := has["httponly"]
	_, domain := has["domain"]
	for _, prefix := range []struct {
		name, wants string
		ok          bool
	}{
		{"__Host-Http-", "Secure, HttpOnly, Path=/ and no Domain", secure && scripts && !domain && has["path"] == "/"},
		{"__Host-", "Secure, Path=/ and no Domain", secure && !domain && has["path"] == "/"},
		{"__Http-", "Secure and HttpOnly", secure && scripts},
		{"__Secure-", "Secure", secure},
	} {
		if !strings.HasPrefix(name, strings.ToLower(prefix.name)) {
			continue
		}
		if prefix.ok {
			fmt.Fprintf(p.w, "  prefix %s: browsers take it only with %s, which it has\n", prefix.name, prefix.wants)
		} else {
			p.refused("by browsers: the prefix %s wants %s", prefix.name, prefix.wants)
		}
		return
	}
}
