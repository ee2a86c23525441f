package benchmarks_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/benchmarks"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// What the parts below work on, and where they leave it: the compiler must not
// find that nobody looks.
var (
	partTime    time.Time
	partSpan    time.Duration
	partRequest *http.Request
	partObject  *[64]*int
	partText    string
	partBytes   []byte
)

// BenchmarkParts are the parts of reading one value that no way to write the
// library can leave out: they follow from what it promises, and from the
// interfaces of net/http and of context.
func BenchmarkParts(b *testing.B) {
	part := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
	// When the request began (G2), and when it looked; then the time-out of the
	// load (G5) and whether the session is over, by the difference.
	part("clock", func() {
		partTime = time.Now()
		partTime = time.Now()
		partSpan = time.Since(partTime)
		partSpan = time.Since(partTime)
	})
	part("object", func() { partObject = new([64]*int) })
	r := httptest.NewRequest("GET", "/read", nil)
	r.Header.Set("User-Agent", benchmarks.UserAgent)
	name, token := "__Host-Http-sid", strings.Repeat("ABCD", 13)
	r.Header.Set("Cookie", name+"="+token+"; "+name+"-lax=1")
	ctx := context.WithValue(r.Context(), partObject, 1)
	part("request", func() { partRequest = r.WithContext(ctx) })
	raw, err := cookie.NewRaw(name, cookie.Policy{})
	if err != nil {
		b.Fatal(err)
	}
	part("scan", func() { partText, _ = raw.Read(r.Header) })
	encoding := base64.RawURLEncoding.Strict()
	text, frame := []byte(token), make([]byte, 39)
	part("base64", func() { _, _ = encoding.Decode(frame, text) })
	mac, sum := hmac.New(sha256.New, make([]byte, 32)), make([]byte, 0, 32)
	part("mac", func() { // G8
		mac.Reset()
		mac.Write(frame[:23])
		partBytes = mac.Sum(sum)
	})
	part("hash", func() { // G9
		id := sha256.Sum256(frame)
		copy(frame[5:], id[:4])
	})
	store := memstore.New(memstore.Config{})
	rec := heldRecord(1)
	if err := store.Create(ctx, rec); err != nil {
		b.Fatal(err)
	}
	part("store", func() {
		rec, err := store.Load(ctx, rec.ID)
		if err != nil {
			b.Fatal(err)
		}
		partBytes = rec.Data
	})
	h, values := make(http.Header), [2]string{"Cookie", "no-store"}
	part("headers", func() { // G12
		h["Vary"] = values[:1]
		h["Cache-Control"] = values[1:]
	})
	value := []byte("a small value")
	part("value", func() { partText = string(value) })
}
