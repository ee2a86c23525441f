package promises_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/vectors"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

type adoptionVector struct {
	ID, Says, Record, User, Data string
	Now                          int64
	Opens                        bool
	Adoption                     struct {
		Identity, Login, User, Writings string
		AsOf                            int64 `json:"as_of"`
		AuthTime                        int64 `json:"auth_time"`
		Whole                           bool
	}
}

// at is the time of microseconds, zero for 0.
func at(micro int64) time.Time {
	if micro == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micro).UTC()
}

// R11, R12, R13: what a record that was written once says of a foreign session.
func TestAdoptionRecords(t *testing.T) {
	t.Parallel()
	for _, v := range vectors.Read[adoptionVector](t, "adoption-records.json") {
		t.Run(v.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if now := time.Now().UnixMicro(); now != v.Now {
					t.Fatalf("it is %d, want %d", now, v.Now)
				}
				st := memstore.New(memstore.Config{})
				put(t, st, v.Record, v.User, v.Data)
				m := manage(t, st, coatcheck.Config{})
				a := coatcheck.Adoption{
					Identity: v.Adoption.Identity, Login: v.Adoption.Login, User: v.Adoption.User, AsOf: at(v.Adoption.AsOf), AuthTime: at(v.Adoption.AuthTime),
					Writings: v.Adoption.Writings, Whole: v.Adoption.Whole, Until: ahead(),
				}
				h := finding(t, m, func(*http.Request) (coatcheck.Adoption, error) { return a, nil })
				want, code := "[]", http.StatusOK
				if v.Opens {
					want = v.Adoption.User + "[]"
				}
				if v.ID == "revoked-short" { // nobody can tell
					want, code = "", http.StatusServiceUnavailable
				}
				w := arrival(h, "x").Send("GET", "/")
				if w.Code != code || code == http.StatusOK && w.Body.String() != want {
					t.Errorf("%s: %d %q; want %d %q", v.Says, w.Code, w.Body, code, want)
				}
			})
		})
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, st store.Store, id, user, data string) {
	t.Helper()
	now, end := time.Now().UTC(), time.Now().AddDate(1, 0, 0).UTC()
	rec := store.Record{ID: store.ID(unhex(t, id)), Version: 1, User: user, Data: unhex(t, data), AuthTime: now, Created: now, Seen: now, Expires: end, Deadline: end}
	if err := st.Create(context.Background(), rec); err != nil {
		t.Fatal(err)
	}
}

// R11, R12, R13: what we write is what the vectors have.
func TestAdoptionRecordsAsWritten(t *testing.T) {
	t.Parallel()
	all := make(map[string]adoptionVector)
	for _, v := range vectors.Read[adoptionVector](t, "adoption-records.json") {
		all[v.ID] = v
	}
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New(memstore.Config{})
		m := manage(t, st, coatcheck.Config{})
		ctx := context.Background()
		finding(t, m, func(*http.Request) (coatcheck.Adoption, error) { return coatcheck.Adoption{}, nil })
		noted := all["ended"].Adoption
		if err := m.AdoptNever(ctx, coatcheck.Adoption{Identity: noted.Identity, Writings: noted.Writings, Until: ahead()}); err != nil {
			t.Fatal(err)
		}
		if _, err := m.RevokeAll(ctx, "bob"); err != nil {
			t.Fatal(err)
		}
		now := time.Now().UnixMicro()
		micros := func(n int64) []byte {
			b := make([]byte, 8)
			for i := range b {
				b[i] = byte(n >> (56 - 8*i))
			}
			return b
		}
		when := micros(now)
		for id, want := range map[string][]byte{
			"revoked":     micros(now),
			"guard-never": unhex(t, all["guard-never"].Data),
			"ended":       append(append([]byte{1}, bytes.Repeat(when, 2)...), make([]byte, 16)...),
		} {
			rec, err := st.Load(ctx, store.ID(unhex(t, all[id].Record)))
			if err != nil || rec.User != all[id].User {
				t.Errorf("%s: the record of %q, %v; want %q", id, rec.User, err, all[id].User)
				continue
			}
			got := bytes.Clone(rec.Data)
			if id == "guard-never" { // it names no session, and its nonce is random
				copy(want[2:34], make([]byte, 32))
				copy(got[34:50], want[34:50])
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %x; want %x", id, got, want)
			}
		}
	})
}
