package main

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/coatcheck/coatcheck"
)

// A grant is what the shop needs of the provider's tokens, and who is about to
// refresh them: a refresh token is good for one use. examples/tokenrefresh has
// this by itself, with its test of two processes.
type grant struct {
	Access, Refresh string
	Expires         time.Time
	By              string    // who refreshes it
	Until           time.Time // and has time until then
}

var granted = coatcheck.NewKey[grant]("grant")

var errNoGrant = errors.New("nothing was granted")

func grantOf(t *oauth2.Token) grant {
	return grant{Access: t.AccessToken, Refresh: t.RefreshToken, Expires: t.Expiry}
}

func (g grant) good(now time.Time) bool { return now.Add(10 * time.Second).Before(g.Expires) }

// accessToken returns one that is good for a while. Of all requests that find it
// expired, in both instances, one refreshes it; the others ask again until it has.
func (o *openID) accessToken(ctx context.Context, s *coatcheck.Session) (string, error) {
	me := rand.Text()
	for {
		g, ok := granted.Get(s)
		now := time.Now()
		switch {
		case !ok:
			return "", errors.Join(errNoGrant, s.Err())
		case g.good(now):
			return g.Access, nil
		case now.Before(g.Until): // somebody is at it
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return "", ctx.Err()
			}
			if err := s.Reload(); err != nil {
				return "", err
			}
			continue
		}
		g = granted.Update(s, func(g grant) grant {
			if !g.good(now) && !now.Before(g.Until) {
				g.By, g.Until = me, now.Add(30*time.Second)
			}
			return g
		})
		if err := s.Err(); err != nil {
			return "", err
		}
		if g.By == me {
			return o.refresh(ctx, s, g)
		}
	}
}

// refresh stores the new token even if the customer has left meanwhile.
func (o *openID) refresh(ctx context.Context, s *coatcheck.Session, g grant) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	token, err := o.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: g.Refresh}).Token()
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
