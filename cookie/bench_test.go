package cookie_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// The budgets stand in the performance notes of the project: signing at most
// 700 ns for 64 bytes and 3,000 ns for 1 KiB, verifying 700 and 2,500.

var sizes = []struct {
	name  string
	value string
}{
	{"64B", strings.Repeat("0123456789abcdef", 4)},
	{"1KiB", strings.Repeat("0123456789abcdef", 64)},
}

func BenchmarkCookie(b *testing.B) {
	keys := testKeys(b)
	p := cookie.Policy{MaxAge: time.Hour}
	for _, k := range []struct {
		name string
		c    cookie.Cookie[string]
	}{
		{"plain", cookie.New[string]("prefs", p)},
		{"signed", cookie.NewSigned[string]("prefs", keys, p)},
		{"sealed", cookie.NewSealed[string]("prefs", keys, p)},
	} {
		for _, size := range sizes {
			b.Run("Set/"+k.name+"/"+size.name, func(b *testing.B) {
				w := httptest.NewRecorder()
				b.ReportAllocs()
				for b.Loop() {
					if err := k.c.Set(w, size.value); err != nil {
						b.Fatal(err)
					}
					delete(w.Header(), "Set-Cookie")
				}
			})
			b.Run("Get/"+k.name+"/"+size.name, func(b *testing.B) {
				r := request(set(b, k.c, size.value))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := k.c.Get(r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkRaw(b *testing.B) {
	c, err := cookie.NewRaw("__Host-Http-sid", cookie.Policy{})
	if err != nil {
		b.Fatal(err)
	}
	value := strings.Repeat("Aa0_", 13)
	b.Run("Line", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Line(value, 12*time.Hour); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Read", func(b *testing.B) {
		h := http.Header{"Cookie": {"theme=dark; lang=en; __Host-Http-sid=" + value}}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Read(h); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Put", func(b *testing.B) {
		line, h := c.Expired(), http.Header{}
		b.ReportAllocs()
		for b.Loop() {
			delete(h, "Set-Cookie")
			cookie.Put(h, line)
		}
	})
}
