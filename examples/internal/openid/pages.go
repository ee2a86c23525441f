package openid

import (
	"crypto/subtle"
	"html/template"
	"net/http"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang=en>
<meta charset=utf-8>
<title>Provider</title>
<main id=provider>
<p id=says>{{.Says}}</p>
{{if .Form}}<form method=post>
{{if eq .Form "login"}}<input type=hidden name=id value="{{.ID}}">
<label>User <input name=user autofocus></label>
<label>Password <input name=password type=password></label>
{{end}}<button>{{.Button}}</button>
</form>{{end}}
</main>
`))

type pageData struct{ Says, Form, ID, Button string }

func show(w http.ResponseWriter, status int, d pageData) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	page.Execute(w, d)
}

func loginPage(w http.ResponseWriter, status int, id, says string) {
	show(w, status, pageData{says, "login", id, "Log in"})
}

// askLogin is where the library sends a visitor. Who is signed in already goes on
// without a question.
func (p *Provider) askLogin(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("id")
	prompt, ok := p.state.wants(id)
	if !ok {
		show(w, http.StatusNotFound, pageData{Says: "This login has expired. Go back to where you came from and begin again."})
		return
	}
	sid, err := p.cookie.Get(r)
	if err == nil && !slices.Contains(prompt, oidc.PromptLogin) && p.state.grantTo(id, sid) {
		p.goOn(w, r, id)
		return
	}
	loginPage(w, http.StatusOK, id, "Log in")
}

func (p *Provider) login(w http.ResponseWriter, r *http.Request) {
	id, user := r.PostFormValue("id"), r.PostFormValue("user")
	password, known := p.cfg.Users[user]
	if subtle.ConstantTimeCompare([]byte(password), []byte(r.PostFormValue("password"))) != 1 || !known {
		loginPage(w, http.StatusForbidden, id, "User or password is wrong")
		return
	}
	sid := p.state.signIn(user)
	if err := p.cookie.Set(w, sid); err != nil {
		http.Error(w, "No cookie", http.StatusInternalServerError)
		return
	}
	if !p.state.grantTo(id, sid) {
		show(w, http.StatusOK, pageData{Says: "Logged in. The application's request has expired: begin again there."})
		return
	}
	p.goOn(w, r, id)
}

func (p *Provider) goOn(w http.ResponseWriter, r *http.Request, id string) {
	ctx := op.ContextWithIssuer(r.Context(), p.issuer)
	http.Redirect(w, r, op.AuthCallbackURL(p.op)(ctx, id), http.StatusSeeOther)
}

func (p *Provider) askLogout(w http.ResponseWriter, r *http.Request) {
	sid, err := p.cookie.Get(r)
	if err != nil || p.state.userOf(sid) == "" {
		show(w, http.StatusOK, pageData{Says: "Nobody is logged in"})
		return
	}
	show(w, http.StatusOK, pageData{Says: p.state.userOf(sid) + " is logged in", Form: "logout", Button: "Log out everywhere"})
}

func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	sid, err := p.cookie.Get(r)
	p.cookie.Clear(w)
	if err == nil {
		err = p.End(r.Context(), sid)
	}
	if err != nil {
		show(w, http.StatusBadGateway, pageData{Says: "Logged out here, but not everywhere: an application did not answer"})
		return
	}
	show(w, http.StatusOK, pageData{Says: "Logged out"})
}
