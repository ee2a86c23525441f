//go:build linux

package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// open opens the store of a URL.
func open(url string, wait int) (store.Store, error) {
	kind, rest, _ := strings.Cut(url, ":")
	switch kind {
	case "memory":
		return memstore.New(memstore.Config{}), nil
	case "sqlite":
		return openSQL("sqlite", "file:"+rest+"?_pragma=busy_timeout(100)&_pragma=synchronous(FULL)", sqlstore.SQLite)
	case "postgres":
		return openSQL("pgx", url, sqlstore.PostgreSQL)
	case "mysql":
		_ = mysql.SetLogger(&mysql.NopLogger{}) // faults are not worth a line each
		return openSQL("mysql", rest, sqlstore.MySQL)
	}
	option, err := redisstore.ParseURL(url)
	if err != nil {
		return nil, err
	}
	option.ReadBufferEachConn, option.WriteBufferEachConn = 1<<15, 1<<15
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return redisstore.New(ctx, option, redisstore.Config{WaitReplicas: wait})
}

func openSQL(driver, dsn string, dialect sqlstore.Dialect) (store.Store, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	st, err := sqlstore.New(db, dialect, sqlstore.Config{})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for { // another process may be at it
		if err = st.Migrate(ctx); err == nil || ctx.Err() != nil {
			return st, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// A call is one of the store. Times are µs.
type call struct {
	Op, ID, Old, User        string
	Version, Was             uint64
	Began, Seen, Expires     int64
	At, Until                int64
	Keep                     []string
	Data                     string
	Deadline                 int64
	TimeoutMilliseconds, Max int
}

// A reply is what it said.
type reply struct {
	Err           string // errorKind; empty for none
	Text          string
	Next          string
	Until         int64
	Version       uint64
	User, Data    string
	Seen, Expires int64
	IDs           []string
}

func id(text string) (id store.ID) {
	_, _ = hex.Decode(id[:], []byte(text))
	return id
}

func text(id store.ID) string {
	if id.IsZero() {
		return ""
	}
	return hex.EncodeToString(id[:])
}

func at(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func (w *worker) call(rw http.ResponseWriter, r *http.Request) {
	var c call
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.TimeoutMilliseconds)*time.Millisecond)
	defer cancel()
	out, err := w.run(ctx, c)
	if err != nil {
		out.Err, out.Text = errorKind(err), err.Error()
		var ended *store.EndedError
		if errors.As(err, &ended) {
			out.Next, out.Until = text(ended.Next), ended.Until.UnixMicro()
		}
	}
	_ = json.NewEncoder(rw).Encode(out)
}

func (w *worker) run(ctx context.Context, c call) (out reply, err error) {
	rec := store.Record{
		ID: id(c.ID), Version: c.Version, User: c.User, AuthTime: at(c.Began), Created: at(c.Began),
		Seen: at(c.Seen), Expires: at(c.Expires), Deadline: at(c.Deadline), Data: []byte(c.Data),
	}
	switch c.Op {
	case "Load":
		rec, err = w.store.Load(ctx, rec.ID)
		if err == nil {
			out = reply{Version: rec.Version, User: rec.User, Data: string(rec.Data), Seen: rec.Seen.UnixMicro(), Expires: rec.Expires.UnixMicro()}
		}
	case "Create":
		err = w.store.Create(ctx, rec)
	case "Update":
		err = w.store.Update(ctx, rec, c.Was)
	case "Replace":
		err = w.store.Replace(ctx, id(c.Old), c.Was, rec, rec.Seen.Add(time.Minute))
	case "Touch":
		err = w.store.Touch(ctx, rec.ID, rec.Seen, rec.Expires)
	case "End":
		var next store.ID
		next, err = w.store.End(ctx, rec.ID, at(c.Until))
		out.Next = text(next)
	case "EndUser":
		var keep, ended []store.ID
		for _, k := range c.Keep {
			keep = append(keep, id(k))
		}
		ended, err = w.store.EndUser(ctx, c.User, at(c.At), at(c.Until), keep...)
		out.IDs = texts(ended)
	case "User":
		var list []store.Record
		list, err = w.store.User(ctx, c.User)
		for _, rec := range list {
			out.IDs = append(out.IDs, text(rec.ID))
		}
	case "Sweep":
		_, err = w.store.Sweep(ctx, at(c.At), c.Max)
	default:
		err = errBroken
	}
	return out, err
}

func texts(ids []store.ID) (all []string) {
	for _, id := range ids {
		all = append(all, text(id))
	}
	return all
}

// breakStore makes a store that breaks its contract now and then, to see that
// the histories tell.
func breakStore(st store.Store, how string) (store.Store, error) {
	switch how {
	case "":
		return st, nil
	case "lost update", "double pop", "undone logout", "old token", "revived", "unlisted", "undone revocation":
		return &broken{Store: st, how: how, was: make(map[store.ID]store.Record)}, nil
	}
	return nil, fmt.Errorf("worker: no such break: %s", how)
}

type broken struct {
	store.Store
	how   string
	mu    sync.Mutex
	calls int
	was   map[store.ID]store.Record
}

// now reports whether this is the time: once in n calls.
func (b *broken) now(how string, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	return b.how == how && b.calls%n == 0
}

// Update overwrites what came meanwhile, or says that it has and has not.
func (b *broken) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	if b.now("double pop", 7) {
		return nil
	}
	err := b.Store.Update(ctx, rec, ifVersion)
	if errors.Is(err, coatcheck.ErrConflict) && b.how == "lost update" {
		if old, err := b.Store.Load(ctx, rec.ID); err == nil {
			return b.Store.Update(ctx, rec, old.Version)
		}
	}
	return err
}

func (b *broken) End(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	if b.now("undone logout", 2) {
		return store.ID{}, nil
	}
	return b.Store.End(ctx, id, until)
}

func (b *broken) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	if b.now("old token", 2) {
		return b.Store.Create(ctx, rec)
	}
	return b.Store.Replace(ctx, old, ifVersion, rec, until)
}

// Load answers with the record that an ended id once had.
func (b *broken) Load(ctx context.Context, id store.ID) (store.Record, error) {
	rec, err := b.Store.Load(ctx, id)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.was[id] = rec
	}
	if rec, ok := b.was[id]; ok && errors.Is(err, coatcheck.ErrEnded) && b.how == "revived" {
		return rec, nil
	}
	return rec, err
}

func (b *broken) User(ctx context.Context, user string) ([]store.Record, error) {
	list, err := b.Store.User(ctx, user)
	if len(list) > 0 && b.now("unlisted", 2) {
		list = list[1:]
	}
	return list, err
}

// EndUser forgets that later logins of earlier requests are refused, or all.
func (b *broken) EndUser(ctx context.Context, user string, at, until time.Time, keep ...store.ID) ([]store.ID, error) {
	if b.how == "undone revocation" {
		at = time.Unix(0, 0)
	}
	return b.Store.EndUser(ctx, user, at, until, keep...)
}
