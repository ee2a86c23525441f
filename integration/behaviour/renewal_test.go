//go:build linux

package behaviour_test

import "testing"

func TestBehaviourRenewal(t *testing.T) { behave(t, renewal, everywhere) }

// renewal is about new tokens for a session.
var renewal = []behaviour{
	{
		name: "a renewal changes the token and keeps the values", inCookie: true,
		from: "scs, tower-sessions, Django, Spring Session, Fiber, rack-session",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET renew", want: "200 new"},
			{do: "GET get=tea", want: "200: green"},
			{do: "sessions 1"},
		},
	},
	{
		name: "after it the old token opens nothing", from: "rack-session, Spring Session, Django, Fiber",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "copy thief"},
			{do: "GET renew", want: "200 new"},
			{do: "thief: GET get=tea", want: "200 none: absent"},
			{do: "GET get=tea", want: "200: green"},
		},
	},
	{
		name: "values changed in the request that renews are in the renewed session", inCookie: true, from: "Fiber, Spring Session",
		steps: []step{
			{do: "GET set=tea:green&set=sugar:no", want: "200 new"},
			{do: "GET set=tea:black&renew&del=sugar&set=milk:yes&get=tea", want: "200 new: black"},
			{do: "GET get=tea&get=sugar&get=milk", want: "200: black absent yes"},
		},
	},
	{
		name: "renewed twice in one request, one cookie is set", inCookie: true, from: "Spring Session",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET renew&commit&renew", want: "200 new"},
			{do: "GET get=tea", want: "200: green"},
			{do: "sessions 1"},
		},
	},
	{
		name: "a login changes the token, and keeps what the visitor had before", inCookie: true, from: "Django (cycle_key), Spring Session (changeSessionId)",
		ours: "stricter: always, without being asked",
		steps: []step{
			{do: "GET append=cart:tea", want: "200 new"},
			{do: "POST login=alice", want: "200 new"},
			{do: "GET user&list=cart", want: "200: user=alice tea"},
			{do: "sessions 1"},
		},
	},
	{
		name: "a planted token is not the victim's after the login", from: "express-session (regenerate), Django (cycle_key)",
		steps: []step{
			{do: "thief: GET set=planted:yes", want: "200 new"},
			{do: "thief: copy visitor"},
			{do: "POST login=alice", want: "200 new"},
			{do: "thief: GET user&get=planted", want: "200 none: user= absent"},
			{do: "GET user", want: "200: user=alice"},
		},
	},
	{
		name: "a request in flight with the old token cannot write any more", from: "rack-session",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "copy tab"},
			{do: "tab: start slow GET get=tea&hold&set=tea:black"},
			{do: "GET renew", want: "200 new"},
			{do: "tab: finish slow", want: "409 none"},
			{do: "GET get=tea", want: "200: green"},
		},
	},
	{
		name: "destroyed and begun anew in one request, the values are the new ones", inCookie: true, from: "express-session (regenerate), Fiber (Reset)",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET logout&set=sugar:yes", want: "200 new"},
			{do: "GET get=tea&get=sugar", want: "200: absent yes"},
			{do: "sessions 1"},
		},
	},
}
