//go:build linux

package behaviour_test

import "testing"

func TestBehaviourValues(t *testing.T) { behave(t, values, everywhere) }

// values are about the session as a dictionary.
var values = []behaviour{
	{
		name: "an absent value is absent, and no error", inCookie: true, from: "Django, tower-sessions, Fiber, Flask, scs",
		steps: []step{
			{do: "GET get=tea&has=tea&err", want: "200 none: absent false nil"},
			{do: "GET set=sugar:yes&get=tea&err", want: "200 new: absent nil"},
		},
	},
	{
		name: "a zero value is there, unlike an absent one", inCookie: true, from: "scs (Exists), Django, rack-session",
		steps: []step{
			{do: "GET number=n&zero=n&set=empty:", want: "200 new: absent"},
			{do: "GET number=n&get=empty&has=empty", want: "200: 0  true"},
		},
	},
	{
		name: "values of many types come back as they were", inCookie: true, from: "scs, Fiber, Flask, gorilla, rack-session, Django",
		ours:  "the type is the key's, not the value's",
		steps: []step{{do: "GET keep", want: "200 new: ok"}, {do: "GET kept", want: "200: ok"}},
	},
	{
		name: "text and names in any script come back as they were", inCookie: true, from: "rack-session, express-session",
		steps: []step{
			{do: "GET set=%E8%8C%B6:%C3%9Cn%C3%AF%20%22%5C%3C", want: "200 new"},
			{do: "GET get=%E8%8C%B6&keys", want: "200: Ünï \"\\< 茶"},
		},
	},
	{
		name: "asked for as another type, nothing comes, no error, and the value stays", inCookie: true, from: "scs (typed getters of what is not there)",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET number=tea&get=tea", want: "200 none: absent green"},
		},
	},
	{
		name: "a deleted value is gone, the others stay", inCookie: true, from: "scs, Fiber, tower-sessions, Django",
		steps: []step{
			{do: "GET set=a:1&set=b:2", want: "200 new"},
			{do: "GET del=a", want: "200"},
			{do: "GET get=a&get=b", want: "200: absent 2"},
		},
	},
	{
		name: "pop gives a value and takes it away", from: "scs, Django, Flask",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET pop=tea&get=tea", want: "200 none: green absent"},
			{do: "GET pop=tea", want: "200 none: absent"},
		},
	},
	{
		name: "pop of an absent value changes nothing", from: "Django (pop with a default), scs",
		steps: []step{{do: "GET pop=tea", want: "200 none: absent"}, {do: "sessions 0"}},
	},
	{
		name: "a default is set once", inCookie: true, from: "Django (setdefault), Flask",
		steps: []step{
			{do: "GET default=tea:green", want: "200 new: green"},
			{do: "GET default=tea:black", want: "200: green"},
		},
	},
	{
		name: "set and deleted in any order within a request, the last counts", inCookie: true, from: "Spring Session, Fiber",
		steps: []step{
			{do: "GET set=a:1&set=b:1&set=c:1", want: "200 new"},
			{do: "GET set=d:1&del=d&set=a:2&del=a&del=b&set=b:2&set=c:2", want: "200"},
			{do: "GET get=a&get=b&get=c&get=d", want: "200: absent 2 2 absent"},
		},
	},
	{
		name: "set and deleted before anything was stored, nothing is", inCookie: true, from: "Spring Session",
		ours:  "stricter: no record and no cookie",
		steps: []step{{do: "GET set=a:1&del=a", want: "200 none"}, {do: "sessions 0"}},
	},
	{
		name: "the names can be listed", inCookie: true, from: "scs, Django, Fiber, rack-session, Spring Session", ours: "sorted",
		steps: []step{
			{do: "GET keys", want: "200 none:"},
			{do: "GET set=b:2&set=a:1&flash=x", want: "200 new"},
			{do: "GET keys&del=b&keys", want: "200: a,b a"},
		},
	},
	{
		name: "a name of the session's own record is a name like any other", inCookie: true, from: "express-session (reserved properties), Flask (tags)",
		steps: []step{
			{do: "POST login=alice", want: "200 new"},
			{do: "GET set=user:mallory&set=cookie:x&set=id:x&set=expires:0&set=flash:x&set=_flash:x&set=%20t:x", want: "200"},
			{do: "GET user&get=user&get=cookie&get=id&get=expires&flashes", want: "200: user=alice mallory x x 0 "},
		},
	},
	{
		name: "a value too large is refused and harms nothing that is stored", inCookie: true, from: "rack-session, iron-session, gorilla",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "GET set=tea:black&big=70000&say=saved", want: "413 none: Too much to keep. Nothing was changed."},
			{do: "GET get=tea&has=big", want: "200: green false"},
		},
	},
	{
		name: "what would not fit a cookie fits a store", from: "gorilla (MaxLength of a FilesystemStore), Spring Session (a large attribute)",
		steps: []step{{do: "GET big=31000", want: "200 new"}, {do: "GET has=big", want: "200 none: true"}},
	},
	{
		name: "requests at once that write different values lose none", from: "rack-session, Spring Session",
		steps: []step{
			{do: "GET set=tea:green", want: "200 new"},
			{do: "start a GET get=tea&hold&set=a:1"},
			{do: "start b GET get=tea&hold&set=b:2"},
			{do: "start c GET get=tea&hold&count=n"},
			{do: "GET count=n", want: "200: 1"},
			{do: "finish b", want: "200 none"},
			{do: "finish a", want: "200 none"},
			{do: "finish c", want: "200 none: green 2"},
			{do: "GET get=a&get=b&number=n&get=tea", want: "200: 1 2 2 green"},
		},
	},
	{
		name: "of requests at once one gets the value that both pop", from: "Django (pop), scs (Pop)", ours: "stricter: theirs do it one after the other",
		steps: []step{
			{do: "GET set=code:4711", want: "200 new"},
			{do: "start a GET get=code&hold&pop=code"},
			{do: "GET pop=code", want: "200: 4711"},
			{do: "finish a", want: "200: 4711 absent"},
		},
	},
	{
		name: "messages are shown in their order, and once", from: "gorilla, Flask",
		steps: []step{
			{do: "GET flash=one&flash=two", want: "200 new"},
			{do: "GET flashes", want: "200 none: one,two"},
			{do: "GET flashes", want: "200 none:"},
		},
	},
	{
		name: "the same message twice is two messages", from: "Flask",
		steps: []step{{do: "GET flash=one&flash=one", want: "200 new"}, {do: "GET flashes", want: "200: one,one"}},
	},
	{
		name: "without messages nothing is shown, set or stored", from: "gorilla",
		steps: []step{{do: "GET flashes", want: "200 none:"}, {do: "sessions 0"}},
	},
	{
		name: "a message is shown in the request that left it, if that asks", from: "Flask",
		steps: []step{{do: "GET flash=one&flashes", want: "200: one"}, {do: "GET flashes", want: "200:"}},
	},
}
