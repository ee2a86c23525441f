//go:build linux

package flask_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/moving"
	"github.com/coatcheck/coatcheck/integration/bridges/internal/visit"
	"github.com/coatcheck/coatcheck/integration/internal/framework"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

var update = flag.Bool("update", false, "write testvectors/bridge/flask.json")

const (
	secret = "secret of today in the tests of the bridge"
	before = "secret of before in the tests of the bridge"
)

// A world is one Flask application and our side of it.
type world struct {
	name     string
	settings map[string]any
	config   flask.Config
	url      string
	source   *flask.Source
}

var plainHTTP = cookie.Policy{AllowInsecureHTTP: true, SameSite: http.SameSiteLaxMode}

// start runs all applications in one process.
func start(t *testing.T) map[string]*world {
	t.Helper()
	const python = "/usr/bin/python3"
	for pkg, module := range map[string]string{"python3-flask": "flask", "python3-flask-session": "flask_session", "python3-flask-login": "flask_login", "python3-redis": "redis"} {
		servers.Library(t, pkg, python, "-c", "import "+module)
	}
	redis := servers.SharedRedis(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	kv := rediskv.New(client)
	url := "redis://" + redis.Addr()
	list := []*world{
		{name: "cookie"},
		{name: "sha256", settings: map[string]any{"DIGEST": "sha256"}, config: flask.Config{Digest: "sha256"}},
		{name: "concat", settings: map[string]any{"DERIVATION": "concat"}, config: flask.Config{Derivation: "concat"}},
		{name: "rotated", settings: map[string]any{"FALLBACKS": []string{before}}, config: flask.Config{Fallbacks: []string{before}}},
		{name: "before", settings: map[string]any{"SECRET_KEY": before}, config: flask.Config{SecretKey: before}},
		{name: "short", settings: map[string]any{"LIFETIME": 2}, config: flask.Config{Lifetime: 2 * time.Second}},
		{name: "login", settings: map[string]any{"FLASK_LOGIN": true}},
		{name: "redis", settings: map[string]any{"REDIS": url}, config: flask.Config{KV: kv}},
		{name: "signed", settings: map[string]any{"REDIS": url, "SESSION_USE_SIGNER": true, "SESSION_KEY_PREFIX": "other:"}, config: flask.Config{KV: kv, Signed: true, Prefix: "other:"}},
	}
	var settings []map[string]any
	for _, w := range list {
		if w.settings == nil {
			w.settings = make(map[string]any)
		}
		if w.settings["SECRET_KEY"] == nil {
			w.settings["SECRET_KEY"] = secret
		}
		settings = append(settings, w.settings)
	}
	var answer struct {
		Version string
		Ports   []int
	}
	framework.Start(t, settings, &answer, python, "testdata/app.py")
	t.Logf("Flask %s", answer.Version)
	worlds := make(map[string]*world)
	for i, w := range list {
		w.url = fmt.Sprintf("http://127.0.0.1:%d", answer.Ports[i])
		if w.config.SecretKey == "" {
			w.config.SecretKey = secret
		}
		w.config.Policy = plainHTTP
		if w.source, err = flask.New(w.config); err != nil {
			t.Fatal(err)
		}
		worlds[w.name] = w
	}
	return worlds
}

func (w *world) visit(t testing.TB) *visit.Visit { return visit.New(t, w.url, w.source) }

func TestFlask(t *testing.T) {
	worlds := start(t)
	for _, name := range []string{"cookie", "sha256", "concat", "redis", "signed"} {
		w := worlds[name]
		t.Run(name, func(t *testing.T) {
			v := w.visit(t)
			v.Random("_user_id", nil, "_fresh", "_id", "_permanent")
			v.Logouts(map[string]any{"_user_id": "somebody"}, w.config.KV != nil)
		})
	}
	t.Run("every type", func(t *testing.T) { everyType(t, worlds) })
	t.Run("rotation", func(t *testing.T) { rotation(t, worlds) })
	t.Run("expiry", func(t *testing.T) { expiry(t, worlds["short"]) })
	t.Run("flask-login", func(t *testing.T) { flaskLogin(t, worlds["login"]) })
	t.Run("settings", func(t *testing.T) { settings(t, worlds) })
	t.Run("logins of one session", func(t *testing.T) { logins(t, worlds["redis"]) })
	t.Run("a cookie written anew", func(t *testing.T) { writtenAnew(t, worlds["cookie"]) })
	t.Run("walk", func(t *testing.T) { walk(t, worlds["redis"]) })
	for _, name := range []string{"cookie", "redis", "signed"} {
		t.Run("move/"+name, worlds[name].moved)
	}
}

// everyType is of all types that the serializer knows; the cookie goes into the
// vectors.
func everyType(t *testing.T, worlds map[string]*world) {
	want := map[string]string{
		"text": `"Grüße, 世界 🧥"`, "quotes": `"\"\\/\b\f\n\r\t\u0000\u007f<>&"`, "empty": `""`,
		"true": `true`, "false": `false`, "none": `null`, "zero": `0`, "big": `1180591620717411303424`, "float": `-1.5e300`,
		"list": `[1,"two",[3.5,null]]`, "map": `{"a":{"b":[]}}`, "bytes": `"AAH+/w=="`, "_user_id": `"somebody"`,
	}
	tagged := map[string]string{
		"tuple": `[1,["x","AP8="]]`, "markup": `"<b>bold</b>"`, "uuid": `"12345678-1234-5678-1234-567812345678"`,
		"date": `"2026-11-28T16:30:12Z"`, "tagged": `{" t":[1,2]}`, "tagged twice": `{" di":{" b__":"x"}}`, "unknown tag": `{" x":1}`,
	}
	var vectors []visit.Vector
	for _, name := range []string{"cookie", "sha256", "concat", "before", "redis", "signed"} {
		w := worlds[name]
		v := w.visit(t)
		post(t, v, w.url+"/every")
		s := v.MustRead()
		for key, text := range want {
			if !visit.Equal(s.Values[key], json.RawMessage(text)) {
				t.Errorf("%s: %s is %s, want %s", name, key, s.Values[key], text)
			}
		}
		for key, text := range tagged {
			if w.config.KV == nil && !visit.Equal(s.Values[key], json.RawMessage(text)) {
				t.Errorf("%s: %s is %s, want %s", name, key, s.Values[key], text)
			}
		}
		if w.config.KV != nil {
			for _, class := range []string{"markup", "uuid", "decimal"} {
				if s.Refused[class] == "" {
					t.Errorf("%s: the %s is not refused by name: %s", name, class, s.Values[class])
				}
			}
			continue
		}
		vector := visit.Vector{Name: name, Settings: map[string]string{"secret": w.config.SecretKey, "digest": w.config.Digest, "derivation": w.config.Derivation, "salt": w.config.Salt},
			Cookies: []string{"session", v.Cookies()[0].Value}, Made: time.Now().Unix(), User: "somebody", Values: s.Values}
		vectors = append(vectors, vector)
		// What we write of it, Flask reads as the same JSON.
		v.Logout()
		v.Issue(s)
		for key := range s.Values {
			if got := v.Show()[key]; !visit.Equal(got, s.Values[key]) && !strings.HasPrefix(key, "_") {
				t.Errorf("%s: there %s is %s, want %s", name, key, got, s.Values[key])
			}
		}
	}
	if *update && !t.Failed() {
		visit.WriteVectors(t, "flask.json", vectors)
	}
}

func post(t *testing.T, v *visit.Visit, url string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"user":"somebody"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for _, c := range v.Cookies() {
		r.AddCookie(c)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, resp.Status)
	}
	v.SetCookies(resp.Cookies()...)
}

