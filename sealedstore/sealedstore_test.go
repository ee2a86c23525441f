package sealedstore_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/sealedstore"
	"github.com/coatcheck/coatcheck/store"
	"github.com/coatcheck/coatcheck/storetest"
)

const (
	secretA = "q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa"
	secretB = "Wm3x_7hQeYt0Kd8uVb5nZs2RgCj9fLpA"
)

func wrap(t *testing.T, st store.Store, secrets ...string) *sealedstore.Store {
	t.Helper()
	keys, err := cookie.NewKeys(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sealedstore.New(st, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func record(id byte) store.Record {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	return store.Record{
		ID: store.ID{id}, Version: 7, User: "alice",
		AuthTime: now, Created: now, Seen: now, Expires: now.Add(time.Hour), Deadline: now.Add(2 * time.Hour),
		Data: []byte("a secret that nobody reads in the database"),
	}
}

// A wrapper keeps every rule of the contract.
func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return wrap(t, memstore.New(memstore.Config{}), secretA)
	})
}

// G9: "Optionally the data is sealed under a key that is not in the store,
// bound to its row."
func TestG9SealedAndBound(t *testing.T) {
	inner := memstore.New(memstore.Config{})
	s := wrap(t, inner, secretA)
	if err := s.Create(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	stored, err := inner.Load(t.Context(), record(1).ID)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(stored.Data, []byte("secret")) {
		t.Error("the wrapped store holds the data in plain")
	}
	for name, change := range map[string]func(*store.Record){
		"another row":       func(r *store.Record) { r.ID = store.ID{9} },
		"another user":      func(r *store.Record) { r.User = "bob" },
		"another version":   func(r *store.Record) { r.Version++ },
		"longer deadline":   func(r *store.Record) { r.Deadline = r.Deadline.Add(time.Hour) },
		"later login":       func(r *store.Record) { r.AuthTime = r.AuthTime.Add(time.Hour) },
		"older creation":    func(r *store.Record) { r.Created = r.Created.Add(-time.Hour) },
		"one bit flipped":   func(r *store.Record) { r.Data = bytes.Clone(r.Data); r.Data[30] ^= 1 },
		"shortened":         func(r *store.Record) { r.Data = r.Data[:20] },
		"plain data":        func(r *store.Record) { r.Data = []byte("a plain record of before, long enough") },
		"nothing":           func(r *store.Record) { r.Data = nil },
		"another format":    func(r *store.Record) { r.Data = append([]byte{2}, r.Data[1:]...) },
		"touched (allowed)": func(r *store.Record) { r.Seen, r.Expires = r.Seen.Add(1e9), r.Expires.Add(1e9) },
	} {
		moved := stored
		change(&moved)
		other := memstore.New(memstore.Config{})
		if err := other.Create(t.Context(), moved); err != nil {
			t.Fatal(err)
		}
		got, err := wrap(t, other, secretA).Load(t.Context(), moved.ID)
		if err != nil {
			t.Errorf("%s: %v; want a record that the core ends as damaged", name, err)
		}
		if opened := bytes.Equal(got.Data, record(1).Data); opened != (name == "touched (allowed)") {
			t.Errorf("%s: opened = %v", name, opened)
		}
	}
}

// Rotating secrets loses nothing, and a missing one ends nothing.
func TestRotation(t *testing.T) {
	inner := memstore.New(memstore.Config{})
	if err := wrap(t, inner, secretA).Create(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	both := wrap(t, inner, secretB, secretA)
	rec, err := both.Load(t.Context(), record(1).ID)
	if err != nil || !bytes.Equal(rec.Data, record(1).Data) {
		t.Fatalf("under the fallback: %v, %d bytes", err, len(rec.Data))
	}
	onlyB := wrap(t, inner, secretB)
	if _, err := onlyB.Load(t.Context(), rec.ID); !errors.Is(err, sealedstore.ErrKey) {
		t.Errorf("without its secret: got %v, want ErrKey", err)
	}
	list, err := onlyB.User(t.Context(), "alice")
	if err != nil || len(list) != 1 {
		t.Errorf("list without its secret: %d records, %v; want 1, so that it can be ended", len(list), err)
	}
	rec.Version++
	if err := both.Update(t.Context(), rec, rec.Version-1); err != nil {
		t.Fatal(err)
	}
	if got, err := onlyB.Load(t.Context(), rec.ID); err != nil || !bytes.Equal(got.Data, record(1).Data) {
		t.Errorf("a commit did not seal under the first secret: %v", err)
	}
}

// Wrappers must not hide or claim what they wrap.
func TestUnwrap(t *testing.T) {
	inner := memstore.New(memstore.Config{})
	if got, ok := store.As[*memstore.Store](wrap(t, inner, secretA)); !ok || got != inner {
		t.Error("store.As does not find the wrapped store")
	}
	if _, err := sealedstore.New(nil, nil); err == nil {
		t.Error("New(nil, nil) succeeds")
	}
}
