//go:build linux

package scs_test

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/mysqlstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/postgresstore"
	"github.com/alexedwards/scs/redisstore"
	"github.com/alexedwards/scs/sqlite3store"
	original "github.com/alexedwards/scs/v2"
	_ "github.com/go-sql-driver/mysql"
	"github.com/gomodule/redigo/redis"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	_ "modernc.org/sqlite"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/bridge/scs"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/moving"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
)

func TestMain(m *testing.M) {
	gob.Register(time.Time{})
	gob.Register(item{})
	gob.Register(big.NewInt(0))
	gob.Register([]item{})
	os.Exit(servers.Main(m))
}

type item struct {
	Name  string
	Price float64
}

// stores are those of scs, each with what the bridge has for it.
var stores = map[string]func(t *testing.T) (original.Store, bridge.KV, moving.Tool){
	"redisstore": func(t *testing.T) (original.Store, bridge.KV, moving.Tool) {
		s := servers.SharedRedis(t)
		pool := &redis.Pool{Dial: func() (redis.Conn, error) { return redis.Dial("tcp", s.Addr()) }}
		t.Cleanup(func() { pool.Close() })
		return redisstore.New(pool), scs.Redis(openRedis(t, s), ""), moving.Tool{Store: "redis://" + s.Addr()}
	},
	"goredisstore": func(t *testing.T) (original.Store, bridge.KV, moving.Tool) {
		s := servers.SharedRedis(t)
		client := goredis.NewClient(&goredis.Options{Addr: s.Addr()})
		t.Cleanup(func() { client.Close() })
		return goredisstore.NewWithPrefix(client, "other:"), scs.Redis(openRedis(t, s), "other:"), moving.Tool{Store: "redis://" + s.Addr(), Args: []string{"--from-prefix", "other:"}}
	},
	"postgresstore": func(t *testing.T) (original.Store, bridge.KV, moving.Tool) {
		dsn := postgres(t)
		db := openSQL(t, "postgres", dsn, postgresSchema)
		return postgresstore.NewWithCleanupInterval(db, 0), openTable(t, db, sqlstore.PostgreSQL, ""), moving.Tool{Store: dsn}
	},
	"pgxstore": func(t *testing.T) (original.Store, bridge.KV, moving.Tool) {
		dsn := postgres(t)
		db := openSQL(t, "pgx", dsn, postgresSchema)
		pool, err := pgxpool.New(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return pgxstore.NewWithCleanupInterval(pool, 0), openTable(t, db, sqlstore.PostgreSQL, ""), moving.Tool{Store: dsn}
	},
	"mysqlstore": func(t *testing.T) (original.Store, bridge.KV, moving.Tool) {
		s := servers.MariaDB(t)
		name := s.NewDatabase(t)
		db := openSQL(t, "mysql", s.DSN(name, "parseTime=true"), `CREATE TABLE sessions (token CHAR(43) PRIMARY KEY, data BLOB NOT NULL, expiry TIMESTAMP(6) NOT NULL)`)
		return mysqlstore.NewWithCleanupInterval(db, 0), openTable(t, db, sqlstore.MySQL, ""), moving.Tool{Store: s.URL(name)}
	},
	"sqlite3store": func(t *testing.T) (original.Store, bridge.KV, moving.Tool) {
		file := filepath.Join(moving.Folder(t), "scs.db")
		db := openSQL(t, "sqlite", "file:"+file+"?_pragma=busy_timeout(5000)", `CREATE TABLE mine (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL)`)
		return sqlite3store.NewWithConfig(db, sqlite3store.Config{TableName: "mine"}), openTable(t, db, sqlstore.SQLite, "mine"),
			moving.Tool{Store: "sqlite:" + file, Folder: filepath.Dir(file), Args: []string{"--from-table", "mine"}}
	},
}

const postgresSchema = `CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)`

func postgres(t *testing.T) string {
	s := servers.Postgres(t)
	return s.DSN(s.NewDatabase(t))
}

func openSQL(t *testing.T, driver, dsn, schema string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(schema); err != nil {
		t.Fatal(err)
	}
	return db
}

func openTable(t *testing.T, db *sql.DB, dialect sqlstore.Dialect, table string) bridge.KV {
	t.Helper()
	kv, err := scs.SQL(db, dialect, table)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func openRedis(t *testing.T, s *servers.Redis) *rediskv.KV {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return rediskv.New(client)
}

// jsonCodec is the codec that an application writes to have JSON.
type jsonCodec struct{}

type jsonRecord struct {
	Deadline time.Time
	Values   map[string]any
}

func (jsonCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	return json.Marshal(jsonRecord{deadline, values})
}

func (jsonCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var r jsonRecord
	err := json.Unmarshal(b, &r)
	return r.Deadline, r.Values, err
}

// world is an scs application, a Go program with the bridge, and a browser.
type world struct {
	t      *testing.T
	scs    *original.SessionManager
	source *scs.Source
	put    map[string]any // what the application puts at its login
	old    *httptest.Server
	issue  bridge.Session // what the program issues at its login
	new    *httptest.Server
	http.Client
}

func newWorld(t *testing.T, store original.Store, kv bridge.KV, adapt func(*original.SessionManager, *scs.Config)) *world {
	t.Helper()
	w := &world{t: t, scs: original.New()}
	w.scs.Store = store
	cfg := scs.Config{Store: kv, UserKey: "userID", Policy: cookie.Policy{AllowInsecureHTTP: true, SameSite: http.SameSiteLaxMode}}
	if adapt != nil {
		adapt(w.scs, &cfg)
	}
	var err error
	if w.source, err = scs.New(cfg); err != nil {
		t.Fatal(err)
	}
	w.old = w.serve(w.scs.LoadAndSave(w.application()))
	w.new = w.serve(w.program())
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Client = http.Client{Jar: jar}
	return w
}

// serve answers at one host for both: a jar does not look at ports.
func (w *world) serve(h http.Handler) *httptest.Server {
	s := httptest.NewServer(h)
	w.t.Cleanup(s.Close)
	return s
}

// application is the old one. It says what types its values have.
func (w *world) application() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(_ http.ResponseWriter, r *http.Request) {
		if err := w.scs.RenewToken(r.Context()); err != nil {
			panic(err)
		}
		for name, v := range w.put {
			w.scs.Put(r.Context(), name, v)
		}
	})
	mux.HandleFunc("/show", func(rw http.ResponseWriter, r *http.Request) {
		for _, name := range w.scs.Keys(r.Context()) {
			fmt.Fprintf(rw, "%s=%#v\n", name, w.scs.Get(r.Context(), name))
		}
	})
	mux.HandleFunc("/logout", func(_ http.ResponseWriter, r *http.Request) {
		if err := w.scs.Destroy(r.Context()); err != nil {
			panic(err)
		}
	})
	return mux
}

