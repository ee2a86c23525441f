package walkthrough_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

func sha256Base64(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// The six security tips. Each is a check that holds for the application as it
// is, and that fails when the tip's default is switched off.
func TestSixTips(t *testing.T) {
	t.Parallel()
	month := 30 * 24 * time.Hour
	everywhere := http.NewCrossOriginProtection()
	everywhere.AddInsecureBypassPattern("/")
	for _, tip := range []struct {
		says  string
		check func(*testing.T, http.Handler) error
		off   coatcheck.Config
	}{
		{"1 Secure", everyCookie("Secure"), coatcheck.Config{Cookie: cookie.Policy{AllowInsecureHTTP: true}}},
		{"2 HttpOnly", everyCookie("HttpOnly"), coatcheck.Config{Cookie: cookie.Policy{AllowScripts: true}}},
		{"3 SameSite=Strict", sessionIsStrict, coatcheck.Config{Cookie: cookie.Policy{SameSite: http.SameSiteLaxMode}}},
		{"3 and CrossOriginProtection", refusesOtherOrigins, coatcheck.Config{CrossOrigin: everywhere}},
		{"4 short expiry: idle", endsWhenIdle, coatcheck.Config{Idle: month, Lifetime: month}},
		{"4 short expiry: in all", endsInAll, coatcheck.Config{Lifetime: month}},
		{"4 short expiry: in the browser", expiresInBrowser, coatcheck.Config{Lifetime: month}},
	} {
		t.Run(tip.says, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if err := tip.check(t, newSite(t, coatcheck.Config{})); err != nil {
					t.Errorf("by default: %v", err)
				}
				if err := tip.check(t, newSite(t, tip.off)); err == nil {
					t.Error("the check passes with the default switched off")
				}
			})
		})
	}
}

// setCookies returns the Set-Cookie lines of every route that sets one.
func setCookies(site http.Handler) []string {
	v := visit(site)
	var lines []string
	for _, step := range [][2]string{
		{"GET /set-cookie"}, {"POST /preferences", "theme=dark"}, {"GET /visitor"}, {"POST /token"},
		{"POST /visits"}, {"POST /login"}, {"POST /logout"},
	} {
		lines = append(lines, v.do(step[0], step[1]).Header()["Set-Cookie"]...)
	}
	return lines
}

// everyCookie wants an attribute on each cookie, those that clear included.
func everyCookie(attribute string) func(*testing.T, http.Handler) error {
	return func(_ *testing.T, site http.Handler) error {
		lines := setCookies(site)
		if len(lines) < 8 {
			return fmt.Errorf("%d Set-Cookie lines, want those of all routes", len(lines))
		}
		for _, line := range lines {
			if !strings.Contains(line+";", "; "+attribute+";") {
				return fmt.Errorf("%.30s… lacks %s", line, attribute)
			}
		}
		return nil
	}
}

// sessionIsStrict wants SameSite=Strict on all but the two cookies that say why
// not: the visitor's, and the marker that tells a held-back request (G7).
func sessionIsStrict(_ *testing.T, site http.Handler) error {
	for _, line := range setCookies(site) {
		name, _, _ := strings.Cut(line, "=")
		want := "; SameSite=Strict"
		if name == "__Host-Http-visitor" || strings.HasSuffix(name, "-lax") {
			want = "; SameSite=Lax"
		}
		if !strings.Contains(line+";", want+";") {
			return fmt.Errorf("%s lacks %s", name, want)
		}
	}
	return nil
}

