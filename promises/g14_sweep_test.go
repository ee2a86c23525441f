package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// A sweeping store notes what the requests ask it to sweep.
type sweeping struct {
	store.Store
	calls, most int
}

func (s *sweeping) Sweep(ctx context.Context, now time.Time, max int) (int, error) {
	s.calls, s.most = s.calls+1, max
	return s.Store.Sweep(ctx, now, max)
}

// G14: "everything that is stored has a limit": however many short sessions come
// and go, the requests that make them remove as many, each no more than a batch.
func TestG14SweepsKeepUp(t *testing.T) {
	t.Parallel()
	const life, minutes = 5 * time.Second, 1
	for _, perSecond := range []int{20, 200, 1000} {
		t.Run(fmt.Sprint(perSecond), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &sweeping{Store: memstore.New(memstore.Config{})}
				counter, _ := store.As[store.Counter](st.Store)
				h := only(manage(t, st, coatcheck.Config{AnonymousLifetime: life}), func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) {
					hits.Set(s, 1)
				})
				seconds := 60 * minutes
				for second := range seconds {
					for range perSecond {
						before := st.calls
						if w := newBrowser(h).Send("POST", "/"); w.Code != 200 {
							t.Fatalf("answer %d", w.Code)
						}
						if n := st.calls - before; n > 1 || st.most > 100 {
							t.Fatalf("a request swept %d times, up to %d at once; want once, 100 at most", n, st.most)
						}
						time.Sleep(time.Second / time.Duration(perSecond))
					}
					stats, err := counter.Stats(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if held, live := int(stats.Sessions+stats.Tombstones), perSecond*int(life/time.Second); held > live+2*perSecond+100 {
						t.Fatalf("after %d s the store has %d sessions, of which %d live", second+1, held, live)
					}
				}
				// Where there is nothing to do it costs one call a second.
				if perSecond == 20 && st.calls > seconds+1 {
					t.Errorf("%d sweeps in %d s", st.calls, seconds)
				}
			})
		})
	}
}
