package django

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/pickle"
)

// A cache is a backend of CACHES on Redis. It pickles the dict of a session itself:
// SESSION_SERIALIZER has no part in it, and nothing is signed. Who can write to
// that Redis is who Django takes code from.
type cache struct {
	*Source
	prefix string
}

func (s *Source) cache(engine string) cache {
	return cache{s, fmt.Sprintf("%s:%d:%s", s.config.CachePrefix, s.config.CacheVersion, engine)}
}

func (c cache) load(ctx context.Context, key string) (record, error) {
	data, left, err := c.config.Cache.Get(ctx, c.prefix+key)
	if err != nil {
		return record{}, err
	}
	r := record{}
	if left >= 0 {
		r.expires = time.Now().Add(left)
	}
	r.values, r.refused, err = unpickle(data)
	return r, err
}

// unpickle names the settings that a value of another form comes from.
func unpickle(data []byte) (values, map[string]string, error) {
	switch {
	case len(data) > 0 && data[0] == 0x80:
		return pickle.Decode(data)
	case len(data) > 0 && (data[0] == '{' || data[0] == '['):
		return nil, nil, bridge.Refused("JSON in the cache: its SERIALIZER is not pickle")
	}
	return nil, nil, bridge.Refused("no pickle in the cache: it has a SERIALIZER or COMPRESSOR of its own")
}

func (c cache) save(ctx context.Context, key string, r record) error {
	data, err := pickle.Encode(r.values)
	if err != nil {
		return err
	}
	if len(data) > bridge.MaxRecord {
		return fmt.Errorf("the session has %d bytes; want at most %d", len(data), bridge.MaxRecord)
	}
	return c.config.Cache.Set(ctx, c.prefix+key, data, time.Until(r.expires))
}

func (c cache) drop(ctx context.Context, key string) error {
	return c.config.Cache.Del(ctx, c.prefix+key)
}

func (c cache) all(ctx context.Context, keys bridge.KeyWalker) iter.Seq2[bridge.Session, error] {
	return func(yield func(bridge.Session, error) bool) {
		for key, err := range keys.Keys(ctx, c.prefix) {
			if err != nil {
				yield(bridge.Session{}, fmt.Errorf("bridge: django: all sessions: %w", err))
				return
			}
			key = strings.TrimPrefix(key, c.prefix)
			found, err := c.load(ctx, key)
			if !c.yield(ctx, yield, key, found, err) {
				return
			}
		}
	}
}

// both is the engine cached_db. The table has every session, and the cache those
// that were used: the table is what is read, and both forget.
type both struct {
	table
	cache cache
}

func (b both) drop(ctx context.Context, key string) error {
	return errors.Join(b.table.drop(ctx, key), b.cache.drop(ctx, key))
}
