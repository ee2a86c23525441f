//go:build linux

package integration_test

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
)

// redisEntry is an index entry as a crashed login leaves it: when it began,
// when the entry was made, the deadline.
func redisEntry(made, deadline time.Time) string {
	return redisTime(made) + redisTime(made) + redisTime(deadline)
}

// redisTime is a time as the store writes it.
func redisTime(t time.Time) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(t.UnixMicro())^1<<63))
}

// TestRedisIndexGrace: S10. An entry without a record may be a login that is
// on its way, so it goes only when it is older than that can take.
func TestRedisIndexGrace(t *testing.T) {
	t.Parallel()
	server := servers.SharedRedis(t)
	prefix := rand.Text()
	st := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: prefix})
	now := time.Now()
	for _, c := range []struct {
		age  time.Duration
		want string
	}{{0, "1"}, {9 * time.Second, "1"}, {11 * time.Second, "0"}, {time.Hour, "0"}} {
		id := redisID()
		server.Must(t, "HSET", prefix+"u{}u", string(id[:]), redisEntry(now.Add(-c.age), now.Add(time.Hour)))
		if list, err := st.User(t.Context(), "u"); err != nil || len(list) != 0 {
			t.Errorf("User: got %v, %v; want none", list, err)
		}
		if got := server.Must(t, "HEXISTS", prefix+"u{}u", string(id[:])); got != c.want {
			t.Errorf("entry of %v ago: there is %s, want %s", c.age, got, c.want)
		}
	}
}

// TestRedisIndexBounded: G14. Who logs in again and again without ever logging
// out does not fill the index: each login clears some of what is over, and the
// whole index goes with its last session.
func TestRedisIndexBounded(t *testing.T) {
	t.Parallel()
	server := servers.SharedRedis(t)
	prefix := rand.Text()
	index := prefix + "u{}u"
	st := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: prefix})
	over := time.Now().Add(-time.Hour)
	for range 200 {
		id := redisID()
		server.Must(t, "HSET", index, string(id[:]), redisEntry(over, over))
	}
	for range 300 {
		if err := st.Create(t.Context(), redisRecord("u", nil)); err != nil {
			t.Fatal(err)
		}
	}
	// 300 live ones, and of the 200 that are over what three random looks each
	// have left: on average fewer than 50.
	if n, err := strconv.Atoi(server.Must(t, "HLEN", index)); err != nil || n < 300 || n > 450 {
		t.Errorf("index of 300 sessions has %d entries", n)
	}
	ttl, err := strconv.Atoi(server.Must(t, "PTTL", index))
	if left := time.Duration(ttl) * time.Millisecond; err != nil || left < 12*time.Hour || left > 13*time.Hour {
		t.Errorf("index expires in %v; want a little after the last deadline, in 12 h", left)
	}
}

// TestRedisRevokeRenewal: S8. A session that is renewed while its user is
// revoked was there before, whenever the renewal began: it ends, under its old
// id or its new one.
func TestRedisRevokeRenewal(t *testing.T) {
	for _, kind := range redisKinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			st := kind.open(t)
			for range 300 {
				old := redisRecord("u"+strconv.FormatUint(redisVersion(), 36), nil)
				rec := redisRecord(old.User, nil)
				revoked := old.AuthTime.Add(-time.Minute) // so that nothing is refused
				if err := st.Create(t.Context(), old); err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				var replaced, revoking error
				var ended []store.ID
				wg.Go(func() { replaced = st.Replace(t.Context(), old.ID, old.Version, rec, rec.Seen.Add(time.Minute)) })
				wg.Go(func() {
					ended, revoking = st.EndUser(t.Context(), old.User, revoked, time.Now().Add(time.Minute))
				})
				wg.Wait()
				want := old.ID
				if replaced == nil {
					want = rec.ID
				} else if !errors.Is(replaced, coatcheck.ErrEnded) {
					t.Fatalf("Replace: got %v, want %v", replaced, coatcheck.ErrEnded)
				}
				if revoking != nil || len(ended) != 1 || ended[0] != want {
					t.Fatalf("EndUser: got %v, %v; want %v", ended, revoking, want)
				}
				if list, err := st.User(t.Context(), old.User); err != nil || len(list) != 0 {
					t.Fatalf("User: got %v, %v; want none", list, err)
				}
			}
		})
	}
}
