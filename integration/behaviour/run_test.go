//go:build linux

package behaviour_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/rueidis"
	_ "modernc.org/sqlite"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

func TestMain(m *testing.M) {
	os.Exit(servers.Main(m))
}

// A behaviour is what is seen over HTTP.
type behaviour struct {
	name  string // a sentence
	from  string // the suites that assert it, by commas
	ours  string // how ours is stricter; "" is the same
	cfg   coatcheck.Config
	sid   string // the session cookie's name; "" is the default
	steps []step

	inCookie bool // it is the same where the session lives in its cookie
	begins   bool // its answer begins before its handler returns, which it does not under Fiber
}

// A chapter is the behaviours of one test.
type chapter struct {
	test, about string
	list        []behaviour
}

var chapters = []chapter{
	{"TestBehaviourVisits", "When a session begins, and when a cookie is set", visits},
	{"TestBehaviourAnswers", "Along with what a handler writes", answers},
	{"TestBehaviourAttributes", "The Set-Cookie line", attributes},
	{"TestBehaviourBadCookies", "Cookies that open nothing", badCookies},
	{"TestBehaviourRenewal", "New tokens", renewal},
	{"TestBehaviourEnds", "Sessions that somebody ends", ends},
	{"TestBehaviourLifetime", "Sessions that end by themselves", lifetime},
	{"TestBehaviourValues", "The session as a dictionary, and messages", values},
	{"TestBehaviourUsers", "The sessions of a user", users},
	{"TestBehaviourFailures", "A store that is away", failures},
	{"TestBehaviourCookies", "Cookies without a session", cookies},
}

func (b behaviour) sidName() string {
	if b.sid != "" {
		return b.sid
	}
	return "__Host-Http-sid"
}

// waits reports whether time passes.
func (b behaviour) waits() bool {
	for _, s := range b.steps {
		if strings.HasPrefix(s.do, "wait ") {
			return true
		}
	}
	return false
}

// A kind is where sessions are kept.
type kind struct {
	name     string
	open     func(*testing.T) store.Store
	own      bool // it runs in this process, by this process's clock
	inCookie bool
	fiber    bool // served by Fiber, not by net/http
}

func (k kind) manager(st store.Store, keys *cookie.Keys, cfg coatcheck.Config) (*coatcheck.Manager, error) {
	if k.inCookie {
		return coatcheck.NewInCookie(keys, coatcheck.StoreRevoker(st), cfg)
	}
	return coatcheck.New(st, keys, cfg)
}

func newMemory(*testing.T) store.Store { return memstore.New(memstore.Config{}) }

// here needs nothing else; everywhere is for what stores could do differently.
var (
	here = []kind{
		{name: "memory", open: newMemory, own: true},
		{name: "cookie", open: newMemory, own: true, inCookie: true},
		{name: "SQLite", open: newSQLite, own: true},
		{name: "Fiber", open: newMemory, own: true, fiber: true},
	}
	everywhere = append(here[:4:4],
		kind{name: "Redis", open: newRedis},
		kind{name: "PostgreSQL", open: newPostgres},
	)
)

func newSQL(t *testing.T, db *sql.DB, dialect sqlstore.Dialect, prefix string) store.Store {
	t.Helper()
	st, err := sqlstore.New(db, dialect, sqlstore.Config{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return st
}

func newSQLite(t *testing.T) store.Store {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "sessions.db")+"?_pragma=busy_timeout(100)&_pragma=synchronous(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return newSQL(t, db, sqlstore.SQLite, "")
}

func newRedis(t *testing.T) store.Store {
	s, err := redisstore.New(t.Context(), rueidis.ClientOption{
		InitAddress: []string{servers.SharedRedis(t).Addr()}, ReadBufferEachConn: 1 << 15, WriteBufferEachConn: 1 << 15,
	}, redisstore.Config{Prefix: rand.Text() + ":"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// tables numbers the tables of the behaviours that share a database.
var tables atomic.Int64

func newPostgres(t *testing.T) store.Store {
	server := servers.Postgres(t)
	db, err := sql.Open("pgx", server.DSN("postgres", "synchronous_commit=off")) // nobody pulls the plug here
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return newSQL(t, db, sqlstore.PostgreSQL, fmt.Sprintf("b%d_", tables.Add(1)))
}

// behave puts the kinds through the steps of every behaviour: those in which
// time passes in a bubble, where the store is of this process.
func behave(t *testing.T, list []behaviour, kinds []kind) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for _, b := range list {
				if len(b.steps) == 0 || k.inCookie && !b.inCookie || (!k.own || k.fiber) && b.waits() || k.fiber && b.begins {
					continue
				}
				t.Run(b.name, func(t *testing.T) {
					if b.waits() {
						synctest.Test(t, func(t *testing.T) {
							l := newPipeListener()
							follow(newWorld(t, b, k, l, l.dial))
						})
						return
					}
					l, err := net.Listen("tcp", "127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					follow(newWorld(t, b, k, l, func(ctx context.Context, _, _ string) (net.Conn, error) {
						return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
					}))
				})
			}
		})
	}
}

func follow(w *world) {
	for _, s := range w.b.steps {
		w.take(s)
		if w.t.Failed() {
			return
		}
	}
}
