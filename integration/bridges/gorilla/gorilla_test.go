//go:build linux

package gorilla_test

import (
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/boj/redistore"
	ginsessions "github.com/gin-contrib/sessions"
	gincookie "github.com/gin-contrib/sessions/cookie"
	"github.com/gin-gonic/gin"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/gorilla"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/visit"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

type item struct {
	Name  string
	Price float64
}

func TestMain(m *testing.M) {
	gob.Register(item{})
	gob.Register([]item{})
	gob.Register(time.Time{})
	gob.Register([]any{})
	gob.Register(map[string]any{})
	gob.Register(big.NewInt(0))
	gin.SetMode(gin.ReleaseMode)
	os.Exit(servers.Main(m))
}

const name = "mysession"

var (
	hash1, block1 = []byte(strings.Repeat("1", 64)), []byte(strings.Repeat("a", 32))
	hash2, block2 = []byte(strings.Repeat("2", 32)), []byte(strings.Repeat("b", 16))
	policy        = cookie.Policy{AllowInsecureHTTP: true, SameSite: http.SameSiteLaxMode}
)

// application is one on gorilla/sessions.
func application(t testing.TB, store sessions.Store) string {
	mux := http.NewServeMux()
	save := func(w http.ResponseWriter, r *http.Request, change func(*sessions.Session)) {
		s, _ := store.Get(r, name)
		change(s)
		s.Options.Secure, s.Options.SameSite = false, http.SameSiteLaxMode
		if err := s.Save(r, w); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		save(w, r, func(s *sessions.Session) { fill(r, func(k string, v any) { s.Values[k] = v }) })
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		save(w, r, func(s *sessions.Session) { s.Options.MaxAge = -1 })
	})
	mux.HandleFunc("GET /show", func(w http.ResponseWriter, r *http.Request) {
		s, _ := store.Get(r, name)
		out := make(map[string]any)
		for k, v := range s.Values {
			out[k.(string)] = v
		}
		_ = json.NewEncoder(w).Encode(out)
	})
	return serve(t, mux)
}

