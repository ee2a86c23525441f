//go:build linux

package php_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/rueidis"
	_ "modernc.org/sqlite"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/php"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/moving"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/visit"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/sqlstore"
)

var update = flag.Bool("update", false, "write testvectors/bridge/php.json and laravel.json anew")

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

var policy = cookie.Policy{AllowInsecureHTTP: true, SameSite: http.SameSiteLaxMode}

// serve runs PHP's own server for one script.
func serve(t testing.TB, script string, settings []string, env ...string) string {
	t.Helper()
	program := servers.Program(t, "php", "php-cli")
	script, err := filepath.Abs(filepath.Join("testdata", script))
	if err != nil {
		t.Fatal(err)
	}
	addr := servers.FreeAddr(t)
	args := []string{"-S", addr}
	for _, s := range settings {
		args = append(args, "-d", s)
	}
	cmd := exec.Command(program, append(args, script)...)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("PHP says\n%.3000s", text)
		}
		log.Close()
	})
	if err := servers.Until(func() error {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return "http://" + addr
}

func openRedis(t testing.TB) *rediskv.KV {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{servers.SharedRedis(t).Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return rediskv.New(client)
}

// native is an application with these settings, and the bridge to it.
func native(t testing.TB, handler php.Handler, redis bool) (*visit.Visit, string) {
	t.Helper()
	cfg := php.Config{Handler: handler, UserKey: "user", Policy: policy}
	settings := []string{"session.serialize_handler=" + handler.String(), "session.gc_probability=0"}
	dir := moving.Folder(t)
	if redis {
		extension(t, "php-redis", "redis")
		settings = append(settings, "session.save_handler=redis", "session.save_path=tcp://"+servers.SharedRedis(t).Addr())
		cfg.Store = php.Redis(openRedis(t), "")
	} else {
		settings = append(settings, "session.save_path="+dir)
		cfg.Store = php.Files(dir)
	}
	source, err := php.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return visit.New(t, serve(t, "native.php", settings), source), dir
}

var every = map[string]any{
	"user": "somebody", "null": nil, "true": true, "false": false, "int": int64(math.MaxInt64), "negative": math.MinInt64, "float": 1.5e-300, "whole": 1e25, "text": "Grüße ☃\x00\n|;\"{}",
	"empty": "", "list": []any{1, "a", nil, []any{}}, "object": map[string]any{"a": []any{}, "5": 1},
}

var handlers = []php.Handler{php.HandlerPHP, php.HandlerBinary, php.HandlerSerialize}

func TestNative(t *testing.T) {
	for _, redis := range []bool{false, true} {
		for _, handler := range handlers {
			t.Run(fmt.Sprintf("redis=%v/%v", redis, handler), func(t *testing.T) {
				v, dir := native(t, handler, redis)
				v.Login(every)
				s := v.MustRead()
				if name := visit.Differ(every, s.Values); s.User != "somebody" || name != "" {
					t.Errorf("user %q, %s is %s", s.User, name, s.Values[name])
				}
				if left := time.Until(s.Expires); left < 20*time.Minute || left > 24*time.Minute+time.Second {
					t.Errorf("expires in %v, want the 24 minutes of PHP", left)
				}
				v.Issue(s)
				if shown := v.Show(); visit.Differ(every, shown) != "" {
					t.Errorf("there: %s", shown)
				}
				v.Logouts(map[string]any{"user": "somebody"}, true)
				special(t, v)
				v.Login(map[string]any{"user": "somebody"})
				id := strings.TrimPrefix(v.MustRead().ID, "php:")
				wrongHandlers(t, v, handler, dir, redis)
				expire(t, v, id, dir, redis)
			})
		}
	}
}

// special: what JSON has no word for is left out and named, and the session stays.
func special(t *testing.T, v *visit.Visit) {
	t.Helper()
	v.Login(map[string]any{"special": true})
	s := v.MustRead()
	want := map[string]any{"user": "somebody", "float": 0.1, "whole": 3.0, "large": int64(math.MaxInt64), "array": map[string]any{"5": "five", "a": []any{1, 2, []any{true, nil}}},
		"holes": map[string]any{"1": "b", "0": "a"}, "empty": []any{}, "text": "ü|;\"}{\x00"}
	if name := visit.Differ(want, s.Values); name != "" {
		t.Errorf("%s is %s, want %v", name, s.Values[name], want[name])
	}
	for name, says := range map[string]string{"object": `"Cart"`, "nested": `"Cart"`, "enum": `"Colour:Red"`, "reference": "reference", "binary": "UTF-8", "nan": "NaN", "infinite": "Inf"} {
		if !strings.Contains(s.Refused[name], says) {
			t.Errorf("%s: refused as %q, want %s named", name, s.Refused[name], says)
		}
	}
}

// wrongHandlers: the error names the handler that it is.
func wrongHandlers(t *testing.T, v *visit.Visit, handler php.Handler, dir string, redis bool) {
	t.Helper()
	for _, wrong := range handlers {
		if wrong == handler {
			continue
		}
		cfg := php.Config{Handler: wrong, UserKey: "user", Store: php.Files(dir)}
		if redis {
			cfg.Store = php.Redis(openRedis(t), "")
		}
		source, err := php.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Read(v.Request())
		var setting *bridge.SettingError
		if !errors.As(err, &setting) || setting.Setting != "php.Config.Handler" || setting.Want != handler.String() {
			t.Errorf("read as %v: %v, want %v named", wrong, err, handler)
		}
	}
}

// expire: a session that has not been used for so long is over.
func expire(t *testing.T, v *visit.Visit, id, dir string, redis bool) {
	t.Helper()
	want := bridge.ErrExpired
	if redis {
		servers.SharedRedis(t).Must(t, "DEL", "PHPREDIS_SESSION:"+id)
		want = bridge.ErrEnded
	} else if old := time.Now().Add(-25 * time.Minute); os.Chtimes(filepath.Join(dir, "sess_"+id), old, old) != nil {
		t.Fatal("no such file")
	}
	if _, err := v.Read(); !errors.Is(err, want) {
		t.Errorf("after its time: %v, want %v", err, want)
	}
}

func TestNativeRandom(t *testing.T) {
	v, _ := native(t, php.HandlerPHP, true)
	v.Random("user", nil)
	files, _ := native(t, php.HandlerSerialize, false)
	files.Random("user", nil)
	seen := 0
	for _, err := range v.Source.(bridge.Walker).All(t.Context()) {
		if err != nil && !bridge.Skips(err) {
			t.Fatal(err)
		}
		seen++
	}
	if seen == 0 {
		t.Error("the walk saw nothing")
	}
}

// TestLock: a file is read when the request that uses it has ended, and waiting ends
// with the request that waits.
func TestLock(t *testing.T) {
	v, dir := native(t, php.HandlerPHP, false)
	v.Login(map[string]any{"user": "somebody"})
	id := strings.TrimPrefix(v.MustRead().ID, "php:")
	file := filepath.Join(dir, "sess_"+id)
	holder := exec.Command("php", "-r", `$f = fopen($argv[1], 'r+'); flock($f, LOCK_EX); echo "held\n"; fgets(STDIN); ftruncate($f, 0); fwrite($f, 'user|s:5:"after";');`, file)
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := v.Source.Read(v.Request().WithContext(ctx)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is locked: %v", err)
	}
	in.Close()
	if s := v.MustRead(); s.User != "after" {
		t.Errorf("read %q, want what the request had written", s.User)
	}
	if err := holder.Wait(); err != nil {
		t.Error(err)
	}
}

var (
	key1 = slices.Repeat([]byte("1"), 32)
	key2 = slices.Repeat([]byte("2"), 32)
)

func appKey(key []byte) string { return "base64:" + base64.StdEncoding.EncodeToString(key) }

func extension(t testing.TB, debianPackage, name string) {
	t.Helper()
	servers.Library(t, debianPackage, "php", "-r", "exit(extension_loaded('"+name+"') ? 0 : 1);")
}

// table is the one of the framework's own migration.
func table(t testing.TB, driver, dsn string, dialect sqlstore.Dialect) bridge.KV {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(`CREATE TABLE sessions (id varchar(255) not null primary key, user_id bigint, ip_address varchar(45), user_agent text, payload text not null, last_activity integer not null)`); err != nil {
		t.Fatal(err)
	}
	kv, err := php.LaravelSQL(db, dialect, "")
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

// A driver is one of Laravel's, as the application and the bridge are told of its store.
type driver struct {
	env  []string
	kv   bridge.KV
	tool moving.Tool
}

var drivers = map[string]func(t testing.TB) driver{
	"redis": func(t testing.TB) driver {
		extension(t, "php-redis", "redis")
		s := servers.SharedRedis(t)
		const prefix = "laravel_database_laravel_cache:"
		return driver{[]string{fmt.Sprint("REDIS_PORT=", s.Port)}, php.LaravelRedis(openRedis(t), prefix),
			moving.Tool{Store: "redis://" + s.Addr(), Args: []string{"--from-prefix", prefix}}}
	},
	"SQLite": func(t testing.TB) driver {
		extension(t, "php-sqlite3", "pdo_sqlite")
		file := filepath.Join(moving.Folder(t), "laravel.db")
		return driver{[]string{`DATABASE={"driver":"sqlite","database":"` + file + `"}`}, table(t, "sqlite", "file:"+file+"?_pragma=busy_timeout(5000)", sqlstore.SQLite),
			moving.Tool{Store: "sqlite:" + file, Folder: filepath.Dir(file)}}
	},
	"PostgreSQL": func(t testing.TB) driver {
		extension(t, "php-pgsql", "pdo_pgsql")
		s := servers.Postgres(t)
		name := s.NewDatabase(t)
		kv := table(t, "pgx", s.DSN(name), sqlstore.PostgreSQL)
		return driver{[]string{fmt.Sprintf(`DATABASE={"driver":"pgsql","host":"127.0.0.1","port":%d,"database":%q,"username":"coatcheck","password":"","sslmode":"disable"}`, s.Port, name)}, kv, moving.Tool{Store: s.DSN(name)}}
	},
	"MariaDB": func(t testing.TB) driver {
		extension(t, "php-mysql", "pdo_mysql")
		s := servers.MariaDB(t)
		name := s.NewDatabase(t)
		kv := table(t, "mysql", s.DSN(name), sqlstore.MySQL)
		return driver{[]string{fmt.Sprintf(`DATABASE={"driver":"mysql","host":"127.0.0.1","port":%d,"database":%q,"username":"root","password":""}`, s.Port, name)}, kv, moving.Tool{Store: s.URL(name)}}
	},
	"file": func(t testing.TB) driver {
		dir := moving.Folder(t)
		return driver{[]string{"FILES=" + dir}, php.LaravelFiles(dir), moving.Tool{Store: "file:" + dir, Folder: dir}}
	},
}

func laravel(t testing.TB, name string, cipher php.Cipher, encrypt bool) *visit.Visit {
	t.Helper()
	return laravelWith(t, name, drivers[name](t), cipher, encrypt, key1, appKey(key1), appKey(key2))
}

// laravelWith is an application with that key and the bridge with these.
func laravelWith(t testing.TB, driver string, d driver, cipher php.Cipher, encrypt bool, theirs []byte, ours ...string) *visit.Visit {
	t.Helper()
	for _, name := range []string{"session", "encryption", "cookie", "auth", "redis", "database", "http", "cache", "container", "filesystem", "pipeline"} {
		servers.Library(t, "php-illuminate-"+name, "test", "-e", "/usr/share/php/Illuminate/"+strings.ToUpper(name[:1])+name[1:]+"/autoload.php")
	}
	switch driver {
	case "SQLite", "PostgreSQL", "MariaDB":
		driver = "database"
	}
	env := append(d.env, "DRIVER="+driver, "KEY="+base64.StdEncoding.EncodeToString(theirs), "CIPHER="+cipher.String())
	if encrypt {
		env = append(env, "ENCRYPT=1")
	}
	source, err := php.NewLaravel(php.LaravelConfig{Keys: ours, Cipher: cipher, Store: d.kv, Encrypt: encrypt, Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	return visit.New(t, serve(t, "laravel.php", nil, env...), flat{source})
}

// flat puts the user, which Laravel keeps under a name of its own, where visit looks for
// it, and takes out what Laravel puts into each session.
type flat struct{ bridge.Source }

func (f flat) Read(r *http.Request) (bridge.Session, error) {
	s, err := f.Source.Read(r)
	for name := range s.Values {
		if strings.HasPrefix(name, "login_web_") {
			delete(s.Values, name)
		}
	}
	delete(s.Values, "_token")
	delete(s.Values, "_flash")
	if s.User != "" {
		s.Values["user"], _ = json.Marshal(s.User)
	}
	return s, err
}

func (f flat) Issue(w http.ResponseWriter, r *http.Request, s bridge.Session) error {
	delete(s.Values, "user")
	return f.Source.Issue(w, r, s)
}

func TestLaravel(t *testing.T) {
	for driver := range drivers {
		for _, c := range []struct {
			cipher  php.Cipher
			encrypt bool
		}{{php.AES256CBC, false}, {php.AES256GCM, true}} {
			t.Run(fmt.Sprintf("%s/%v", driver, c.cipher), func(t *testing.T) {
				v := laravel(t, driver, c.cipher, c.encrypt)
				v.Login(every)
				s := v.MustRead()
				if name := visit.Differ(every, s.Values); s.User != "somebody" || name != "" || len(s.CSRF) != 40 {
					t.Errorf("user %q, token %q, %s is %s", s.User, s.CSRF, name, s.Values[name])
				}
				if left := time.Until(s.Expires); left < 100*time.Minute || left > 2*time.Hour {
					t.Errorf("expires in %v, want the 120 minutes of Laravel", left)
				}
				v.Issue(s)
				if shown := v.Show(); visit.Differ(every, shown) != "" {
					t.Errorf("there: %s", shown)
				}
				if again := v.MustRead(); again.CSRF != s.CSRF {
					t.Error("the CSRF token is another on the other side")
				}
				v.Logouts(map[string]any{"user": "somebody"}, true)
				v.Login(map[string]any{"user": "somebody", "special": true, "n": 1})
				if s := v.MustRead(); s.User != "somebody" || string(s.Values["n"]) != "1" || !strings.Contains(s.Refused["object"], `"Cart"`) {
					t.Errorf("with objects: user %q, refused %v", s.User, s.Refused)
				}
				settings(t, v, driver, c.cipher, c.encrypt)
			})
		}
	}
}

// settings: an error names the setting that does not match, and no key.
func settings(t *testing.T, v *visit.Visit, driver string, cipher php.Cipher, encrypt bool) {
	t.Helper()
	kv := drivers[driver](t).kv
	for setting, cfg := range map[string]php.LaravelConfig{
		"Keys":    {Keys: []string{appKey(key2)}, Cipher: cipher, Encrypt: encrypt},
		"Cipher":  {Keys: []string{appKey(key1)}, Cipher: cipher ^ 1, Encrypt: encrypt},
		"Encrypt": {Keys: []string{appKey(key1)}, Cipher: cipher, Encrypt: !encrypt},
	} {
		if setting == "Encrypt" && driver != "redis" {
			continue // the other stores are new
		}
		cfg.Store = kv
		source, err := php.NewLaravel(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Read(v.Request())
		var named *bridge.SettingError
		if !errors.As(err, &named) || named.Setting != "php.LaravelConfig."+setting || strings.Contains(err.Error(), "MTEx") {
			t.Errorf("another %s: %v", setting, err)
		}
	}
}

// TestLaravelRotation: what the previous key has written is read, and the first writes.
func TestLaravelRotation(t *testing.T) {
	for _, cipher := range []php.Cipher{php.AES256CBC, php.AES256GCM, php.AES128CBC} {
		before, after := key1, key2
		if cipher == php.AES128CBC {
			before, after = key1[:16], key2[:16]
		}
		old := laravelWith(t, "redis", drivers["redis"](t), cipher, true, before, appKey(after), appKey(before))
		old.Login(map[string]any{"user": "somebody"})
		if s := old.MustRead(); s.User != "somebody" {
			t.Errorf("%v: by the previous key: %q", cipher, s.User)
		}
		next := laravelWith(t, "redis", drivers["redis"](t), cipher, true, after, appKey(after), appKey(before))
		next.Issue(bridge.Session{User: "other"})
		if shown := next.Show(); string(shown["user"]) != `"other"` {
			t.Errorf("%v: by the first key: %s", cipher, shown)
		}
	}
}

func TestLaravelRandom(t *testing.T) {
	// Laravel's lists, and its put of a name that holds a dot, are not the subject.
	v := laravel(t, "redis", php.AES256CBC, false)
	v.Random("user", nil)
}

// TestVectors makes the vectors, if it is told to.
func TestVectors(t *testing.T) {
	if !*update {
		t.Skip("with -update it writes the vectors")
	}
	var list []visit.Vector
	for _, handler := range handlers {
		v, dir := native(t, handler, false)
		for name, values := range map[string]map[string]any{"every type": every, "special": {"special": true}} {
			v.Login(values)
			s := v.MustRead()
			id := strings.TrimPrefix(s.ID, "php:")
			record, err := os.ReadFile(filepath.Join(dir, "sess_"+id))
			if err != nil {
				t.Fatal(err)
			}
			made := vector(fmt.Sprintf("%v: %s", handler, name), map[string]string{"Handler": handler.String()}, v, s, "PHPREDIS_SESSION:"+id, record)
			if name == "every type" {
				made.Values = visit.JSONOf(t, values)
			}
			list = append(list, made)
		}
	}
	visit.WriteVectors(t, "php.json", list)
	list = nil
	for _, cipher := range []php.Cipher{php.AES256CBC, php.AES256GCM} {
		for _, encrypt := range []bool{false, true} {
			v := laravel(t, "redis", cipher, encrypt)
			v.Login(map[string]any{"user": "somebody", "n": 1, "text": "ü", "special": true})
			s, err := v.Source.(flat).Source.Read(v.Request())
			if err != nil {
				t.Fatal(err)
			}
			key := "laravel_database_laravel_cache:" + strings.TrimPrefix(s.ID, "php:laravel:")
			record := servers.SharedRedis(t).Must(t, "GET", key)
			list = append(list, vector(fmt.Sprintf("%v, encrypted records %v", cipher, encrypt), map[string]string{"Cipher": cipher.String(), "Encrypt": fmt.Sprint(encrypt)}, v, s, key, []byte(record)))
		}
	}
	visit.WriteVectors(t, "laravel.json", list)
}

// vector keeps what was read; the tests above have held it against the application.
func vector(name string, settings map[string]string, v *visit.Visit, s bridge.Session, key string, record []byte) visit.Vector {
	out := visit.Vector{Name: name, Settings: settings, Key: key, Record: record, Made: time.Now().Unix(), User: s.User, Values: s.Values}
	for _, c := range v.Cookies() {
		out.Cookies = append(out.Cookies, c.Name, c.Value)
	}
	for refused := range s.Refused {
		out.Refused = append(out.Refused, refused)
	}
	slices.Sort(out.Refused)
	return out
}
