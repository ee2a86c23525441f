//go:build linux

package integration_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/integration/internal/servers"
	"github.com/coatcheck/coatcheck/internal/device"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/redisstore"
	"github.com/coatcheck/coatcheck/store"
)

// TestStolenPair: on every store, and with two servers, a copied pair of cookies
// opens nothing after the bound cookie's life, and the owner goes on.
func TestStolenPair(t *testing.T) {
	t.Parallel()
	memory := memstore.New(memstore.Config{})
	places := []struct {
		name string
		open func() store.Store // as one process does
	}{
		{"memory", func() store.Store { return memory }},
		{"Redis", func() store.Store {
			return openRedis(t, at(servers.SharedRedis(t).Addr()), redisstore.Config{Prefix: "bound:"})
		}},
		{"Redis Cluster", func() store.Store {
			return openRedis(t, at(servers.SharedRedisCluster(t).Addrs()...), redisstore.Config{Prefix: "bound:"})
		}},
	}
	for _, d := range sqlDatabases(t) {
		places = append(places, struct {
			name string
			open func() store.Store
		}{d.name, func() store.Store { return newSQLStore(t, d.open(), d.dialect, "") }})
	}
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			here, there := boundSite(t, place.open()), boundSite(t, place.open())
			owner := device.New(t, here, device.NewECKey(t))
			owner.Do("POST", "/login")
			if w := owner.Do("GET", "/account"); w.Code != http.StatusOK || owner.ID == "" {
				t.Fatalf("the owner: %d %s, bound: %t", w.Code, w.Body, owner.ID != "")
			}
			pair, alone := owner.Thief(), owner.Thief()
			delete(alone.Jar, owner.Cookie)
			for name, k := range pair.Jar { // whatever their attributes say
				pair.Jar[name] = device.Kept{Value: k.Value}
			}
			pair.Do("POST", "/renew") // faster than the owner, it may be; the new token is bound to the same key
			time.Sleep(boundLife + 100*time.Millisecond)
			for what, thief := range map[string]*device.Device{"the pair": pair, "the session cookie": alone} {
				for _, server := range []http.Handler{here, there} {
					thief.Handler = server
					w := thief.Do("GET", "/account")
					if w.Code != http.StatusUnauthorized && !(thief == alone && w.Code == http.StatusConflict) { // its token was renewed
						t.Errorf("%s: %d %s, want 401", what, w.Code, w.Body)
					}
				}
			}
			owner = device.New(t, here, device.NewECKey(t))
			owner.Do("POST", "/login")
			owner.Do("GET", "/account")
			for _, server := range []http.Handler{there, here} {
				owner.Handler = server
				time.Sleep(boundLife + 100*time.Millisecond)
				if w := owner.Do("GET", "/account"); w.Code != http.StatusOK {
					t.Errorf("the owner, later: %d %s", w.Code, w.Body)
				}
			}
		})
	}
}

const boundLife = 2 * time.Second

func boundSite(t *testing.T, st store.Store) http.Handler {
	t.Helper()
	sessions := newManager(t, st)
	bound, err := dbsc.New(sessions, dbsc.Config{MaxAge: boundLife})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/dbsc/", bound)
	mux.HandleFunc("POST /login", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("alice") })
	mux.HandleFunc("POST /renew", func(_ http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Renew() })
	mux.Handle("GET /account", sessions.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, coatcheck.From(r.Context()).User())
	})))
	return sessions.Handler(mux)
}
