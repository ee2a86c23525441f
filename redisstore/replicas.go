package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

// errReplicas is of S15: the write is on the primary and may yet be lost.
var errReplicas = errors.New("coatcheck: redisstore: too few replicas confirmed the write in time")

// replicaTimeout bounds the wait for replicas.
const replicaTimeout = 2 * time.Second

// runSafe is run for writes that must survive a failover: it waits until
// Config.WaitReplicas have them, and all that the script has found.
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
	reply, err := s.confirmed(ctx, c.keys[0], func(b rueidis.Builder, known bool) rueidis.Completed {
		if known {
			return s.evalsha(b, c)
		}
		return s.eval(b, c)
	})
	if e := reply.Error(); e != nil {
		err = e
	}
	if err == nil || errors.Is(err, errReplicas) {
		m, _ = reply.ToMessage()
		return m, err
	}
	return m, s.fault(caller, scriptFiles[c.script].name, err)
}

// confirmed sends a command over a connection that nobody else uses meanwhile,
// and waits until the replicas have all that it has seen and done. WAIT tells of
// its connection's own writes, on Valkey and later versions of Redis of nothing
// else: after a read, or a script that found everything done, it would return at once. So a
// write to the key that changes nothing goes before it.
func (s *Store) confirmed(ctx context.Context, key string, command func(b rueidis.Builder, known bool) rueidis.Completed) (reply rueidis.RedisResult, err error) {
	b, nudge := s.client.B(), call{scriptNudge, []string{key}, nil}
	err = s.client.Dedicated(func(one rueidis.DedicatedClient) error {
		wait := func() rueidis.Completed {
			return b.Wait().Numreplicas(s.replicas).Timeout(waitFor(ctx)).Build()
		}
		replies := one.DoMulti(ctx, command(b, true), s.evalsha(b, nudge), wait())
		if unknownScript(replies[0].Error()) {
			replies = one.DoMulti(ctx, command(b, false), s.eval(b, nudge), wait())
		} else if unknownScript(replies[1].Error()) {
			replies = append(replies[:1], one.DoMulti(ctx, s.eval(b, nudge), wait())...)
		}
		reply = replies[0]
		if err := replies[1].Error(); err != nil {
			return err
		}
		n, err := replies[2].AsInt64()
		if err == nil && n < s.replicas {
			err = errReplicas
		}
		return err
	})
	return reply, err
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
func (s *Store) getSafe(ctx context.Context, id store.ID) (value, error) {
	reply, err := s.confirmed(ctx, s.recordKey(id), func(b rueidis.Builder, _ bool) rueidis.Completed {
		return b.Get().Key(s.recordKey(id)).Build()
	})
	switch {
	case errors.Is(err, errReplicas):
		return value{}, err
	case err != nil:
		return value{}, s.fault(ctx, "load", err)
	}
	s.unsure.remove(id)
	return s.read(ctx, id, reply)
}

// doubt notes ids whose last write too few replicas confirmed.
func (s *Store) doubt(err error, ids ...store.ID) {
	if errors.Is(err, errReplicas) {
		s.unsure.add(ids...)
	}
}
