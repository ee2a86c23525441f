package benchmarks_test

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/benchmarks"
)

// text returns so many letters, the same each time.
func text(n int) string {
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + random.IntN(26))
	}
	return string(b)
}

// sent returns the Cookie header that a browser makes of what set wrote.
func sent(t testing.TB, c benchmarks.Codec, value string) string {
	t.Helper()
	w := httptest.NewRecorder()
	if err := c.Set(w, value); err != nil {
		t.Fatal(err)
	}
	pair, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return pair
}

func codecs(t testing.TB) []benchmarks.Codec {
	t.Helper()
	list, err := benchmarks.Codecs()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Each codec gives back what it was given, and refuses what was changed.
func TestCodecs(t *testing.T) {
	t.Parallel()
	for _, c := range codecs(t) {
		for _, size := range []int{0, 64, 1024} {
			header := sent(t, c, text(size))
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Cookie"] = []string{header}
			if got, err := c.Get(r); err != nil || got != text(size) {
				t.Errorf("%s %s: got %q, %v", c.Name, c.Kind, got, err)
			}
			changed := []byte(header)
			changed[len(changed)/2] ^= 3
			r.Header["Cookie"] = []string{string(changed)}
			if _, err := c.Get(r); err == nil {
				t.Errorf("%s %s: a changed cookie was taken", c.Name, c.Kind)
			}
		}
	}
}

// BenchmarkCookie is a string into a Set-Cookie line, and out of a request.
func BenchmarkCookie(b *testing.B) {
	verbs := map[string][2]string{benchmarks.Signed: {"sign", "verify"}, benchmarks.Sealed: {"encrypt", "decrypt"}}
	list := codecs(b)
	slices.SortStableFunc(list, func(a, b benchmarks.Codec) int { return strings.Compare(b.Kind, a.Kind) })
	for _, c := range list {
		for _, size := range []int{64, 1024} {
			value := text(size)
			b.Run(fmt.Sprintf("%s/%s-%d", c.Name, verbs[c.Kind][0], size), func(b *testing.B) {
				w := httptest.NewRecorder()
				b.ReportAllocs()
				for b.Loop() {
					clear(w.Header())
					if err := c.Set(w, value); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%s-%d", c.Name, verbs[c.Kind][1], size), func(b *testing.B) {
				r := httptest.NewRequest("GET", "/", nil)
				r.Header["Cookie"] = []string{sent(b, c, value)}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Get(r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
