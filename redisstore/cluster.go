package redisstore

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

// In a Cluster a session and its user's index lie in different slots, on
// different servers, and no script sees both. docs/decisions has the argument;
// the order of the steps is the code below.
const (
	// commandLife is how old a command may be that makes a session live whose
	// index entry was written before: the core's time for a commit.
	commandLife = 5 * time.Second
	// entryGrace is when an entry without a record is nobody's any more: twice
	// that, so the servers' clocks may differ by the other half.
	entryGrace = 2 * commandLife
	// decisionLife is how long the outcome of a Replace can be looked up, if
	// whoever made it did not come to note it in the new record.
	decisionLife = 10 * time.Minute
)

// An entry is what the index has of a session.
type entry struct {
	value string
	limit string // until when, in the engine's ms, the session may be made live
}

func (s *Store) admission(rec *store.Record, old store.ID) call {
	c := call{scriptAdmit, []string{s.indexKey(rec.User)},
		[]string{idArg(rec.ID), timeArg(rec.AuthTime), timeArg(rec.Deadline), ""}}
	if !old.IsZero() {
		c.args[3] = idArg(old)
	}
	return c
}

// admit enters the session in its user's index, if no revocation forbids it.
func (s *Store) admit(ctx context.Context, rec *store.Record, old store.ID) (entry, error) {
	return admitted(s.runSafe(ctx, s.admission(rec, old)))
}

func admitted(m rueidis.RedisMessage, err error) (entry, error) {
	if err != nil || m.IsInt64() {
		return entry{}, plain(m, err)
	}
	parts, err := m.ToArray()
	if err != nil || len(parts) != 2 {
		return entry{}, errFormat
	}
	value, err := parts[0].ToString()
	now, err2 := parts[1].ToInt64()
	if err != nil || err2 != nil {
		return entry{}, errFormat
	}
	return entry{value, strconv.FormatInt(now+commandLife.Milliseconds(), 10)}, nil
}

// replaceInCluster makes the new record, not yet live, and its index entry;
// then the one step that decides, at the old id; then it tidies up.
func (s *Store) replaceInCluster(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	made, err := s.prepare(ctx, old, ifVersion, &rec, until)
	if err != nil {
		return err
	}
	for {
		m, err := s.runSafe(ctx, s.commitStep(old, versionArg(ifVersion), &rec, until, made.limit))
		if errors.Is(err, errReplicas) {
			s.doubt(err, old)
			s.settle(ctx, old, &rec, made, m)
			return err
		}
		if err != nil {
			return err // perhaps decided: nothing may be undone
		}
		if m.IsArray() {
			s.settle(ctx, old, &rec, made, m)
			return nil
		}
		err = plain(m, nil)
		if m.IsString() {
			v, e := other(old, m)
			switch {
			case e != nil:
				err = e
			case v.kind == kindTombstone:
				err = v.end
			default: // of an earlier Replace, which did not come to its end
				done, e := s.decided(ctx, old, v.old)
				if done {
					continue
				}
				if err = e; err == nil {
					err = store.ErrNotFound
				}
			}
		}
		s.abandon(ctx, old, &rec, made)
		return err
	}
}

// prepare makes both halves of what is to become live, at once if it can.
// While the record is pending their order does not matter.
func (s *Store) prepare(ctx context.Context, old store.ID, ifVersion uint64, rec *store.Record, until time.Time) (made entry, err error) {
	pending := string([]byte{kindPending}) + idArg(old) + versionArg(ifVersion) + timeArg(until) + encode(rec)
	create := call{scriptCreate, []string{s.recordKey(rec.ID)}, []string{pending, strconv.FormatInt(lease(rec), 10), ""}}
	if rec.User == "" {
		return made, plain(s.run(ctx, create))
	}
	if s.replicas > 0 {
		if made, err = s.admit(ctx, rec, old); err != nil {
			return made, err
		}
		return made, s.unlinked(ctx, rec, made, plain(s.runSafe(ctx, create)))
	}
	replies, err := s.runAll(ctx, s.admission(rec, old), create)
	if err != nil {
		return made, err
	}
	made, err = admitted(replies[0], nil)
	created := plain(replies[1], nil)
	if err != nil && created == nil {
		s.runAll(ctx, s.decision(old, rec.ID, "")) // else it goes when it expires
	}
	if err == nil {
		err = s.unlinked(ctx, rec, made, created)
	}
	return made, err
}

// unlinked lets the entry not say that it replaces old, where the id was somebody
// else's already: EndUser would take that one for what replaced a kept session.
func (s *Store) unlinked(ctx context.Context, rec *store.Record, made entry, created error) error {
	if errors.Is(created, store.ErrExists) {
		s.run(ctx, s.trim(rec, made))
	}
	return created
}

// trim takes the id that it replaces out of an entry.
func (s *Store) trim(rec *store.Record, made entry) call {
	trim := s.forget(rec.User, 0, idArg(rec.ID), made.value)
	trim.args[0] = ""
	return trim
}

// commitStep is the step that decides.
func (s *Store) commitStep(old store.ID, version string, rec *store.Record, until time.Time, limit string) call {
	return call{scriptCommit, []string{s.recordKey(old)}, []string{
		idArg(old), version, idArg(rec.ID), timeArg(until), limit,
		strconv.FormatInt(decisionLife.Milliseconds(), 10), s.channel}}
}

// decision lets a pending record be live ("1") or go ("").
func (s *Store) decision(old, id store.ID, live string) call {
	return call{scriptSettle, []string{s.recordKey(id)}, []string{idArg(old), live}}
}

// forget drops entries of at least that age which begin with the values: id,
// value, id, value.
func (s *Store) forget(user string, age time.Duration, entries ...string) call {
	return call{scriptForget, []string{s.indexKey(user)},
		append([]string{strconv.FormatInt(age.Milliseconds(), 10)}, entries...)}
}

// settle notes a Replace that was decided, and the index that the old session
// is gone. If it fails the next to look does the same.
func (s *Store) settle(ctx context.Context, old store.ID, rec *store.Record, made entry, m rueidis.RedisMessage) {
	calls := []call{s.decision(old, rec.ID, "1")}
	if rec.User != "" {
		calls = append(calls, s.trim(rec, made))
	}
	if _, of, err := ending(m); err == nil && len(of) > entryAuthTime {
		calls = append(calls, s.forget(of[entryAuthTime:], 0, idArg(old), of[:entryAuthTime]))
	}
	s.runAll(ctx, calls...)
}

// abandon takes back what prepare made. Nobody has the new token.
func (s *Store) abandon(ctx context.Context, old store.ID, rec *store.Record, made entry) {
	calls := []call{s.decision(old, rec.ID, "")}
	if rec.User != "" {
		calls = append(calls, s.forget(rec.User, 0, idArg(rec.ID), made.value))
	}
	s.runAll(ctx, calls...)
}

// decided reports whether the Replace of old by id, whose pending record was
// found, was decided for it; then it makes it live.
func (s *Store) decided(ctx context.Context, id, old store.ID) (bool, error) {
	v, err := s.read(ctx, old, s.client.Do(ctx, s.client.B().Get().Key(s.recordKey(old)).Build()))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil || v.kind != kindTombstone || v.end.Next != id {
		return false, err
	}
	s.wrote(id)
	return true, plain(s.run(ctx, s.decision(old, id, "1")))
}
