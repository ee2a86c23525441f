//go:build linux

package behaviour_test

import (
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
)

func TestBehaviourLifetime(t *testing.T) { behave(t, lifetime, everywhere) }

// lifetime is about sessions that end by themselves.
var lifetime = []behaviour{
	{
		name: "a session ends after its idle time", from: "scs, Fiber, Spring Session", inCookie: true,
		cfg: coatcheck.Config{AnonymousIdle: 10 * time.Minute},
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "wait 9m"},
			{do: "GET get=tea", want: "200: green"},
			{do: "wait 12m"},
			{do: "GET get=tea", want: "200 none: absent"},
		},
	},
	{
		name: "activity moves the idle end, also reading", from: "scs, Fiber, Spring Session, express-session", ours: "the cookie is not set again",
		cfg: coatcheck.Config{AnonymousIdle: 10 * time.Minute},
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "wait 8m"}, {do: "GET get=tea", want: "200 none: green"},
			{do: "wait 8m"}, {do: "GET get=tea", want: "200 none: green"},
			{do: "wait 8m"}, {do: "GET get=tea", want: "200 none: green"},
		},
	},
	{
		name: "a session ends after its lifetime, however busy", from: "scs, Fiber",
		cfg: coatcheck.Config{Lifetime: time.Hour},
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "wait 25m"}, {do: "GET user", want: "200: user=alice"},
			{do: "wait 25m"}, {do: "GET user", want: "200: user=alice"},
			{do: "wait 15m"}, {do: "GET user", want: "200 none: user="},
		},
	},
	{
		name: "the session after an expired one has a new token and none of its values", from: "express-session, Fiber, sessionup, iron-session", inCookie: true,
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "wait 5h"},
			{do: "GET get=tea&set=sugar:yes", want: "200 new: absent"},
			{do: "GET get=tea&get=sugar", want: "200: absent yes"},
		},
	},
	{
		name: "an expired session is not in the store for ever", from: "Django, express-session, Spring Session",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "other: POST login=alice&remember=720h", want: "200 new"},
			{do: "wait 5h"},
			{do: "GET sweep", want: "200: 1"},
			{do: "sessions 1"},
			{do: "other: GET user", want: "200: user=alice"},
		},
	},
	{
		name: "a remembered session outlives the idle time and the lifetime", from: "scs, Spring Session, Flask", inCookie: true,
		steps: []step{
			{do: "POST login=alice&remember=720h", want: "200 new"},
			{do: "wait 500h"},
			{do: "GET user", want: "200: user=alice"},
			{do: "wait 250h"},
			{do: "GET user", want: "200 none: user="},
		},
	},
	{
		name: "an open connection alone is no activity; what it asks to count is", from: "Spring Session (messages of a websocket)", cfg: coatcheck.Config{Idle: 10 * time.Minute},
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "start socket GET user&write=begins&flush&hold&touch&err"},
			{do: "wait 9m"},
			{do: "finish socket", want: "200: beginsuser=alice nil"},
			{do: "wait 9m"},
			{do: "GET user", want: "200: user=alice"},
			{do: "start socket GET user&write=begins&flush&hold&err"},
			{do: "wait 12m"},
			{do: "finish socket", want: "200: beginsuser=alice nil"},
			{do: "GET user", want: "200 none: user="},
		},
	},
	{
		name: "a connection learns that its session has expired", from: "Spring Session (closes the websocket)",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "start socket GET user&ended"},
			{do: "wait 34m"},
			{do: "finish socket", want: "200 none: user=alice ended"},
		},
	},
}