// program is the new one.
func (w *world) program() http.Handler {
	mux := http.NewServeMux()
	answer := func(rw http.ResponseWriter, err error) {
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
		}
	}
	mux.HandleFunc("/login", func(rw http.ResponseWriter, r *http.Request) { answer(rw, w.source.Issue(rw, r, w.issue)) })
	mux.HandleFunc("/logout", func(rw http.ResponseWriter, r *http.Request) { answer(rw, w.source.End(rw, r)) })
	return mux
}

func (w *world) get(url string) string {
	w.t.Helper()
	resp, err := w.Get(url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s %s, %v", url, resp.Status, body, err)
	}
	return string(body)
}

// read is what the program sees of the browser's session.
func (w *world) read() (bridge.Session, error) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.old.URL, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range w.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return w.source.Read(r)
}

// every is a value of each type that gob knows by itself, and of one that the
// application has told it.
var every = map[string]any{
	"bool": true, "int": -1, "int8": int8(-8), "int16": int16(16), "int32": int32(-32), "int64": int64(1) << 62,
	"uint": uint(1), "uint8": uint8(8), "uint16": uint16(16), "uint32": uint32(32), "uint64": uint64(1) << 63, "uintptr": uintptr(9),
	"float32": float32(0.5), "float64": 1e-300, "complex64": complex64(1i), "complex128": 2 - 3i,
	"string": "Grüße\x00\n", "bytes": []byte{0, 255}, "bools": []bool{true, false}, "ints": []int{1, -2}, "int8s": []int8{-8},
	"int16s": []int16{16}, "int32s": []int32{-32}, "int64s": []int64{64}, "uints": []uint{1}, "uint16s": []uint16{16},
	"uint32s": []uint32{32}, "uint64s": []uint64{64}, "uintptrs": []uintptr{9}, "float32s": []float32{0.5}, "float64s": []float64{0, 1e300},
	"complex64s": []complex64{1}, "complex128s": []complex128{1i}, "strings": []string{"", "a"},
	"time": time.Date(2026, 11, 28, 12, 0, 0, 1, time.UTC), "item": item{"Tea", 2.5}, "items": []item{{"A", 0}, {"", 1}},
}

