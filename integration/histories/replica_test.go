//go:build linux

package histories_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/integration/internal/servers"
)

// TestReplicaBehind: with WaitReplicas a login that was answered with success
// outlives the primary, also where nothing reaches the replica any more and other
// logins hold the connections (G2). Redis up to 7.0 counts for WAIT what all
// connections wrote, later ones and Valkey (COATCHECK_REDIS) what this one did.
func TestReplicaBehind(t *testing.T) {
	t.Parallel()
	if lost := loginsLost(t, 1); lost > 0 {
		t.Errorf("%d logins that no replica had were answered with success, and are gone after a failover (G2)", lost)
	}
	if loginsLost(t, 0) == 0 {
		t.Error("without WaitReplicas nothing is lost either: this test proves nothing")
	}
}

// loginsLost returns how many logins were answered with success and are not on the
// replica that takes over.
func loginsLost(t *testing.T, wait int) (lost int) {
	primary := servers.NewRedis(t)
	f := servers.NewForwarder(t, primary.Port)
	replica := servers.NewRedis(t, fmt.Sprint("replicaof 127.0.0.1 ", f.Port))
	if err := patiently(func() error { return servers.Until(func() error { return linked(replica) }) }); err != nil {
		t.Fatal(err)
	}
	env := []string{"SECRET_KEY=" + rand.Text() + rand.Text()}
	before := siteOf(t, env, "redis://"+primary.Addr(), fmt.Sprint(wait))
	for i := range 6 { // connections that have written
		before.mustLogIn(t, 0, "/do", fmt.Sprint("before", i), "")
	}
	f.Mute()
	var wg sync.WaitGroup
	answers := make([]answer, 12)
	for i := range answers {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 50 * time.Millisecond) // the first hold the connections
			answers[i] = before.send(t.Context(), 0, "/do", "", step{Op: "login", Arg: fmt.Sprint("u", i)})
		})
	}
	wg.Wait()
	primary.Kill()
	f.Cut()
	replica.Must(t, "REPLICAOF", "NO", "ONE")
	after := siteOf(t, env, "redis://"+replica.Addr(), "0")
	for i, a := range answers {
		if a.Status != http.StatusOK {
			continue
		}
		if now := after.retry(t, 0, "/do", a.Cookie, step{Op: "get", Key: "r0"}); now.User != fmt.Sprint("u", i) {
			lost++
		}
	}
	return lost
}

func linked(replica *servers.Redis) error {
	if replica.Info("master_link_status") != "up" {
		return errors.New("the replica has no link")
	}
	return nil
}

// siteOf is one process that has the secret of another.
func siteOf(t *testing.T, env []string, url, wait string) *site {
	s := newSite(t, url, nil)
	s.workers = []*servers.Worker{servers.NewWorker(t, env, 1, "-store", url, "-wait", wait)}
	return s
}
