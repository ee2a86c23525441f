package promises_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// G13: a Revoked event says who ended the session: the user, or somebody else.
func TestRevokedSaysWho(t *testing.T) {
	t.Parallel()
	const own = ", in a request of the same user"
	for name, c := range map[string]struct{ self, other string }{
		"RevokeAll":       {"by RevokeAll" + own, "by RevokeAll"},
		"Revoke":          {"by Revoke" + own, "by Revoke"},
		"RevokeLabel":     {"by RevokeLabel" + own, "by RevokeLabel"},
		"RevokeEverybody": {"by RevokeEverybody", "by RevokeEverybody"},
	} {
		for _, self := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var log coatchecktest.Events
					m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: log.Record})
					b := newBrowser(farewellApp(m, ownRevocations[name]))
					wants(t, b.Send("POST", "/login"), 200, "")
					time.Sleep(time.Second)
					want := c.self
					if self {
						wants(t, b.Send("POST", "/everywhere"), 303, "")
					} else {
						want = c.other
						fromElsewhere(t, m, name)
					}
					last := log.All()[len(log.All())-1]
					if last.Kind != coatcheck.Revoked || last.Reason != want {
						t.Errorf("told %s %q, want revoked %q", last.Kind, last.Reason, want)
					}
				})
			})
		}
	}
}

// fromElsewhere ends ann's session outside of any request.
func fromElsewhere(t *testing.T, m *coatcheck.Manager, how string) {
	t.Helper()
	ctx := context.Background()
	list, err := m.Sessions(ctx, "ann")
	if err == nil {
		switch how {
		case "RevokeAll":
			_, err = m.RevokeAll(ctx, "ann")
		case "Revoke":
			_, err = m.Revoke(ctx, "ann", list[0].Handle)
		case "RevokeLabel":
			_, err = m.RevokeLabel(ctx, "ann", "place", "kitchen")
		case "RevokeEverybody":
			_, err = m.RevokeEverybody(ctx)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
