package dbsc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/device"
)

// A forgery is a proof that must be refused, made from what a browser would send.
type forgery struct {
	name   string
	lines  func(k device.Signer, challenge string) []string // of Secure-Session-Response
	reason string
}

func with(m map[string]any, more map[string]any) map[string]any {
	m = maps.Clone(m)
	maps.Copy(m, more)
	return m
}

// forge changes the header and the payload of a proof, and the key that signs.
func forge(header, payload map[string]any) func(device.Signer, string) []string {
	return func(k device.Signer, challenge string) []string {
		return []string{device.JWS(k, with(map[string]any{"alg": k.Alg(), "typ": "dbsc+jwt"}, header), with(map[string]any{"jti": challenge}, payload))}
	}
}

// text changes the text of a genuine proof.
func text(f func(proof string) []string) func(device.Signer, string) []string {
	return func(k device.Signer, challenge string) []string { return f(device.Refreshing(k, challenge)) }
}

type wrongKey struct {
	device.Signer
	by device.Signer
}

func (k wrongKey) Sign(b []byte) []byte { return k.by.Sign(b) }

func forgeries(t *testing.T) []forgery {
	other, small := device.NewECKey(t), device.NewRSAKey(t, 2048)
	return []forgery{
		{"of another key", func(k device.Signer, c string) []string { return []string{device.Refreshing(wrongKey{k, other}, c)} }, "the signature is wrong"},
		{"of another algorithm", func(_ device.Signer, c string) []string { return []string{device.Refreshing(small, c)} }, "another algorithm"},
		{"alg none", forge(map[string]any{"alg": "none"}, nil), "another algorithm"},
		{"alg HS256", forge(map[string]any{"alg": "HS256"}, nil), "another algorithm"},
		{"alg in another case", forge(map[string]any{"alg": "es256"}, nil), "another algorithm"},
		{"no signature", text(func(p string) []string { return []string{p[:strings.LastIndex(p, ".")+1]} }), "the signature is wrong"},
		{"brings its own key", func(_ device.Signer, c string) []string { return []string{device.Registration(other, c)} }, "brings a key of its own"},
		{"brings the key", func(k device.Signer, c string) []string { return []string{device.Registration(k, c)} }, "brings a key of its own"},
		{"names a key elsewhere", forge(map[string]any{"jku": "https://evil.test/"}, nil), "brings a key of its own"},
		{"critical members", forge(map[string]any{"crit": []string{"b64"}, "b64": false}, nil), "critical members that nobody knows"},
		{"typ JWT", forge(map[string]any{"typ": "JWT"}, nil), "not of type dbsc+jwt"},
		{"typ in another case", forge(map[string]any{"typ": "DBSC+JWT"}, nil), "not of type dbsc+jwt"},
		{"no challenge", forge(nil, map[string]any{"jti": nil}), "not of a challenge for this session"},
		{"an invented challenge", forge(nil, map[string]any{"jti": strings.Repeat("A", 44)}), "not of a challenge for this session"},
		{"for another address", forge(nil, map[string]any{"aud": "https://evil.test/dbsc/refresh"}), "made for another address"},
		{"for the other endpoint", forge(nil, map[string]any{"aud": "https://app.test/dbsc/register"}), "made for another address"},
		{"an audience that is a number", forge(nil, map[string]any{"aud": 7}), "made for another address"},
		{"two lines", text(func(p string) []string { return []string{p, p} }), "several"},
		{"huge", forge(nil, map[string]any{"x": strings.Repeat("x", 5000)}), "too long"},
		{"a megabyte", text(func(p string) []string { return []string{p + strings.Repeat("A", 1<<20)} }), "too long"},
		{"two parts", text(func(p string) []string { return []string{p[strings.Index(p, ".")+1:]} }), "malformed"},
		{"four parts", text(func(p string) []string { return []string{p + ".AAAA"} }), "malformed"},
		{"padding", text(func(p string) []string { return []string{p + "=="} }), "malformed"},
		{"not base64", text(func(p string) []string { return []string{"$." + p} }), "malformed"},
		{"a header that is a list", func(device.Signer, string) []string { return []string{"W10.e30.AAAA"} }, "malformed"},
		{"a member twice", func(k device.Signer, c string) []string {
			head := device.B64.EncodeToString([]byte(`{"alg":"ES256","alg":"ES256","typ":"dbsc+jwt"}`))
			signed := head + "." + device.B64.EncodeToString([]byte(`{"jti":"`+c+`"}`))
			return []string{signed + "." + device.B64.EncodeToString(k.Sign([]byte(signed)))}
		}, "malformed"},
		{"members in another case", func(k device.Signer, c string) []string {
			return []string{device.JWS(k, map[string]any{"ALG": "ES256", "alg": "none", "typ": "dbsc+jwt"}, map[string]any{"jti": c})}
		}, "another algorithm"},
	}
}

