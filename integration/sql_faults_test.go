//go:build linux

package integration_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// A witness writes to a store and knows what the store must hold: what it has
// acknowledged, or a later write whose fate is unknown.
type witness struct {
	store store.Store
	acked store.Record
	open  map[uint64]bool // versions of writes since, which may have been applied
	ended []store.ID      // whose end was acknowledged
	count *atomic.Int64   // acknowledged writes of all witnesses
}

// callTimeout bounds one call, as the core bounds its own.
const callTimeout = 2 * time.Second

func newRecord(user string) store.Record {
	now := time.Now().UTC().Truncate(time.Microsecond)
	rec := store.Record{
		Version: newVersion(), User: user, AuthTime: now, Created: now, Seen: now,
		Expires: now.Add(time.Hour), Deadline: now.Add(12 * time.Hour), Data: make([]byte, 200),
	}
	rand.Read(rec.ID[:])
	rand.Read(rec.Data)
	return rec
}

func newVersion() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:]) | 1
}

// run writes until ctx ends. Errors of the database are what the test makes; it
// returns what no fault excuses.
func (w *witness) run(ctx context.Context) error {
	for n := 0; ctx.Err() == nil; n++ {
		var err error
		switch {
		case w.acked.ID.IsZero():
			err = w.create(ctx)
		case n%10 == 9:
			err = w.end(ctx)
		default:
			err = w.update(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *witness) create(ctx context.Context) error {
	rec := newRecord("witness")
	return w.settle(ctx, rec, func(ctx context.Context) error { return w.store.Create(ctx, rec) })
}

func (w *witness) update(ctx context.Context) error {
	rec := w.acked
	rec.Version = newVersion()
	return w.settle(ctx, rec, func(ctx context.Context) error { return w.store.Update(ctx, rec, w.acked.Version) })
}

// settle makes a call that stores rec, and finds out what became of it.
func (w *witness) settle(ctx context.Context, rec store.Record, call func(context.Context) error) error {
	calling, cancel := context.WithTimeout(ctx, callTimeout)
	err := call(calling)
	cancel()
	if err == nil {
		w.acked = rec
		clear(w.open)
		w.count.Add(1)
		return nil
	}
	if len(w.open) == 0 && (errors.Is(err, coatcheck.ErrConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, coatcheck.ErrEnded)) {
		return fmt.Errorf("a session that nobody else writes: %w", err)
	}
	if w.acked.ID.IsZero() {
		return nil // not acknowledged: forget it
	}
	w.open[rec.Version] = true
	return w.reload(ctx)
}

// reload asks until the store answers, and compares the answer.
func (w *witness) reload(ctx context.Context) error {
	for {
		calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		rec, err := w.store.Load(calling, w.acked.ID)
		cancel()
		switch {
		case err == nil && rec.Version == w.acked.Version:
			return nil // so far: what is open may still come
		case err == nil && w.open[rec.Version]:
			w.acked = rec
			clear(w.open) // they were conditional on what is gone now
			return nil
		case err == nil:
			return errors.New("an acknowledged write is lost: the record has a version of before")
		case errors.Is(err, store.ErrNotFound):
			return errors.New("an acknowledged session is lost")
		case errors.Is(err, coatcheck.ErrEnded):
			return errors.New("a session is ended that nobody ended")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// end ends the session; the next write makes another one.
func (w *witness) end(ctx context.Context) error {
	calling, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := w.store.End(calling, w.acked.ID, time.Now().Add(time.Hour))
	if err == nil {
		w.ended = append(w.ended, w.acked.ID)
		w.count.Add(1)
	}
	w.acked = store.Record{}
	clear(w.open)
	return nil
}

// check compares everything that was acknowledged with the store.
func (w *witness) check(ctx context.Context) error {
	for _, id := range w.ended {
		if _, err := w.store.Load(ctx, id); !errors.Is(err, coatcheck.ErrEnded) {
			return fmt.Errorf("an acknowledged end is lost: got error %v, want ErrEnded", err)
		}
	}
	if w.acked.ID.IsZero() {
		return nil
	}
	return w.reload(ctx)
}

// survive lets witnesses write while the fault happens, and until all goes well
// again. The fault returns when the server should serve.
func survive(t *testing.T, st store.Store, fault func() error) {
	t.Helper()
	var count atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const witnesses = 8
	all := make([]*witness, witnesses)
	errs := make([]error, witnesses)
	var wg sync.WaitGroup
	for i := range all {
		all[i] = &witness{store: st, open: make(map[uint64]bool), count: &count}
		wg.Go(func() { errs[i] = all[i].run(ctx) })
	}
	await := func(more int64) {
		// A witness that finds a loss ends; the test has a time limit of its own.
		for want, end := count.Load()+more, time.Now().Add(patience); count.Load() < want && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
	}
	await(200)
	before := count.Load()
	if err := fault(); err != nil {
		t.Error(err)
	}
	during := count.Load()
	await(200)
	after := count.Load()
	cancel()
	wg.Wait()
	for i, w := range all {
		if err := errors.Join(errs[i], w.check(t.Context())); err != nil {
			t.Errorf("witness %d: %v", i, err)
		}
	}
	if before < 200 || after < during+200 {
		t.Errorf("acknowledged writes: %d before the fault, %d during, %d after; want 200 before and after", before, during-before, after-during)
	}
	t.Logf("acknowledged writes: %d before the fault, %d during, %d after; all of them are there", before, during-before, after-during)
}

// halt is how long a server hangs.
const halt = 5 * time.Second

func hang(p *servers.Process) error {
	p.Stop()
	time.Sleep(halt)
	p.Cont()
	return nil
}

func crash(p *servers.Process) error {
	p.Kill()
	return p.Start()
}

func TestPostgresFaults(t *testing.T) {
	t.Parallel()
	server := servers.NewPostgres(t)
	name := server.NewDatabase(t)
	db := openSQL(t, "pgx", server.DSN(name))
	st := newSQLStore(t, db, sqlstore.PostgreSQL, "")
	t.Run("dropped connections", func(t *testing.T) {
		survive(t, st, func() error { return killPostgres(t.Context(), db) })
	})
	t.Run("restart", func(t *testing.T) { survive(t, st, server.Restart) })
	t.Run("hangs for 5 s", func(t *testing.T) { survive(t, st, func() error { return hang(server.Process) }) })
	t.Run("kill -9", func(t *testing.T) { survive(t, st, func() error { return crash(server.Process) }) })
}

func TestPgBouncerFaults(t *testing.T) {
	t.Parallel()
	server := servers.NewPostgres(t)
	pooler := servers.PgBouncer(t, server)
	st := newSQLStore(t, openSQL(t, "pgx", pooler.DSN(server.NewDatabase(t), "default_query_exec_mode=exec")), sqlstore.PostgreSQL, "")
	t.Run("kill -9 of the pooler", func(t *testing.T) { survive(t, st, func() error { return crash(pooler.Process) }) })
	t.Run("kill -9 of the server", func(t *testing.T) { survive(t, st, func() error { return crash(server.Process) }) })
}

func TestMariaDBFaults(t *testing.T) {
	t.Parallel()
	server := servers.NewMariaDB(t)
	db := openSQL(t, "mysql", server.DSN(server.NewDatabase(t), "interpolateParams=true"))
	st := newSQLStore(t, db, sqlstore.MySQL, "")
	t.Run("dropped connections", func(t *testing.T) {
		survive(t, st, func() error { return killMariaDB(t.Context(), db) })
	})
	t.Run("restart", func(t *testing.T) { survive(t, st, server.Restart) })
	t.Run("hangs for 5 s", func(t *testing.T) { survive(t, st, func() error { return hang(server.Process) }) })
	t.Run("kill -9", func(t *testing.T) { survive(t, st, func() error { return crash(server.Process) }) })
}

// killPostgres drops all other connections.
func killPostgres(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	return err
}

// killMariaDB drops all other connections.
func killMariaDB(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	rows, err := conn.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()")
	if err != nil {
		return err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		// It may be gone already.
		_, _ = conn.ExecContext(ctx, fmt.Sprint("KILL HARD CONNECTION ", id))
	}
	return rows.Err()
}
