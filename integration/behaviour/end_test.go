//go:build linux

package behaviour_test

import "testing"

func TestBehaviourEnds(t *testing.T) { behave(t, ends, everywhere) }

// ends are about sessions that somebody ends.
var ends = []behaviour{
	{
		name: "a logout clears the cookie, and the values are gone", inCookie: true,
		from: "scs, express-session, tower-sessions, Django, iron-session, Fiber, rack-session, sessionup",
		steps: []step{
			{do: "POST login=alice&set=tea:green", want: "200 new"},
			{do: "POST logout", want: "200 cleared"},
			{do: "GET user&get=tea", want: "200 none: user= absent"},
			{do: "sessions 0"},
		},
	},
	{
		name: "within the request that logs out the session is empty already", inCookie: true, from: "iron-session, Django, Spring Session, Fiber",
		steps: []step{
			{do: "POST login=alice&set=tea:green", want: "200 new"},
			{do: "POST logout&user&get=tea&keys", want: "200 cleared: user= absent "},
		},
	},
	{
		name: "after a logout a copy of the cookie opens nothing", from: "rack-session, Django, Fiber, sessionup",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "copy thief"},
			{do: "POST logout", want: "200 cleared"},
			{do: "thief: GET user", want: "200 none: user="},
		},
	},
	{
		name: "a value kept after the logout begins a new session in the same answer", inCookie: true, from: "Spring Session, rack-session, express-session, Fiber",
		steps: []step{
			{do: "POST login=alice&set=tea:green", want: "200 new"},
			{do: "POST logout&set=said:goodbye", want: "200 new"},
			{do: "GET user&get=tea&get=said", want: "200: user= absent goodbye"},
			{do: "sessions 1"},
		},
	},
	{
		name: "a logout without a session sets no cookie, but varies by it", inCookie: true, from: "Django",
		steps: []step{{do: "GET logout", want: "200 none", has: []string{"no Set-Cookie", "Vary: Cookie"}}, {do: "sessions 0"}},
	},
	{
		name: "a session set and ended in one request leaves nothing", inCookie: true, from: "express-session",
		steps: []step{{do: "GET set=tea:green&logout", want: "200 none"}, {do: "sessions 0"}, {do: "GET get=tea", want: "200 none: absent"}},
	},
	{
		name: "a request in flight cannot write into a session that was ended meanwhile", from: "Django, Spring Session, rack-session",
		ours: "stricter: also on the record of another process, and its answer is replaced",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "start slow POST user&hold&set=tea:green&say=saved"},
			{do: "POST logout", want: "200 cleared"},
			{do: "finish slow", want: "409 none: Your session has ended. Nothing was changed."},
			{do: "GET user&get=tea", want: "200 none: user= absent"},
			{do: "sessions 0"},
		},
	},
	{
		name: "a request in flight that only reads answers, and leaves nothing behind", from: "rack-session",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "copy tab"},
			{do: "tab: start slow GET user&hold&user"},
			{do: "POST logout", want: "200 cleared"},
			{do: "tab: finish slow", want: "200 none: user=alice user=alice"},
			{do: "tab: GET user", want: "200 none: user="},
			{do: "sessions 0"},
		},
	},
	{
		name: "a request in flight that begins with a look after the logout finds nobody", from: "rack-session, Django",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "copy tab"},
			{do: "tab: start slow POST hold&user&set=tea:green"},
			{do: "POST logout", want: "200 cleared"},
			{do: "tab: finish slow", want: "409 none"},
			{do: "sessions 0"},
		},
	},
	{
		name: "a connection learns that its session was ended", from: "Spring Session (closes the websocket)",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "copy tab"},
			{do: "tab: start socket GET user&ended"},
			{do: "POST logout", want: "200 cleared"},
			{do: "tab: finish socket", want: "200 none: user=alice ended"},
		},
	},
	{
		name: "cleared of its values, the session and its user stay", inCookie: true, from: "scs, Django",
		steps: []step{
			{do: "POST login=alice&set=tea:green&flash=hello", want: "200 new"},
			{do: "POST clear", want: "200"},
			{do: "GET user&get=tea&flashes", want: "200: user=alice absent "},
		},
	},
	{
		name: "emptied of its last value, the session goes on", from: "Django, tower-sessions, iron-session",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET del=tea", want: "200 none"},
			{do: "GET get=tea", want: "200 none: absent"},
			{do: "sessions 1"},
			{do: "GET set=tea:black", want: "200 none"},
		},
	},
}
