//go:build linux

package integration_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
)

// loadRedis makes the sessions ARGV[2] to ARGV[3] of 208 bytes of data, two for
// each user, in the layout of redisstore's value.go. It runs in the server.
const loadRedis = `
local prefix, now, till, lease = ARGV[1], ARGV[4], ARGV[5], tonumber(ARGV[6])
for i = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  local id, user = string.sub(redis.sha1hex(i), 1, 32), 'user' .. math.floor(i / 2)
  redis.call('SET', prefix .. 's' .. id, '\1' .. struct.pack('>I8', i) .. now .. till .. till .. now .. now ..
    string.char(#user) .. user .. string.rep(string.sub(id, 1, 16), 13), 'PXAT', lease)
  redis.call('HSET', prefix .. 'u{}' .. user, id, now .. now .. till)
  redis.call('PEXPIREAT', prefix .. 'u{}' .. user, lease + 120000)
end`

// expireRedis lets the lease of every odd one run out.
const expireRedis = `
for i = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  if i % 2 == 1 then redis.call('PEXPIREAT', ARGV[1] .. 's' .. string.sub(redis.sha1hex(i), 1, 32), ARGV[4]) end
end`

// inChunks runs a script for the sessions 1 to n.
func inChunks(t *testing.T, server *servers.Redis, script, prefix string, n int, args ...string) {
	t.Helper()
	const chunk = 5000
	for from := 1; from <= n; from += chunk {
		server.Must(t, append([]string{"EVAL", script, "0", prefix, strconv.Itoa(from), strconv.Itoa(min(from+chunk-1, n))}, args...)...)
	}
}

func millionID(i int) store.ID {
	sum := sha1.Sum(strconv.AppendInt(nil, int64(i), 10))
	return store.ID([]byte(hex.EncodeToString(sum[:])[:32]))
}

// TestRedisMillion compares a million sessions with a thousand, and lets half of
// them run out while reads go on. Times are reported and decide nothing.
func TestRedisMillion(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t)
	now := time.Now()
	began, till := redisTime(now), redisTime(now.Add(12*time.Hour))
	lease := strconv.FormatInt(now.Add(13*time.Hour).UnixMilli(), 10)
	few := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "few:"})
	many := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "many:"})
	inChunks(t, server, loadRedis, "few:", 1000, began, till, lease)
	before := memory(server)
	start := time.Now()
	inChunks(t, server, loadRedis, "many:", million, began, till, lease)
	t.Logf("loaded in %v", time.Since(start))
	t.Logf("%d bytes a session of 208 bytes of data, the users' lists included", (memory(server)-before)/million)
	st, err := many.Stats(t.Context())
	if err != nil || st.Sessions != -1 || st.Users != -1 {
		t.Errorf("Stats of so many: got %+v and error %v, want -1 for what is counted", st, err)
	}

	sample := func(n int) []store.ID {
		ids := make([]store.ID, 500)
		for i := range ids {
			ids[i] = millionID(2 * (1 + rand.IntN(n/2)))
		}
		return ids
	}
	ids := sample(million)
	for _, s := range []struct {
		n     int
		store store.Store
		ids   []store.ID
	}{{1000, few, sample(1000)}, {million, many, ids}} {
		_, _ = readAll(t.Context(), s.store, s.ids)
		took, err := readAll(t.Context(), s.store, s.ids)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("Load among %d: %v", s.n, took)
	}
	listUsers(t, many, million)
	expireHalf(t, server, many, ids)
	behindConsole(t, many, million)
}

// expireHalf is what a sweep is elsewhere: the server drops what is over, in its
// own time. What it has not dropped yet is not there for anybody.
func expireHalf(t *testing.T, server *servers.Redis, st store.Store, ids []store.ID) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reads := make(chan error, 1)
	var took times
	go func() {
		var failed error
		for failed == nil && ctx.Err() == nil {
			var some times
			some, failed = readAll(t.Context(), st, ids[:50])
			took = append(took, some...)
		}
		reads <- failed
	}()
	keys := func() int {
		n, _ := strconv.Atoi(server.Must(t, "DBSIZE"))
		return n
	}
	before, over := keys(), time.Now().Add(2*time.Second)
	inChunks(t, server, expireRedis, "many:", million, strconv.FormatInt(over.UnixMilli(), 10))
	start, atOnce := time.Now(), before-keys() // those that came after their time
	const enough = 500                         // it does drop them
	if err := servers.Until(func() error {
		if dropped := before - keys() - atOnce; dropped < enough {
			return fmt.Errorf("%d sessions are dropped; want %d", dropped, enough)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	dropped := before - keys()
	t.Logf("half of the sessions ran out: the server drops %.0f a second by itself", float64(dropped-atOnce)/time.Since(start).Seconds())
	cancel()
	if err := receive(t, reads, "the end of the reads"); err != nil || dropped > million/2 {
		t.Errorf("half of the sessions ran out: %d were dropped, want at most %d; reads: %v", dropped, million/2, err)
	}
	t.Logf("meanwhile Load: %v (%d calls)", took, len(took))
	for i := 1; i < 1000; i += 2 {
		if _, err := st.Load(t.Context(), millionID(i)); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("Load of one that ran out: got error %v, want %v", err, store.ErrNotFound)
		}
	}
}
