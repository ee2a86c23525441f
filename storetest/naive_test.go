package storetest_test

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A naive store is the contract on maps, with one fault built in; see
// storetest_test.go for what each breaks. Without a fault it keeps every rule.
type naive struct {
	fault string

	mu      sync.Mutex
	rows    map[string]*naiveRow
	users   map[string]map[string]*naiveRow
	revoked map[string]*naiveRevocation
	buffer  []byte
}

type naiveRow struct {
	rec   store.Record
	ended *store.EndedError
}

type naiveRevocation struct {
	at, until time.Time
	keep      map[store.ID]bool
}

func newNaive(fault string) *naive {
	return &naive{
		fault:   fault,
		rows:    make(map[string]*naiveRow),
		users:   make(map[string]map[string]*naiveRow),
		revoked: make(map[string]*naiveRevocation),
	}
}

func (s *naive) is(fault string) bool { return s.fault == fault }

// begin locks the store.
func (s *naive) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil && !s.is("ignores a cancelled context") {
		return err
	}
	s.mu.Lock()
	return nil
}

// pause lets others in where a faulty store works in two steps.
func (s *naive) pause() {
	s.mu.Unlock()
	for range 20 {
		runtime.Gosched()
	}
	s.mu.Lock()
}

func (s *naive) key(id store.ID) string {
	switch k := string(id[:]); s.fault {
	case "folds the case of ids":
		return string(bytes.ToLower(id[:]))
	case "cuts ids at a zero byte":
		head, _, _ := strings.Cut(k, "\x00")
		return head
	default:
		return k
	}
}

func (s *naive) userKey(user string) string {
	switch s.fault {
	case "folds the case of users":
		return strings.ToLower(user)
	case "trims users":
		return strings.TrimRight(user, " ")
	case "composes users":
		return strings.ReplaceAll(user, "a\u0301", "á")
	case "cuts users":
		return user[:min(len(user), 254)]
	case "separates by a colon":
		user, _, _ = strings.Cut(user, ":")
		return user
	case "takes a dash for the end":
		return strings.TrimSuffix(user, "-")
	default:
		return user
	}
}

func (s *naive) live(id store.ID) (*naiveRow, error) {
	r := s.rows[s.key(id)]
	if r == nil {
		return nil, store.ErrNotFound
	}
	if r.ended != nil {
		ended := *r.ended
		return nil, &ended
	}
	if s.is("hides what has expired") && r.rec.Expires.Before(time.Now()) {
		return nil, store.ErrNotFound
	}
	return r, nil
}

func (s *naive) put(rec store.Record) {
	switch s.fault {
	case "keeps milliseconds":
		rec.Seen = rec.Seen.Truncate(time.Millisecond)
	case "keeps local times":
		rec.Created = rec.Created.In(time.FixedZone("", 3600))
	case "keeps 63 bits of a version":
		rec.Version &^= 1 << 63
	case "keeps 64 KiB less a byte":
		rec.Data = rec.Data[:min(len(rec.Data), 1<<16-1)]
	case "keeps no data":
		rec.Data = nil
	case "keeps text":
		rec.Data = []byte(strings.ToValidUTF8(string(rec.Data), "\ufffd"))
	case "reuses a buffer":
		s.buffer = append(s.buffer[:0], rec.Data...)
		rec.Data = s.buffer
	}
	r := &naiveRow{rec: rec}
	s.rows[s.key(rec.ID)] = r
	if rec.User != "" || s.is("indexes anonymous sessions") {
		user := s.userKey(rec.User)
		if s.users[user] == nil {
			s.users[user] = make(map[string]*naiveRow)
		}
		s.users[user][s.key(rec.ID)] = r
	}
}

func (s *naive) unlist(rec store.Record) { delete(s.users[s.userKey(rec.User)], s.key(rec.ID)) }

func (s *naive) refuse(rec store.Record, old store.ID) error {
	r := s.rows[s.key(rec.ID)]
	switch {
	case r == nil:
	case r.ended == nil:
		return store.ErrExists
	case !s.is("lets Replace revive a tombstone") || old.IsZero():
		return store.ErrEnded
	}
	return s.refuseUser(rec, old)
}

func (s *naive) refuseUser(rec store.Record, old store.ID) error {
	user := s.userKey(rec.User)
	if s.is("revokes everybody") {
		for user = range s.revoked {
		}
	}
	v := s.revoked[user]
	switch {
	case v == nil, v.keep[old], s.is("revokes no Replace") && !old.IsZero():
		return nil
	case s.is("revokes every later login"):
		return store.ErrEnded
	case rec.AuthTime.After(v.at), s.is("revokes before at only") && rec.AuthTime.Equal(v.at):
		return nil
	}
	return store.ErrEnded
}

