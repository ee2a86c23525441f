package main

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
)

const submit = "document.forms[0].submit()"

var pages = template.Must(template.New("").Parse(`
{{define "top"}}<!doctype html><html lang=en><meta charset=utf-8><title>Sign in</title>{{end}}

{{define "home"}}{{template "top"}}<main id=app data-user="{{.User}}" data-cart="{{len .Cart}}">
<p>{{if .User}}You are {{.User}}.{{else}}Nobody is logged in.{{end}} {{len .Cart}} things in the cart.</p>
<form method=post action=/keep><input name=item value=tea><button id=keep>Keep</button></form>
{{if .User}}<form method=post action=/logout><button id=logout>Log out</button></form>
{{else}}<form method=post action=/login><button id=query>Log in at the provider</button></form>
<form method=post action=/login><input type=hidden name=by value=form_post><button id=form_post>The same by form_post</button></form>
<form method=post action=/mail><input name=address type=email value=bob@example.org><button id=mail>Log in by mail</button></form>
{{end}}</main>{{end}}

{{define "again"}}{{template "top"}}<main id=again><p>{{.}} <p><a href=/>Begin again</a></main>{{end}}

{{define "sent"}}{{template "top"}}<main id=sent><p>A mail is on its way.</main>{{end}}

{{define "in"}}{{template "top"}}<main id=in><form method=post action=/in>
<input type=hidden name=token value="{{.}}"><button>Log in</button></form></main>{{end}}

{{define "repost"}}{{template "top"}}<form method=post><input type=hidden name=again value=1>
{{range $name, $value := .}}<input type=hidden name="{{$name}}" value="{{$value}}">{{end}}
<button>Continue</button></form><script>` + submit + `</script>{{end}}
`))

var policy = func() string {
	sum := sha256.Sum256([]byte(submit))
	return "default-src 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'"
}()

func show(w http.ResponseWriter, status int, page string, data any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	pages.ExecuteTemplate(w, page, data) // an error is the client's absence
}

// again says why nobody was logged in, and leads to the beginning.
func again(w http.ResponseWriter, why string) { show(w, http.StatusForbidden, "again", why) }

// repost has the browser send the form once more, from our own origin.
func repost(w http.ResponseWriter, r *http.Request) {
	show(w, http.StatusOK, "repost", map[string]string{"state": r.PostFormValue("state"), "code": r.PostFormValue("code")})
}