// No forged proof gives out a bound cookie; each is 403, an event with the reason,
// and a new challenge, so that a browser in good faith goes on.
func TestForgedRefresh(t *testing.T) {
	t.Parallel()
	a := newApp(t, options{})
	d := a.boundDevice(t)
	for _, f := range forgeries(t) {
		headers := []string{"Sec-Secure-Session-Id", d.ID}
		for _, line := range f.lines(d.Key, d.Challenge) {
			headers = append(headers, "Secure-Session-Response", line)
		}
		before := a.count(coatcheck.Refused, "proof: "+f.reason)
		w := d.Raw("POST", d.Refresh, headers...)
		if w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 || w.Header().Get("Secure-Session-Challenge") == "" {
			t.Errorf("%s: %d %q", f.name, w.Code, w.Header())
		}
		if a.count(coatcheck.Refused, "proof: "+f.reason) != before+1 {
			t.Errorf("%s: no event says %q:\n%s", f.name, f.reason, a.dump())
		}
	}
	if n := a.count(coatcheck.Refreshed, ""); n != 0 {
		t.Errorf("%d refreshes", n)
	}
	// What is right is accepted, bare or as a string, with an audience or without.
	for _, line := range []string{
		device.Refreshing(d.Key, d.Challenge), `"` + device.Refreshing(d.Key, d.Challenge) + `"`,
		forge(nil, map[string]any{"aud": "https://app.test/dbsc/refresh"})(d.Key, d.Challenge)[0],
		forge(nil, map[string]any{"aud": []string{"x", "https://APP.test/dbsc/refresh"}})(d.Key, d.Challenge)[0],
	} {
		if w := d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", `"`+d.ID+`"`, "Secure-Session-Response", line); w.Code != http.StatusOK {
			t.Errorf("%d %s\n%s", w.Code, line, a.dump())
		}
	}
}

