package walkthrough

import (
	"fmt"
	"net/http"
)

// A chapter of the page has a form for each route.
type chapter struct {
	ID, Title, Says string
	Routes          []route
}

type route struct {
	Method, Path       string
	Button             string
	Field, Label, With string // the form's one field, if it has one
	Quiet              bool   // a second way to the same
}

var chapters = []chapter{
	{"step-cookie", "A cookie", "A small note that the server asks your browser to keep. The browser sends it back with every request, without being asked.", []route{
		{Method: "GET", Path: "/set-cookie", Button: "Set a cookie"},
		{Method: "GET", Path: "/get-cookie", Button: "Read the cookie"},
	}},
	{"step-session", "A session", "What matters stays with the server: that is the coat, the session. Your browser gets only a ticket for it.", []route{
		{Method: "POST", Path: "/visits", Button: "Count a visit"},
		{Method: "POST", Path: "/cart", Button: "Put in the cart", Field: "item", Label: "Item", With: "tea"},
		{Method: "GET", Path: "/cart", Button: "Show the cart"},
		{Method: "POST", Path: "/dashboard", Button: "Choose the widget", Field: "widget", Label: "Widget", With: "clock"},
		{Method: "GET", Path: "/dashboard", Button: "Show the widget"},
	}},
	{"step-login", "Log in, log out", "A login makes the coat yours, and your ticket is exchanged for a new one. Watch it change. A logout throws the coat away.", []route{
		{Method: "POST", Path: "/login", Button: "Log in", Field: "user", Label: "User", With: "123"},
		{Method: "GET", Path: "/profile", Button: "Who am I?"},
		{Method: "POST", Path: "/logout", Button: "Log out"},
		{Method: "GET", Path: "/login", Button: "Log in by a link", Quiet: true},
		{Method: "GET", Path: "/logout", Button: "Log out by a link", Quiet: true},
	}},
	{"step-devices", "Your devices", "Open this page in a private window and log in there as the same user. Then end that session from here, or this one from there.", []route{
		{Method: "GET", Path: "/sessions", Button: "List my sessions"},
		{Method: "POST", Path: "/sessions/label", Button: "Name this browser", Field: "label", Label: "Name", With: "kitchen tablet"},
		{Method: "POST", Path: "/sessions/revoke", Button: "End this session", Field: "handle", Label: "Handle"},
		{Method: "POST", Path: "/sessions/revoke-others", Button: "End all others"},
	}},
	{"step-preferences", "A preference", "A signed cookie. You could read it, but a changed one is refused: the server would see that the signature is not its own.", []route{
		{Method: "POST", Path: "/preferences", Button: "Keep the theme", Field: "theme", Label: "Theme", With: "dark"},
		{Method: "GET", Path: "/preferences", Button: "Read the theme"},
	}},
	{"step-visitor", "Coming back", "A signed cookie that lasts a year and counts your visits. It also comes along when you follow a link from another site.", []route{
		{Method: "GET", Path: "/visitor", Button: "Visit"},
	}},
	{"step-token", "A pass for one minute", "An encrypted cookie that is good for 60 seconds. Watch it run out under “Your browser”.", []route{
		{Method: "POST", Path: "/token", Button: "Get a pass"},
		{Method: "GET", Path: "/token", Button: "Show the pass"},
	}},
	{"step-code", "A code that works once", "A value of the session that runs out by itself after 5 minutes, and that nobody can use twice.", []route{
		{Method: "POST", Path: "/one-time", Button: "Make a code"},
		{Method: "POST", Path: "/one-time/redeem", Button: "Use the code", Field: "code", Label: "Code"},
	}},
}

// arrival says what the request for the page itself showed.
func arrival(v *view) string {
	n := len(v.Jar) + len(v.Others)
	switch {
	case v.Held:
		return "You followed a link from another site, or one that led here through it, so your browser kept the ticket back: that is SameSite=Strict. Once you do something here, it comes again."
	case v.Ticket && v.Coat == nil:
		return "Your browser showed a ticket, but the server has no coat for it: that session has ended."
	case n == 0:
		return "Your browser asked for this page and brought no cookie. To the server you are a stranger."
	case n == 1:
		return "Your browser asked for this page and brought its cookie along, by itself."
	}
	return fmt.Sprintf("Your browser asked for this page and brought its %d cookies along, by itself. That is how a server knows you again.", n)
}

