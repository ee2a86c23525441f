//go:build linux

package behaviour_test

import "testing"

func TestBehaviourAnswers(t *testing.T) { behave(t, answers, here) }

// answers are about how the session goes along with what a handler writes.
var answers = []behaviour{
	{
		name: "an answer without a body saves", from: "express-session", inCookie: true,
		steps: []step{
			{do: "GET set=tea:green&empty", want: "200 new:"},
			{do: "GET get=tea", want: "200: green"},
		},
	},
	{
		name: "an answer written in pieces saves before the first", from: "express-session, Spring Session", inCookie: true,
		steps: []step{
			{do: "GET set=tea:green&write=a&write=b&say=c", want: "200 new: abc"},
			{do: "GET get=tea", want: "200: green"},
		},
	},
	{
		name: "an answer with a Content-Length saves", from: "express-session, Spring Session", inCookie: true,
		steps: []step{
			{do: "GET set=tea:green&header=Content-Length:5&say=hello", want: "200 new: hello", has: []string{"Content-Length: 5"}},
			{do: "GET get=tea", want: "200: green"},
		},
	},
	{
		name: "a flush saves and sends the cookie", from: "Spring Session", inCookie: true,
		steps: []step{
			{do: "GET set=tea:green&flush&say=rest", want: "200 new: rest"},
			{do: "GET get=tea", want: "200: green"},
		},
	},
	{
		name: "an explicit status saves and sends the cookie", from: "Spring Session", inCookie: true,
		steps: []step{
			{do: "GET set=tea:green&status=404", want: "404 new"},
			{do: "GET get=tea", want: "200: green"},
		},
	},
	{
		name: "an error page of the application's own keeps its status and saves", from: "Spring Session", inCookie: true,
		steps: []step{
			{do: "GET set=tea:green&fail=sorry", want: "500 new"},
			{do: "GET get=tea", want: "200: green"},
		},
	},
	{
		name: "the body is what the handler wrote, once", from: "express-session", inCookie: true,
		steps: []step{{do: "GET set=tea:green&header=Content-Type:text/plain&say=Hello", want: "200 new: Hello", has: []string{"Content-Type: text/plain"}}},
	},
	{
		name: "cookies that the handler set stay beside ours", from: "express-session, iron-session", inCookie: true,
		steps: []step{
			{do: "GET cookie=a=1&cookie=b=2&set=tea:green", want: "200 new", has: []string{"Set-Cookie: a=1", "Set-Cookie: b=2"}},
			{do: "GET cookie=a=1&cookie=b=2&logout", want: "200 cleared", has: []string{"Set-Cookie: a=1", "Set-Cookie: b=2"}},
		},
	},
	{
		name: "a new session after the first byte is an error that the handler sees", from: "Spring Session, iron-session", inCookie: true,
		begins: true,
		steps: []step{
			{do: "GET get=tea&write=early&set=tea:green&err", want: "200 none: earlyabsent ErrLate"},
			{do: "GET get=tea", want: "200: absent"},
			{do: "sessions 0"},
		},
	},
	{
		name: "a first look after the first byte is refused, since a cache may have the answer already", from: "Spring Session", inCookie: true,
		ours:   "stricter: also where a session is there",
		begins: true,
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "GET write=early&user&err", want: "200 none: earlyuser= ErrLate"},
		},
	},
	{
		name: "changed when the answer has begun, a session that is there is saved", from: "Flask (changed after the handler)",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET get=tea&write=early&set=tea:black&err", want: "200 none: earlygreen nil"},
			{do: "GET get=tea", want: "200: black"},
		},
	},
	{
		name: "saved by hand, it is saved, and the end of the request saves what came later", from: "express-session, Fiber", inCookie: true,
		steps: []step{
			{do: "GET set=tea:green&commit&set=tea:black", want: "200 new"},
			{do: "GET get=tea", want: "200: black"},
		},
	},
	{
		name: "Vary: Cookie where the session was looked at", from: "Flask, Django", inCookie: true,
		steps: []step{
			{do: "GET get=tea", want: "200 none", has: []string{"Vary: Cookie"}},
			{do: "GET set=tea:green", want: "200 new", has: []string{"Vary: Cookie"}},
			{do: "GET get=tea", want: "200", has: []string{"Vary: Cookie"}},
			{do: "GET clear", want: "200", has: []string{"Vary: Cookie"}},
			{do: "GET default=tea:x", want: "200", has: []string{"Vary: Cookie"}},
			{do: "GET logout", want: "200", has: []string{"Vary: Cookie"}},
		},
	},
	{
		name: "no Vary where it was not", from: "Flask", inCookie: true,
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET say=nothing", want: "200 none", has: []string{"no Vary"}},
		},
	},
	{
		name: "Vary is one line: Cookie is joined to what the handler set, and not doubled", from: "Flask", inCookie: true,
		steps: []step{
			{do: "GET header=Vary:Accept-Encoding,+Accept-Language&set=tea:green", want: "200 new", has: []string{"Vary: Accept-Encoding, Accept-Language, Cookie"}},
			{do: "GET header=Vary:Cookie&get=tea", want: "200", has: []string{"Vary: Cookie"}},
		},
	},
	{
		name: "an answer that sets or reads a session is for no cache", from: "Django (the reason of its Vary)", inCookie: true,
		ours: "stricter: no-store beside Vary",
		steps: []step{
			{do: "GET header=Cache-Control:public&set=tea:green", want: "200 new", has: []string{"Cache-Control: no-store"}},
			{do: "GET get=tea", want: "200", has: []string{"Cache-Control: no-store"}},
			{do: "GET header=Cache-Control:public,+max-age=60&get=tea", want: "200", has: []string{"Cache-Control: no-store"}},
		},
	},
}
