package cookie_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/coatcheck/coatcheck/cookie"
)

// C17: one line of a name, others as they are, no slice edited in place.
func TestPut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		old  []string
		want []string
	}{
		{"first", nil, []string{"a=new; Path=/"}},
		{"behind others", []string{"b=1", "A=2", "aa=3"}, []string{"b=1", "A=2", "aa=3", "a=new; Path=/"}},
		{"in place", []string{"b=1", "a=old; Max-Age=1", "c=3"}, []string{"b=1", "a=new; Path=/", "c=3"}},
		{"of two, the first stays", []string{"a=1", "b=2", "a=3"}, []string{"a=new; Path=/", "b=2"}},
		{"with white space", []string{" a =1"}, []string{"a=new; Path=/"}},
		{"names in values and attributes", []string{"b=a=1", "c; a=1", "=a=2", "a", ""}, []string{"b=a=1", "c; a=1", "=a=2", "a", "", "a=new; Path=/"}},
	} {
		shared := append(slices.Clone(tt.old), "spare")[: len(tt.old) : len(tt.old)+1]
		before := slices.Clone(shared[:cap(shared)])
		h := http.Header{"Set-Cookie": shared, "X": {"y"}}
		cookie.Put(h, "a=new; Path=/")
		if got := h["Set-Cookie"]; !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if after := shared[:cap(shared)]; !slices.Equal(after, before) {
			t.Errorf("%s: the slice that was there is now %q, was %q", tt.name, after, before)
		}
	}
	h := http.Header{}
	cookie.Put(h, "")
	if len(h) != 0 {
		t.Errorf("an empty line: got %v", h)
	}
}

// C17, C19: names match in any case, and the server sends those of the map as
// they are: what stands there under another spelling is not left beside ours.
func TestPutInAnyCase(t *testing.T) {
	t.Parallel()
	h := http.Header{"set-cookie": {"a=1", "b=2"}, "SET-COOKIE": {"a=3"}}
	cookie.Put(h, "a=new; Path=/")
	got := h["Set-Cookie"]
	if slices.Sort(got); len(h) != 1 || !slices.Equal(got, []string{"a=new; Path=/", "b=2"}) {
		t.Errorf("got %v, want one line for a", h)
	}
	w := httptest.NewRecorder()
	w.Header()["cache-control"] = []string{"public"}
	if err := cookie.New[string]("a", cookie.Policy{}).Set(w, "x"); err != nil {
		t.Fatal(err)
	}
	if got := w.Header(); len(got) != 2 || len(got["Cache-Control"]) != 1 {
		t.Errorf("got %v, want one Cache-Control that keeps the cookie out of caches", got)
	}
}
