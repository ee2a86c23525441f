// Package sealedstore encrypts what sessions hold before it reaches a store, so
// that whoever reads the database, its backups or its replicas learns who is
// logged in and since when, but not what the sessions contain.
//
//	store, err := sealedstore.New(sqlStore, keys)
//	sessions, err := coatcheck.New(store, keys, coatcheck.Config{})
//
// Even without it a stolen store opens nothing: it holds no token.
package sealedstore

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

// What is stored in place of Record.Data:
//
//	1 version | 4 key id | 12 nonce | ciphertext | 16 tag
//
// AES-256-GCM under a key of the row's own: HKDF-Expand(store-data subkey,
// label | id). The additional data are the version, the key id and all fields
// of the record but Seen and Expires, which Touch moves.
const (
	version  = 1
	headSize = 1 + 4
	overhead = headSize + 12 + 16
	label    = "coatcheck/sealed-record/v1\x00"
	purpose  = "store-data"
)

// ErrKey says that a record is sealed under a secret that is not in the
// keyring. It is an error of configuration, so nothing is ended because of it.
var ErrKey = errors.New("sealedstore: record sealed under an unknown key; was a secret removed too early?")

// A Store is a store.Store that seals the data of another's records. It is
// safe for concurrent use and finds the optional features of the store it wraps
// through store.As.
type Store struct {
	store.Store
	keys []cookie.Subkey
}

// New wraps store. The first key seals; records sealed under the others open
// and are sealed anew at their next commit. A record whose data was changed, or
// moved to another row, comes back without data, which the core reports as
// damaged and ends. So do records written before the store was wrapped.
func New(st store.Store, keys *cookie.Keys) (*Store, error) {
	if st == nil || keys == nil {
		return nil, errors.New("sealedstore: New: store or keys is nil; cookie.KeysFromEnv reads SECRET_KEY")
	}
	s := &Store{Store: st, keys: keys.Derive(purpose)}
	if len(s.keys) == 0 {
		return nil, errors.New("sealedstore: New: keys hold no secret; want those of cookie.KeysFromEnv or cookie.NewKeys")
	}
	return s, nil
}

// Format prints the wrapped store and no key, whatever the verb.
func (s Store) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "{sealed %v}", s.Store) }

// Unwrap returns the wrapped store.
func (s *Store) Unwrap() store.Store { return s.Store }

// Load returns the record of id, opened.
func (s *Store) Load(ctx context.Context, id store.ID) (store.Record, error) {
	rec, err := s.Store.Load(ctx, id)
	if err != nil {
		return rec, err
	}
	return s.open(rec)
}

// Create stores the record, sealed.
func (s *Store) Create(ctx context.Context, rec store.Record) error {
	sealed, err := s.seal(rec)
	if err != nil {
		return err
	}
	return s.Store.Create(ctx, sealed)
}

// Update stores the record, sealed.
func (s *Store) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	sealed, err := s.seal(rec)
	if err != nil {
		return err
	}
	return s.conflict(s.Store.Update(ctx, sealed, ifVersion))
}

// conflict opens the record that a conflict tells of. One that cannot be opened
// is not told: Load says why.
func (s *Store) conflict(err error) error {
	var found *store.ConflictError
	if !errors.As(err, &found) {
		return err
	}
	now, err := s.open(found.Now)
	if err != nil || now.Data == nil {
		return store.ErrConflict
	}
	return &store.ConflictError{Now: now}
}

// Replace stores the record, sealed, in place of old.
func (s *Store) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	sealed, err := s.seal(rec)
	if err != nil {
		return err
	}
	return s.conflict(s.Store.Replace(ctx, old, ifVersion, sealed, until))
}

// User returns the live records of the user, opened. One that is sealed under an
// unknown key comes without its data, so that it can still be ended.
func (s *Store) User(ctx context.Context, user string) ([]store.Record, error) {
	sealed, err := s.Store.User(ctx, user)
	if err != nil {
		return nil, err
	}
	records := make([]store.Record, len(sealed))
	for i, rec := range sealed {
		if records[i], err = s.open(rec); err != nil && !errors.Is(err, ErrKey) {
			return nil, err
		}
	}
	return records, nil
}

// All yields the records of the wrapped store, opened as by User, and
// errors.ErrUnsupported where that is no store.Lister.
func (s *Store) All(ctx context.Context) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		lister, ok := store.As[store.Lister](s.Store)
		if !ok {
			yield(store.Record{}, fmt.Errorf("sealedstore: go through sessions: %w", errors.ErrUnsupported))
			return
		}
		for rec, err := range lister.All(ctx) {
			if err == nil {
				if rec, err = s.open(rec); errors.Is(err, ErrKey) {
					err = nil
				}
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

func (s *Store) seal(rec store.Record) (store.Record, error) {
	key := s.keys[0]
	box, err := rowBox(key, rec.ID)
	if err != nil {
		return rec, fmt.Errorf("sealedstore: seal: %w", err)
	}
	out := make([]byte, 0, overhead+len(rec.Data))
	out = append(out, version)
	out = append(out, key.ID[:]...)
	rec.Data = box.Seal(out, nil, rec.Data, bound(out, rec))
	return rec, nil
}

func (s *Store) open(rec store.Record) (store.Record, error) {
	sealed := rec.Data
	rec.Data = nil
	if len(sealed) < overhead || sealed[0] != version {
		return rec, nil
	}
	head, body := sealed[:headSize], sealed[headSize:]
	known := false
	for _, key := range s.keys {
		if !bytes.Equal(key.ID[:], head[1:]) {
			continue
		}
		known = true
		box, err := rowBox(key, rec.ID)
		if err != nil {
			return rec, fmt.Errorf("sealedstore: open: %w", err)
		}
		if data, err := box.Open(nil, nil, body, bound(head, rec)); err == nil {
			rec.Data = data
			return rec, nil
		}
	}
	if !known {
		return rec, ErrKey
	}
	return rec, nil
}

// rowBox returns the AEAD of one row. A key of its own for each row binds the
// data to it and keeps far from the 2^32 messages that a random nonce allows.
func rowBox(key cookie.Subkey, id store.ID) (cipher.AEAD, error) {
	row, err := hkdf.Expand(sha256.New, key.Key[:], label+string(id[:]), len(key.Key))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(row)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bound is the additional data: what the sealed data belongs to.
func bound(head []byte, rec store.Record) []byte {
	b := append([]byte(nil), head...)
	b = binary.BigEndian.AppendUint64(b, rec.Version)
	for _, t := range []time.Time{rec.AuthTime, rec.Created, rec.Deadline} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()))
	}
	return append(b, rec.User...)
}
