//go:build linux

package behaviour_test

import (
	"strings"
	"testing"
)

func TestBehaviourBadCookies(t *testing.T) { behave(t, badCookies, everywhere) }

// anonymous are the steps with a cookie that opens nothing: pages work, nothing
// is stored until something is kept, and that gets a token of our own.
func anonymous(value string) []step {
	return []step{
		{do: "jar set __Host-Http-sid " + value},
		{do: "GET get=tea&user", want: "200 none: absent user="},
		{do: "sessions 0"},
		{do: "GET set=tea:green", want: "200 new"},
		{do: "GET get=tea", want: "200: green"},
		{do: "sessions 1"},
	}
}

// badCookies are about cookies that are not, or no longer, those of a session.
var badCookies = []behaviour{
	{
		name: "a token of the right form that nobody issued is never adopted", inCookie: true,
		from:  "tower-sessions, Django, express-session, rack-session, Fiber, Spring Session",
		steps: anonymous("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
	},
	{
		name: "a malformed value is an anonymous visitor", inCookie: true,
		from: "tower-sessions, Django, rack-session, sessionup, iron-session", steps: anonymous("malformed"),
	},
	{
		name: "an empty value is an anonymous visitor", inCookie: true, from: "Django, Spring Session, scs",
		steps: []step{
			{do: "GET get=tea", with: []string{"Cookie: __Host-Http-sid="}, want: "200 none: absent"},
			{do: "GET set=tea:green", with: []string{"Cookie: __Host-Http-sid="}, want: "200 new"},
		},
	},
	{
		name: "an overlong value is an anonymous visitor", inCookie: true, from: "Django", steps: anonymous(strings.Repeat("abcdefghij", 800)),
	},
	{
		name: "slashes, dots and backslashes reach no file", inCookie: true, from: "Django", steps: anonymous(`../../a/b\c`),
	},
	{
		name: "an identifier without our signature is no token", inCookie: true, from: "express-session",
		steps: anonymous("s:2c9512fe-4f6c-4b0a-9f0e-5b1c2d3e4f5a.AAAA"),
	},
	{
		name: "the public name of a session opens nothing", from: "rack-session (its private ids)",
		steps: []step{
			{do: "POST login=alice&commit&handle", want: "200 new", save: "handle"},
			{do: "thief: jar set __Host-Http-sid {handle}"},
			{do: "thief: GET user", want: "200 none: user="},
		},
	},
	{
		name: "a token changed in one place opens nothing", inCookie: true,
		from: "express-session, rack-session, gorilla, iron-session",
		steps: []step{
			{do: "POST login=alice&set=tea:green", want: "200 new"},
			{do: "copy thief"},
			{do: "thief: jar tamper __Host-Http-sid"},
			{do: "thief: GET user&get=tea", want: "200 none: user= absent"},
			{do: "thief: GET set=tea:black", want: "200 new"},
			{do: "copy thief"},
			{do: "thief: jar tamper __Host-Http-sid end"},
			{do: "thief: GET user&get=tea", want: "200 none: user= absent"},
			{do: "GET user&get=tea", want: "200: user=alice green"},
		},
	},
	{
		name: "a token under another name is not looked at", inCookie: true, from: "sessionup, Spring Session",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "jar rename __Host-Http-sid sid"},
			{do: "GET user", want: "200 none: user="},
		},
	},
	{
		name: "other cookies beside it do no harm", inCookie: true, from: "Spring Session",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "jar set other x"},
			{do: "jar set A ="},
			{do: "GET user", want: "200: user=alice"},
		},
	},
	{
		name: "a session that the store does not know is absent, and the next one has a new token",
		from: "express-session, sessionup, Fiber, Django, Spring Session",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "forget"},
			{do: "GET get=tea", want: "200 none: absent"},
			{do: "sessions 0"},
			{do: "GET set=tea:black", want: "200 new"},
			{do: "GET get=tea", want: "200: black"},
		},
	},
	{
		name: "an older secret still opens, and the first one signs", inCookie: true, from: "express-session, Flask, iron-session, rack-session, gorilla",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "restart B A"},
			{do: "GET user", want: "200: user=alice"},
			{do: "POST renew", want: "200 new"},
			{do: "restart B"},
			{do: "GET user", want: "200: user=alice"},
		},
	},
	{
		name: "a secret that is gone opens nothing, and is no error", inCookie: true, from: "Flask, iron-session, express-session",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "restart C"},
			{do: "GET user", want: "200 none: user="},
			{do: "restart A"},
			{do: "GET user", want: "200: user=alice"},
		},
	},
	{
		name: "a record that cannot be read is an ended session, not an error for ever", from: "Django, rack-session",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "damage alice"},
			{do: "GET user", want: "200 none: user="},
			{do: "GET user", want: "200 none: user="},
			{do: "POST login=alice", want: "200 new"},
			{do: "GET user", want: "200: user=alice"},
		},
	},
}
