package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck"
)

// errReplicas is of S15: the write is on the primary and may yet be lost.
var errReplicas = errors.New("coatcheck: redisstore: too few replicas confirmed the write in time")

// replicaTimeout bounds the wait for replicas.
const replicaTimeout = 2 * time.Second

// runSafe is run for writes that must survive a failover: it waits until
// Config.WaitReplicas have them. WAIT tells of the connection's own writes, so
// both go over one, which nobody else uses meanwhile.
func (s *Store) runSafe(ctx context.Context, c call) (m rueidis.RedisMessage, err error) {
	if s.replicas == 0 {
		return s.run(ctx, c)
	}
	// A command that is given up on a connection of its own could be applied
	// after the look that follows; so it is not, before its time is over.
	caller := ctx
	end, ok := ctx.Deadline()
	if !ok {
		end = time.Now().Add(commandLife)
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
	defer cancel()
	b := s.client.B()
	commands := func(first rueidis.Completed) rueidis.Commands {
		return rueidis.Commands{first, b.Wait().Numreplicas(s.replicas).Timeout(waitFor(ctx)).Build()}
	}
	err = s.client.Dedicated(func(one rueidis.DedicatedClient) error {
		replies := one.DoMulti(ctx, commands(s.evalsha(b, c))...)
		if unknownScript(replies[0].Error()) {
			replies = one.DoMulti(ctx, commands(s.eval(b, c))...)
		}
		if m, err = replies[0].ToMessage(); err != nil {
			return err
		}
		n, err := replies[1].AsInt64()
		if err == nil && n < s.replicas {
			err = errReplicas
		}
		return err
	})
	if errors.Is(err, errReplicas) {
		return m, err
	}
	return m, s.fault(caller, scriptFiles[c.script].name, err)
}

// waitFor is replicaTimeout in milliseconds, or less if ctx ends earlier; at
// least 1, because 0 would be without end.
func waitFor(ctx context.Context) int64 {
	d := replicaTimeout
	if end, ok := ctx.Deadline(); ok {
		d = min(d, time.Until(end)-100*time.Millisecond)
	}
	return max(d.Milliseconds(), 1)
}

// runAllSafe is runAll for writes that must survive a failover.
func (s *Store) runAllSafe(ctx context.Context, calls ...call) ([]rueidis.RedisMessage, error) {
	if s.replicas == 0 {
		return s.runAll(ctx, calls...)
	}
	replies := make([]rueidis.RedisMessage, len(calls))
	for i, c := range calls {
		var err error
		if replies[i], err = s.runSafe(ctx, c); err != nil {
			return nil, err
		}
	}
	return replies, nil
}

// getSafe reads what this process wrote without knowing that the replicas have
// it. They must have what is read now, or a core that looks whether its commit
// was applied would take it for safe.
func (s *Store) getSafe(ctx context.Context, id coatcheck.ID) (v value, err error) {
	err = s.client.Dedicated(func(one rueidis.DedicatedClient) error {
		replies := one.DoMulti(ctx, one.B().Get().Key(s.recordKey(id)).Build(),
			one.B().Wait().Numreplicas(s.replicas).Timeout(waitFor(ctx)).Build())
		n, err := replies[1].AsInt64()
		if err != nil {
			return s.fault(ctx, "load", err)
		}
		if n < s.replicas {
			return errReplicas
		}
		s.unsure.remove(id)
		v, err = s.read(ctx, id, replies[0])
		return err
	})
	return v, err
}

// doubt notes ids whose last write too few replicas confirmed.
func (s *Store) doubt(err error, ids ...coatcheck.ID) {
	if errors.Is(err, errReplicas) {
		s.unsure.add(ids...)
	}
}
