package benchmarks_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
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
	partTime   time.Time
	partSpan   time.Duration
	partObject *partExchange
	partText   string
	partBytes  []byte
	partSame   int
)

// A partExchange is what a request keeps: net/http's own, which a context is put
// into, and of the size class of 576 bytes what that leaves.
type partExchange struct {
	request http.Request
	_       [33]*int
}

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
	// When the request began (G2), and by the difference, when it looked and so
	// whether the session is over.
	part("clock", func() {
		partTime = time.Now()
		partSpan = time.Since(partTime)
	})
	r := httptest.NewRequest("GET", "/read", nil)
	r.Header.Set("User-Agent", benchmarks.UserAgent)
	name, token := "__Host-Http-sid", strings.Repeat("ABCD", 13)
	r.Header.Set("Cookie", name+"="+token+"; "+name+"-lax=1")
	ctx := context.WithValue(r.Context(), partObject, 1)
	part("request", func() {
		x := new(partExchange)
		x.request = *r.WithContext(ctx)
		partObject = x
	})
	raw, err := cookie.NewRaw(name, cookie.Policy{})
	if err != nil {
		b.Fatal(err)
	}
	part("scan", func() { partText, _ = raw.Read(r.Header) })
	encoding := base64.RawURLEncoding.Strict()
	text, frame := []byte(token), make([]byte, 39)
	part("base64", func() { _, _ = encoding.Decode(frame, text) })
	known := bytes.Clone(frame)
	part("mac", func() { // G8: it was genuine a moment ago
		partSame = subtle.ConstantTimeCompare(known[23:], frame[23:])
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

// BenchmarkWriteParts are what a commit, and a login, takes beside what a read
// does, in the same sense.
func BenchmarkWriteParts(b *testing.B) {
	part := func(name string, f func(i int)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f(i)
			}
		})
	}
	// Of each commit, the version; of each token, the rest (G3).
	fresh := make([]byte, 18)
	part("version", func(int) { rand.Read(fresh[:8]) })
	part("entropy", func(int) { rand.Read(fresh) })
	ctx := context.Background()
	st := memstore.New(memstore.Config{})
	rec := heldRecord(1)
	if err := st.Create(ctx, rec); err != nil {
		b.Fatal(err)
	}
	part("record", func(int) { // its data anew: nobody may see it change (S12)
		partBytes = append(make([]byte, 0, len(rec.Data)), rec.Data...)
	})
	part("update", func(int) {
		was := rec.Version
		rec.Version++
		if err := st.Update(ctx, rec, was); err != nil {
			b.Fatal(err)
		}
	})
	until := rec.Seen.Add(-time.Minute)
	part("replace", func(i int) {
		old := rec.ID
		rec.ID = heldID(2 + i)
		rec.ID[8] = byte(b.N) // of another run of this function
		if err := st.Replace(ctx, old, rec.Version, rec, until); err != nil {
			b.Fatal(err)
		}
		if i%64 == 0 { // as requests do, but for them it is at most once a second
			if _, err := st.Sweep(ctx, rec.Seen, 100); err != nil {
				b.Fatal(err)
			}
		}
	})
	mac, sum, frame := hmac.New(sha256.New, make([]byte, 32)), make([]byte, 0, 32), make([]byte, 39)
	part("sign", func(int) {
		mac.Reset()
		mac.Write(frame[:23])
		partBytes = mac.Sum(sum)
	})
	h := make(http.Header)
	const attributes = "; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Strict"
	part("cookies", func(int) { // the session's, and its marker's (G7)
		line := make([]byte, 0, 160)
		line = append(line, "__Host-Http-sid="...)
		line = base64.RawURLEncoding.AppendEncode(line, frame)
		line = append(line, attributes...)
		marker := append(make([]byte, 0, 96), "__Host-Http-sid-lax=1"...)
		h["Set-Cookie"] = []string{string(line), string(append(marker, attributes...))}
	})
}
