package redisstore

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck"
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
func (s *Store) Stats(ctx context.Context) (coatcheck.Stats, error) {
	var st coatcheck.Stats
	var masters []rueidis.Client
	keys := int64(0)
	for _, node := range s.client.Nodes() {
		text, err := node.Do(ctx, node.B().Info().Build()).ToString()
		if err != nil {
			return coatcheck.Stats{}, s.fault(ctx, "stats", err)
		}
		info := parseInfo(text)
		if info["role"] != "master" {
			continue
		}
		bytes, _ := strconv.ParseInt(info["used_memory"], 10, 64)
		n, err := node.Do(ctx, node.B().Dbsize().Build()).AsInt64()
		if err != nil {
			return coatcheck.Stats{}, s.fault(ctx, "stats", err)
		}
		st.Bytes += bytes
		keys += n
		masters = append(masters, node)
	}
	if keys > maxCount {
		st.Sessions, st.Tombstones, st.Users = -1, -1, -1
		return st, nil
	}
	users := make(map[string]bool)
	for _, node := range masters {
		if err := s.countNode(ctx, node, &st, users); err != nil {
			return coatcheck.Stats{}, s.fault(ctx, "stats", err)
		}
	}
	st.Users = int64(len(users))
	return st, nil
}

// countNode adds the sessions of one server. A key that is seen twice, which a
// scan allows while keys are added, is counted twice.
func (s *Store) countNode(ctx context.Context, node rueidis.Client, st *coatcheck.Stats, users map[string]bool) error {
	pattern := escapeGlob.Replace(s.records) + "*"
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		page, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(pattern).Count(scanned).Build()).AsScanEntry()
		if err != nil {
			return err
		}
		cursor = page.Cursor
		var heads rueidis.Commands
		for _, key := range page.Elements {
			if len(key) == len(s.records)+len(coatcheck.ID{}) {
				heads = append(heads, node.B().Getrange().Key(key).Start(0).End(headEnd).Build())
			}
		}
		for _, reply := range node.DoMulti(ctx, heads...) {
			head, err := reply.AsBytes()
			if err != nil {
				return err
			}
			// What has expired meanwhile is empty. Half of a Replace is not live.
			switch v, err := decode(coatcheck.ID{}, head); {
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
	}
	return nil
}

// escapeGlob keeps a prefix from being a pattern.
var escapeGlob = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