// notKept says what a browser made of cookies that did not come back.
func notKept(tls bool) string {
	if tls {
		return "The answer said Set-Cookie, but your browser has not kept it: nothing came back with the next request. Does it block cookies of this site?"
	}
	return "The answer said Set-Cookie, but your browser has not kept it: nothing came back with the next request. The cookie is Secure, and this browser takes such ones over encrypted connections only, from this computer itself as well. " +
		"Most browsers trust localhost; WebKitGTK does not. Start coatcheck serve --tls, and open the https address that it prints."
}

// explain says in plain words what an exchange did.
func explain(e *exchange, j *jar) string {
	switch e.Status {
	case http.StatusOK:
		text := done[e.Method+" "+e.Path]
		switch {
		case !e.sets(j.ticket): // the rest is about tickets
		case e.Path == "/login" && e.sent(j.ticket):
			return "The server now knows who you are. Your ticket was exchanged for a new one; the old one opens nothing any more, not even for somebody who had copied it."
		case e.Path == "/login":
			return "The server now knows who you are. It hung up a coat, your session, and gave your browser the ticket for it."
		default:
			return "You were a stranger, so the server hung up a coat, your session, and gave your browser the ticket for it. " + text
		}
		if e.Path == "/get-cookie" && !e.sent("username") {
			return "The request brought no such cookie, so the server does not know a name. Set the cookie first."
		}
		return text
	case http.StatusBadRequest:
		return "The server could not use what the form said. Nothing was changed."
	case http.StatusUnauthorized:
		if e.Path == "/token" {
			return "There is no pass any more: your browser threw it away after its minute, or it never had one."
		}
		return "The server does not know who you are. Log in first, in step 3."
	case http.StatusForbidden:
		if e.Path == "/one-time/redeem" {
			return "That code is unknown, used up or too old. A code works once."
		}
		return "The server takes such requests from its own pages only."
	case http.StatusNotFound:
		return "You have no session with that handle. Somebody else’s is as unknown to you as one that never was."
	case http.StatusConflict:
		return "Your ticket is for a coat that is gone: an end is final. Nothing was changed. Log in again; for a minute nothing else works with that ticket."
	case http.StatusTooManyRequests, http.StatusRequestEntityTooLarge:
		return "That would be too much to keep. Nothing was changed."
	case http.StatusServiceUnavailable:
		return "The store did not answer, and the server says so. It does not pretend that you are logged out. Nothing was changed."
	}
	return "The server refused. Nothing was changed."
}

// done says what a request does that succeeds.
var done = map[string]string{
	"GET /set-cookie":              "The answer said Set-Cookie, and your browser kept the note. From now on it sends it along with every request. Now press “Read the cookie”.",
	"GET /get-cookie":              "Your browser sent the cookie along, and the server read your name from it. The server itself remembered nothing.",
	"POST /visits":                 "The ticket led the server to your coat, and it counted one more there. The cookie stays the same: the number is with the server.",
	"POST /cart":                   "The cart is in the pocket of your coat, on the server. However many requests come at once, no item is lost.",
	"GET /cart":                    "The ticket led the server to your coat, and it looked into the cart. Nothing was changed.",
	"POST /dashboard":              "The choice is in the pocket of your coat, on the server.",
	"GET /dashboard":               "The server looked into your coat. Nothing was changed.",
	"POST /login":                  "The server now knows who you are.",
	"GET /login":                   "The server now knows who you are.",
	"GET /profile":                 "The ticket led the server to your coat, and your name is on it.",
	"POST /logout":                 "The coat is gone for good, and your browser was told to throw the ticket away. A copy of it opens nothing. Other cookies stay.",
	"GET /logout":                  "The coat is gone for good, and your browser was told to throw the ticket away. (A real site logs out by a button only: a link could be followed by mistake.)",
	"GET /sessions":                "These are all your sessions, on every device. A handle names a session and opens nothing.",
	"POST /sessions/label":         "The name is on the label of your coat. It stays there when your ticket is exchanged, until your next login.",
	"POST /sessions/revoke":        "That session has ended, for good. If its page is open somewhere, it says so at this moment.",
	"POST /sessions/revoke-others": "All your other sessions have ended. Only this one goes on.",
	"POST /preferences":            "The server signed the note, and your browser keeps it. Changed by hand, it would count for nothing.",
	"GET /preferences":             "The server checked the signature before it believed the note.",
	"GET /visitor":                 "The server read the number in the cookie, added one, signed it again and sent it back. It needs to remember nothing.",
	"POST /token":                  "Your browser now has a pass that only the server can read. In one minute it is gone.",
	"GET /token":                   "The server decrypted the pass and found it still good.",
	"POST /one-time":               "The code is in your coat, with a time of its own: look under “The server”. Now press “Use the code”.",
	"POST /one-time/redeem":        "The code was there, and now it is gone. Press “Use the code” again and see it refused.",
}
