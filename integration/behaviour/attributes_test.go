//go:build linux

package behaviour_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
)

func TestBehaviourAttributes(t *testing.T) { behave(t, attributes, here) }

// attributes are about the Set-Cookie line.
var attributes = []behaviour{
	{
		name: "as it comes: Secure, HttpOnly, SameSite=Strict, Path=/, no Domain",
		from: "tower-sessions, Django, Spring Session, Fiber, sessionup, iron-session", inCookie: true,
		ours: "stricter: a __Host-Http- name, Strict where most have Lax or nothing",
		steps: []step{{do: "GET set=tea:green", want: "200 new", has: []string{
			"cookie has Secure", "cookie has HttpOnly", "cookie has SameSite=Strict", "cookie has Path=/", "cookie lacks Domain=app.example"}}},
	},
	{
		name: "its Max-Age is the lifetime that is configured", from: "tower-sessions, Fiber, iron-session, express-session, sessionup", inCookie: true,
		cfg: coatcheck.Config{AnonymousLifetime: time.Hour},
		steps: []step{
			{do: "GET set=tea:green", want: "200 new", has: []string{"cookie has Max-Age=3600"}},
			{do: "POST login=alice", want: "200 new", has: []string{"cookie has Max-Age=43200"}},
		},
	},
	{
		name: "a cookie set again has what is left of the lifetime", from: "iron-session, express-session", inCookie: true,
		steps: []step{
			{do: "POST login=alice", want: "200 new", has: []string{"cookie has Max-Age=43200"}},
			{do: "wait 20m"},
			{do: "POST renew", want: "200 new", has: []string{"cookie has Max-Age=42000"}},
		},
	},
	{
		name: "its name can be chosen", from: "express-session, tower-sessions, Spring Session, sessionup, gorilla", inCookie: true,
		cfg: coatcheck.Config{Name: "connect.sid"}, sid: "connect.sid",
		steps: []step{{do: "GET set=tea:green", want: "200 new"}, {do: "GET get=tea", want: "200: green"}},
	},
	{
		name: "a Path can be chosen", from: "Flask, Spring Session, tower-sessions, sessionup, express-session", inCookie: true,
		cfg: coatcheck.Config{Cookie: cookie.Policy{Path: "/app"}}, sid: "__Secure-sid",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new", has: []string{"cookie has Path=/app"}},
			{do: "GET get=tea", want: "200: green"},
		},
	},
	{
		name: "a Domain can be chosen", from: "Flask, Spring Session, tower-sessions, sessionup", inCookie: true,
		cfg: coatcheck.Config{Cookie: cookie.Policy{Domain: "app.example"}}, sid: "__Secure-sid",
		steps: []step{{do: "GET set=tea:green", want: "200 new", has: []string{"cookie has Domain=app.example"}}},
	},
	{
		name: "SameSite can be Lax", from: "Flask, rack-session, tower-sessions, Spring Session, Fiber, sessionup", inCookie: true,
		cfg:   coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteLaxMode}},
		steps: []step{{do: "GET set=tea:green", want: "200 new", has: []string{"cookie has SameSite=Lax"}}},
	},
	{
		name: "SameSite can be None, with Secure", from: "rack-session, tower-sessions, Fiber, gorilla, express-session", inCookie: true,
		cfg:   coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteNoneMode}},
		steps: []step{{do: "GET set=tea:green", want: "200 new", has: []string{"cookie has SameSite=None", "cookie has Secure"}}},
	},
	{
		name: "HttpOnly can be left out", from: "Django, Flask, tower-sessions, Spring Session, sessionup", inCookie: true,
		cfg: coatcheck.Config{Cookie: cookie.Policy{AllowScripts: true}}, sid: "__Host-sid",
		ours:  "stricter: under a name that says so, AllowScripts",
		steps: []step{{do: "GET set=tea:green", want: "200 new", has: []string{"cookie lacks HttpOnly", "cookie has Secure"}}},
	},
	{
		name: "Secure can be left out", from: "tower-sessions, Spring Session, sessionup", inCookie: true,
		cfg: coatcheck.Config{Cookie: cookie.Policy{AllowInsecureHTTP: true}}, sid: "sid",
		ours:  "stricter: under a name that says so, AllowInsecureHTTP, with an event",
		steps: []step{{do: "GET set=tea:green", want: "200 new", has: []string{"cookie lacks Secure", "cookie has HttpOnly"}}},
	},
	{
		name: "Partitioned can be added", from: "express-session, Flask, Spring Session", inCookie: true,
		cfg:   coatcheck.Config{Cookie: cookie.Policy{Partitioned: true, SameSite: http.SameSiteNoneMode}},
		steps: []step{{do: "GET set=tea:green", want: "200 new", has: []string{"cookie has Partitioned"}}},
	},
	{
		name: "and is not there otherwise", from: "express-session, Spring Session", inCookie: true,
		steps: []step{{do: "GET set=tea:green", want: "200 new", has: []string{"cookie lacks Partitioned"}}},
	},
	{
		name: "a cleared cookie is empty, with Max-Age=0", from: "scs, tower-sessions, Fiber, iron-session, Django, sessionup, Spring Session", inCookie: true,
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET logout", want: "200 cleared", has: []string{"cookie has Max-Age=0", "cookie has Path=/", "cookie has Secure", "cookie has HttpOnly"}},
		},
	},
	{
		name: "a cleared cookie has the Path, Domain and attributes of the one it clears", from: "Django, tower-sessions, Flask, Spring Session", inCookie: true,
		cfg: coatcheck.Config{Cookie: cookie.Policy{Domain: "app.example", Path: "/app", SameSite: http.SameSiteNoneMode, Partitioned: true}}, sid: "__Secure-sid",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new", has: []string{"cookie has Domain=app.example", "cookie has Path=/app", "cookie has Partitioned"}},
			{do: "GET logout", want: "200 cleared", has: []string{
				"cookie has Domain=app.example", "cookie has Path=/app", "cookie has Secure", "cookie has SameSite=None", "cookie has Partitioned"}},
		},
	},
	{
		name: "remembered, a login has a longer Max-Age", from: "scs, Spring Session, Flask (permanent), sessionup, tower-sessions", inCookie: true,
		steps: []step{
			{do: "POST login=alice&remember=720h", want: "200 new", has: []string{"cookie has Max-Age=2592000"}},
			{do: "other: POST login=alice", want: "200 new", has: []string{"cookie has Max-Age=43200"}},
		},
	},
	{
		name: "a later login without it is not remembered", from: "scs, tower-sessions", inCookie: true,
		steps: []step{
			{do: "POST login=alice&remember=720h", want: "200 new", has: []string{"cookie has Max-Age=2592000"}},
			{do: "POST login=alice", want: "200 new", has: []string{"cookie has Max-Age=43200"}},
		},
	},
}
