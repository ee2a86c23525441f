// Package rediskv is a bridge.KV on Redis or Valkey, by rueidis.
package rediskv

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/bridge"
)

// A KV is a bridge.KV and a bridge.KeyWalker on Redis, made by New.
type KV struct{ client rueidis.Client }

// Format prints what this is and nothing of it, whatever the verb.
func (KV) Format(f fmt.State, _ rune) { io.WriteString(f, "{rediskv.KV}") }

// New returns a KV that uses client, which stays the caller's to close.
func New(client rueidis.Client) *KV { return &KV{client} }

// Get is one round trip: the value and its time to live.
func (k *KV) Get(ctx context.Context, key string) ([]byte, time.Duration, error) {
	answers := k.client.DoMulti(ctx,
		k.client.B().Getrange().Key(key).Start(0).End(bridge.MaxRecord).Build(),
		k.client.B().Pttl().Key(key).Build())
	value, err := answers[0].AsBytes()
	if err != nil {
		return nil, 0, fmt.Errorf("bridge: get from Redis: %w", err)
	}
	left, err := answers[1].AsInt64()
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("bridge: get from Redis: %w", err)
	case left == -2:
		return nil, 0, bridge.ErrEnded
	case len(value) > bridge.MaxRecord:
		return nil, 0, bridge.Refused("a record of more than %d bytes", bridge.MaxRecord)
	case left < 0:
		return value, -1, nil
	}
	return value, time.Duration(left) * time.Millisecond, nil
}

// Set stores with PX, or without where left says for ever.
func (k *KV) Set(ctx context.Context, key string, value []byte, left time.Duration) error {
	set := k.client.B().Set().Key(key).Value(rueidis.BinaryString(value))
	cmd := set.Build
	if left > 0 {
		cmd = set.Px(max(left, time.Millisecond)).Build
	}
	if err := k.client.Do(ctx, cmd()).Error(); err != nil {
		return fmt.Errorf("bridge: set in Redis: %w", err)
	}
	return nil
}

// Del removes the key.
func (k *KV) Del(ctx context.Context, key string) error {
	if err := k.client.Do(ctx, k.client.B().Del().Key(key).Build()).Error(); err != nil {
		return fmt.Errorf("bridge: delete from Redis: %w", err)
	}
	return nil
}

// pattern has the signs of SCAN's patterns escaped.
var pattern = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// Keys goes through every node with SCAN.
func (k *KV) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, node := range k.client.Nodes() {
			for cursor := uint64(0); ; {
				page, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(pattern.Replace(prefix)+"*").Count(500).Build()).AsScanEntry()
				if err != nil {
					yield("", fmt.Errorf("bridge: scan Redis: %w", err))
					return
				}
				for _, key := range page.Elements {
					if !yield(key, nil) {
						return
					}
				}
				if cursor = page.Cursor; cursor == 0 {
					break
				}
			}
		}
	}
}