func serve(t testing.TB, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// fill puts the values of a login into a session. With ?every they have Go's types.
func fill(r *http.Request, set func(string, any)) {
	var values map[string]any
	_ = json.NewDecoder(r.Body).Decode(&values)
	if values["every"] != nil {
		values = every
	}
	for k, v := range values {
		set(k, v)
	}
}

// ginApplication is one on gin-contrib/sessions.
func ginApplication(t testing.TB, store ginsessions.Store) string {
	e := gin.New()
	store.Options(ginsessions.Options{Path: "/", HttpOnly: true})
	e.Use(ginsessions.Sessions(name, store))
	save := func(c *gin.Context, s ginsessions.Session) {
		if err := s.Save(); err != nil {
			c.String(http.StatusInternalServerError, "%v", err)
		}
	}
	e.POST("/login", func(c *gin.Context) {
		s := ginsessions.Default(c)
		fill(c.Request, func(k string, v any) { s.Set(k, v) })
		save(c, s)
	})
	e.POST("/logout", func(c *gin.Context) {
		s := ginsessions.Default(c)
		s.Clear()
		s.Options(ginsessions.Options{Path: "/", MaxAge: -1})
		save(c, s)
	})
	e.GET("/show", func(c *gin.Context) {
		s, out := ginsessions.Default(c), make(map[string]any)
		for _, k := range shown {
			if v := s.Get(k); v != nil {
				out[k] = v
			}
		}
		c.JSON(http.StatusOK, out)
	})
	return serve(t, e)
}

// shown are the names that gin's application looks for: it cannot list them.
var shown = func() (list []string) {
	list = []string{"user", "every", "cart"}
	for i := range 1000 {
		list = append(list, fmt.Sprint("key", i))
	}
	return list
}()

// every is a value of each type that gob knows and JSON has.
var every = map[string]any{
	"user": "somebody", "bool": true, "int": -1, "int8": int8(-8), "int64": int64(1) << 52, "uint64": uint64(1) << 52, "float32": float32(0.5),
	"float64": 1e-300, "string": "Grüße\x00\n", "bytes": []byte{0, 255}, "ints": []int{1, -2}, "strings": []string{"", "a"}, "floats": []float64{1.5},
	"time": time.Date(2026, 11, 28, 12, 0, 0, 1, time.UTC), "item": item{"Tea", 2.5}, "items": []item{{"A", 0}, {"", 1}}, "map": map[string]any{"a": []any{1, nil}},
}

// world is one way to run a gorilla application.
type world struct {
	name   string
	stored bool
	app    func(t testing.TB, keys ...[]byte) string
	json   bool
}

var worlds = []world{
	{name: "cookie store", app: func(t testing.TB, keys ...[]byte) string { return application(t, sessions.NewCookieStore(keys...)) }},
	{name: "gin-contrib", app: func(t testing.TB, keys ...[]byte) string { return ginApplication(t, gincookie.NewStore(keys...)) }},
	{name: "redistore", stored: true, app: func(t testing.TB, keys ...[]byte) string { return application(t, newRedistore(t, keys...)) }},
	{name: "redistore JSON", stored: true, json: true, app: func(t testing.TB, keys ...[]byte) string {
		s := newRedistore(t, keys...)
		s.SetSerializer(redistore.JSONSerializer{})
		return application(t, s)
	}},
}

func newRedistore(t testing.TB, keys ...[]byte) *redistore.RediStore {
	t.Helper()
	s, err := redistore.NewRediStore(4, "tcp", servers.SharedRedis(t).Addr(), "", "", keys...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (w world) source(t testing.TB, keys ...gorilla.KeyPair) *gorilla.Source {
	t.Helper()
	cfg := gorilla.Config{Keys: keys, Name: name, UserKey: "user", Policy: policy, Serializer: gorilla.Gob{Types: types}, RecordSerializer: gorilla.Gob{Types: types}}
	if w.stored {
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{servers.SharedRedis(t).Addr()}, DisableCache: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		cfg.Store = gorilla.Redis(rediskv.New(client), "")
	}
	if w.json {
		cfg.RecordSerializer = gorilla.JSON{}
	}
	source, err := gorilla.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// types are those of every, and of the random values.
var types = func() map[string]any {
	all := maps.Clone(every)
	for i := range 1000 {
		all[fmt.Sprint("key", i)] = gorilla.Any{}
	}
	delete(all, "user")
	return all
}()

func TestEvery(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			v := visit.New(t, w.app(t, hash1, block1), w.source(t, gorilla.KeyPair{Hash: hash1, Block: block1}))
			v.Login(map[string]any{"every": true})
			s := v.MustRead()
			if name := visit.Differ(every, s.Values); s.User != "somebody" || name != "" || len(s.Refused) > 0 {
				t.Errorf("user %q, %s is %s, refused %v", s.User, name, s.Values[name], s.Refused)
			}
			if left := time.Until(s.Expires); left < 29*24*time.Hour || left > 30*24*time.Hour+time.Minute {
				t.Errorf("expires in %v, want 30 days", left)
			}
			v.Issue(s)
			shown := v.Show()
			want := every
			if w.name == "gin-contrib" {
				want = map[string]any{"user": "somebody"}
			}
			if name := visit.Differ(want, shown); name != "" {
				t.Errorf("there %s is %s", name, shown[name])
			}
			v.Logouts(map[string]any{"user": "somebody"}, w.stored)
		})
	}
}

// TestRotation: several pairs, with a block key or without, the first of which writes.
func TestRotation(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			old, plain := gorilla.KeyPair{Hash: hash1, Block: block1}, gorilla.KeyPair{Hash: hash2}
			v := visit.New(t, w.app(t, hash1, block1), w.source(t, plain, old))
			v.Login(map[string]any{"user": "somebody"})
			if s := v.MustRead(); s.User != "somebody" {
				t.Errorf("by the second pair: %q", s.User)
			}
			next := visit.New(t, w.app(t, hash2, nil, hash1, block1), w.source(t, plain, old))
			next.SetCookies(v.Cookies()...)
			next.Issue(bridge.Session{User: "other"})
			if shown := next.Show(); string(shown["user"]) != `"other"` {
				t.Errorf("by the first pair: %s", shown)
			}
			for _, wrong := range []gorilla.KeyPair{{Hash: hash2, Block: block2}, {Hash: block1}} {
				next.Source = w.source(t, wrong)
				_, err := next.Read()
				var setting *bridge.SettingError
				if !errors.As(err, &setting) || !strings.HasPrefix(setting.Setting, "gorilla.Config.Keys") {
					t.Errorf("with a wrong key: %v", err)
				}
				if strings.Contains(fmt.Sprint(err), string(wrong.Hash)) {
					t.Error("the error has the key")
				}
			}
		})
	}
}

func TestRandom(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			v := visit.New(t, w.app(t, hash1), w.source(t, gorilla.KeyPair{Hash: hash1}))
			v.Random("user", func(values map[string]any) {
				for k, val := range values {
					if val == nil {
						delete(values, k)
					}
				}
			})
		})
	}
}

// TestExpiry: a cookie is as old here as it is there.
func TestExpiry(t *testing.T) {
	codec := securecookie.CodecsFromPairs(hash1)[0].(*securecookie.SecureCookie)
	value, err := codec.Encode(name, map[any]any{"user": "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	v := visit.New(t, "http://127.0.0.1", worlds[0].source(t, gorilla.KeyPair{Hash: hash1}))
	v.SetCookies(&http.Cookie{Name: name, Value: value})
	if s := v.MustRead(); s.User != "somebody" {
		t.Errorf("securecookie alone: %q", s.User)
	}
	for _, c := range []struct {
		by    securecookie.Serializer
		value any
		ours  gorilla.Serializer
	}{
		{securecookie.JSONEncoder{}, map[string]string{"user": "somebody"}, gorilla.JSON{}},
		{securecookie.GobEncoder{}, map[string]string{"user": "somebody"}, gorilla.Gob{}},
	} {
		codec.SetSerializer(c.by)
		if value, err = codec.Encode(name, c.value); err != nil {
			t.Fatal(err)
		}
		source, err := gorilla.New(gorilla.Config{Keys: []gorilla.KeyPair{{Hash: hash1}}, Name: name, UserKey: "user", Serializer: c.ours})
		if err != nil {
			t.Fatal(err)
		}
		if s, err := source.Open(t.Context(), value); err != nil || s.User != "somebody" {
			t.Errorf("%T: %q, %v", c.by, s.User, err)
		}
	}
}