// rotation: what was signed under the old secret is read by both.
func rotation(t *testing.T, worlds map[string]*world) {
	v := worlds["before"].visit(t)
	v.Login(map[string]any{"_user_id": "somebody"})
	now := worlds["rotated"].visit(t)
	now.SetCookies(v.Cookies()...)
	if s := now.MustRead(); s.User != "somebody" {
		t.Errorf("the user is %q", s.User)
	}
	now.Issue(bridge.Session{User: "another"})
	if got := string(now.Show()["_user_id"]); got != `"another"` {
		t.Errorf("issued under the new secret: %s", got)
	}
	plain := worlds["cookie"].visit(t)
	plain.SetCookies(v.Cookies()...)
	if _, err := plain.Read(); !errors.Is(err, bridge.ErrForged) {
		t.Errorf("without fallbacks: %v; want ErrForged", err)
	}
}

// expiry: a session ends here when it does there, by their clock and by ours.
func expiry(t *testing.T, w *world) {
	v := w.visit(t)
	v.Login(map[string]any{"_user_id": "somebody"})
	s := v.MustRead()
	if left := time.Until(s.Expires); left <= 0 || left > 3*time.Second {
		t.Errorf("%v are left, want up to 3s", left)
	}
	short := w.visit(t)
	short.Issue(bridge.Session{User: "somebody", Expires: time.Now().Add(time.Second)})
	for end := time.Now().Add(time.Minute); len(v.Show())+len(short.Show()) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the application does not end its sessions")
		}
	}
	for time.Now().Before(s.Expires) {
		time.Sleep(50 * time.Millisecond)
	}
	for name, b := range map[string]*visit.Visit{"theirs": v, "ours": short} {
		if _, err := b.Read(); !errors.Is(err, bridge.ErrExpired) {
			t.Errorf("%s: %v; want ErrExpired", name, err)
		}
	}
}

