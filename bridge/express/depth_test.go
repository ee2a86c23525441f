package express_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/express"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
)

func TestDepthHasABound(t *testing.T) {
	kv := &foreigntest.KV{}
	_ = kv.Set(t.Context(), "sess:x", []byte(`{"cookie":{},"a":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`), time.Hour)
	src, err := express.New(express.Config{Secrets: []string{"s"}, Store: express.Redis(kv, "")})
	if err != nil {
		t.Fatal(err)
	}
	for s, err := range src.All(t.Context()) {
		if refused := (*bridge.RefusedError)(nil); !errors.As(err, &refused) {
			t.Errorf("%d values, %v; want a *RefusedError", len(s.Values), err)
		}
	}
}
