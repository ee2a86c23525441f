//go:build linux

package integration_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/store"
)

// A ledger is what the store has acknowledged, kept beside it while sessions
// come, change and go and something happens to the server.
type ledger struct {
	store store.Store
	calls atomic.Int64    // that succeeded
	ctx   context.Context // they stop when it ends
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu    sync.Mutex
	live  map[store.ID]count  // logins that nobody has ended
	ended map[store.ID]string // ends and replacements, and whose
}

// A count is the counter in a session's data: what was acknowledged, and what
// was tried and may have been applied.
type count struct {
	user        string
	acked, most uint64
}

const ledgerCall = 2 * time.Second // how long one call may take

func redisID() (id store.ID) {
	rand.Read(id[:])
	return id
}

func redisRecord(user string, data []byte) store.Record {
	t := time.Now().UTC().Truncate(time.Microsecond)
	return store.Record{ID: redisID(), Version: redisVersion(), User: user, AuthTime: t, Created: t, Seen: t,
		Expires: t.Add(30 * time.Minute), Deadline: t.Add(12 * time.Hour), Data: data}
}

func redisVersion() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:]) | 1
}

// newLedger starts callers that use the store until finish, or the test's end.
func newLedger(t *testing.T, st store.Store, callers int) *ledger {
	l := &ledger{store: st, live: make(map[store.ID]count), ended: make(map[store.ID]string)}
	l.ctx, l.stop = context.WithCancel(t.Context())
	t.Cleanup(l.leave)
	for range callers {
		l.wg.Go(func() {
			for l.ctx.Err() == nil {
				l.life()
			}
		})
	}
	return l
}

// leave stops the callers and waits until they have.
func (l *ledger) leave() {
	l.stop()
	l.wg.Wait()
}

// try makes a call until it succeeds or tells why not, as an application does
// whose user tries again. It returns how often it tried.
func (l *ledger) try(call func(ctx context.Context) error) (tries int, err error) {
	for tries = 1; ; tries++ {
		ctx, cancel := context.WithTimeout(context.Background(), ledgerCall)
		err = call(ctx)
		cancel()
		if err == nil {
			l.calls.Add(1)
		}
		if err == nil || errors.Is(err, coatcheck.ErrEnded) || errors.Is(err, store.ErrNotFound) ||
			errors.Is(err, store.ErrExists) || errors.Is(err, coatcheck.ErrConflict) || l.ctx.Err() != nil {
			return tries, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (l *ledger) note(id store.ID, c count) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live[id] = c
}

func (l *ledger) noteEnd(id store.ID, user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, id)
	l.ended[id] = user
}

// life is one session: a login, some counting, a renewal, and for every second
// one the end.
func (l *ledger) life() {
	user := rand.Text()
	rec := redisRecord(user, make([]byte, 8))
	if tries, err := l.try(func(ctx context.Context) error { return l.store.Create(ctx, rec) }); err != nil || tries > 1 {
		return // perhaps there: not acknowledged
	}
	c := count{user: user}
	l.note(rec.ID, c)
	for range 3 {
		changed := rec
		changed.Version, changed.Data = redisVersion(), binary.BigEndian.AppendUint64(nil, c.most+1)
		c.most++
		l.note(rec.ID, c)
		if tries, err := l.try(func(ctx context.Context) error { return l.store.Update(ctx, changed, rec.Version) }); err != nil || tries > 1 {
			return // what it is now is open
		}
		c.acked, rec = c.most, changed
		l.note(rec.ID, c)
	}
	renewed := rec
	renewed.ID, renewed.Version = redisID(), redisVersion()
	l.mu.Lock()
	delete(l.live, rec.ID) // open for the length of the call
	l.mu.Unlock()
	if tries, err := l.try(func(ctx context.Context) error {
		return l.store.Replace(ctx, rec.ID, rec.Version, renewed, renewed.Seen.Add(time.Minute))
	}); err != nil || tries > 1 {
		return
	}
	l.noteEnd(rec.ID, user)
	l.note(renewed.ID, c)
	if rec.Version%2 == 0 || renewed.Version%4 == 1 {
		l.mu.Lock()
		delete(l.live, renewed.ID)
		l.mu.Unlock()
		_, err := l.try(func(ctx context.Context) error {
			_, err := l.store.End(ctx, renewed.ID, time.Now().Add(10*time.Minute))
			return err
		})
		if err == nil {
			l.noteEnd(renewed.ID, user)
		}
	}
}

// recovers waits until calls succeed again.
func (l *ledger) recovers(t *testing.T) {
	t.Helper()
	from := l.calls.Load()
	if err := servers.Until(func() error {
		if l.calls.Load() < from+50 {
			return errors.New("the store does not recover")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// finish stops the callers and compares: G2, no ended session is alive; S10,
// who is live is listed; and no acknowledged write is lost. With updates false,
// counters may have gone back: updates wait for no replica.
func (l *ledger) finish(t *testing.T, updates bool) {
	t.Helper()
	l.leave()
	alive, lost, wrong, unlisted := 0, 0, 0, 0
	for id, user := range l.ended {
		if _, err := l.store.Load(t.Context(), id); err == nil {
			alive++
		}
		list, err := l.store.User(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range list {
			if rec.ID == id {
				alive++
			}
		}
	}
	for id, c := range l.live {
		rec, err := l.store.Load(t.Context(), id)
		if err != nil {
			lost++
			continue
		}
		if n := binary.BigEndian.Uint64(rec.Data); n > c.most || updates && n < c.acked {
			wrong++
		}
		list, err := l.store.User(t.Context(), c.user)
		if err != nil || !containsID(list, id) {
			unlisted++
		}
	}
	t.Logf("%d calls; %d sessions live, %d ended", l.calls.Load(), len(l.live), len(l.ended))
	if len(l.live) == 0 || len(l.ended) == 0 {
		t.Error("the ledger is empty: nothing was tried")
	}
	if alive+lost+wrong+unlisted > 0 {
		t.Errorf("ended sessions alive: %d; acknowledged logins lost: %d, updates lost: %d; live sessions not listed: %d", alive, lost, wrong, unlisted)
	}
}

func containsID(list []store.Record, id store.ID) bool {
	for _, rec := range list {
		if rec.ID == id {
			return true
		}
	}
	return false
}
