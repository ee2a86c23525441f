//go:build linux

package rails_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/rails"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/integration/internal/framework"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

func TestMain(m *testing.M) { os.Exit(servers.Main(m)) }

const (
	secret = "secret-of-today-in-the-tests-of-the-bridge-to-rails-which-is-long"
	old    = "secret-of-before-in-the-tests-of-the-bridge-to-rails-which-is-long"
	name   = "_shop_session"
)

// A world is a Rails application with one way to keep sessions, and our side of it.
type world struct {
	name     string
	settings map[string]any
	config   rails.Config
	gone     map[string]bool // users of Devise who are not there any more

	url    string
	source *rails.Source
}

// seen is what the application answers.
type seen struct {
	User   string
	Values map[string]json.RawMessage
	CSRF   string
}

func start(t *testing.T) map[string]*world {
	t.Helper()
	const ruby = "ruby"
	servers.Library(t, "ruby-railties", ruby, "-e", `require "rails"`)
	servers.Library(t, "ruby-redis-rails", ruby, "-e", `require "redis-rails"`)
	servers.Library(t, "ruby-devise", ruby, "-e", `require "rails"; require "devise"`)
	servers.Library(t, "ruby-webrick", ruby, "-e", `require "webrick"`)
	all := worlds(t)
	var settings []map[string]any
	for _, w := range all {
		settings = append(settings, w.settings)
	}
	var answer struct {
		Version string
		Ports   []int
	}
	framework.Start(t, settings, &answer, ruby, "testdata/app.rb")
	t.Logf("Rails %s", answer.Version)
	named := map[string]*world{}
	for i, w := range all {
		w.url = fmt.Sprintf("http://127.0.0.1:%d/", answer.Ports[i])
		w.config.Cookie, w.config.UserIsNumber = name, true
		if w.config.UserKey == "" {
			w.config.UserKey = "user_id"
		}
		if w.settings["devise"] != nil {
			w.config.EncryptedPassword = w.password
		}
		w.config.Policy.AllowInsecureHTTP = true
		s, err := rails.New(w.config)
		if err != nil {
			t.Fatal(err)
		}
		w.source = s
		named[w.name] = w
	}
	return named
}

func worlds(t *testing.T) []*world {
	t.Helper()
	redis := servers.SharedRedis(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	kv := rediskv.New(client)
	cookies := map[string]any{"name": "cookie_store", "key": name}
	store := func(namespace, serializer string) map[string]any {
		server := map[string]any{"host": "127.0.0.1", "port": redis.Port, "db": 0, "namespace": namespace}
		if serializer != "" {
			server["serializer"] = serializer
		}
		// Without expire_after this store cannot write at all, with this Rails.
		return map[string]any{"name": "redis_store", "key": name, "servers": []any{server}, "expire_after": 3600}
	}
	const devise = "warden.user.user.key"
	return []*world{
		{name: "Devise", settings: map[string]any{"secret": secret, "store": cookies, "devise": true},
			config: rails.Config{SecretKeyBase: secret, Digest: rails.SHA1, UserKey: devise}},
		{name: "Devise, redis", settings: map[string]any{"secret": secret, "store": store("devise", ""), "devise": true},
			config: rails.Config{Redis: kv, RedisPrefix: "devise:", Marshal: true, ExpireAfter: time.Hour, UserKey: devise}},
		{name: "GCM, SHA-1", settings: map[string]any{"secret": secret, "store": cookies},
			config: rails.Config{SecretKeyBase: secret, Digest: rails.SHA1}},
		{name: "GCM, SHA-256", settings: map[string]any{"secret": secret, "digest": "SHA256", "store": cookies},
			config: rails.Config{SecretKeyBase: secret}},
		{name: "CBC", settings: map[string]any{"secret": secret, "gcm": false, "metadata": false, "store": cookies},
			config: rails.Config{SecretKeyBase: secret, Digest: rails.SHA1, CBC: true}},
		{name: "expires", settings: map[string]any{"secret": secret, "store": map[string]any{"name": "cookie_store", "key": name, "expire_after": 3600}},
			config: rails.Config{SecretKeyBase: secret, Digest: rails.SHA1, ExpireAfter: time.Hour}},
		{name: "of before", settings: map[string]any{"secret": old, "store": cookies},
			config: rails.Config{SecretKeyBase: old, Digest: rails.SHA1}},
		{name: "rotated", settings: map[string]any{"secret": secret, "rotate": []string{old}, "store": cookies},
			config: rails.Config{SecretKeyBase: secret, Digest: rails.SHA1, Rotated: []rails.Secret{{KeyBase: old, Digest: rails.SHA1}}}},
		{name: "marshal", settings: map[string]any{"secret": secret, "serializer": "marshal", "store": cookies},
			config: rails.Config{SecretKeyBase: secret, Digest: rails.SHA1}},
		{name: "hybrid", settings: map[string]any{"secret": secret, "serializer": "hybrid", "store": cookies},
			config: rails.Config{SecretKeyBase: secret, Digest: rails.SHA1}},
		{name: "redis, JSON", settings: map[string]any{"secret": secret, "store": store("shop", "JSON")},
			config: rails.Config{Redis: kv, RedisPrefix: "shop:", ExpireAfter: time.Hour}},
		{name: "redis, Marshal", settings: map[string]any{"secret": secret, "store": store("ruby", "")},
			config: rails.Config{Redis: kv, RedisPrefix: "ruby:", Marshal: true, ExpireAfter: time.Hour}},
	}
}

func (w *world) visit(t *testing.T, b *framework.Browser, path string, form url.Values) (answer seen) {
	t.Helper()
	b.Get(t, w.url+path, form, &answer)
	return answer
}

func (w *world) put(t *testing.T, b *framework.Browser, values string) {
	t.Helper()
	w.visit(t, b, "put", url.Values{"values": {values}})
}

func (w *world) read(t *testing.T, b *framework.Browser) bridge.Session {
	t.Helper()
	return b.Read(t, w.source)
}

func (w *world) issue(t *testing.T, b *framework.Browser, s bridge.Session) {
	t.Helper()
	b.Issue(t, w.source, s)
}

// same compares the values of both sides, but for the session's id.
func same(t *testing.T, got, want map[string]json.RawMessage) {
	t.Helper()
	framework.Same(t, got, want, "session_id")
}
