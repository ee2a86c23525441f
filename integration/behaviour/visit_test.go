//go:build linux

package behaviour_test

import "testing"

func TestBehaviourVisits(t *testing.T) { behave(t, visits, here) }

// visits are about when a session begins, and when a cookie is set.
var visits = []behaviour{
	{
		name: "a page that does not look at the session sets no cookie",
		from: "rack-session, tower-sessions, Flask, Spring Session",
		steps: []step{
			{do: "GET say=hello", want: "200 none: hello", has: []string{"no Set-Cookie", "no Vary"}},
			{do: "sessions 0"},
		},
		inCookie: true,
	},
	{
		name: "a page that only reads an empty session sets no cookie and stores nothing",
		from: "rack-session, iron-session, Spring Session, express-session (saveUninitialized: false)",
		steps: []step{
			{do: "GET get=tea&user&keys", want: "200 none: absent user= "},
			{do: "sessions 0"},
		},
		inCookie: true,
	},
	{
		name: "the first value sets a cookie, and the next request has the value",
		from: "express-session, scs, rack-session, tower-sessions, iron-session, gorilla, Fiber, Spring Session",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET get=tea", want: "200: green"},
			{do: "sessions 1"},
		},
		inCookie: true,
	},
	{
		name: "a page that reads an existing session sets no cookie again",
		from: "express-session, scs, rack-session, Flask (SESSION_REFRESH_EACH_REQUEST off), Spring Session",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET get=tea", want: "200 none: green"},
			{do: "GET get=tea", want: "200 none: green"},
		},
		inCookie: true,
	},
	{
		name: "a later write keeps the token and sets no cookie",
		from: "scs, rack-session, express-session",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET set=tea:black", want: "200 none"},
			{do: "GET get=tea", want: "200 none: black"},
			{do: "sessions 1"},
		},
	},
	{
		name: "a counter counts from request to request",
		from: "rack-session, Flask, express-session",
		steps: []step{
			{do: "GET count=n", want: "200 new: 1"},
			{do: "GET count=n", want: "200: 2"},
			{do: "GET count=n", want: "200: 3"},
			{do: "GET number=n", want: "200 none: 3"},
		},
		inCookie: true,
	},
	{
		name: "two visitors have two sessions",
		from: "express-session, rack-session",
		steps: []step{
			{do: "GET count=n", want: "200 new: 1"},
			{do: "other: GET count=n", want: "200 new: 1"},
			{do: "GET count=n", want: "200: 2"},
			{do: "other: GET count=n", want: "200: 2"},
			{do: "sessions 2"},
		},
		inCookie: true,
	},
	{
		name:     "the answer with the cookie sets it once, however often the session was committed",
		from:     "express-session, Spring Session",
		inCookie: true,
		steps: []step{
			{do: "GET set=a:1&commit&set=b:2&commit&count=n", want: "200 new: 1"},
			{do: "GET get=a&get=b&number=n", want: "200: 1 2 1"},
		},
	},
	{
		name:     "a second look in the same request sees the same session and what was set in it",
		from:     "Fiber, Spring Session, gorilla",
		inCookie: true,
		steps: []step{
			{do: "GET get=tea&set=tea:green&get=tea&del=tea&get=tea&set=tea:black&get=tea", want: "200 new: absent green absent black"},
			{do: "GET get=tea&set=tea:white&get=tea", want: "200: black white"},
		},
	},
	{
		name:     "wrapped twice, the middleware does its work once",
		from:     "express-session, Spring Session",
		inCookie: true,
		steps: []step{
			{do: "GET /twice?set=tea:green", want: "200 new"},
			{do: "GET /twice?get=tea", want: "200 none: green"},
			{do: "sessions 1"},
		},
	},
	{
		name:     "a route outside the middleware has no session and no header of it",
		from:     "Fiber (Next)",
		inCookie: true,
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET /outside", want: "200 none: outside", has: []string{"no Vary", "no Cache-Control"}},
		},
	},
	{
		name:     "a member's page answers 401 to a visitor and calls its handler for a user",
		from:     "sessionup",
		inCookie: true,
		steps: []step{
			{do: "GET /members?say=in", want: "401 none"},
			{do: "POST login=alice", want: "200 new"},
			{do: "GET /members?say=in&user", want: "200: in user=alice"},
			{do: "other: GET /members?say=in", want: "401 none"},
		},
	},
	{
		name:     "a public page has the user's session, or none",
		from:     "sessionup",
		inCookie: true,
		steps: []step{
			{do: "GET user", want: "200 none: user="},
			{do: "POST login=alice", want: "200 new"},
			{do: "GET user", want: "200: user=alice"},
		},
	},
	{
		name:     "a session set before a redirect is there at its target",
		from:     "Flask, Spring Session",
		inCookie: true,
		steps: []step{
			{do: "GET set=tea:green&redirect=/there", want: "303 new", has: []string{"Location: /there"}},
			{do: "GET get=tea", want: "200: green"},
		},
	},
}
