//go:build linux

package integration_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
)

// BenchmarkRedis compares the store with the bare client doing the same trips:
// GET for a load, GET and SET for a counter, and GET and the least script
// that compares. Parallel is 32 callers.
func BenchmarkRedis(b *testing.B) {
	server := servers.NewRedis(b)
	raw, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}})
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	option := at(server.Addr())
	option.ReadBufferEachConn, option.WriteBufferEachConn = rueidis.DefaultReadBuffer, rueidis.DefaultWriteBuffer
	st := openRedis(b, option, redisstore.Config{Prefix: "coatcheck:"})
	cached := openRedis(b, option, redisstore.Config{Prefix: "coatcheck:", ClientCache: time.Minute})
	data := make([]byte, 200)
	rand.Read(data)
	ctx := context.Background()

	newRecord := func(s store.Store) store.Record {
		rec := redisRecord("user", data)
		if err := s.Create(ctx, rec); err != nil {
			b.Fatal(err)
		}
		return rec
	}
	newKey := func() string {
		key := rand.Text()
		if err := raw.Do(ctx, raw.B().Set().Key(key).Value(string(data)).Build()).Error(); err != nil {
			b.Fatal(err)
		}
		return key
	}
	rawGet := func(key string) error {
		return raw.Do(ctx, raw.B().Get().Key(key).Build()).Error()
	}
	// Each case makes what one caller needs and returns one round of it.
	for _, c := range []struct {
		name string
		make func() func() error
	}{
		{"read/raw", func() func() error { key := newKey(); return func() error { return rawGet(key) } }},
		{"read/store", func() func() error {
			id := newRecord(st).ID
			return func() error { _, err := st.Load(ctx, id); return err }
		}},
		{"cached/raw", func() func() error {
			key := newKey()
			return func() error {
				return raw.DoCache(ctx, raw.B().Get().Key(key).Cache(), time.Minute).Error()
			}
		}},
		{"cached/store", func() func() error {
			id := newRecord(st).ID
			return func() error { _, err := cached.Load(ctx, id); return err }
		}},
		{"counter/raw", func() func() error {
			key := newKey()
			return func() error {
				if err := rawGet(key); err != nil {
					return err
				}
				return raw.Do(ctx, raw.B().Set().Key(key).Value(string(data)).Build()).Error()
			}
		}},
		// What a commit that loses no update costs at least: a script.
		{"counter/script", func() func() error {
			key := newKey()
			cas := rueidis.NewLuaScript("if redis.call('GETRANGE', KEYS[1], 2, 9) == ARGV[2] then return 1 end " +
				"redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[3]) return 0")
			lease := strconv.FormatInt(time.Now().Add(time.Hour).UnixMilli(), 10)
			return func() error {
				if err := rawGet(key); err != nil {
					return err
				}
				return cas.Exec(ctx, raw, []string{key}, []string{string(data), "version.", lease}).Error()
			}
		}},
		{"counter/store", func() func() error {
			id := newRecord(st).ID
			return func() error {
				rec, err := st.Load(ctx, id)
				if err != nil {
					return err
				}
				ifVersion := rec.Version
				rec.Version++
				return st.Update(ctx, rec, ifVersion)
			}
		}},
		{"touch/store", func() func() error {
			rec := newRecord(st)
			return func() error {
				rec.Seen, rec.Expires = rec.Seen.Add(time.Microsecond), rec.Expires.Add(time.Microsecond)
				return st.Touch(ctx, rec.ID, rec.Seen, rec.Expires)
			}
		}},
		{"login/store", func() func() error {
			rec := newRecord(st)
			return func() error {
				old := rec
				rec = redisRecord("user"+strconv.Itoa(int(old.ID[0])), data)
				return st.Replace(ctx, old.ID, old.Version, rec, rec.Seen.Add(time.Minute))
			}
		}},
	} {
		b.Run(c.name+"/serial", func(b *testing.B) {
			call := c.make()
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/parallel", func(b *testing.B) {
			b.SetParallelism(32 / runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				call := c.make()
				for pb.Next() {
					if err := call(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkRedisMillion fills a server with sessions: bytes each, and whether
// reading one or listing a user takes longer among more.
func BenchmarkRedisMillion(b *testing.B) {
	for _, total := range []int{1_000, 1_000_000} {
		server := servers.NewRedis(b)
		st := openRedis(b, at(server.Addr()), redisstore.Config{Prefix: "coatcheck:"})
		data := make([]byte, 200)
		rand.Read(data)
		before := memory(server)
		ids := make([]store.ID, total)
		const callers = 64
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for i := c; i < total; i += callers {
					rec := redisRecord(fmt.Sprintf("user-%d", i/10*10), data)
					ids[i] = rec.ID
					if err := st.Create(context.Background(), rec); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		each := float64(memory(server)-before) / float64(total)
		name := strconv.Itoa(total)
		b.Run("load/"+name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = (n + 7919) % total
				if _, err := st.Load(context.Background(), ids[n]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(each, "bytes/session")
		})
		b.Run("user/"+name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = (n + 7919) % total
				list, err := st.User(context.Background(), fmt.Sprintf("user-%d", n/10*10))
				if err != nil || len(list) != 10 {
					b.Fatalf("got %d sessions, %v", len(list), err)
				}
			}
		})
	}
}

func memory(server *servers.Redis) int {
	n, _ := strconv.Atoi(server.Info("used_memory"))
	return n
}