// jsonOf is every as encoding/json writes it, but for complex numbers.
func jsonOf(t *testing.T, v any) string {
	t.Helper()
	switch v := v.(type) {
	case complex64:
		return fmt.Sprintf("[%v,%v]", realPart(complex128(v)), imag(v))
	case complex128:
		return fmt.Sprintf("[%v,%v]", realPart(v), imag(v))
	case []complex64:
		return "[" + jsonOf(t, v[0]) + "]"
	case []complex128:
		return "[" + jsonOf(t, v[0]) + "]"
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestStores(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			store, kv, _ := open(t)
			for _, hashed := range []bool{false, true} {
				for _, codec := range []scs.Codec{scs.Gob{Types: every}, scs.JSON{}} {
					t.Run(fmt.Sprintf("hashed=%v/%T", hashed, codec), func(t *testing.T) {
						w := newWorld(t, store, kv, func(m *original.SessionManager, cfg *scs.Config) {
							m.HashTokenInStore, cfg.HashTokenInStore, cfg.Codec = hashed, hashed, codec
							if _, ok := codec.(scs.JSON); ok {
								m.Codec = jsonCodec{}
							}
						})
						w.theyWrite()
						w.weWrite()
						w.ends()
						w.ended(store, hashed)
					})
				}
			}
		})
	}
}

// theyWrite: a login at the application is one here, with every value.
func (w *world) theyWrite() {
	w.put = map[string]any{"userID": "u7"}
	_, gobs := w.scs.Codec.(original.GobCodec)
	for name, v := range every {
		if gobs || !strings.HasPrefix(name, "complex") {
			w.put[name] = v
		}
	}
	w.get(w.old.URL + "/login")
	s, err := w.read()
	if err != nil || s.User != "u7" || len(s.Refused) > 0 || len(s.Values) != len(w.put) {
		w.t.Fatalf("user %q, %d values of %d, refused %v, %v", s.User, len(s.Values), len(w.put), s.Refused, err)
	}
	for name, v := range w.put {
		if got, want := string(s.Values[name]), jsonOf(w.t, v); !equalJSON(got, want) {
			w.t.Errorf("%s: read %s, want %s", name, got, want)
		}
	}
	if left := time.Until(s.Expires); left < 23*time.Hour || left > 24*time.Hour {
		w.t.Errorf("expires in %v, want the 24 hours of scs", left)
	}
}

// weWrite: a login here is one there, with the types that the application wants.
func (w *world) weWrite() {
	w.issue = bridge.Session{User: "u8", Values: map[string]json.RawMessage{"n": json.RawMessage("5"), "f": json.RawMessage("1.5"), "s": json.RawMessage(`"x"`), "l": json.RawMessage(`["a","b"]`)}}
	_, gobs := w.scs.Codec.(original.GobCodec)
	want := "f=1.5\nl=[]string{\"a\", \"b\"}\nn=5\ns=\"x\"\nuserID=\"u8\"\n"
	if gobs {
		w.issue.Values["time"] = json.RawMessage(`"2026-11-28T12:00:00Z"`)
		w.issue.Values["items"] = json.RawMessage(`[{"Name":"A","Price":1}]`)
		w.issue.Values["uint8"] = json.RawMessage(`8`)
		want = "f=1.5\nitems=[]scs_test.item{scs_test.item{Name:\"A\", Price:1}}\nl=[]string{\"a\", \"b\"}\nn=5\ns=\"x\"\n" +
			"time=time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC)\nuint8=0x8\nuserID=\"u8\"\n"
	} else {
		want = strings.Replace(want, `[]string{"a", "b"}`, `[]interface {}{"a", "b"}`, 1)
	}
	before, err := w.read()
	if err != nil {
		w.t.Fatal(err)
	}
	w.get(w.new.URL + "/login")
	if got := w.get(w.old.URL + "/show"); got != want {
		w.t.Errorf("the application has\n%swant\n%s", got, want)
	}
	if _, err := w.source.Open(w.t.Context(), strings.TrimPrefix(before.ID, "scs:")); err == nil {
		w.t.Error("the session that the request brought is still there")
	}
}

