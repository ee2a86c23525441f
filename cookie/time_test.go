package cookie_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// bubble is synctest.Test for code that needs random bytes. With GODEBUG=fips140
// the generator is seeded from measured time, which fails where time stands
// still; it keeps one seeded instance, if nothing else draws at the same time.
// Tests that use it are therefore not parallel.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if _, err := rand.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, f)
}

// C10: not before (but for 60 s of skew), not after, and never longer than the
// declaration allows now.
func TestLifetime(t *testing.T) {
	const hour = 3600
	for _, k := range kinds {
		for _, tt := range []struct {
			name   string
			maxAge time.Duration // declared now
			ttl    int64         // in the frame
			age    int64         // seconds since it was issued
			want   error
			reason string
		}{
			{"new", time.Hour, hour, 0, nil, ""},
			{"in its last second", time.Hour, hour, hour - 1, nil, ""},
			{"over", time.Hour, hour, hour, cookie.ErrExpired, ""},
			{"long over", time.Hour, hour, 1000 * hour, cookie.ErrExpired, ""},
			{"short life, last second", time.Hour, 60, 59, nil, ""},
			{"short life, over", time.Hour, 60, 60, cookie.ErrExpired, ""},
			{"no life", time.Hour, 0, 0, cookie.ErrExpired, ""},
			{"config shortened, within", 10 * time.Minute, hour, 599, nil, ""},
			{"config shortened, over", 10 * time.Minute, hour, 600, cookie.ErrExpired, ""},
			{"config lengthened, over", 24 * time.Hour, hour, hour, cookie.ErrExpired, ""},
			{"longest ttl", time.Hour, 1<<32 - 1, hour - 1, nil, ""},
			{"longest ttl, over", time.Hour, 1<<32 - 1, hour, cookie.ErrExpired, ""},
			{"until the browser closes", 0, 24 * hour, 24*hour - 1, nil, ""},
			{"until the browser closes, a day later", 0, 24 * hour, 24 * hour, cookie.ErrExpired, ""},
			{"skew", time.Hour, hour, -60, nil, ""},
			{"future", time.Hour, hour, -61, cookie.ErrForged, cookie.ReasonFuture},
			{"far future", time.Hour, hour, -1 << 37, cookie.ErrForged, cookie.ReasonFuture},
			{"from 1970", 400 * day, 1<<32 - 1, 0, cookie.ErrExpired, ""},
		} {
			t.Run(k.name+"/"+tt.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := k.declare("a", testKeys(t), cookie.Policy{MaxAge: tt.maxAge})
					r := reference{version: k.version, secret: secretA, name: "a", issued: time.Now().Unix() - tt.age, ttl: tt.ttl}
					if tt.name == "from 1970" {
						r.issued = 0
					}
					_, err := c.Get(request("a=" + r.value(t, "1")))
					if tt.want == cookie.ErrForged {
						refused(t, tt.name, err, tt.reason)
					} else if err != tt.want {
						t.Errorf("got %v, want %v", err, tt.want)
					}
				})
			})
		}
	}
}

// Set gives frame and browser the same lifetime, whole seconds, rounded up.
func TestSetLifetime(t *testing.T) {
	for _, k := range kinds {
		for _, tt := range []struct {
			maxAge time.Duration
			valid  time.Duration
			line   int
		}{
			{time.Nanosecond, time.Second, 1},
			{90 * time.Second, 90 * time.Second, 90},
			{400 * day, 400 * day, 34560000},
			{0, day, 0}, // no Max-Age
		} {
			bubble(t, func(t *testing.T) {
				c := k.declare("a", testKeys(t), cookie.Policy{MaxAge: tt.maxAge})
				w := newRecorder()
				if err := c.Set(w, json.RawMessage("1")); err != nil {
					t.Fatal(err)
				}
				sc, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
				if err != nil || sc.MaxAge != tt.line {
					t.Errorf("%s %v: got Max-Age %d, %v, want %d", k.name, tt.maxAge, sc.MaxAge, err, tt.line)
				}
				r := request(pair(t, w))
				time.Sleep(tt.valid - time.Nanosecond)
				if _, err := c.Get(r); err != nil {
					t.Errorf("%s %v: before its end: %v", k.name, tt.maxAge, err)
				}
				time.Sleep(time.Nanosecond)
				if _, err := c.Get(r); err != cookie.ErrExpired {
					t.Errorf("%s %v: at its end: %v", k.name, tt.maxAge, err)
				}
			})
		}
	}
}

