//go:build linux

package behaviour_test

import (
	"testing"

	"github.com/coatcheck/coatcheck"
)

// A refusal is a behaviour of others that we do not keep. The steps show what
// happens here instead, where that can be seen over HTTP.
type refusal struct {
	theirs, from, because string
	steps                 []step
	cfg                   coatcheck.Config
}

func TestBehaviourRefused(t *testing.T) {
	var list []behaviour
	for _, r := range refusals {
		list = append(list, behaviour{name: r.theirs, cfg: r.cfg, steps: r.steps})
	}
	behave(t, list, here)
}

var refusals = []refusal{
	{
		theirs: "every visit begins a session and sets a cookie", from: "express-session (saveUninitialized: true, its default), Fiber",
		because: "a crawler would fill the store, and every answer would be private",
		steps:   []step{{do: "GET user&get=tea", want: "200 none"}, {do: "sessions 0"}},
	},
	{
		theirs: "every answer sets the cookie again", from: "express-session (rolling), Flask (SESSION_REFRESH_EACH_REQUEST), rack-session (expire_after), tower-sessions (always save)",
		because: "an answer that comes late would put an old token back; the idle time is the server's alone",
		steps:   []step{{do: "GET set=tea:green", want: "200 new"}, {do: "wait 25m"}, {do: "GET get=tea", want: "200 none: green"}},
	},
	{
		theirs: "every request saves the session, changed or not", from: "express-session (resave: true, its default)",
		because: "the slower of two requests would undo the other",
	},
	{
		theirs: "counters of requests at once fall together: each answers 2", from: "rack-session (its threads)",
		because: "values would be lost without a word",
		steps: []step{
			{do: "GET count=n", want: "200 new: 1"},
			{do: "start slow GET number=n&hold&count=n"},
			{do: "GET count=n", want: "200: 2"},
			{do: "finish slow", want: "200: 1 3"},
		},
	},
	{
		theirs: "what was changed before an answer of 5xx is not saved", from: "Django",
		because: "a status says nothing about the change: a counter of failed logins would count nothing. A handler that wants it asks for no change, or panics",
		steps:   []step{{do: "GET set=tea:green&status=503", want: "503 new"}, {do: "GET get=tea", want: "200: green"}},
	},
	{
		theirs: "a malformed cookie is cleared by any page", from: "tower-sessions",
		because: "on a page that does not look it is nobody's business, and a cookie from a sibling host could so log the visitor out",
		steps:   []step{{do: "jar set __Host-Http-sid malformed"}, {do: "GET say=hello", want: "200 none: hello"}, {do: "GET user", want: "200 none"}},
	},
	{
		theirs: "a session whose last value is gone is deleted, cookie and all", from: "Flask (cookie), Django (cookie sessions)",
		because: "an empty cart is no logout",
		steps:   []step{{do: "POST login=alice&set=tea:green", want: "200 new"}, {do: "POST del=tea", want: "200 none"}, {do: "GET user", want: "200: user=alice"}},
	},
	{
		theirs: "of several cookies with the name each is tried", from: "Spring Session",
		because: "whoever can plant one beside ours would choose who the visitor is; none is believed",
		steps: []step{
			{do: "POST login=alice&commit&say=in", want: "200 new: in"},
			{do: "GET user", with: []string{"Cookie: __Host-Http-sid=x; __Host-Http-sid=y"}, want: "200 none: user="},
		},
	},
	{
		theirs: "the token also comes in a header or in the URL", from: "Fiber (extractors), Spring Session (HeaderHttpSessionIdResolver)",
		because: "URLs are logged, shared and sent in Referer; headers are a scripts' business, and the cookie would lose HttpOnly",
		steps: []step{
			{do: "POST login=alice&commit", want: "200 new"},
			{do: "api: GET user&say=session_id", with: []string{"X-Auth-Token: x", "Authorization: Bearer x"}, want: "200 none: user= session_id"},
		},
	},
	{
		theirs: "the application makes the ids", from: "express-session (genid), sessionup (GenID), rack-session (another generator)",
		because: "a guessable id is the oldest fault of all",
	},
	{
		theirs: "a suffix of the id names the server", from: "Spring Session (jvmRoute)",
		because: "the load balancer has a cookie of its own, and any server serves any session",
	},
	{
		theirs: "whether the cookie is Secure depends on the request, or on X-Forwarded-Proto", from: "express-session (auto, proxy), Spring Session, rack-session (assume_ssl)",
		because: "one wrong header and the token travels in the clear",
		steps: []step{
			{do: "GET set=tea:green", with: []string{"X-Forwarded-Proto: http"}, want: "200 new", has: []string{"cookie has Secure"}},
		},
	},
	{
		theirs: "over plain HTTP no cookie is set", from: "express-session, rack-session",
		because: "a proxy may have ended TLS; the browser refuses a Secure cookie by itself",
		steps:   []step{{do: "GET set=tea:green", want: "200 new", has: []string{"cookie has Secure"}}},
	},
	{
		theirs: "SameSite depends on the request", from: "express-session (auto), rack-session (a function)",
		because: "it was for browsers of 2019, and what depends on a request can be asked for",
	},
	{
		theirs: "outside the cookie's Path no session is begun, or the Path follows where the application is mounted", from: "express-session, Flask (APPLICATION_ROOT), Spring Session",
		because: "Path is no boundary between applications; one says it once, in the policy",
	},
	{
		theirs: "the Domain follows a pattern on the request's host", from: "Spring Session (domainNamePattern)",
		because: "a Host header would decide who gets the cookie",
	},
	{
		theirs: "the cookie ends with the browser", from: "tower-sessions, express-session, Django, scs, iron-session (without a Max-Age)",
		because: "browsers that restore their windows keep such cookies for ever; ours says what is left of the lifetime, and the server holds to it",
		steps:   []step{{do: "GET set=tea:green", want: "200 new", has: []string{"cookie has Max-Age=14400"}}},
	},
	{
		theirs: "the lifetime of one session is set to anything, any time", from: "express-session (cookie.maxAge), Django (set_expiry), tower-sessions, iron-session",
		because: "Remember is the one way, bounded by Config.MaxRemember, under a new token",
		steps:   []step{{do: "POST login=alice&remember=9000h", want: "500 none"}, {do: "sessions 0"}},
	},
	{
		theirs: "ids and cookies of an older format still open", from: "rack-session (legacy ids, hmac), iron-session",
		because: "a fallback decoder is how forged cookies come in; there is one format",
		steps:   []step{{do: "jar set __Host-Http-sid bd90bd7d0c74d6d4a5a5d9bb5bf0a3a7"}, {do: "GET user", want: "200 none: user="}},
	},
	{
		theirs: "the encoding can be chosen: gob, Marshal, pickle, compressed JSON", from: "gorilla, rack-session, Django, scs (Codec)",
		because: "what decodes into objects runs code, what inflates is a bomb; values are JSON",
	},
	{
		theirs: "the address or the browser must stay the same", from: "sessionup (Validate)",
		because: "telephones change their address every minute, browsers their name every month; neither stops a thief",
		steps: []step{
			{do: "POST login=alice", with: []string{"User-Agent: one", "X-Forwarded-For: 192.0.2.1"}, want: "200 new"},
			{do: "GET user", with: []string{"User-Agent: two", "X-Forwarded-For: 198.51.100.7"}, want: "200: user=alice"},
		},
	},
	{
		theirs: "where the store fails, a public page is served as to a visitor", from: "sessionup (Public)",
		because: "an outage would look like a logout, and people would log in again into it",
		steps:   []step{{do: "POST login=alice", want: "200 new"}, {do: "down"}, {do: "GET user", want: "503 none"}},
	},
	{
		theirs: "while the store is disconnected every page is served without a session", from: "express-session",
		because: "the same",
		steps:   []step{{do: "POST login=alice", want: "200 new"}, {do: "down"}, {do: "GET user", want: "503 none"}, {do: "GET say=hello", want: "200: hello"}},
	},
	{
		theirs: "a record that cannot be read is an error, each time", from: "express-session (inflate), Fiber",
		because: "the visitor could never get out of it; the session ends, with an event",
		steps:   []step{{do: "POST login=alice", want: "200 new"}, {do: "damage alice"}, {do: "GET user", want: "200 none: user="}},
	},
	{
		theirs: "a failed save is a line in a log, and the answer goes out", from: "rack-session",
		because: "the page would say that something was kept which was not",
		steps:   []step{{do: "down"}, {do: "GET set=tea:green&say=saved", want: "503 none: Service Unavailable"}},
	},
	{
		theirs: "the session's cookie is signed or encrypted once more", from: "tower-sessions",
		because: "the token carries a MAC already, and has nothing to hide but itself",
	},
	{
		theirs: "some errors of the store count as: not found", from: "express-session (ENOENT)",
		because: "the same",
		steps:   []step{{do: "GET set=tea:green", want: "200 new"}, {do: "down"}, {do: "GET get=tea", want: "503 none"}},
	},
	{
		theirs: "a failed touch is the request's error", from: "express-session",
		because: "the page is right all the same; it is an event",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "wait 10m"},
			{do: "start slow GET user&hold"},
			{do: "down"},
			{do: "finish slow", want: "200 none: user=alice"},
		},
	},
	{
		theirs: "an ended session throws when it is used again, or ended again", from: "Spring Session",
		because: "after a logout the session is empty and new; to log out twice is no mistake",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "POST logout&logout&get=tea&user&keys&err", want: "200 cleared: absent user=  nil"},
		},
	},
	{
		theirs: "without a session a new id is an error", from: "Spring Session (changeSessionId)",
		because: "nothing is there whose token could be known to anybody",
		steps:   []step{{do: "GET renew&err", want: "200 none: nil"}, {do: "sessions 0"}},
	},
	{
		theirs: "a new id also empties the session", from: "express-session (regenerate), Fiber (Reset)",
		because: "the cart would be empty after the login; who wants it calls Logout or Clear",
		steps:   []step{{do: "GET append=cart:tea", want: "200 new"}, {do: "GET renew", want: "200 new"}, {do: "GET list=cart", want: "200: tea"}},
	},
	{
		theirs: "a login keeps the id", from: "rack-session (unless asked to renew)",
		because: "it is what fixation needs",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"}, {do: "copy thief"}, {do: "POST login=alice", want: "200 new"},
			{do: "thief: GET get=tea&user", want: "200 none: absent user="},
		},
	},
	{
		theirs: "a session is ended by setting it to null", from: "express-session (unset)", because: "there is one way, Logout",
	},
	{
		theirs: "a request can load its session again", from: "express-session (reload)",
		because: "Update and Pop see what others have stored, and change it in one step",
	},
	{
		theirs: "a record is stored and the cookie withheld, or the other way round", from: "rack-session (defer, skip)",
		because: "a record that nobody has the token of is litter",
	},
	{
		theirs: "all sessions of everybody can be read and changed by the program", from: "scs (Iterate), express-session (all), Fiber (GetByID), Spring Session",
		because: "it costs what all users cost and gives every handler every user's values; the tool lists, Sessions and Revoke are for one user",
	},
	{
		theirs: "any type can be a key, or a value without a type", from: "Fiber, Django, express-session",
		because: "a typed key finds at compile time what would fail at night",
	},
	{
		theirs: "messages have categories and filters", from: "Flask, gorilla (custom keys)",
		because: "a message is text; a Key of a type of one's own is the rest",
	},
	{
		theirs: "values tell when they are bound and unbound, sessions when they begin and end, by listeners", from: "Spring Session",
		because: "Config.Events tells, with handles; a value that needs to know is no value",
	},
	{
		theirs: "a cookie younger than so much is not accepted", from: "gorilla (MinAge)", because: "nobody could say what for",
	},
	{
		theirs: "encrypted cookies are padded", from: "rack-session (pad_size)",
		because: "their length does tell the length of the text; what must hide that belongs into a store",
	},
	{
		theirs: "a test cookie finds out whether the browser keeps cookies", from: "Django", because: "the second request of any page tells the same",
	},
	{
		theirs: "without a secret a session can be read but not written", from: "Flask",
		because: "the program does not start: better than failing at the first login",
	},
	{
		theirs: "the secret comes with the request, or the session's settings change within it", from: "express-session (req.secret), iron-session (updateConfig)",
		because: "keys are rotated by a restart, with fallbacks",
	},
}
