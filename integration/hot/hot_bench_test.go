//go:build linux

// Package hot measures many clients that write one session: side by side with an
// older commit by `make bench-hot`.
package hot_test

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

// A hot process serves a counter in one session.
type hot struct {
	http.Handler
	cookies []*http.Cookie
}

func newHot(tb testing.TB, st store.Store) *hot {
	tb.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		tb.Fatal(err)
	}
	m, err := coatcheck.New(st, keys, coatcheck.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	count := coatcheck.NewKey[int]("count")
	return &hot{Handler: m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		if r.URL.Path == "/login" {
			s.Login("ann")
			return
		}
		io.WriteString(w, strconv.Itoa(count.Update(s, func(n int) int { return n + 1 })))
	}))}
}

// do returns the status and the number that a request is answered with.
func (h *hot) do(path string) (status, n int) {
	r := httptest.NewRequest("POST", path, nil)
	for _, c := range h.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if h.cookies == nil {
		h.cookies = w.Result().Cookies()
	}
	n, _ = strconv.Atoi(w.Body.String())
	return w.Code, n
}

// An opener opens a store on the server, for as long as b lasts.
type opener func(b *testing.B, away time.Duration) store.Store

// hotStores are opened on servers of their own, through a network that takes so
// long for a way there and back.
func hotStores(b *testing.B, f func(b *testing.B, open opener)) {
	forward := func(b *testing.B, port int, away time.Duration) int {
		if away == 0 {
			return port
		}
		network := servers.NewForwarder(b, port)
		network.Delay(away / 2)
		return network.Port
	}
	b.Run("memory", func(b *testing.B) {
		st := memstore.New(memstore.Config{})
		f(b, func(*testing.B, time.Duration) store.Store { return st })
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		server := servers.NewPostgres(b)
		name := server.NewDatabase(b)
		f(b, func(b *testing.B, away time.Duration) store.Store {
			dsn := strings.Replace(server.DSN(name), fmt.Sprint(":", server.Port), fmt.Sprint(":", forward(b, server.Port, away)), 1)
			return openPostgres(b, dsn)
		})
	})
	b.Run("Redis", func(b *testing.B) {
		server := servers.NewRedis(b)
		f(b, func(b *testing.B, away time.Duration) store.Store {
			return openRedis(b, forward(b, server.Port, away))
		})
	})
}

func openPostgres(b *testing.B, dsn string) store.Store {
	b.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(40)
	db.SetMaxIdleConns(40)
	st, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{})
	if err == nil {
		err = st.Migrate(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	return st
}

func openRedis(b *testing.B, port int) store.Store {
	b.Helper()
	option := rueidis.ClientOption{InitAddress: []string{fmt.Sprint("127.0.0.1:", port)}, ReadBufferEachConn: 1 << 15, WriteBufferEachConn: 1 << 15}
	st, err := redisstore.New(b.Context(), option, redisstore.Config{Prefix: "hot:"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(st.Close)
	return st
}

// BenchmarkHotSession is 1 and 64 clients that count in one session, each answer
// another number.
func BenchmarkHotSession(b *testing.B) {
	hotStores(b, func(b *testing.B, open opener) {
		for _, clients := range []int{1, 64} {
			h := newHot(b, open(b, 0))
			h.do("/login")
			b.Run(strconv.Itoa(clients), func(b *testing.B) {
				_, before := h.do("/")
				var left atomic.Int64
				left.Store(int64(b.N))
				seen := make([]atomic.Bool, b.N)
				var wg sync.WaitGroup
				b.ResetTimer()
				for range clients {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							status, n := h.do("/")
							if status != 200 || seen[n-before-1].Swap(true) {
								b.Errorf("answer %d %d", status, n)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			})
		}
	})
}

// BenchmarkTwoProcesses is one session in two processes, 64 clients each, one
// nearer to the store than the other, for as many seconds as b.N says; run it
// with -benchtime 20x. The share is what the far one commits for each commit of
// the near one.
func BenchmarkTwoProcesses(b *testing.B) {
	hotStores(b, func(b *testing.B, open opener) {
		for _, far := range []time.Duration{5 * time.Millisecond, 20 * time.Millisecond} {
			b.Run(far.String(), func(b *testing.B) {
				away := []time.Duration{far, time.Millisecond}
				var commits, refused [2]atomic.Int64
				first := newHot(b, open(b, 0))
				first.do("/login")
				end := time.Now().Add(time.Duration(b.N) * time.Second)
				var wg sync.WaitGroup
				for i := range away {
					h := newHot(b, open(b, away[i]))
					h.cookies = first.cookies
					for range 64 {
						wg.Go(func() {
							for time.Now().Before(end) {
								if status, _ := h.do("/"); status == 200 {
									commits[i].Add(1)
								} else {
									refused[i].Add(1)
								}
							}
						})
					}
				}
				wg.Wait()
				if _, n := first.do("/"); int64(n) != commits[0].Load()+commits[1].Load()+1 {
					b.Errorf("the counter is %d after %d and %d commits", n, commits[0].Load(), commits[1].Load())
				}
				b.ReportMetric(float64(commits[0].Load())/float64(b.N), "far/s")
				b.ReportMetric(float64(commits[1].Load())/float64(b.N), "near/s")
				b.ReportMetric(float64(commits[0].Load())/float64(commits[1].Load()), "share")
				b.ReportMetric(float64(refused[0].Load()+refused[1].Load()), "refused")
			})
		}
	})
}
