//go:build linux

package behaviour_test

import "testing"

func TestBehaviourUsers(t *testing.T) { behave(t, users, everywhere) }

const firefox = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:138.0) Gecko/20100101 Firefox/138.0"

// two is alice at two devices, and bob.
func two(more ...step) []step {
	return append([]step{
		{do: "POST login=alice", with: []string{firefox}, want: "200 new"},
		{do: "GET handle", want: "200", save: "first"},
		{do: "phone: POST login=alice", want: "200 new"},
		{do: "phone: GET handle", want: "200", save: "second"},
		{do: "bob: POST login=bob", want: "200 new"},
		{do: "bob: GET handle", want: "200", save: "bobs"},
	}, more...)
}

// users are about all sessions of one.
var users = []behaviour{
	{
		name: "a user's sessions can be listed, with the current one marked and its device", from: "sessionup, Spring Session",
		steps: two(
			step{do: "GET devices=alice", want: "200: 2 current Firefox on Linux"},
			step{do: "GET devices=bob", want: "200: 1"},
			step{do: "GET devices=nobody", want: "200: 0"},
		),
	},
	{
		name: "one of them can be ended", from: "sessionup, Spring Session",
		steps: two(
			step{do: "GET revoke=alice:{second}", want: "200: true"},
			step{do: "phone: GET user", want: "200 none: user="},
			step{do: "GET user&devices=alice", want: "200: user=alice 1 current Firefox on Linux"},
			step{do: "sessions 2"},
		),
	},
	{
		name: "one that is not there is not ended", from: "sessionup",
		steps: two(
			step{do: "GET revoke=alice:AAAAAAAAAAAA", want: "200: false"},
			step{do: "GET devices=alice", want: "200: 2 current Firefox on Linux"},
		),
	},
	{
		name: "that of another user is not ended", from: "sessionup",
		steps: two(
			step{do: "GET revoke=alice:{bobs}", want: "200: false"},
			step{do: "bob: GET user", want: "200: user=bob"},
		),
	},
	{
		name: "the others can be ended", from: "sessionup",
		steps: two(
			step{do: "GET revoke-others", want: "200 none: 1"},
			step{do: "phone: GET user", want: "200 none: user="},
			step{do: "GET user", want: "200: user=alice"},
			step{do: "bob: GET user", want: "200: user=bob"},
		),
	},
	{
		name: "all can be ended, and nobody else's", from: "sessionup, Spring Session",
		steps: two(
			step{do: "GET revoke-all=alice", want: "200: 2"},
			step{do: "phone: GET user", want: "200 none: user="},
			step{do: "GET user", want: "200 none: user="},
			step{do: "bob: GET user", want: "200: user=bob"},
			step{do: "sessions 1"},
		),
	},
	{
		name: "a user who logs in again is in the list again", from: "Spring Session, sessionup",
		steps: two(
			step{do: "GET revoke=alice:{second}", want: "200: true"},
			step{do: "phone: POST login=alice", want: "200 new"},
			step{do: "phone: GET user&devices=alice", want: "200: user=alice 2 current Go-http-client"},
		),
	},
	{
		name: "without a session there are no others to end", from: "sessionup", ours: "stricter: an error, not silence",
		steps: []step{{do: "GET revoke-others", want: "200 none: 0 ErrLoginRequired"}, {do: "GET devices=alice", want: "200 none: 0"}},
	},
	{
		name: "after a logout the list is one shorter, after an anonymous visit not longer", from: "Spring Session",
		steps: two(
			step{do: "phone: POST logout", want: "200 cleared"},
			step{do: "other: GET set=tea:green", want: "200 new"},
			step{do: "GET devices=alice", want: "200: 1 current Firefox on Linux"},
		),
	},
	{
		name: "the list follows a session through its renewals", from: "Spring Session (changeSessionId)",
		steps: two(
			step{do: "GET renew", want: "200 new"},
			step{do: "GET devices=alice", want: "200: 2 current Firefox on Linux"},
			step{do: "GET revoke=alice:{first}", want: "200: false"}, // its name has changed with the token
			step{do: "GET handle", want: "200", save: "now"},
			step{do: "phone: GET revoke=alice:{now}", want: "200: true"},
			step{do: "GET user", want: "200 none: user="},
		),
	},
	{
		name: "logged in as somebody else, a session changes lists", from: "Spring Session (changed principal)",
		ours: "stricter: under a new token, without the first user's values",
		steps: two(
			step{do: "phone: POST set=tea:green", want: "200 none"},
			step{do: "phone: POST login=bob", want: "200 new"},
			step{do: "GET devices=alice", want: "200: 1 current Firefox on Linux"},
			step{do: "bob: GET devices=bob", want: "200: 2 current Go-http-client"},
			step{do: "phone: GET user&get=tea", want: "200: user=bob absent"},
		),
	},
	{
		name: "an expired session is in no list", from: "Spring Session (expiry removes the index)",
		steps: two(
			step{do: "wait 20m"},
			step{do: "GET user", want: "200: user=alice"},
			step{do: "wait 20m"},
			step{do: "GET devices=alice", want: "200: 1 current Firefox on Linux"},
		),
	},
}
