package redisstore

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

const (
	// maxCount bounds what Stats looks at.
	maxCount = 100_000

	// scanned is how many keys a server looks at in one step.
	scanned = 1000

	// headEnd is behind the part of a record in front of its data.
	headEnd int64 = headSize + maxUser
)

// Stats walks through the keys of the servers, a thousand at a time, so that
// nobody waits for it. It counts where they have at most 100,000 keys, those of
// other programs included; with more, the counts are -1. Bytes is the memory
// that the masters take, for everything that they hold.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	var st store.Stats
	masters, err := s.masters(ctx)
	if err != nil {
		return store.Stats{}, err
	}
	keys := int64(0)
	for _, node := range masters {
		bytes, _ := strconv.ParseInt(node.info["used_memory"], 10, 64)
		n, err := node.Do(ctx, node.B().Dbsize().Build()).AsInt64()
		if err != nil {
			return store.Stats{}, s.fault(ctx, "stats", err)
		}
		st.Bytes += bytes
		keys += n
	}
	if keys > maxCount {
		st.Sessions, st.Tombstones, st.Users = -1, -1, -1
		return st, nil
	}
	users := make(map[string]bool)
	for _, node := range masters {
		if err := s.countNode(ctx, node, &st, users); err != nil {
			return store.Stats{}, err
		}
	}
	st.Users = int64(len(users))
	return st, nil
}

// A master is a server that holds sessions, and what it tells of itself.
type master struct {
	rueidis.Client
	info map[string]string
}

func (s *Store) masters(ctx context.Context) ([]master, error) {
	var list []master
	for _, node := range s.client.Nodes() {
		text, err := node.Do(ctx, node.B().Info().Build()).ToString()
		if err != nil {
			return nil, s.fault(ctx, "info", err)
		}
		// Not == "master": miniredis does not say, and has no replicas.
		if info := parseInfo(text); info["role"] != "slave" {
			list = append(list, master{node, info})
		}
	}
	return list, nil
}

// scan passes on the ids of a server's sessions and tombstones, as many as one
// step of the server finds. While keys are added it may find one twice.
func (s *Store) scan(ctx context.Context, node rueidis.Client, found func([]store.ID) error) error {
	pattern := escapeGlob.Replace(s.records) + "*"
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		page, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(pattern).Count(scanned).Build()).AsScanEntry()
		if err != nil {
			return s.fault(ctx, "scan", err)
		}
		cursor = page.Cursor
		var ids []store.ID
		for _, key := range page.Elements {
			if len(key) == len(s.records)+len(store.ID{}) {
				ids = append(ids, store.ID([]byte(key[len(s.records):])))
			}
		}
		if err := found(ids); err != nil {
			return err
		}
	}
	return nil
}

// countNode adds the sessions of one server. A key that is seen twice is counted
// twice.
func (s *Store) countNode(ctx context.Context, node rueidis.Client, st *store.Stats, users map[string]bool) error {
	return s.scan(ctx, node, func(ids []store.ID) error {
		heads := make(rueidis.Commands, len(ids))
		for i, id := range ids {
			heads[i] = node.B().Getrange().Key(s.recordKey(id)).Start(0).End(headEnd).Build()
		}
		for _, reply := range node.DoMulti(ctx, heads...) {
			head, err := reply.AsBytes()
			if err != nil {
				return s.fault(ctx, "stats", err)
			}
			// What has expired meanwhile is empty. Half of a Replace is not live.
			switch v, err := decode(store.ID{}, head); {
			case err != nil:
			case v.kind == kindTombstone:
				st.Tombstones++
			case v.kind == kindRecord:
				st.Sessions++
				if v.rec.User != "" {
					users[v.rec.User] = true
				}
			}
		}
		return nil
	})
}

// escapeGlob keeps a prefix from being a pattern.
var escapeGlob = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