// A registration is refused with every key that is not acceptable, and with all
// that refuses a refresh but for the key that it brings.
func TestForgedRegistration(t *testing.T) {
	t.Parallel()
	good, weak, long := device.NewECKey(t), device.NewRSAKey(t, 1024), device.NewRSAKey(t, 2048)
	jwk := func(of device.Signer, more map[string]any) func(device.Signer, string) []string {
		return func(_ device.Signer, c string) []string {
			return []string{device.JWS(of, map[string]any{"alg": of.Alg(), "typ": "dbsc+jwt", "jwk": with(of.JWK(), more)}, map[string]any{"jti": c})}
		}
	}
	modulus := func(bits int) func(device.Signer, string) []string {
		n := append([]byte{0x80}, bytes.Repeat([]byte{1}, bits/8-1)...)
		return jwk(long, map[string]any{"n": device.B64.EncodeToString(n)})
	}
	x := good.JWK()["x"]
	const key = "a key that is not acceptable"
	list := []forgery{
		{"no key", func(k device.Signer, c string) []string { return []string{device.Refreshing(good, c)} }, key},
		{"RSA of 1024 bits", jwk(weak, nil), key},
		{"RSA of 8192 bits", modulus(8192), key},
		{"RSA of 16384 bits", modulus(16384), "too long"},
		{"RSA with exponent 3", jwk(long, map[string]any{"e": "Aw"}), key},
		{"RSA with an even modulus", jwk(long, map[string]any{"n": device.B64.EncodeToString(append([]byte{0x80}, make([]byte, 255)...))}), key},
		{"RSA with a leading zero", jwk(long, map[string]any{"n": device.B64.EncodeToString(append([]byte{0}, long.N.Bytes()...))}), key},
		{"a point that is not on the curve", jwk(good, map[string]any{"y": x}), key},
		{"the point at infinity", jwk(good, map[string]any{"x": device.B64.EncodeToString(make([]byte, 32)), "y": device.B64.EncodeToString(make([]byte, 32))}), key},
		{"a short coordinate", jwk(good, map[string]any{"x": device.B64.EncodeToString(make([]byte, 31))}), key},
		{"another curve", jwk(good, map[string]any{"crv": "P-384"}), key},
		{"another kind of key", jwk(good, map[string]any{"kty": "RSA"}), key},
		{"a symmetric key", jwk(good, map[string]any{"kty": "oct", "k": "AAAA"}), key},
		{"a private key", jwk(good, map[string]any{"d": x}), key},
		{"a key of another device.Signer", func(_ device.Signer, c string) []string {
			return []string{device.Registration(wrongKey{good, device.NewECKey(t)}, c)}
		}, "the signature is wrong"},
		{"no proof", func(device.Signer, string) []string { return nil }, "none"},
	}
	for _, f := range forgeries(t) {
		switch f.name { // that only a refresh refuses for this
		case "of another key", "of another algorithm", "no signature", "brings its own key", "brings the key", "members in another case",
			"no challenge", "an invented challenge", "for another address", "for the other endpoint":
			continue
		}
		list = append(list, f)
	}
	for _, f := range list {
		a := newApp(t, options{})
		d := device.New(t, a, nil)
		w := d.Do("POST", "/login")
		m := device.Offered.FindStringSubmatch(w.Header().Get("Secure-Session-Registration"))
		if m == nil {
			t.Fatalf("%q", w.Header())
		}
		var headers []string
		for _, line := range f.lines(good, m[2]) {
			headers = append(headers, "Secure-Session-Response", line)
		}
		if w = d.Raw("POST", m[1], headers...); w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: %d %q", f.name, w.Code, w.Header())
		}
		if a.count(coatcheck.Refused, "proof: "+f.reason) != 1 || a.count(coatcheck.Bound, "") != 0 {
			t.Errorf("%s: no event says %q:\n%s", f.name, f.reason, a.dump())
		}
	}
}

// R10: a challenge is for one session, for one purpose, for some minutes, and for a few
// uses within seconds.
func TestChallenges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d, other := a.boundDevice(t), a.boundDevice(t)
		try := func(challenge, want string) {
			t.Helper()
			w := d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(d.Key, challenge))
			got := "accepted"
			if w.Code != http.StatusOK {
				all := a.events.All()
				got = fmt.Sprint(w.Code, " ", all[len(all)-1].Reason)
			} else {
				d.KeepChallenge(w)
			}
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		first := d.Challenge
		time.Sleep(9 * time.Minute)
		try(other.Challenge, "403 proof: not of a challenge for this session")
		for range 8 { // tabs at once
			try(first, "accepted")
			time.Sleep(time.Second)
		}
		second := d.Challenge
		time.Sleep(53 * time.Second)
		try(first, "403 proof: of a challenge that was used before")
		time.Sleep(time.Second)
		try(second, "accepted")
		time.Sleep(61 * time.Second) // also one that was used at once
		try(second, "403 proof: of a challenge that was used before")
		time.Sleep(7 * time.Minute)
		try(d.Challenge, "accepted")
		a.status(t, d, "GET", "/account", http.StatusOK) // refreshes alone keep no session
		time.Sleep(16 * time.Minute)
		try(d.Challenge, "403 proof: of a challenge that is too old")

		// The challenge of a registration is none of a refresh, and the other way.
		w := a.loginOffer(t)
		try(w, "403 proof: not of a challenge for this session")
	})
}

// loginOffer is the challenge of an offer of a login.
func (a *app) loginOffer(t *testing.T) string {
	m := device.Offered.FindStringSubmatch(device.New(t, a, nil).Do("POST", "/login").Header().Get("Secure-Session-Registration"))
	if m == nil {
		t.Fatal("no offer")
	}
	return m[2]
}

