package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

// watchProbe is how often Watch looks whether the server still is the primary.
// One that is not answers reads, from what it had, and passes on no news: who
// only listens and reads would never notice.
const watchProbe = 5 * time.Second

// probe drops the connections of a server that takes no changes, Watch's too.
func (s *Store) probe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, watchProbe)
	defer cancel()
	_ = s.Ping(ctx) // a server that is away ends Watch by itself
}

// Watch calls ended for each session that is ended or replaced in whatever
// process, from the moment it calls ready until ctx ends or the connection is
// lost; then it returns an error. It holds one connection. Sessions that expire
// are not told.
func (s *Store) Watch(ctx context.Context, ready func(), ended func(store.ID)) error {
	conn, release := s.client.Dedicate()
	defer release()
	defer conn.Close() // no later user of the connection gets the messages
	done := make(chan struct{})
	defer close(done)
	// The hook runs where the client reads the connection. Watch must not call
	// out from there: what it calls may want the client.
	ids := make(chan string, 256)
	lost := conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(m rueidis.PubSubMessage) {
		select {
		case ids <- m.Message:
		case <-done:
		}
	}})
	if err := conn.Do(ctx, conn.B().Subscribe().Channel(s.channel).Build()).Error(); err != nil {
		return s.fault(ctx, "watch", err)
	}
	ready()
	probe := time.NewTicker(watchProbe)
	defer probe.Stop()
	for {
		select {
		case <-probe.C:
			s.probe(ctx)
		case m := <-ids:
			if len(m) == len(store.ID{}) {
				id := store.ID([]byte(m))
				s.wrote(id) // the message may be faster than the invalidation
				ended(id)
			}
		case err := <-lost:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("coatcheck: redisstore: watch: connection lost: %v", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