func (s *naive) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if err := s.begin(ctx); err != nil {
		return store.Record{}, err
	}
	defer s.mu.Unlock()
	r, err := s.live(id)
	if err == store.ErrNotFound && s.is("takes an unknown id for an empty record") {
		return store.Record{}, nil
	}
	if err != nil {
		return store.Record{}, err
	}
	return r.rec, nil
}

func (s *naive) Create(ctx context.Context, rec store.Record) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	err := s.refuse(rec, store.ID{})
	switch {
	case err == nil && s.is("creates in two steps"), s.is("checks revocations too early"):
		s.pause()
	case err == store.ErrExists && s.is("upserts in Create"):
		s.unlist(s.rows[s.key(rec.ID)].rec)
		err = nil
	case err == store.ErrEnded && s.is("creates over a tombstone"):
		err = s.refuseUser(rec, store.ID{})
	case err == store.ErrExists && s.is("refuses and yet writes"):
		s.rows[s.key(rec.ID)].rec.Data = rec.Data
	}
	if err != nil {
		return err
	}
	s.put(rec)
	return nil
}

func (s *naive) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	r, err := s.live(rec.ID)
	switch {
	case err == store.ErrNotFound && s.is("upserts in Update"):
		s.put(rec)
		return nil
	case err != nil && err != store.ErrNotFound && s.is("updates over a tombstone"):
		s.put(rec)
		return nil
	case err != nil:
		return err
	case r.rec.Version != ifVersion && s.is("tells what it was given of a conflict"):
		return &store.ConflictError{Now: rec}
	case r.rec.Version != ifVersion && !s.is("forgets versions"):
		return store.ErrConflict
	}
	switch s.fault {
	case "updates in two steps":
		s.pause()
		s.put(rec)
		return nil
	case "updates part by part":
		r.rec.Version = rec.Version
		s.pause()
	case "stores a commit of before a touch":
		r.rec.Seen, r.rec.Expires = rec.Seen, rec.Expires
	case "loses the index in Update":
		s.unlist(r.rec)
	}
	if !s.is("changes the user in Update") {
		rec.User = r.rec.User
	}
	rec.Seen, rec.Expires = latest(rec.Seen, r.rec.Seen), latest(rec.Expires, r.rec.Expires)
	if s.is("writes into bytes it returned") && len(rec.Data) <= len(r.rec.Data) {
		rec.Data = r.rec.Data[:copy(r.rec.Data, rec.Data)]
	}
	r.rec = rec
	return nil
}

func (s *naive) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	if s.is("replaces half on a cancelled context") && ctx.Err() != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.put(rec)
		return ctx.Err()
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.is("makes the new session first") && s.refuse(rec, old) == nil {
		s.put(rec)
	}
	r, err := s.live(old)
	if err == store.ErrNotFound && s.is("replaces what is unknown") {
		s.put(rec)
		return nil
	}
	if err != nil {
		return err
	}
	if r.rec.Version != ifVersion && !s.is("forgets versions in Replace") {
		return store.ErrConflict
	}
	if err := s.refuse(rec, old); err != nil && !s.is("makes the new session first") {
		if s.is("ends the old session though refused") {
			s.end(old, until)
		}
		if err != store.ErrExists || !s.is("replaces onto a live id") {
			return err
		}
	}
	s.moveTo(r, old, rec, until)
	return nil
}

// moveTo is the second half of Replace.
func (s *naive) moveTo(r *naiveRow, old store.ID, rec store.Record, until time.Time) {
	tomb := &store.EndedError{Next: rec.ID, Until: until}
	switch s.fault {
	case "replaces in two steps":
		s.pause()
	case "moves the index in two steps":
		s.unlist(r.rec)
		s.pause()
	case "names no successor":
		tomb.Next = store.ID{}
	case "leaves short tombstones":
		tomb.Until = until.Add(-time.Second)
	}
	if !s.is("leaves the old index entry") {
		s.unlist(r.rec)
	}
	if !s.is("leaves the old session") {
		s.rows[s.key(old)] = &naiveRow{ended: tomb}
	}
	s.put(rec)
	if s.is("loses the index in Replace") {
		s.unlist(rec)
	}
	if v := s.revoked[s.userKey(rec.User)]; v != nil && v.keep[old] && !s.is("keeps one id only") {
		v.keep[rec.ID] = true
	}
}

