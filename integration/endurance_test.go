//go:build linux

package integration_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/internal/traffic"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// G14: everything has a limit: mixed traffic through a real server and client,
// as many requests as ten a second make in half an hour, leaves no goroutine,
// object or file behind, and in the store only the live sessions.
func TestEndurance(t *testing.T) { // not parallel: it counts what the process has
	requests := 18_000
	if raced {
		requests /= 2 // the same, slower
	}
	t.Run("memory", func(t *testing.T) {
		st := memstore.New(memstore.Config{})
		endure(t, st, requests, func(live int) { onlyLive(t, st, live) })
	})
	t.Run("SQLite", func(t *testing.T) {
		st := newSQLStore(t, openSQLite(t, filepath.Join(t.TempDir(), "sessions.db")), sqlstore.SQLite, "")
		endure(t, st, requests/4, func(live int) { onlyLive(t, st, live) }) // each write waits for the disk
	})
	t.Run("Redis", func(t *testing.T) {
		server := servers.NewRedis(t)
		st := openRedis(t, at(server.Addr()), redisstore.Config{Prefix: "endure:"})
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		endure(t, st, requests, func(live int) { onlyLiveInRedis(t, client, live) })
	})
}

// What one moment has.
type moment struct{ goroutines, objects, files, requests int }

// endure sends the requests in six parts and counts after each.
func endure(t *testing.T, st store.Store, requests int, check func(live int)) {
	keys, err := cookie.NewKeys(rand.Text() + rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	m, err := coatcheck.New(st, keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(traffic.Site(m))
	defer server.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	defer transport.CloseIdleConnections()
	var crowds []*traffic.Crowd
	for i := range 8 {
		crowds = append(crowds, traffic.NewCrowd(fmt.Sprint("crowd", i), server.URL, transport, 6))
	}
	var moments []moment
	for range 6 {
		var working sync.WaitGroup
		for _, c := range crowds {
			working.Go(func() {
				for range requests / 6 / len(crowds) {
					if err := c.Step(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		working.Wait()
		live, sent := 0, 0
		for _, c := range crowds {
			live += c.Live()
			sent += c.Requests
		}
		check(live)
		transport.CloseIdleConnections()
		now := settled(moments)
		now.requests = sent
		moments = append(moments, now)
	}
	// The first part fills pools and caches.
	from, to := moments[1], moments[len(moments)-1]
	served := to.requests - from.requests
	if grown := to.objects - from.objects; grown > 500+served/20 {
		t.Errorf("%d requests left %d objects: %v", served, grown, moments)
	}
	if to.goroutines > from.goroutines+8 || to.files > from.files+8 { // a pool may be fuller
		t.Errorf("goroutines or files became more: %v", moments)
	}
	t.Logf("%d requests: %v", to.requests, moments)
}

// settled waits until closed connections are gone on both sides, after the first
// part a few seconds and later for as long as it takes, and counts.
func settled(before []moment) moment {
	var now moment
	for end := time.Now().Add(patience); time.Now().Before(end); {
		files, _ := os.ReadDir("/proc/self/fd")
		now = moment{goroutines: runtime.NumGoroutine(), files: len(files)}
		if len(before) > 0 && now.goroutines <= before[0].goroutines+4 && now.files <= before[0].files+4 {
			break
		}
		time.Sleep(50 * time.Millisecond)
		if len(before) == 0 && time.Until(end) < patience-2500*time.Millisecond {
			break
		}
	}
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	now.objects = int(stats.HeapObjects)
	return now
}

// onlyLive sweeps as of when all tombstones are over, and wants the live
// sessions and nothing else.
func onlyLive(t *testing.T, st store.Store, live int) {
	t.Helper()
	for {
		n, err := st.Sweep(t.Context(), time.Now().Add(2*time.Minute), 1000)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	counter, _ := store.As[store.Counter](st)
	stats, err := counter.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stats.Sessions != int64(live) || stats.Tombstones != 0 {
		t.Errorf("got %+v, want %d sessions and no tombstones", stats, live)
	}
}

// onlyLiveInRedis wants that every key has an end, and that of the records only
// the live sessions' is further away than two minutes.
func onlyLiveInRedis(t *testing.T, client rueidis.Client, live int) {
	t.Helper()
	ask := func(command ...string) rueidis.RedisResult {
		return client.Do(t.Context(), client.B().Arbitrary(command...).Build())
	}
	keys, err := ask("KEYS", "endure:*").AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	long := 0
	for _, key := range keys {
		ms, err := ask("PTTL", key).AsInt64()
		switch {
		case err != nil || ms == -1:
			t.Errorf("a key stays for ever: PTTL %d, %v", ms, err)
		case ms > 2*60*1000 && strings.HasPrefix(key, "endure:s"):
			long++
		}
	}
	if long != live {
		t.Errorf("%d sessions are kept, want %d", long, live)
	}
}
