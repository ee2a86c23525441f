//go:build linux

package behaviour_test

import "testing"

func TestBehaviourCookies(t *testing.T) { behave(t, cookies, here) }

// cookies are those of package cookie, without a session.
var cookies = []behaviour{
	{
		name: "a plain, a signed and an encrypted cookie come back as they were", from: "gorilla, rack-session, express-session, iron-session",
		steps: []step{
			{do: "GET put-plain=tea&put-signed=green&put-sealed=black", want: "200 none"},
			{do: "GET plain&signed&sealed", want: "200: tea green black"},
		},
	},
	{
		name: "any text can be in a signed or encrypted one", from: "gorilla, rack-session",
		steps: []step{
			{do: "GET put-signed=%E8%8C%B6%0A&put-sealed=%22a%3B%20b%2C%5C%00", want: "200 none:"},
			{do: "GET signed&sealed", want: "200: 茶\n \"a; b,\\\x00"},
		},
	},
	{
		name: "what would break a plain cookie's header is not sent as it is", from: "express-session (encodes it)", ours: "stricter: an error, never an altered value",
		steps: []step{
			{do: "GET put-plain=a%3B%20Domain%3Devil", want: "200: error", has: []string{"no Set-Cookie"}},
			{do: "GET put-plain=a%0D%0AX:%201", want: "200: error", has: []string{"no Set-Cookie"}},
			{do: "GET put-plain=%22a", want: "200: error", has: []string{"no Set-Cookie"}},
		},
	},
	{
		name: "a type of one's own can be in them", from: "gorilla",
		steps: []step{{do: "GET put-address=Kirchweg", want: "200"}, {do: "GET address", want: "200: {Kirchweg 7}"}},
	},
	{
		name: "changed by hand, a signed cookie is absent", from: "gorilla, rack-session, express-session",
		steps: []step{{do: "GET put-signed=green", want: "200"}, {do: "jar tamper signed"}, {do: "GET signed", want: "200: absent"},
			{do: "GET put-signed=green", want: "200"}, {do: "jar tamper signed end"}, {do: "GET signed", want: "200: absent"}},
	},
	{
		name: "changed by hand, an encrypted cookie is absent", from: "gorilla, rack-session, iron-session",
		steps: []step{{do: "GET put-sealed=green", want: "200"}, {do: "jar tamper sealed"}, {do: "GET sealed", want: "200: absent"}},
	},
	{
		name: "what is no cookie of ours at all is absent", from: "gorilla, rack-session, iron-session",
		steps: []step{
			{do: "GET signed&sealed", with: []string{"Cookie: signed=x; sealed=MTIzNDU2Nzg5MA"}, want: "200: absent absent"},
			{do: "GET signed&sealed", with: []string{`Cookie: signed="; sealed==--==`}, want: "200: absent absent"},
		},
	},
	{
		name: "an encrypted cookie is good under its own name only", from: "rack-session (purpose)",
		steps: []step{{do: "GET put-sealed=green", want: "200"}, {do: "jar rename sealed other"}, {do: "GET other&sealed", want: "200: absent absent"}},
	},
	{
		name: "a signed cookie is no encrypted one, nor the other way round", from: "rack-session (a forged plain cookie)",
		steps: []step{
			{do: "GET put-signed=green", want: "200"},
			{do: "jar rename signed sealed"},
			{do: "GET sealed", want: "200: absent"},
			{do: "jar rename sealed plain"},
			{do: "jar set signed %22green%22"},
			{do: "GET signed", want: "200: absent"},
		},
	},
	{
		name: "an encrypted cookie ends by its own lifetime, whatever the browser does", from: "iron-session",
		steps: []step{
			{do: "GET put-short=green", want: "200"},
			{do: "wait 59s"}, {do: "GET short", want: "200: green"},
			{do: "wait 2s"}, {do: "GET short", want: "200: absent"},
		},
	},
	{
		name: "an older secret still opens them", from: "gorilla, iron-session, rack-session, Flask",
		steps: []step{
			{do: "GET put-signed=green&put-sealed=black", want: "200"},
			{do: "restart B A"},
			{do: "GET signed&sealed", want: "200: green black"},
			{do: "restart B"},
			{do: "GET signed&sealed", want: "200: absent absent"},
		},
	},
	{
		name: "a value too long for a cookie is an error, and no cookie is set", from: "gorilla, iron-session, rack-session",
		steps: []step{
			{do: "GET put-long=4000", want: "200: error", has: []string{"no Set-Cookie"}},
			{do: "GET put-long=2900", want: "200:"},
		},
	},
}
