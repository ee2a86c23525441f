package walkthrough

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed index.html
var indexHTML string

//go:embed index.css
var indexCSS string

// newIndex returns the handler of the page that lists the routes. The page
// loads nothing, runs no script, and allows the one style that is in it.
func newIndex() (http.Handler, error) {
	tmpl, err := template.New("index").Parse(indexHTML)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := tmpl.Execute(&page, struct {
		Style    template.CSS
		Chapters []chapter
	}{template.CSS(indexCSS), chapters}); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(indexCSS))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		w.Write(page.Bytes())
	}), nil
}

// A chapter of the page has a form for each route.
type chapter struct {
	Title, Says string
	Routes      []route
}

type route struct {
	Method, Path string
	Field, Value string // the form's one field, if it has one
	Says         string
}

var chapters = []chapter{
	{"A cookie", "A small text that the browser keeps and sends back.", []route{
		{"GET", "/set-cookie", "", "", "set it"},
		{"GET", "/get-cookie", "", "", "read it"},
	}},
	{"A login", "The session knows the user; the cookie holds a ticket that is new after each login.", []route{
		{"POST", "/login", "user", "123", "log in"},
		{"GET", "/profile", "", "", "who is logged in"},
		{"POST", "/logout", "", "", "log out: the server forgets the session"},
	}},
	{"Preferences", "A signed cookie: readable, and whatever was changed by hand counts as absent.", []route{
		{"POST", "/preferences", "theme", "dark", "choose a theme"},
		{"GET", "/preferences", "", "", "read it"},
	}},
	{"Returning visitors", "A signed cookie that also comes with links from elsewhere.", []route{
		{"GET", "/visitor", "", "", "count this visit"},
	}},
	{"A short-lived token", "An encrypted cookie, good for 60 seconds.", []route{
		{"POST", "/token", "", "", "issue it"},
		{"GET", "/token", "", "", "check it"},
	}},
	{"Values in the session", "Kept by the server, exact under any concurrency, without a login too.", []route{
		{"POST", "/visits", "", "", "count"},
		{"POST", "/cart", "item", "tea", "add to the cart"},
		{"GET", "/cart", "", "", "show it"},
		{"POST", "/dashboard", "widget", "clock", "choose a widget"},
		{"GET", "/dashboard", "", "", "show it"},
	}},
	{"One-time codes", "A value that expires by itself after 5 minutes and can be used once.", []route{
		{"POST", "/one-time", "", "", "make a code"},
		{"POST", "/one-time/redeem", "code", "", "use it"},
	}},
	{"Your sessions", "See where you are logged in, and end it.", []route{
		{"GET", "/sessions", "", "", "list them"},
		{"POST", "/sessions/revoke", "handle", "", "end one"},
		{"POST", "/sessions/revoke-others", "", "", "end all but this one"},
	}},
}
