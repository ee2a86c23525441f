package cookie_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// What is written reads back as exactly what was asked for, by net/http's own
// parser, or is an error (C13).
func FuzzLine(f *testing.F) {
	f.Add("sid", "value", int64(3600), "/", "", 0, byte(0))
	f.Add("__Host-sid", "a\r\nSet-Cookie: b=c", int64(0), "/a;HttpOnly", "example.com", 2, byte(7))
	f.Add("__Host-Http-sid", `"quoted"`, int64(-1), "/a b", ".example.com", 4, byte(4))
	f.Fuzz(func(t *testing.T, name, value string, age int64, path, domain string, sameSite int, flags byte) {
		p := cookie.Policy{Path: path, Domain: domain, SameSite: http.SameSite(sameSite), AllowInsecureHTTP: flags&1 != 0, AllowScripts: flags&2 != 0, Partitioned: flags&4 != 0}
		c, err := cookie.NewRaw(name, p)
		if err != nil {
			return
		}
		before := time.Now()
		for _, line := range []string{c.Expired(), mustLine(c, value, time.Duration(age))} {
			if line == "" {
				continue // refused
			}
			got, err := http.ParseSetCookie(line)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			want := http.Cookie{
				Raw: line, Name: name, Value: value, Path: path, Domain: domain, SameSite: http.SameSite(sameSite),
				Secure: !p.AllowInsecureHTTP, HttpOnly: !p.AllowScripts, Partitioned: p.Partitioned,
				MaxAge: int((age + 1e9 - 1) / 1e9),
			}
			if path == "" {
				want.Path = "/"
			}
			if sameSite == 0 {
				want.SameSite = http.SameSiteStrictMode
			}
			if want.MaxAge > 0 && line != c.Expired() { // G6: Expires goes with Max-Age
				want.RawExpires = got.RawExpires
				want.Expires, err = time.Parse(http.TimeFormat, got.RawExpires)
				end := want.Expires.Add(-time.Duration(want.MaxAge) * time.Second)
				if err != nil || end.Before(before) || end.Add(-time.Second).After(time.Now()) {
					t.Errorf("%q, made at %v, does not end with its Max-Age: %v", line, before, err)
				}
			}
			if line == c.Expired() {
				want.Value, want.MaxAge, want.Expires, want.RawExpires = "", -1, time.Unix(1, 0).UTC(), "Thu, 01 Jan 1970 00:00:01 GMT"
			}
			gotJSON, _ := json.Marshal(got)
			wantJSON, _ := json.Marshal(&want)
			if string(gotJSON) != string(wantJSON) {
				t.Errorf("%q:\n got %s\nwant %s", line, gotJSON, wantJSON)
			}
		}
	})
}

func mustLine(c *cookie.Raw, value string, age time.Duration) string {
	line, err := c.Line(value, age)
	if err != nil {
		return ""
	}
	return line
}

