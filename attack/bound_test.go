package attack_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/internal/device"
)

// boundSid is the bound cookie.
const boundSid = "__Host-sid-bound"

// newBoundApp is the victim with bound sessions, and its user's browser, whose
// session is bound.
func newBoundApp(t *testing.T) (*app, *device.Device) {
	t.Helper()
	a := newApp(t)
	bound, err := dbsc.New(a.sessions, dbsc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	inner := a.Handler
	mux := http.NewServeMux()
	mux.Handle("/dbsc/", bound)
	mux.Handle("/", inner)
	a.Handler = mux
	d := device.New(t, a, device.NewECKey(t))
	d.Do("POST", "/login?user=victim")
	if w := d.Do("GET", "/profile"); w.Body.String() != "user=victim" || d.ID == "" {
		t.Fatalf("%s, bound: %t", w.Body, d.ID != "")
	}
	return a, d
}

// Malware copies the browser's cookies, all of them.
func TestStolenCookie_DBSC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, owner := newBoundApp(t)
		time.Sleep(time.Minute)
		pair, alone := owner.Thief(), owner.Thief()
		delete(alone.Jar, boundSid)
		for name, k := range pair.Jar { // whatever their attributes say
			pair.Jar[name] = device.Kept{Value: k.Value}
		}
		if w := alone.Do("GET", "/profile"); w.Body.String() != "user=" {
			t.Errorf("the session cookie alone: %s", w.Body)
		}
		time.Sleep(9 * time.Minute)
		if w := pair.Do("GET", "/profile"); w.Body.String() != "user=" {
			t.Errorf("the pair, after the bound cookie's life: %s", w.Body)
		}
		if w := owner.Do("GET", "/profile"); w.Body.String() != "user=victim" {
			t.Errorf("the owner: %s", w.Body)
		}
	})
}

// A thief forges the proof that would give out the next bound cookie, in the ways
// of RFC 8725 §2, or replays one that was seen.
func TestForgedProof_RFC8725(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, owner := newBoundApp(t)
		mine := device.NewECKey(t)
		seen := device.Refreshing(owner.Key, owner.Challenge)
		time.Sleep(time.Minute)
		owner.KeepChallenge(owner.Raw("POST", owner.Refresh, "Sec-Secure-Session-Id", owner.ID, "Secure-Session-Response", seen))
		time.Sleep(5 * time.Minute)
		_, neighbour := newBoundApp(t) // of another victim, with the same secret
		for name, proof := range map[string]string{
			"none":                   device.JWS(mine, map[string]any{"alg": "none", "typ": "dbsc+jwt"}, map[string]any{"jti": owner.Challenge}),
			"own key":                device.Refreshing(mine, owner.Challenge),
			"own key, embedded":      device.Registration(mine, owner.Challenge),
			"public key as a secret": device.JWS(mine, map[string]any{"alg": "HS256", "typ": "dbsc+jwt"}, map[string]any{"jti": owner.Challenge}),
			"another's challenge":    device.Refreshing(owner.Key, neighbour.Challenge),
			"no challenge":           device.JWS(owner.Key, map[string]any{"alg": "ES256", "typ": "dbsc+jwt"}, map[string]any{}),
			"another kind of token":  device.JWS(owner.Key, map[string]any{"alg": "ES256", "typ": "JWT"}, map[string]any{"jti": owner.Challenge}),
			"replayed":               seen,
		} {
			thief := owner.Thief()
			delete(thief.Jar, boundSid)
			w := thief.Raw("POST", owner.Refresh, "Sec-Secure-Session-Id", owner.ID, "Secure-Session-Response", proof)
			if w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
				t.Errorf("%s: %d %q", name, w.Code, w.Header())
			}
			if w := thief.Do("GET", "/profile"); w.Body.String() != "user=" {
				t.Errorf("%s: %s", name, w.Body)
			}
		}
	})
}
