package main

import (
	"context"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/coatcheck/coatcheck"
)

// lookEvery is how often a notice is looked for. The database tells all instances
// alike; through PgBouncer there is no LISTEN.
const lookEvery = 500 * time.Millisecond

// notices is a websocket that tells a customer what becomes of an order. It ends
// with the session, wherever that ends.
func (s *shop) notices(w http.ResponseWriter, r *http.Request) {
	sess := coatcheck.From(r.Context())
	user, ended := sess.User(), sess.Ended()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	ctx := conn.CloseRead(r.Context()) // ends when the browser leaves
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			conn.Close(websocket.StatusPolicyViolation, "the session has ended")
			return
		case <-tick.C:
		}
		news, err := s.db.news(ctx, user)
		if err != nil {
			return // the page connects again
		}
		for _, goods := range news {
			if conn.Write(ctx, websocket.MessageText, []byte("Packed: "+goods)) != nil {
				return // the list of orders tells it too
			}
		}
	}
}

// work is what happens without a request, until ctx ends: orders are packed, and
// sessions that ended elsewhere are noticed. A job has no session; what it must
// know of the customer it is given.
func (s *shop) work(ctx context.Context) {
	go s.sessions.Watch(ctx, time.Second) // its only error is that of ctx
	pack, sweep := time.NewTicker(time.Second), time.NewTicker(time.Hour)
	defer pack.Stop()
	defer sweep.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case now := <-pack.C:
			err = s.db.packAll(ctx, now.Add(-time.Second))
		case <-sweep.C:
			_, err = s.sessions.Sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("background", "error", err)
		}
	}
}