// A registration is made with the challenge of this session's token, at once; and a
// session that is bound stays so, whoever comes with another key.
func TestRegistrationChallenges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := device.New(t, a, nil)
		w := d.Do("POST", "/login")
		offer := w.Header().Get("Secure-Session-Registration")
		register := func(offer string, key device.Signer, want int) {
			t.Helper()
			d.Key = key
			if w := d.Register(offer); w.Code != want {
				t.Errorf("%d, want %d; events:\n%s", w.Code, want, a.dump())
			}
		}
		mine := device.NewECKey(t)
		register(`(ES256 RS256);path="/dbsc/register";challenge="`+a.loginOffer(t)+`"`, mine, http.StatusForbidden)
		d.Key = nil
		renewed := d.Do("POST", "/renew").Header().Get("Secure-Session-Registration")
		register(offer, mine, http.StatusForbidden) // of the token before
		register(renewed, device.NewECKey(t), http.StatusOK)
		register(renewed, mine, http.StatusOK) // nobody has brought the first one's cookie
		a.status(t, d, "GET", "/account", http.StatusOK)
		register(renewed, device.NewECKey(t), http.StatusForbidden)
		register(renewed, mine, http.StatusOK) // again the same: the answer was lost
		time.Sleep(6 * time.Minute)
		register(renewed, mine, http.StatusForbidden)
		if n := a.count(coatcheck.Refused, "registration: the session is bound to another key"); n != 1 {
			t.Errorf("events:\n%s", a.dump())
		}
	})
}

// Who has no session, or nobody's, registers nothing and refreshes nothing.
func TestWithoutSession(t *testing.T) {
	t.Parallel()
	a := newApp(t, options{})
	owner := a.boundDevice(t)
	for name, d := range map[string]*device.Device{"no cookie": device.New(t, a, owner.Key), "anonymous": device.New(t, a, owner.Key), "unbound": device.New(t, a, nil)} {
		switch name {
		case "anonymous":
			if w := d.Do("POST", "/write"); w.Header().Get("Secure-Session-Registration") != "" {
				t.Error("an anonymous session is asked to bind itself")
			}
			fallthrough
		case "no cookie":
			if w := d.Raw("POST", "/dbsc/register", "Secure-Session-Response", device.Registration(owner.Key, a.loginOffer(t))); w.Code != http.StatusUnauthorized {
				t.Errorf("%s: registration %d", name, w.Code)
			}
		case "unbound":
			d.Do("POST", "/login")
		}
		w := d.Raw("POST", "/dbsc/refresh", "Sec-Secure-Session-Id", owner.ID, "Secure-Session-Response", device.Refreshing(owner.Key, owner.Challenge))
		if w.Code != http.StatusUnauthorized || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: refresh %d %q", name, w.Code, w.Header())
		}
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{{"GET", "/dbsc/refresh", 405}, {"GET", "/dbsc/register", 405}, {"POST", "/dbsc/", 404}, {"POST", "/dbsc/other", 404}} {
		if w := owner.Raw(c.method, c.path); w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.want)
		}
	}
}

// R9: the bound cookie of another session, of another name, an invented one and a
// changed one prove nothing.
func TestForgedBoundCookie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d, other := a.boundDevice(t), a.boundDevice(t)
		time.Sleep(time.Minute)
		good := d.CookieValue(boundName)
		reasons := map[string]string{
			other.CookieValue(boundName): "bound session: the bound cookie of another binding",
			strings.Repeat("A", 48):      "bound session: the bound cookie is not one of ours",
			"":                           "bound session: without its bound cookie",
			good + "A":                   "bound session: the bound cookie is not one of ours",
			d.CookieValue(sidName):       "bound session: the bound cookie is not one of ours",
			d.Challenge + "AAAA":         "bound session: the bound cookie is not one of ours",
			strings.Repeat("x", 3000):    "bound session: the bound cookie is not one of ours",
		}
		for i := range len(good) { // one bit of each character
			b := []byte(good)
			if b[i]++; !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", rune(b[i])) {
				b[i] = 'A'
			}
			reasons[string(b)] = "bound session: the bound cookie is not one of ours"
		}
		for value, reason := range reasons {
			thief := device.New(t, a, nil)
			thief.Jar[sidName] = d.Jar[sidName]
			if value != "" {
				thief.Jar[boundName] = device.Kept{Value: value}
			}
			a.events.Reset()
			w := thief.Do("GET", "/account")
			got := a.events.All()[0].Reason
			if w.Code != http.StatusUnauthorized || got != reason {
				t.Errorf("%q: %d, %q, want %q", value, w.Code, got, reason)
			}
		}
		// One that is planted beside it does no harm.
		w := d.Raw("GET", "/account", "Cookie", boundName+"=planted")
		if w.Code != http.StatusOK {
			t.Errorf("a planted cookie beside: %d\n%s", w.Code, a.dump())
		}
	})
}

