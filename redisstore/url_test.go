package redisstore_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/redisstore"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url            string
		addrs          []string
		user, password string
		set            string
		database       int
		tls, single    bool
	}{
		{url: "redis://localhost", addrs: []string{"localhost:6379"}, single: true},
		{url: "redis://localhost/", addrs: []string{"localhost:6379"}, single: true},
		{url: "redis://10.0.0.1:7000/3", addrs: []string{"10.0.0.1:7000"}, database: 3, single: true},
		{url: "redis://[::1]:7000", addrs: []string{"[::1]:7000"}, single: true},
		{url: "redis://[::1]", addrs: []string{"[::1]:6379"}, single: true},
		{url: "rediss://us%40er:p%2Fw@cache.example", addrs: []string{"cache.example:6379"}, user: "us@er", password: "p/w", tls: true, single: true},
		{url: "redis://:password@h", addrs: []string{"h:6379"}, password: "password", single: true},
		{url: "redis+sentinel://a,b:1,c/sessions", addrs: []string{"a:26379", "b:1", "c:26379"}, set: "sessions"},
		{url: "rediss+sentinel://u:p@a/sessions/2", addrs: []string{"a:26379"}, user: "u", password: "p", set: "sessions", database: 2, tls: true},
		{url: "redis+cluster://a:1,[::1]:2", addrs: []string{"a:1", "[::1]:2"}},
		{url: "rediss+cluster://a", addrs: []string{"a:6379"}, tls: true},
	} {
		o, err := redisstore.ParseURL(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if !slices.Equal(o.InitAddress, c.addrs) || o.Username != c.user || o.Password != c.password ||
			o.Sentinel.MasterSet != c.set || o.SelectDB != c.database || o.ForceSingleClient != c.single ||
			(o.TLSConfig != nil) != c.tls || (o.Sentinel.TLSConfig != nil) != (c.tls && c.set != "") {
			t.Errorf("%s: got %v user %q set %q database %d tls %t single %t", c.url,
				o.InitAddress, o.Username, o.Sentinel.MasterSet, o.SelectDB, o.TLSConfig != nil, o.ForceSingleClient)
		}
	}
}

func TestParseURLErrors(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "localhost:6379", "http://h", "redis+proxy://h", "rediss+://h/x", "redis://", "redis://h:0", "redis://h:70000", "redis://h:x",
		"redis://a,b", "redis://h/x", "redis://h/-1", "redis://h?db=1", "redis://h/0?x", "redis+sentinel://h", "redis+sentinel://h/",
		"redis+sentinel://h/set/x", "redis+cluster://h/1", "redis+cluster://h,", "redis://se%zzcret@h", "redis://u:secret@h:x",
	} {
		_, err := redisstore.ParseURL(url)
		if err == nil {
			t.Errorf("%q: got no error", url)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "zz") {
			t.Errorf("%q: the error repeats the password: %v", url, err) // G13
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("redis://u:p@h:1/2")
	f.Add("rediss+sentinel://a,b/set/1")
	f.Fuzz(func(t *testing.T, url string) {
		o, err := redisstore.ParseURL(url)
		if err == nil && len(o.InitAddress) == 0 {
			t.Error("got neither an address nor an error")
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]redisstore.Config{
		"Config.Prefix contains":     {Prefix: "{a}:"},
		"Config.Prefix has 65 bytes": {Prefix: strings.Repeat("x", 65)},
		"Config.ClientCache is":      {ClientCache: -time.Second},
		"Config.WaitReplicas is":     {WaitReplicas: -1},
	} {
		_, err := redisstore.New(context.Background(), rueidis.ClientOption{}, cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := redisstore.New(context.Background(), rueidis.ClientOption{}, redisstore.Config{}); err == nil {
		t.Error("New without an address: got no error")
	}
}
