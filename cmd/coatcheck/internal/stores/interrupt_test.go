package stores_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/stores"
)

// Control-C ends the wait for a server that accepts and says nothing, at once and
// with every driver: what comes back is the end of the context, and not an error
// of the driver's own time-out.
func TestOpenIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"postgres://u@%/x", "mysql://u@%/x", "redis://%", "rediss://%", "redis+sentinel://%/main", "redis+cluster://%"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			silent, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close()
			ctx, cancel := context.WithCancel(t.Context())
			accepted := make(chan net.Conn, 16)
			go func() {
				for {
					conn, err := silent.Accept()
					if err != nil {
						close(accepted)
						return
					}
					accepted <- conn // stays open, and says nothing
					cancel()
				}
			}()
			_, err = stores.Open(ctx, strings.Replace(scheme, "%", silent.Addr().String(), 1), stores.Options{})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
			silent.Close()
			for conn := range accepted {
				conn.Close()
			}
		})
	}
}