// ends: a logout on either side is seen on the other.
func (w *world) ends() {
	w.get(w.old.URL + "/login")
	s, err := w.read()
	if err != nil {
		w.t.Fatal(err)
	}
	token := w.token()
	w.get(w.old.URL + "/logout")
	if _, err := w.read(); !errors.Is(err, bridge.ErrAbsent) {
		w.t.Errorf("after a logout there: %v", err)
	}
	if _, err := w.source.Open(w.t.Context(), token); !errors.Is(err, bridge.ErrEnded) {
		w.t.Errorf("a copy of the cookie after a logout there: %v, want ErrEnded", err)
	}
	w.get(w.new.URL + "/login")
	if again, err := w.read(); err != nil || again.ID == s.ID || again.User != "u8" {
		w.t.Fatalf("%v, %v", again, err)
	}
	token = w.token()
	w.get(w.new.URL + "/logout")
	r := httptest.NewRequest(http.MethodGet, "/show", nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: token})
	rw := httptest.NewRecorder()
	w.old.Config.Handler.ServeHTTP(rw, r)
	if rw.Body.Len() > 0 {
		w.t.Errorf("a copy of the cookie after a logout here opens %s", rw.Body)
	}
}

func (w *world) token() string {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodGet, w.old.URL, nil)
	for _, c := range w.Jar.Cookies(r.URL) {
		if c.Name == "session" {
			return c.Value
		}
	}
	w.t.Fatal("the browser has no cookie")
	return ""
}

// ended: a session is over here when it is over there.
func (w *world) ended(store original.Store, hashed bool) {
	data, err := w.scs.Codec.Encode(time.Now().Add(time.Hour), map[string]any{"userID": "u9"})
	if err != nil {
		w.t.Fatal(err)
	}
	token := crand.Text() + strings.Repeat("A", 43-26)
	w.commit(store, token, data, time.Now().Add(30*time.Millisecond), hashed)
	if err := servers.Until(func() error {
		if _, err := w.source.Open(w.t.Context(), token); !errors.Is(err, bridge.ErrExpired) && !errors.Is(err, bridge.ErrEnded) {
			return fmt.Errorf("still %w", err)
		}
		return nil
	}); err != nil {
		w.t.Error(err)
	}
	// One whose record says that it is over, although the store still has it.
	if data, err = w.scs.Codec.Encode(time.Now().Add(-time.Second), nil); err != nil {
		w.t.Fatal(err)
	}
	w.commit(store, token, data, time.Now().Add(time.Hour), hashed)
	if _, err := w.source.Open(w.t.Context(), token); !errors.Is(err, bridge.ErrExpired) {
		w.t.Errorf("after its deadline: %v, want ErrExpired", err)
	}
}

