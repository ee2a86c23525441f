//go:build linux

package behaviour_test

import "testing"

func TestBehaviourFailures(t *testing.T) { behave(t, failures, everywhere) }

// failures are about a store that is away.
var failures = []behaviour{
	{
		name: "a session that cannot be loaded is an error, not a visitor without one", from: "express-session, Fiber, scs",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "down"},
			{do: "GET user", want: "503 none", has: []string{"Retry-After: 1"}},
			{do: "GET /members?user", want: "503 none"},
			{do: "up"},
			{do: "GET user", want: "200: user=alice"},
		},
	},
	{
		name: "a session that cannot be saved is an error, and sets no cookie", from: "express-session, scs",
		steps: []step{
			{do: "down"},
			{do: "GET set=tea:green&say=saved", want: "503 none: Service Unavailable"},
			{do: "up"},
			{do: "GET get=tea", want: "200 none: absent"},
			{do: "sessions 0"},
		},
	},
	{
		name: "a logout that cannot be stored is an error, and the cookie stays", from: "express-session, sessionup",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "down"},
			{do: "POST logout&say=bye", want: "503 none"},
			{do: "up"},
			{do: "GET user", want: "200: user=alice"},
			{do: "POST logout", want: "200 cleared"},
		},
	},
	{
		name: "a login that cannot be stored is an error, and sets no cookie", from: "sessionup",
		steps: []step{
			{do: "down"},
			{do: "POST login=alice&say=in", want: "503 none"},
			{do: "up"},
			{do: "GET user", want: "200 none: user="},
		},
	},
	{
		name: "a page that does not look works while the store is away", from: "express-session (a store that is disconnected)",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "down"},
			{do: "GET say=hello", want: "200 none: hello"},
		},
	},
	{
		name: "a visitor without a cookie is served while the store is away", from: "express-session",
		steps: []step{{do: "down"}, {do: "GET user&say=hello", want: "200 none: user= hello"}},
	},
	{
		name: "as soon as the store is back, so are the sessions", from: "express-session",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "down"},
			{do: "GET get=tea", want: "503"},
			{do: "up"},
			{do: "GET get=tea", want: "200: green"},
		},
	},
	{
		name: "the answer of a handler whose session failed is not sent", from: "express-session, Fiber", ours: "stricter: none of it, headers included",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "down"},
			{do: "GET user&header=X-Secret:1&cookie=a=1&say=secret", want: "503 none: Service Unavailable", has: []string{"no X-Secret", "no Set-Cookie"}},
		},
	},
}
