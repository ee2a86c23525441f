package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/coatcheck/coatcheck"
)

// A grant is what the application needs of an oauth2.Token, whose extra fields
// no session can hold, and who is about to refresh it.
type grant struct {
	Access, Refresh string
	Expires         time.Time
	By              string    // who refreshes it
	Until           time.Time // and has time until then
}

var granted = coatcheck.NewKey[grant]("grant")

// The times of a refresh: who holds the claim gives up before others may take it.
const (
	early   = 10 * time.Second // a token this close to its end is not sent any more
	claim   = 30 * time.Second
	refresh = 20 * time.Second
	again   = 50 * time.Millisecond
)

var errNoGrant = errors.New("nothing was granted")

type app struct {
	api   string
	oauth *oauth2.Config
}

func (a *app) routes(sessions *coatcheck.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", a.login)
	mux.Handle("GET /hello", sessions.RequireLogin(http.HandlerFunc(a.hello)))
	return sessions.Handler(mux)
}

// login exchanges the code that the OAuth server gave. How a browser gets there
// and back, and the check of state, are not this example's.
func (a *app) login(w http.ResponseWriter, r *http.Request) {
	token, err := a.oauth.Exchange(r.Context(), r.FormValue("code"))
	if err != nil {
		http.Error(w, "Not logged in", http.StatusUnauthorized)
		return
	}
	s := coatcheck.From(r.Context())
	s.Login("123")
	granted.Set(s, grantOf(token))
	io.WriteString(w, "Logged in")
}

func grantOf(t *oauth2.Token) grant {
	return grant{Access: t.AccessToken, Refresh: t.RefreshToken, Expires: t.Expiry}
}

// hello passes on what the API answers.
func (a *app) hello(w http.ResponseWriter, r *http.Request) {
	token, err := a.accessToken(r.Context(), coatcheck.From(r.Context()))
	if err != nil {
		http.Error(w, "No access", http.StatusBadGateway)
		return
	}
	call, err := http.NewRequestWithContext(r.Context(), http.MethodGet, a.api, nil)
	if err != nil {
		http.Error(w, "No access", http.StatusBadGateway)
		return
	}
	call.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(call)
	if err != nil {
		http.Error(w, "No access", http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	w.WriteHeader(res.StatusCode)
	io.Copy(w, res.Body)
}

// accessToken returns a token that is good for a while.
func (a *app) accessToken(ctx context.Context, s *coatcheck.Session) (string, error) {
	me := rand.Text()
	for {
		g, ok := granted.Get(s)
		now := time.Now()
		switch {
		case !ok:
			return "", errors.Join(errNoGrant, s.Err())
		case now.Add(early).Before(g.Expires):
			return g.Access, nil
		case now.Before(g.Until): // somebody is at it
			select {
			case <-time.After(again):
			case <-ctx.Done():
				return "", ctx.Err()
			}
			if err := s.Reload(); err != nil {
				return "", err
			}
			continue
		}
		// Of all who find it expired exactly one finds it unclaimed, too.
		g = granted.Update(s, func(g grant) grant {
			if !now.Add(early).Before(g.Expires) && !now.Before(g.Until) {
				g.By, g.Until = me, now.Add(claim)
			}
			return g
		})
		if err := s.Err(); err != nil {
			return "", err
		}
		if g.By == me {
			return a.refresh(ctx, s, g)
		}
	}
}

// refresh gets a new token and stores it, even if the client has left meanwhile:
// the old refresh token may be worth nothing any more.
func (a *app) refresh(ctx context.Context, s *coatcheck.Session, g grant) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refresh)
	defer cancel()
	token, err := a.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: g.Refresh}).Token()
	if err != nil {
		granted.Update(s, func(now grant) grant { // let another try
			if now.By == g.By {
				now.Until = time.Time{}
			}
			return now
		})
		return "", err
	}
	granted.Set(s, grantOf(token))
	return token.AccessToken, s.Commit()
}