func (s *naive) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	r, err := s.live(id)
	if err != nil {
		if s.is("touches what is gone") {
			return nil
		}
		return err
	}
	switch s.fault {
	case "moves a touch back":
		r.rec.Seen, r.rec.Expires = seen, expires
	case "touches in two steps":
		read := r.rec
		s.pause()
		read.Seen, read.Expires = latest(read.Seen, seen), latest(read.Expires, expires)
		if r = s.rows[s.key(id)]; r.ended == nil {
			r.rec = read
		}
	case "counts a touch as a change":
		r.rec.Version++
	case "refuses an old touch":
		if !seen.After(r.rec.Seen) {
			return store.ErrConflict
		}
	case "moves both times or none":
		if seen.Before(r.rec.Seen) || expires.Before(r.rec.Expires) {
			return nil
		}
	}
	r.rec.Seen, r.rec.Expires = latest(r.rec.Seen, seen), latest(r.rec.Expires, expires)
	return nil
}

func (s *naive) end(id store.ID, until time.Time) store.ID {
	r := s.rows[s.key(id)]
	if r != nil && r.ended != nil {
		switch {
		case s.is("keeps the last until"):
			r.ended.Until = until
		case s.is("forgets the successor"):
			r.ended.Next = store.ID{}
		case s.is("keeps the first until"):
			return r.ended.Next
		}
		r.ended.Until = latest(r.ended.Until, until)
		return r.ended.Next
	}
	if r != nil && !s.is("leaves the index entry of an ended session") {
		s.unlist(r.rec)
	}
	if s.is("deletes without a tombstone") || r == nil && s.is("ignores the end of an unknown id") {
		delete(s.rows, s.key(id))
		return store.ID{}
	}
	if s.is("ends in two steps") {
		s.pause()
		if r := s.rows[s.key(id)]; r != nil {
			s.unlist(r.rec)
		}
	}
	s.rows[s.key(id)] = &naiveRow{ended: &store.EndedError{Until: until}}
	return store.ID{}
}

func (s *naive) End(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	if err := s.begin(ctx); err != nil {
		return store.ID{}, err
	}
	defer s.mu.Unlock()
	return s.end(id, until), nil
}

func (s *naive) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) ([]store.ID, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	v := &naiveRevocation{at: at, until: until, keep: make(map[store.ID]bool)}
	for _, id := range keep {
		for ; (!id.IsZero() || s.is("keeps the zero id")) && !v.keep[id]; id = s.successor(id) {
			v.keep[id] = true
			if s.is("keeps what is named only") {
				break
			}
		}
	}
	if !s.is("revokes as the last call says") {
		if before := s.revoked[s.userKey(user)]; before != nil {
			v.at, v.until = latest(v.at, before.at), latest(v.until, before.until)
		}
	}
	switch s.fault {
	case "revokes nothing":
	case "revokes after it has ended":
		defer func() { s.pause(); s.revoked[user] = v }()
	default:
		s.revoked[s.userKey(user)] = v
	}
	var ended []store.ID
	for _, r := range s.users[s.userKey(user)] {
		rec := r.rec
		if v.keep[rec.ID] && !s.is("keeps nothing") || s.is("ends whose AuthTime is earlier") && rec.AuthTime.After(at) {
			if s.is("unlists what it keeps") {
				s.unlist(rec)
			}
			continue
		}
		s.end(rec.ID, until)
		ended = append(ended, rec.ID)
	}
	if s.is("returns no ids") {
		return nil, nil
	}
	return ended, nil
}

func (s *naive) successor(id store.ID) (next store.ID) {
	if r := s.rows[s.key(id)]; r != nil && r.ended != nil {
		next = r.ended.Next
	}
	return next
}

func (s *naive) User(ctx context.Context, user string) ([]store.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var recs []store.Record
	if s.is("lists by pattern") {
		for name, rows := range s.users {
			if strings.HasPrefix(name, user) {
				for _, r := range rows {
					recs = append(recs, r.rec)
				}
			}
		}
		return recs, nil
	}
	for _, r := range s.users[s.userKey(user)] {
		recs = append(recs, r.rec)
	}
	return recs, nil
}

func (s *naive) Sweep(ctx context.Context, now time.Time, max int) (int, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	switch s.fault {
	case "sweeps nothing":
		return 0, nil
	case "sweeps by its own clock":
		now = time.Now()
	case "sweeps without bound":
		max = 1 << 30
	}
	n := 0
	for key, r := range s.rows {
		over := r.ended != nil && r.ended.Until.Before(now) && !s.is("sweeps no tombstones") ||
			r.ended == nil && (r.rec.Expires.Before(now) || r.rec.Deadline.Before(now)) ||
			r.ended != nil && s.is("sweeps every tombstone")
		if !over || n >= max {
			continue
		}
		if !s.is("sweeps past the index") {
			s.unlist(r.rec)
		}
		delete(s.rows, key)
		n++
	}
	for user, v := range s.revoked {
		if v.until.Before(now) && n < max && !s.is("sweeps no revocations") || s.is("sweeps every revocation") {
			delete(s.revoked, user)
			n++
		}
	}
	if s.is("counts no more than one") {
		return min(n, 1), nil
	}
	return n, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
