package stores

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// examineRedis looks at every server. warnings are those of the store, on what
// breaks its promises.
func examineRedis(option rueidis.ClientOption, warnings func(context.Context) ([]string, error)) func(context.Context) (Findings, error) {
	return func(ctx context.Context) (f Findings, err error) {
		found, err := warnings(ctx) // and an error, where a server is away: see below
		for _, w := range found {
			addr, says, _ := strings.Cut(w, ": ")
			f.wrong(addr, redisAdvice(says), "%s", says)
		}
		infos := make(map[string]map[string]string)
		away := eachNode(option, func(addr string, node rueidis.Client) error {
			text, err := node.Do(ctx, node.B().Info().Build()).ToString()
			if err != nil {
				f.wrong(addr, "start it, or take it out of the Cluster", "this server does not answer: %v", err)
				return nil
			}
			infos[addr] = redisInfo(text)
			examineNode(&f, addr, infos[addr], option.Sentinel.MasterSet == "")
			return nil
		})
		if len(infos) == 0 {
			return f, cmp.Or(away, err)
		}
		examineTopology(ctx, &f, option, infos)
		return f, examineClocks(ctx, &f, option)
	}
}

// redisAdvice is what to do about a warning of the store.
func redisAdvice(says string) string {
	const both = ", and the same in redis.conf"
	switch {
	case strings.Contains(says, "maxmemory-policy"):
		return "CONFIG SET maxmemory-policy noeviction" + both
	case strings.Contains(says, "append-only"):
		return "CONFIG SET appendonly yes" + both
	case strings.Contains(says, "appendfsync"):
		return "CONFIG SET appendfsync everysec" + both
	}
	return "upgrade the server"
}

func redisInfo(text string) map[string]string {
	info := make(map[string]string)
	text = strings.TrimPrefix(text, "txt:") // a verbatim string of RESP3
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// examineNode adds what one server says of itself.
func examineNode(f *Findings, addr string, info map[string]string, alone bool) {
	product, version := "Redis", info["redis_version"]
	if v := info["valkey_version"]; v != "" {
		product, version = "Valkey", v
	}
	f.fine(addr, "%s %s, %s", product, version, map[string]string{"master": "primary", "slave": "replica"}[info["role"]])
	if info["role"] == "slave" && alone && info["cluster_enabled"] != "1" {
		f.wrong(addr, "give the application the address of the primary, or of the Sentinels", "this is a replica; %s, and what it shows is late", noChanges)
	}
	if info["maxmemory_policy"] == "noeviction" {
		f.fine(addr, "eviction: maxmemory-policy is noeviction")
	}
	if n, _ := strconv.ParseInt(info["evicted_keys"], 10, 64); n > 0 {
		f.wrong(addr, "CONFIG SET maxmemory-policy noeviction, give the server more memory, and restart it or CONFIG RESETSTAT when that is done",
			"%d keys were evicted since it started: sessions, or lists by which a user's sessions are ended, may be among them", n)
	}
	redisMemory(f, addr, info)
	redisDisk(f, addr, info)
}

func redisMemory(f *Findings, addr string, info map[string]string) {
	const nearly = 0.9
	used, _ := strconv.ParseFloat(info["used_memory"], 64)
	most, _ := strconv.ParseFloat(info["maxmemory"], 64)
	switch {
	case most == 0:
		f.note(addr, "set maxmemory below what the machine has", "maxmemory is not set: when the machine has no more, the kernel ends the server")
	case used > nearly*most:
		f.note(addr, "give the server more memory", "%.0f %% of maxmemory are used: when it is full, new sessions are refused", 100*used/most)
	default:
		f.fine(addr, "%.0f %% of maxmemory are used", 100*used/most)
	}
}

// redisDisk: what is on the disk, and whether writing it works.
func redisDisk(f *Findings, addr string, info map[string]string) {
	const full = "see the server's log: a disk may be full; until it works again, the server refuses changes or loses them"
	switch {
	case info["aof_enabled"] == "1" && info["aof_last_write_status"] != "ok":
		f.wrong(addr, full, "durability: the last write to the append-only file failed")
	case info["aof_enabled"] == "1":
		f.fine(addr, "durability: an append-only file")
	case info["rdb_last_bgsave_status"] == "err":
		f.wrong(addr, full, "durability: the last snapshot failed")
	default:
		f.note(addr, "", "durability: no append-only file; a server that restarts has logged everybody out, or has its last snapshot where it makes any")
	}
	if n, _ := strconv.Atoi(info["connected_slaves"]); n > 0 && info["role"] == "master" {
		f.note(addr, "redisstore.Config.WaitReplicas in the application", "%s; unless logins and logouts wait for them, a failover may undo the last ones", plural(n, "replica", "replicas"))
	}
}

// eachNode calls do for every server, in the order of their addresses.
func eachNode(option rueidis.ClientOption, do func(addr string, node rueidis.Client) error) error {
	option.DisableCache = true
	client, err := rueidis.NewClient(option)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	defer client.Close()
	nodes := client.Nodes()
	for _, addr := range slices.Sorted(maps.Keys(nodes)) {
		if err := do(addr, nodes[addr]); err != nil {
			return err
		}
	}
	return nil
}

// redisClock asks all servers, and tells of the clock that is furthest from ours.
func redisClock(option rueidis.ClientOption) func(context.Context) (ahead, within time.Duration, err error) {
	return func(ctx context.Context) (ahead, within time.Duration, err error) {
		asked, silent := 0, error(nil)
		err = eachNode(option, func(_ string, node rueidis.Client) error {
			a, w, err := askedRedis(ctx, node)
			if err != nil { // Examine tells of it
				silent = err
				return nil
			}
			asked++
			if a.Abs() >= ahead.Abs() {
				ahead, within = a, w
			}
			return nil
		})
		if err == nil && asked == 0 {
			err = silent
		}
		return ahead, within, err
	}
}

func askedRedis(ctx context.Context, node rueidis.Client) (ahead, within time.Duration, err error) {
	return askedClock(ctx, func(ctx context.Context) (time.Time, error) {
		parts, err := node.Do(ctx, node.B().Time().Build()).AsIntSlice()
		if err == nil && len(parts) != 2 {
			err = errors.New("an answer of another shape")
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("redis: time: %w", err)
		}
		return time.Unix(parts[0], parts[1]*int64(time.Microsecond)), nil
	})
}
