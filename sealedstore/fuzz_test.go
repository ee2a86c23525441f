package sealedstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/sealedstore"
	"github.com/coatcheck/coatcheck/store"
)

// G9: a row that somebody wrote into the database, whatever it is, comes back
// without data, or not at all.
func FuzzRow(f *testing.F) {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		f.Fatal(err)
	}
	now := time.UnixMicro(1_700_000_000_000_000).UTC()
	rec := store.Record{ID: store.ID{1}, Version: 1, User: "alice", AuthTime: now, Created: now, Seen: now, Expires: now.Add(time.Hour), Deadline: now.Add(time.Hour)}
	genuine := func() []byte {
		inner := memstore.New(memstore.Config{})
		sealed, err := sealedstore.New(inner, keys)
		if err != nil {
			f.Fatal(err)
		}
		if err := sealed.Create(f.Context(), rec); err != nil {
			f.Fatal(err)
		}
		stored, err := inner.Load(f.Context(), rec.ID)
		if err != nil {
			f.Fatal(err)
		}
		return stored.Data
	}()
	f.Add([]byte{}, uint64(1))
	f.Add(genuine, uint64(2)) // of another version of the row
	f.Add(append(genuine[:len(genuine)-1:len(genuine)-1], genuine[len(genuine)-1]^1), uint64(1))
	f.Add([]byte{1, 0, 0, 0, 0}, uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, version uint64) {
		if version == 0 || version == 1 && string(data) == string(genuine) {
			return
		}
		inner := memstore.New(memstore.Config{})
		sealed, err := sealedstore.New(inner, keys)
		if err != nil {
			t.Fatal(err)
		}
		row := rec
		row.Data, row.Version = data, version
		if err := inner.Create(t.Context(), row); err != nil {
			t.Fatal(err)
		}
		if got, err := sealed.Load(t.Context(), row.ID); len(got.Data) != 0 || err != nil && !errors.Is(err, sealedstore.ErrKey) {
			t.Errorf("%x opens to %x, %v", data, got.Data, err)
		}
	})
}