// G8, G10: a new secret in front logs nobody out, and Refresh moves values to
// it with what is left of their lifetime.
func TestRotation(t *testing.T) {
	for _, k := range kinds {
		for _, maxAge := range []time.Duration{time.Hour, 0} {
			bubble(t, func(t *testing.T) {
				p := cookie.Policy{MaxAge: maxAge}
				life := maxAge
				if life == 0 {
					life = day
				}
				value := json.RawMessage(`"kept"`)
				old := k.declare("a", newKeys(t, secretA), p)
				both := k.declare("a", newKeys(t, secretB, secretA), p)
				after := k.declare("a", newKeys(t, secretB), p)

				r := request(set(t, old, value))
				time.Sleep(10*time.Minute + time.Millisecond)
				if v, err := both.Get(r); err != nil || string(v) != string(value) {
					t.Fatalf("Get under a fallback: got %s, %v", v, err)
				}
				if _, err := after.Get(r); err == nil {
					t.Error("a secret that is gone still opens")
				}
				w := newRecorder()
				if v, err := both.Refresh(w, r); err != nil || string(v) != string(value) {
					t.Fatalf("Refresh: got %s, %v", v, err)
				}
				sc, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
				if err != nil {
					t.Fatal(err)
				}
				if want := int((maxAge - 10*time.Minute) / time.Second); maxAge > 0 && sc.MaxAge != want || maxAge == 0 && sc.MaxAge != 0 {
					t.Errorf("got Max-Age %d, want %d", sc.MaxAge, want)
				}
				r = request(pair(t, w))
				w = newRecorder()
				if v, err := after.Refresh(w, r); err != nil || string(v) != string(value) || len(w.Header()) != 0 {
					t.Errorf("under the first key: got %s, %v, header %v, want no header", v, err, w.Header())
				}
				time.Sleep(life - 10*time.Minute - time.Second)
				if _, err := after.Get(r); err != nil {
					t.Errorf("in the last second of its life: %v", err)
				}
				time.Sleep(time.Second)
				if _, err := after.Get(r); err != cookie.ErrExpired {
					t.Errorf("Refresh gave it more than was left: got %v", err)
				}
			})
		}
	}
}

// What is left is of the shorter of both lifetimes: the frame's and the declared.
func TestRefreshNeverLengthens(t *testing.T) {
	for _, k := range kinds {
		for _, tt := range []struct{ was, is, left time.Duration }{
			{time.Hour, 24 * time.Hour, 50 * time.Minute},
			{24 * time.Hour, time.Hour, 50 * time.Minute},
		} {
			bubble(t, func(t *testing.T) {
				r := request(set(t, k.declare("a", newKeys(t, secretA), cookie.Policy{MaxAge: tt.was}), json.RawMessage("1")))
				time.Sleep(10 * time.Minute)
				w := newRecorder()
				c := k.declare("a", newKeys(t, secretB, secretA), cookie.Policy{MaxAge: tt.is})
				if _, err := c.Refresh(w, r); err != nil {
					t.Fatal(err)
				}
				sc, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
				if err != nil || time.Duration(sc.MaxAge)*time.Second != tt.left {
					t.Errorf("%s, %v then %v: got Max-Age %d, %v, want %v", k.name, tt.was, tt.is, sc.MaxAge, err, tt.left)
				}
				r = request(pair(t, w))
				time.Sleep(tt.left)
				if _, err := c.Get(r); err != cookie.ErrExpired {
					t.Errorf("%s, %v then %v: after %v: got %v", k.name, tt.was, tt.is, tt.left, err)
				}
			})
		}
	}
}

func TestRefreshSetsNothingWithoutNeed(t *testing.T) {
	t.Parallel()
	plain := cookie.New[string]("a", cookie.Policy{})
	w := newRecorder()
	if v, err := plain.Refresh(w, request("a=v")); v != "v" || err != nil || len(w.Header()) != 0 {
		t.Errorf("plain: got %q, %v, %v", v, err, w.Header())
	}
	for _, k := range kinds {
		c := k.declare("a", newKeys(t, secretA, secretB), cookie.Policy{})
		for _, header := range []string{"b=1", "a=forged", set(t, c, json.RawMessage("1")) + "; a=2"} {
			if _, err := c.Refresh(w, request(header)); err == nil || len(w.Header()) != 0 {
				t.Errorf("%s: %s: got %v, header %v", k.name, header, err, w.Header())
			}
		}
	}
}
