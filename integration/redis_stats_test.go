//go:build linux

package integration_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
)

// TestRedisStats counts what is there, and nothing of another store, whatever
// its prefix.
func TestRedisStats(t *testing.T) {
	t.Parallel()
	server := servers.NewRedis(t, "enable-debug-command yes")
	for name, addrs := range map[string][]string{
		"standalone": {server.Addr()}, "cluster": servers.SharedRedisCluster(t).Addrs(),
	} {
		prefix := rand.Text()
		st := openRedis(t, at(addrs...), redisstore.Config{Prefix: "?" + prefix})
		other := openRedis(t, at(addrs...), redisstore.Config{Prefix: "x" + prefix})
		for range 4 {
			if err := other.Create(t.Context(), redisRecord("other", nil)); err != nil {
				t.Fatal(err)
			}
		}
		for _, user := range []string{"a", "a", "b", "", "c"} {
			rec := redisRecord(user, make([]byte, 1000))
			err := st.Create(t.Context(), rec)
			if err == nil && user == "c" {
				_, err = st.End(t.Context(), rec.ID, time.Now().Add(time.Minute))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		got, err := st.Stats(t.Context())
		if want := (store.Stats{Sessions: 4, Tombstones: 1, Users: 2, Bytes: got.Bytes}); err != nil || got != want || got.Bytes < 4000 {
			t.Errorf("%s: got %+v, %v; want %+v and some bytes", name, got, err, want)
		}
	}
	server.Must(t, "DEBUG", "POPULATE", "100001")
	st, err := openRedis(t, at(server.Addr()), redisstore.Config{}).Stats(t.Context())
	if err != nil || st.Sessions != -1 || st.Tombstones != -1 || st.Users != -1 || st.Bytes < 100_000 {
		t.Errorf("among 100,001 keys: got %+v, %v; want -1 for what is counted", st, err)
	}
}

var _ store.Counter = (*redisstore.Store)(nil)
