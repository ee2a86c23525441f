package stores

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/redisstore"
)

func openRedis(ctx context.Context, url string, o Options) (*Opened, error) {
	option, err := redisstore.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	store, err := redisstore.New(ctx, option, redisstore.Config{Prefix: o.Prefix})
	if err != nil {
		return nil, err
	}
	return &Opened{
		Store: store, Shared: true, warnings: store.Warnings,
		ids:     redisIDs(option, o.Prefix),
		examine: examineRedis(option, store.Warnings), clock: redisClock(option),
		close:       func() error { store.Close(); return nil },
		remove:      func(ctx context.Context) error { return removeKeys(ctx, option, o.Prefix) },
		scratches:   func(ctx context.Context) ([]string, error) { return scratchKeys(ctx, option) },
		removeOther: func(ctx context.Context, prefix string) error { return removeKeys(ctx, option, prefix) },
	}, nil
}

// scanned is how many keys a server looks at in one step of a scan.
const scanned = 1000

// removeKeys removes every key that begins with prefix, which is letters,
// digits, hyphens and colons, on all servers.
func removeKeys(ctx context.Context, option rueidis.ClientOption, prefix string) error {
	if prefix == "" {
		return errors.New("redis: no prefix, so the keys of other programs would be removed")
	}
	return eachKey(ctx, option, prefix, func(client rueidis.Client, key string) error {
		// By the client: a replica's keys are removed at its master.
		if err := client.Do(ctx, client.B().Unlink().Key(key).Build()).Error(); err != nil {
			return fmt.Errorf("redis: unlink: %w", err)
		}
		return nil
	})
}

// scratchKeys lists the prefixes of the keys of all scratches.
func scratchKeys(ctx context.Context, option rueidis.ClientOption) ([]string, error) {
	found := make(map[string]bool)
	err := eachKey(ctx, option, redisScratch, func(_ rueidis.Client, key string) error {
		if prefix, _, ok := strings.Cut(key, ":"); ok {
			found[prefix+":"] = true
		}
		return nil
	})
	return slices.Collect(maps.Keys(found)), err
}

// escapeGlob makes a pattern of SCAN mean what stands there.
var escapeGlob = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`)

// eachKey calls do for each key that begins with prefix.
func eachKey(ctx context.Context, option rueidis.ClientOption, prefix string, do func(client rueidis.Client, key string) error) error {
	option.DisableCache = true
	client, err := rueidis.NewClient(option)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	defer client.Close()
	for _, node := range client.Nodes() {
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			page, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(escapeGlob.Replace(prefix)+"*").Count(scanned).Build()).AsScanEntry()
			if err != nil {
				return fmt.Errorf("redis: scan: %w", err)
			}
			cursor = page.Cursor
			for _, key := range page.Elements {
				if err := do(client, key); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
