package main

import (
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"net/http"
	"net/mail"
	"net/url"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck"
)

// links are those that were sent and not used. In a larger application they are a
// table of its database: sessions are per browser, and a mail may be read in
// another one.
type links struct {
	mu   sync.Mutex
	sent map[[sha256.Size]byte]sent // what leaks here logs nobody in
}

type sent struct {
	to      string
	expires time.Time
}

const mostLinks = 10000

// add returns a token for one login, or "" if too many wait.
func (l *links) add(to string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(l.sent, func(_ [sha256.Size]byte, s sent) bool { return now.After(s.expires) })
	if len(l.sent) >= mostLinks {
		return ""
	}
	if l.sent == nil {
		l.sent = make(map[[sha256.Size]byte]sent)
	}
	token := rand.Text()
	l.sent[sha256.Sum256([]byte(token))] = sent{to, now.Add(patience)}
	return token
}

// take returns whose token this is, once.
func (l *links) take(token string) (to string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := sha256.Sum256([]byte(token))
	s, ok := l.sent[sum]
	delete(l.sent, sum)
	return s.to, ok && time.Now().Before(s.expires)
}

// mail sends a link. Its answer tells nobody who has an account here.
func (a *app) mail(w http.ResponseWriter, r *http.Request) {
	to, err := mail.ParseAddress(r.PostFormValue("address"))
	if err != nil {
		again(w, "That is no mail address.")
		return
	}
	token := a.links.add(to.Address)
	if token == "" {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "Too many mails are under way", http.StatusServiceUnavailable)
		return
	}
	if err := a.send(letter{to, a.site + "/in?" + url.Values{"token": {token}}.Encode()}); err != nil {
		http.Error(w, "The mail could not be sent", http.StatusServiceUnavailable)
		return
	}
	show(w, http.StatusOK, "sent", nil)
}

// askIn answers the link. It uses nothing up and looks at no session: programs
// that look through mails open links, too, and a visitor who comes from a page of
// mails comes without the cookie. The button is our own origin's.
func (a *app) askIn(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "same-origin") // the token is in the URL
	show(w, http.StatusOK, "in", r.FormValue("token"))
}

func (a *app) in(w http.ResponseWriter, r *http.Request) {
	to, ok := a.links.take(r.PostFormValue("token"))
	if !ok {
		again(w, "This link has been used, or is too old.")
		return
	}
	coatcheck.From(r.Context()).Login("mail:" + to)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