// flaskLogin: who is logged in by Flask-Login is logged in here, and the way back,
// with its strong protection of sessions.
func flaskLogin(t *testing.T, w *world) {
	const agent = "It's caf\xc3\xa9/1.0"
	v := w.visit(t)
	post(t, v, w.url+"/enter")
	if s := v.MustRead(); s.User != "somebody" {
		t.Errorf("here the user is %q", s.User)
	}
	me := func() (m struct {
		User  string
		Fresh bool
	}) {
		r := v.Request()
		r2, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/me", nil)
		r2.Header = r.Header
		r2.Header.Set("User-Agent", agent)
		resp, err := http.DefaultClient.Do(r2)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	v.End()
	if m := me(); m.User != "" {
		t.Errorf("after a logout here: %v", m)
	}
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "127.0.0.1:1234"
	r.Header.Set("User-Agent", agent)
	if err := w.source.Issue(rec, r, bridge.Session{User: "another"}); err != nil {
		t.Fatal(err)
	}
	v.SetCookies(rec.Result().Cookies()...)
	if m := me(); m.User != "another" || !m.Fresh {
		t.Errorf("there: %v; want another, fresh", m)
	}
	post(t, v, w.url+"/leave")
	if s, err := v.Read(); err == nil && s.User != "" {
		t.Errorf("after a logout there: %q", s.User)
	}
}

// settings: a wrong one is named, and no secret.
func settings(t *testing.T, worlds map[string]*world) {
	for name, want := range map[string]string{"sha256": "Digest", "concat": "Derivation"} {
		v := worlds[name].visit(t)
		v.Login(map[string]any{"_user_id": "somebody"})
		wrong := worlds["cookie"].visit(t)
		wrong.SetCookies(v.Cookies()...)
		var setting *bridge.SettingError
		if _, err := wrong.Read(); !errors.As(err, &setting) || !strings.Contains(setting.Setting, want) || strings.Contains(err.Error(), "secret of") {
			t.Errorf("%s: %v; want one that names %s", name, err, want)
		}
	}
}

// walk: All finds what Read finds, under the same ID.
func walk(t *testing.T, w *world) {
	v := w.visit(t)
	v.Login(map[string]any{"_user_id": "somebody"})
	want := v.MustRead()
	found := 0
	for s, err := range w.source.All(t.Context()) {
		if err != nil && !bridge.Skips(err) {
			t.Fatal(err)
		}
		if s.ID == want.ID && s.User == "somebody" {
			found++
		}
	}
	if found == 0 {
		t.Error("All does not have it")
	}
	if id, err := w.source.Identity(v.Request()); err != nil || id != want.ID {
		t.Errorf("Identity: %v", err)
	}
}

// moved takes the sessions of the application over.
func (w *world) moved(t *testing.T) {
	v := w.visit(t)
	s := moving.System{Source: w.source, Open: moving.Visits(t, v, "_user_id"), Users: []string{"alice", "bob"}}
	s.Live(t)
	if w.config.KV != nil {
		args := []string{"--from", "flask", "--from-prefix", w.config.Prefix}
		s.Bulk(t, moving.Tool{Secret: secret, Store: "redis://" + servers.SharedRedis(t).Addr(), Args: args})
	}
}