// What the browser says of a refresh that it left out is an event, and never
// "not logged in" (G5).
func TestSkipped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, options{})
		d := a.boundDevice(t)
		time.Sleep(12 * time.Minute)
		for said, want := range map[string]string{
			`quota_exceeded;session_identifier="` + d.ID + `"`: "quota_exceeded",
			`server_error;session_identifier="` + d.ID + `"`:   "server_error",
			`unreachable`: "unreachable",
			`a-new-one;session_identifier="` + d.ID + `"`:                                          "another",
			`quota_exceeded;session_identifier="x", unreachable;session_identifier="` + d.ID + `"`: "unreachable",
			`quota_exceeded;session_identifier="x"`:                                                "",
			`quota_exceeded;;`:                                                                     "",
			`"` + strings.Repeat("x", 5000) + `"`:                                                  "",
		} {
			a.events.Reset()
			w := d.Raw("GET", "/account", "Secure-Session-Skipped", said)
			status := http.StatusServiceUnavailable
			if want == "" {
				status = http.StatusUnauthorized
			}
			if w.Code != status || want != "" && (a.count(coatcheck.Skipped, want) != 1 || w.Header().Get("Retry-After") == "") {
				t.Errorf("%s: %d, want %d; events:\n%s", said, w.Code, status, a.dump())
			}
		}
	})
}

// A browser that could not prove its key for now is kept from what wants the proof,
// and from nothing else: pages for everybody are served, its user can log in and out,
// and nothing is written over the session that it has.
func TestSkippedIsNoLock(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"quota_exceeded", "unreachable", "server_error"} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t, options{})
			said := func(d *device.Device) []string {
				return []string{"Secure-Session-Skipped", reason + `;session_identifier="` + d.ID + `"`}
			}
			without := func() *device.Device {
				d := a.boundDevice(t)
				delete(d.Jar, boundName)
				return d
			}
			d := without()
			time.Sleep(time.Minute)
			if w := d.Raw("GET", "/read", said(d)...); w.Code != http.StatusOK || w.Body.String() != `user="" err=<nil>` || len(w.Result().Cookies()) > 0 {
				t.Errorf("%s: a page for everybody: %d %s", reason, w.Code, w.Body)
			}
			for _, path := range []string{"/write", "/again", "/remember", "/transfer", "/account"} {
				w := d.Raw("POST", path, said(d)...)
				if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || len(w.Result().Cookies()) > 0 {
					t.Errorf("%s: %s: %d %q, want 503", reason, path, w.Code, w.Header())
				}
			}
			if w := d.Raw("POST", "/login", said(d)...); w.Code != http.StatusOK || len(a.sessions(t)) != 1 {
				t.Errorf("%s: login: %d %s, %d sessions", reason, w.Code, w.Body, len(a.sessions(t)))
			}
			a.status(t, d, "GET", "/account", http.StatusOK)
			d = without()
			time.Sleep(time.Minute)
			if w := d.Raw("POST", "/logout", said(d)...); w.Code != http.StatusOK || len(d.Jar) != 0 || len(a.sessions(t)) != 1 {
				t.Errorf("%s: logout: %d %s, %d sessions, %v", reason, w.Code, w.Body, len(a.sessions(t)), d.Jar)
			}
		})
	}
}

// An instruction and a registration are valid JSON and structured fields, and no
// event or answer has a key, a cookie or a challenge in it (G13).
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	a := newApp(t, options{})
	d := a.boundDevice(t)
	d.Raw("POST", d.Refresh, "Sec-Secure-Session-Id", d.ID, "Secure-Session-Response", device.Refreshing(device.NewECKey(t), d.Challenge))
	said := a.dump() + fmt.Sprintf("%v %+v %#v", a.bound, a.bound, a.bound)
	infos, err := a.m.Sessions(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(infos)
	if err != nil {
		t.Fatal(err)
	}
	said += string(text)
	for _, secret := range []string{d.CookieValue(sidName), d.CookieValue(boundName), d.Challenge, d.ID, fmt.Sprint(d.Key.JWK()["x"])} {
		if strings.Contains(said, secret) {
			t.Errorf("%q is in %s", secret, said)
		}
	}
}
