package dbsc_test

import (
	"bytes"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/binding"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/sealedstore"
)

// A sealed store holds bindings as it holds all else (G9): they work as with any
// other, and the rows say neither that a session is bound nor to which key.
func TestSealed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys, err := cookie.NewKeys(secrets[0])
		if err != nil {
			t.Fatal(err)
		}
		rows := memstore.New(memstore.Config{})
		sealed, err := sealedstore.New(rows, keys)
		if err != nil {
			t.Fatal(err)
		}
		a := newApp(t, options{store: sealed})
		d := a.boundDevice(t)
		for _, path := range []string{"/renew", "/write", "/account"} {
			time.Sleep(11 * time.Minute)
			a.status(t, d, "POST", path, http.StatusOK)
			thief := d.Thief()
			delete(thief.Jar, boundName)
			a.status(t, thief, "GET", "/account", http.StatusUnauthorized)
		}
		if infos := a.sessions(t); len(infos) != 1 || infos[0].Binding == nil || infos[0].Binding.Algorithm != "ES256" {
			t.Errorf("%+v", infos)
		}
		for rec := range rows.All(t.Context()) {
			open, err := sealed.Load(t.Context(), rec.ID)
			if err != nil {
				t.Fatal(err)
			}
			h, err := record.Open(open.Data)
			if err != nil {
				t.Fatal(err)
			}
			entry := record.Find(h.Entries, record.Bound).Raw
			b, ok := binding.Decode(entry)
			if !ok {
				t.Fatal("the row is of no bound session")
			}
			for _, part := range [][]byte{[]byte(record.Bound), entry[1:40], b.Key, b.ID[:]} {
				if bytes.Contains(rec.Data, part) {
					t.Errorf("the row shows %q", part)
				}
			}
		}
	})
}
