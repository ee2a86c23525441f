//go:build linux

package integration_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
)

// TestEndedElsewhere: G2. A stream closes when another process ends its session.
// Redis tells, so that the next poll may be an hour away; SQL databases are
// asked.
func TestEndedElsewhere(t *testing.T) {
	t.Parallel()
	type place struct {
		name string
		poll time.Duration
		open func() store.Store // as one process does
	}
	redis, cluster := at(servers.SharedRedis(t).Addr()), at(servers.SharedRedisCluster(t).Addrs()...)
	places := []place{
		{"Redis", time.Hour, func() store.Store { return openRedis(t, redis, redisstore.Config{Prefix: "stream:"}) }},
		{"Redis Cluster", time.Hour, func() store.Store { return openRedis(t, cluster, redisstore.Config{Prefix: "stream:"}) }},
	}
	for _, d := range sqlDatabases(t) {
		places = append(places, place{d.name, 20 * time.Millisecond, func() store.Store { return newSQLStore(t, d.open(), d.dialect, "") }})
	}
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			here, there := newManager(t, place.open()), newManager(t, place.open())
			ctx, stop := context.WithCancel(t.Context())
			watched := make(chan error, 1)
			go func() { watched <- here.Watch(ctx, place.poll) }()
			// One by its handle, then the user's others.
			first, second := newStream(t, here), newStream(t, here)
			if found, err := there.Revoke(t.Context(), "alice", first.handle); !found || err != nil {
				t.Errorf("Revoke: got %t, %v", found, err)
			}
			first.closes(t)
			select {
			case <-second.closed:
				t.Error("the stream of another session closed")
			default:
			}
			if n, err := there.RevokeAll(t.Context(), "alice"); n != 1 || err != nil {
				t.Errorf("RevokeAll: got %d, %v; want the other one", n, err)
			}
			second.closes(t)
			stop()
			if err := receive(t, watched, "the end of Watch"); !errors.Is(err, context.Canceled) {
				t.Errorf("Watch: got error %v, want %v", err, context.Canceled)
			}
		})
	}
}

func newManager(t *testing.T, st store.Store) *coatcheck.Manager {
	t.Helper()
	sessions, err := coatcheck.New(st, newKeys(t), coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

// A stream is a request that goes on until its session ends.
type stream struct {
	handle string
	closed chan struct{}
}

// newStream logs alice in and opens a stream.
func newStream(t *testing.T, sessions *coatcheck.Manager) stream {
	t.Helper()
	s := stream{closed: make(chan struct{})}
	opened := make(chan string)
	mux := siteMux()
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		session := coatcheck.From(r.Context())
		ended := session.Ended()
		opened <- session.Handle()
		select {
		case <-ended:
		case <-t.Context().Done():
		}
		close(s.closed)
	})
	site := sessions.Handler(mux)
	_, _, sid := get(site, "/login", "")
	go get(site, "/stream", sid)
	s.handle = receive(t, opened, "the stream opens")
	return s
}

// closes waits as long as a test does.
func (s stream) closes(t *testing.T) {
	t.Helper()
	if err := servers.Until(func() error {
		select {
		case <-s.closed:
			return nil
		default:
			return errors.New("the stream is open")
		}
	}); err != nil {
		t.Error(err)
	}
}