// The reader agrees with a plain one that allocates as it likes (C15).
func FuzzRead(f *testing.F) {
	f.Add("sid=v; a=b", "sid=w")
	f.Add("sid=\"v\"", "")
	f.Add(" \t sid=v \t;;; =x; sid", "SID=w; sid =3")
	c, err := cookie.NewRaw("sid", cookie.Policy{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		var values []string
		for _, pair := range append(strings.Split(one, ";"), strings.Split(two, ";")...) {
			if name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "="); ok && name == "sid" {
				values = append(values, value)
			}
		}
		got, err := c.Read(http.Header{"Cookie": {one, two}})
		switch {
		case len(values) == 0:
			if got != "" || err != cookie.ErrAbsent {
				t.Errorf("got %q, %v, want ErrAbsent", got, err)
			}
		case len(values) > 1 || len(values[0]) > 4093 || strings.ContainsFunc(values[0], func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`",;\`, r) }):
			if got != "" || !errors.Is(err, cookie.ErrForged) {
				t.Errorf("got %q, %v, want ErrForged", got, err)
			}
		case got != values[0] || err != nil:
			t.Errorf("got %q, %v, want %q", got, err, values[0])
		}
	})
}

// Nothing opens but what was made, and everything that was made does.
func FuzzOpen(f *testing.F) {
	keys := testKeys(f)
	f.Add([]byte{1, 2, 3}, "", "payload")
	for _, k := range kinds {
		c := k.declare("c", keys, cookie.Policy{})
		f.Add([]byte{0}, strings.TrimPrefix(set(f, c, json.RawMessage(`"seed"`)), "c="), "\xff\"\\")
	}
	signed, sealed := cookie.NewSigned[string]("c", keys, cookie.Policy{}), cookie.NewSealed[string]("c", keys, cookie.Policy{})
	f.Fuzz(func(t *testing.T, change []byte, value, text string) {
		for _, c := range []cookie.Cookie[string]{signed, sealed} {
			if got, err := c.Get(request("c=" + value)); err == nil && got != "seed" {
				t.Errorf("%q opens to %q", value, got)
			}
			w := newRecorder()
			if c.Set(w, text) != nil {
				continue
			}
			made := strings.TrimPrefix(pair(t, w), "c=")
			if got, err := c.Get(request("c=" + made)); got != text || err != nil {
				t.Errorf("%q came back as %q, %v", text, got, err)
			}
			bent := []byte(made)
			for i, b := range change {
				bent[(i*7+int(b))%len(bent)] ^= b
			}
			if got, err := c.Get(request("c=" + string(bent))); string(bent) != made && err == nil {
				t.Errorf("%q, bent, opens to %q", made, got)
			}
		}
	})
}

// Any header gives a plain value that can be set again, or an error.
func FuzzPlain(f *testing.F) {
	f.Add("eyJpdGVtcyI6WyJ0ZWEiXX0")
	f.Add("-12")
	f.Add("true")
	n, b, j := cookie.New[int16]("c", cookie.Policy{}), cookie.New[bool]("c", cookie.Policy{}), cookie.New[basket]("c", cookie.Policy{})
	f.Fuzz(func(t *testing.T, value string) {
		again(t, n, value)
		again(t, b, value)
		again(t, j, value)
	})
}

func again[T any](t *testing.T, c cookie.Cookie[T], value string) {
	v, err := c.Get(request("c=" + value))
	if err != nil {
		if !errors.Is(err, cookie.ErrForged) && !errors.Is(err, cookie.ErrAbsent) {
			t.Errorf("%q: got %v", value, err)
		}
		return
	}
	w := newRecorder()
	if err := c.Set(w, v); err != nil {
		if !strings.Contains(err.Error(), "4096") { // JSON of the same may be longer
			t.Errorf("%q reads as %v, which cannot be set: %v", value, v, err)
		}
		return
	}
	w2 := newRecorder()
	v2, err := c.Get(request(pair(t, w)))
	if err != nil || c.Set(w2, v2) != nil || pair(t, w2) != pair(t, w) {
		t.Errorf("%q: reads as %v and then as %v, %v", value, v, v2, err)
	}
}

// A Sealer opens only what it sealed, whatever is done to the text (C9).
func FuzzSealer(f *testing.F) {
	sealer, err := cookie.NewSealer("c", testKeys(f), time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("", []byte("payload"), []byte{1})
	f.Add("AgAAAA", []byte{}, []byte{0, 255})
	f.Fuzz(func(t *testing.T, value string, payload, change []byte) {
		if got, err := sealer.Open(value); err == nil {
			t.Errorf("%q opens to %q", value, got)
		}
		made, err := sealer.Seal(payload, time.Hour)
		if err != nil {
			return // too long
		}
		if got, err := sealer.Open(made); err != nil || string(got) != string(payload) {
			t.Errorf("%q came back as %q, %v", payload, got, err)
		}
		bent := []byte(made)
		for i, b := range change {
			bent[(i*7+int(b))%len(bent)] ^= b
		}
		if got, err := sealer.Open(string(bent)); string(bent) != made && (err == nil || got != nil) {
			t.Errorf("%q, bent, opens to %q, %v", made, got, err)
		}
	})
}
