//go:build linux

package behaviour_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	sets   []*http.Cookie
}

// check compares an answer with what a step wants: the status, what happens to
// the session cookie, and after a colon the body. The cookie is "none": no line
// about it or its marker; "new": a token that was not there before; "cleared".
func (a answer) check(w *world, s step) {
	w.t.Helper()
	head, body, hasBody := strings.Cut(s.want, ":")
	words := strings.Fields(head)
	if len(words) == 0 {
		w.t.Fatalf("%s: nothing is wanted", s.do)
	}
	if fmt.Sprint(a.status) != words[0] {
		w.t.Errorf("%s: got %d %q, want %s", s.do, a.status, a.body, s.want)
	}
	if hasBody && a.body != strings.TrimPrefix(body, " ") {
		w.t.Errorf("%s: got the body %q, want %s", s.do, a.body, s.want)
	}
	sid, marker := a.cookie(w.b.sidName()), a.cookie(w.b.sidName()+"-lax")
	if len(words) > 1 {
		ok := false
		switch words[1] {
		case "none":
			ok = len(sid) == 0 && len(marker) == 0
		case "new":
			ok = len(sid) == 1 && sid[0].Value != "" && !w.tokens[sid[0].Value] && len(marker) <= 1
		case "cleared":
			ok = len(sid) == 1 && sid[0].Value == "" && sid[0].MaxAge < 0
		}
		if !ok {
			w.t.Errorf("%s: got Set-Cookie %q, want %s", s.do, a.header["Set-Cookie"], s.want)
		}
	}
	for _, h := range s.has {
		a.has(w, s.do, h, sid)
	}
}

// cookie lists what the answer sets of that name, without the deletions of other
// scopes that may stand before it (decision 59).
func (a answer) cookie(name string) (list []*http.Cookie) {
	for _, c := range a.sets {
		if c.Name == name {
			list = append(list, c)
		}
	}
	return slices.DeleteFunc(list, func(c *http.Cookie) bool {
		own := list[len(list)-1]
		return c.MaxAge < 0 && (c.Path != own.Path || c.Domain != own.Domain)
	})
}

func (a answer) has(w *world, do, want string, sid []*http.Cookie) {
	w.t.Helper()
	name, value, isHeader := strings.Cut(want, ": ")
	switch {
	case strings.HasPrefix(want, "cookie "):
		verb, attribute, _ := strings.Cut(strings.TrimPrefix(want, "cookie "), " ")
		if len(sid) != 1 || slices.Contains(strings.Split(sid[0].Raw, "; "), attribute) != (verb == "has") {
			w.t.Errorf("%s: got Set-Cookie %q, want %s", do, a.header["Set-Cookie"], want)
		}
	case strings.HasPrefix(want, "no "):
		if got := a.header.Values(strings.TrimPrefix(want, "no ")); len(got) > 0 {
			w.t.Errorf("%s: got %q, want %s", do, got, want)
		}
	case isHeader:
		if got := a.header.Values(name); !slices.Equal(got, []string{value}) && !slices.Contains(got, value) || name == "Vary" && len(got) != 1 {
			w.t.Errorf("%s: got %s %q, want %q", do, name, got, value)
		}
	default:
		w.t.Fatalf("%s: has %q", do, want)
	}
}