func (w *world) commit(store original.Store, token string, data []byte, expiry time.Time, hashed bool) {
	w.t.Helper()
	if hashed {
		token = hash(token)
	}
	var err error
	if ctx, ok := store.(original.CtxStore); ok {
		err = ctx.CommitCtx(w.t.Context(), token, data, expiry)
	} else {
		err = store.Commit(token, data, expiry)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestSettings: an error names the setting that does not match.
func TestSettings(t *testing.T) {
	store, kv, _ := stores["redisstore"](t)
	for _, c := range []struct {
		setting, want string
		adapt         func(*original.SessionManager, *scs.Config)
	}{
		{"scs.Config.Codec", "scs.JSON", func(m *original.SessionManager, _ *scs.Config) { m.Codec = jsonCodec{} }},
		{"scs.Config.Codec", "scs.Gob", func(_ *original.SessionManager, cfg *scs.Config) { cfg.Codec = scs.JSON{} }},
		{"scs.Config.HashTokenInStore", "true", func(m *original.SessionManager, _ *scs.Config) { m.HashTokenInStore = true }},
		{"scs.Config.HashTokenInStore", "false", func(_ *original.SessionManager, cfg *scs.Config) { cfg.HashTokenInStore = true }},
	} {
		w := newWorld(t, store, kv, c.adapt)
		w.put = map[string]any{"userID": "u"}
		w.get(w.old.URL + "/login")
		_, err := w.read()
		var setting *bridge.SettingError
		if !errors.As(err, &setting) || setting.Setting != c.setting || setting.Want != c.want || !errors.Is(err, bridge.ErrForged) {
			t.Errorf("got %v, want %s named, with %s", err, c.setting, c.want)
		}
		if strings.Contains(err.Error(), w.token()) {
			t.Error("the error has the token")
		}
	}
}

// random is a session as an application may have it.
func random(n *rand.Rand) map[string]any {
	values := map[string]any{"userID": fmt.Sprint("user", n.Uint32())}
	for range n.IntN(8) {
		name := fmt.Sprint("key", n.IntN(1000))
		switch n.IntN(6) {
		case 0:
			values[name] = int(n.Int64()) - 1<<62
		case 1:
			values[name] = n.NormFloat64()
		case 2:
			values[name] = strings.Repeat("é☃\x00a", n.IntN(40))
		case 3:
			values[name] = n.IntN(2) == 0
		case 4:
			values[name] = []string{fmt.Sprint(n.Uint64()), ""}
		case 5:
			values[name] = []int{n.IntN(9), -n.IntN(9)}
		}
	}
	return values
}

// TestRandom sends 200 random sessions each way.
func TestRandom(t *testing.T) {
	store, kv, _ := stores["redisstore"](t)
	seed := rand.Uint64()
	n := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, store, kv, nil)
	for i := range 200 {
		w.put = random(n)
		w.get(w.old.URL + "/logout")
		w.get(w.old.URL + "/login")
		shown := w.get(w.old.URL + "/show")
		s, err := w.read()
		if err != nil || len(s.Refused) > 0 || s.User != w.put["userID"] {
			t.Fatalf("seed %d, session %d: %v, refused %v", seed, i, err, s.Refused)
		}
		for name, v := range w.put {
			if got := string(s.Values[name]); !equalJSON(got, jsonOf(t, v)) {
				t.Fatalf("seed %d, session %d: %s is %s, want %v", seed, i, name, got, v)
			}
		}
		w.issue = s
		w.get(w.old.URL + "/logout")
		w.get(w.new.URL + "/login")
		if got := w.get(w.old.URL + "/show"); got != shown {
			t.Fatalf("seed %d, session %d: the application has\n%swant\n%s", seed, i, got, shown)
		}
	}
}

// TestAll walks through all sessions, the ended ones not among them.
func TestAll(t *testing.T) {
	for _, name := range []string{"goredisstore", "pgxstore", "mysqlstore", "sqlite3store"} {
		t.Run(name, func(t *testing.T) {
			store, kv, _ := stores[name](t)
			w := newWorld(t, store, kv, nil)
			for i := range 1203 { // more than two pages
				data, err := original.GobCodec{}.Encode(time.Now().Add(time.Hour), map[string]any{"userID": i})
				if err != nil {
					t.Fatal(err)
				}
				w.commit(store, fmt.Sprintf("%042dE", i), data, time.Now().Add(time.Hour), false)
			}
			w.commit(store, strings.Repeat("z", 43), []byte("no gob"), time.Now().Add(time.Hour), false)
			seen, skipped := make(map[string]bool), 0
			for s, err := range w.source.All(t.Context()) {
				if err != nil && bridge.Skips(err) {
					skipped++
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				seen[s.User] = true
			}
			if len(seen) < 1203 || skipped < 1 {
				t.Errorf("saw %d users and skipped %d, want 1203 and at least 1", len(seen), skipped)
			}
		})
	}
}

// TestOtherCase: a database that finds a token whatever its case opens one session by
// one cookie only, or a cookie written otherwise would outlive an end here.
func TestOtherCase(t *testing.T) {
	store, kv, _ := stores["mysqlstore"](t)
	w := newWorld(t, store, kv, nil)
	w.put = map[string]any{"userID": "u"}
	w.get(w.old.URL + "/login")
	token := w.token()
	other := strings.ToLower(token)
	if other == token {
		other = strings.ToUpper(token)
	}
	if _, err := w.source.Open(context.Background(), other); !errors.Is(err, bridge.ErrEnded) && !errors.Is(err, bridge.ErrForged) {
		t.Errorf("the token in another case: %v", err)
	}
}

func equalJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}