func refusesOtherOrigins(_ *testing.T, site http.Handler) error {
	for _, headers := range []map[string]string{
		{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
	} {
		for _, what := range []string{"POST /login", "POST /logout", "POST /visits", "POST /cart", "POST /token", "POST /preferences"} {
			v := visit(site)
			v.headers = headers
			if w := v.do(what, "theme=dark&item=tea"); w.Code != http.StatusForbidden || len(v.Cookies()) != 0 {
				return fmt.Errorf("%s with %v: got %d and cookies %v, want 403 and none", what, headers, w.Code, v.Cookies())
			}
		}
	}
	return nil
}

// endsWhenIdle sends the cookie again after half an hour and what the server
// may take longer.
func endsWhenIdle(_ *testing.T, site http.Handler) error {
	v := visit(site)
	v.do("POST /login", "")
	time.Sleep(34 * time.Minute)
	return notLoggedIn(v)
}

func endsInAll(_ *testing.T, site http.Handler) error {
	v := visit(site)
	v.do("POST /login", "")
	for range 12 * 4 {
		time.Sleep(15 * time.Minute) // never idle
		v.do("GET /profile", "")
	}
	return notLoggedIn(v)
}

func notLoggedIn(v *visitor) error {
	if w := v.do("GET /profile", ""); w.Code != http.StatusUnauthorized {
		return fmt.Errorf("GET /profile: got %d %s, want 401", w.Code, w.Body)
	}
	return nil
}

// expiresInBrowser wants sensitive cookies gone from the browser soon.
func expiresInBrowser(_ *testing.T, site http.Handler) error {
	longest := map[string]time.Duration{sid: 12 * time.Hour, "__Host-Http-token": time.Minute}
	for _, line := range setCookies(site) {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			return err
		}
		if most, ok := longest[c.Name]; ok && (c.MaxAge == 0 || time.Duration(c.MaxAge)*time.Second > most) {
			return fmt.Errorf("%s has Max-Age %d, want 1 to %d", c.Name, c.MaxAge, int(most.Seconds()))
		}
	}
	return nil
}

// Tip 5: the secret is not in the code. Whoever has the code, and so whatever
// secret is in it, makes no cookie that another run accepts. That placeholders
// are refused, and that the secret comes from the environment, is in the
// program's script secret.txtar.
func TestTip5SecretIsNotInTheCode(t *testing.T) {
	t.Parallel()
	check := func(mine, theirs string) error {
		v := visit(newSiteOn(t, memstore.New(memstore.Config{}), mine, coatcheck.Config{}))
		v.do("POST /preferences", "theme=dark")
		v.do("POST /token", "")
		v.Handler = newSiteOn(t, memstore.New(memstore.Config{}), theirs, coatcheck.Config{})
		if w := v.do("GET /preferences", ""); w.Body.String() != "Theme: default" {
			return errors.New("a signed cookie is accepted under another secret")
		}
		if w := v.do("GET /token", ""); w.Code != http.StatusUnauthorized {
			return errors.New("a sealed cookie is accepted under another secret")
		}
		return nil
	}
	const one, other = "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa", "Jd3-fK8sPz5Qw1Vb7Xn2Rt6Lm9Hc4Gy0"
	if err := check(one, other); err != nil {
		t.Error(err)
	}
	if check(one, one) == nil {
		t.Error("the check passes with one secret for all")
	}
}

// Tip 6: the token is new after each login and the old one is dead. No setting
// switches it off; what does is a login that is a value like any other.
func TestTip6LoginMakesNewToken(t *testing.T) {
	t.Parallel()
	check := func(site http.Handler) error {
		v := visit(site)
		v.do("POST /visits", "")
		for _, user := range []string{"123", "123", "456"} {
			planted := v.clone()
			v.do("POST /login", "user="+user)
			if v.Cookies()[sid] == planted.Cookies()[sid] {
				return errors.New("the token is the same after the login")
			}
			if w := v.do("GET /profile", ""); w.Body.String() != "User "+user {
				return fmt.Errorf("GET /profile: got %d %s, want user %s", w.Code, w.Body, user)
			}
			if w := planted.do("GET /profile", ""); w.Code != http.StatusConflict { // its token was replaced just now: who asks again has the new one
				return fmt.Errorf("with the token from before the login: GET /profile: got %d %s, want 409", w.Code, w.Body)
			}
		}
		return nil
	}
	site := newSite(t, coatcheck.Config{})
	if err := check(site); err != nil {
		t.Error(err)
	}
	if check(loginAsValue(t)) == nil {
		t.Error("the check passes where a login is a value")
	}
}

// loginAsValue is an application that keeps the user as a value.
func loginAsValue(t *testing.T) http.Handler {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	user := coatcheck.NewKey[string]("user")
	mux := http.NewServeMux()
	mux.HandleFunc("POST /visits", func(w http.ResponseWriter, r *http.Request) {
		user.Set(coatcheck.From(r.Context()), "")
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		user.Set(coatcheck.From(r.Context()), r.FormValue("user"))
	})
	mux.HandleFunc("GET /profile", func(w http.ResponseWriter, r *http.Request) {
		name, _ := user.Get(coatcheck.From(r.Context()))
		fmt.Fprint(w, "User "+name)
	})
	return sessions.Handler(mux)
}
