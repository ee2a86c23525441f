package foreign

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/coatcheck/coatcheck/bridge"
)

// Walk yields every session of a store whose keys begin with prefix. load takes the
// key without it.
func Walk(ctx context.Context, kv bridge.KV, prefix string, load func(ctx context.Context, key string) (bridge.Session, error)) iter.Seq2[bridge.Session, error] {
	return func(yield func(bridge.Session, error) bool) {
		keys, ok := kv.(bridge.KeyWalker)
		if !ok {
			yield(bridge.Session{}, errors.ErrUnsupported)
			return
		}
		for key, err := range keys.Keys(ctx, prefix) {
			if err != nil {
				yield(bridge.Session{}, err)
				return
			}
			s, err := load(ctx, strings.TrimPrefix(key, prefix))
			if !yield(s, err) || err != nil && !bridge.Skips(err) {
				return
			}
		}
	}
}
