package promises_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A ledger keeps all that a store was ever given: the thief's dump.
type ledger struct {
	store.Store
	records []store.Record
	ids     []store.ID
}

func (l *ledger) Load(ctx context.Context, id store.ID) (store.Record, error) {
	l.ids = append(l.ids, id)
	return l.Store.Load(ctx, id)
}

func (l *ledger) Create(ctx context.Context, rec store.Record) error {
	l.records = append(l.records, rec)
	return l.Store.Create(ctx, rec)
}

func (l *ledger) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	l.records = append(l.records, rec)
	return l.Store.Update(ctx, rec, ifVersion)
}

func (l *ledger) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	l.records, l.ids = append(l.records, rec), append(l.ids, old)
	return l.Store.Replace(ctx, old, ifVersion, rec, until)
}

func (l *ledger) End(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	l.ids = append(l.ids, id)
	return l.Store.End(ctx, id, until)
}

// G9: Only the token's SHA-256 is stored: nothing in the store contains a token
// or opens anything. T3: The token itself is never stored. T4: Neither id nor
// handle opens anything.
func TestG9StolenStore(t *testing.T) {
	t.Parallel()
	st := &ledger{Store: memstore.New(memstore.Config{})}
	var l coatchecktest.Events
	m := manage(t, st, coatcheck.Config{Events: l.Record})
	b := newBrowser(life(m))
	tokens := make(map[string]bool)
	for _, path := range []string{"/set", "/count", "/login", "/count", "/touch", "/renew", "/again", "/remember", "/look", "/logout", "/login"} {
		b.Send("POST", path, "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
		if token := b.Cookies()[sidName]; token != "" {
			tokens[token] = true
		}
	}
	if len(tokens) != 6 || len(st.records) < 8 {
		t.Fatalf("%d tokens and %d records, want 6 and 8", len(tokens), len(st.records))
	}

	// Everything the thief has, as bytes.
	var loot [][]byte
	for _, rec := range st.records {
		st.ids = append(st.ids, rec.ID)
		loot = append(loot, rec.Data, []byte(rec.User), []byte(strconv.FormatUint(rec.Version, 10)))
	}
	for _, id := range st.ids {
		loot = append(loot, id[:], []byte(id.Handle()), []byte(id.String()), []byte(fmt.Sprint(id)))
	}
	for _, e := range l.All() {
		loot = append(loot, []byte(fmt.Sprintf("%+v", e)))
	}

	for token := range tokens {
		raw := decoded(t, token)
		// No eight bytes of what is secret in it, however they are written.
		for i := 5; i+8 <= len(raw); i++ {
			part := []byte(raw[i : i+8])
			for what, b := range map[string][]byte{
				"bytes": part, "text": []byte(token[(i+2)/3*4:][:8]), "hexadecimal": []byte(hex.EncodeToString(part)),
			} {
				if slices.ContainsFunc(loot, func(l []byte) bool { return bytes.Contains(l, b) }) {
					t.Fatalf("the store has part of the token as %s", what)
				}
			}
		}
	}

	thief := newBrowser(only(m, func(w http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
		io.WriteString(w, s.User()+s.Handle())
	}))
	tries := make(map[string]bool)
	for _, b := range loot {
		for _, text := range []string{
			string(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)),
			base64.RawURLEncoding.EncodeToString(b), base64.StdEncoding.EncodeToString(b), url.QueryEscape(string(b)),
		} {
			tries[text] = true
			// In the shape of a token too, as far as it reaches.
			frame := append([]byte{1}, append([]byte(text), make([]byte, 39)...)...)
			tries[base64.RawURLEncoding.EncodeToString(frame[:39])] = true
			frame = append([]byte{1, 0, 0, 0, 0}, append([]byte(b), make([]byte, 39)...)...)
			tries[base64.RawURLEncoding.EncodeToString(frame[:39])] = true
		}
	}
	for try := range tries {
		r := thief.Request("GET", "/")
		r.Header.Set("Cookie", sidName+"="+try)
		if w := thief.Serve(r); w.Body.String() != "" {
			t.Fatalf("%q opens %s", try, w.Body)
		}
	}
	thief.SetCookie(sidName, b.Cookies()[sidName])
	if w := thief.Send("GET", "/"); !strings.HasPrefix(w.Body.String(), "alice") {
		t.Errorf("the token itself opens %q: the test proves nothing", w.Body)
	}
}
