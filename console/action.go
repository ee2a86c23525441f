package console

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/coatcheck/coatcheck"
)

// maxForm bounds the body of a POST: a user and a handle.
const maxForm = 4 << 10

// end ends one session of a user.
func (c *Console) end(w http.ResponseWriter, r *http.Request) {
	user, handle, ok := c.form(w, r)
	if !ok {
		return
	}
	if handle == "" {
		c.say(w, r, http.StatusBadRequest, "Nothing was ended", "The request names no session.")
		return
	}
	after := c.cfg.Recorder.latest()
	_, err := c.sessions.Revoke(coatcheck.By(r.Context(), c.who(r)), user, handle)
	c.acted(w, r, user, after, err)
}

// endAll ends all sessions of a user.
func (c *Console) endAll(w http.ResponseWriter, r *http.Request) {
	user, _, ok := c.form(w, r)
	if !ok {
		return
	}
	after := c.cfg.Recorder.latest()
	_, err := c.sessions.RevokeAll(coatcheck.By(r.Context(), c.who(r)), user)
	c.acted(w, r, user, after, err)
}

// form reads whose session is meant.
func (c *Console) form(w http.ResponseWriter, r *http.Request) (user, handle string, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil || r.PostForm.Get("user") == "" {
		c.say(w, r, http.StatusBadRequest, "Nothing was ended", "The request names no user.")
		return "", "", false
	}
	return r.PostForm.Get("user"), r.PostForm.Get("handle"), true
}

// acted leads back to the user's page, which says what was done by what was told of
// it, so that nobody can make it say anything else by a link.
func (c *Console) acted(w http.ResponseWriter, r *http.Request, user string, after uint64, err error) {
	if err != nil {
		c.say(w, r, coatcheck.StatusOf(err), "Perhaps nothing was ended", whyNot(err)+" Look at the user’s sessions, and try again.")
		return
	}
	// Relative to what the browser asked for; http.Redirect would make it so to what
	// StripPrefix has left of that.
	w.Header().Set("Location", "user?"+url.Values{"q": {user}, "done": {strconv.FormatUint(after, 10)}}.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// askAgain answers an action of somebody whose login is not recent enough.
func (c *Console) askAgain(w http.ResponseWriter, r *http.Request) {
	c.render(w, r, http.StatusUnauthorized, "message", page{
		Title: "Prove once more who you are",
		Body: message{Text: "Nothing was ended. To end sessions, log in again: at most " + words(c.cfg.Fresh) + " before.",
			Login: c.login(r)},
	})
}

// login is where an operator logs in again, leading back to the page the form was on.
func (c *Console) login(r *http.Request) string {
	if c.cfg.Login == "" {
		return ""
	}
	back := r.URL.RequestURI()
	if r.Method == http.MethodPost {
		back = "./"
		if u, err := url.Parse(r.Referer()); err == nil && u.Path != "" {
			back = u.RequestURI()
		}
	}
	sep := "?"
	if u, err := url.Parse(c.cfg.Login); err == nil && u.RawQuery != "" {
		sep = "&"
	}
	return c.cfg.Login + sep + "next=" + url.QueryEscape(coatcheck.SafeReturn(back))
}
