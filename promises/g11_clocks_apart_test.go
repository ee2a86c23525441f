package promises_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// An apart store is the store as a server sees it whose clock is off by so
// much.
type apart struct {
	store.Store
	off time.Duration
}

func (s apart) moved(rec store.Record, by time.Duration) store.Record {
	for _, t := range []*time.Time{&rec.AuthTime, &rec.Created, &rec.Seen, &rec.Expires, &rec.Deadline} {
		*t = t.Add(by)
	}
	return rec
}

func (s apart) Load(ctx context.Context, id store.ID) (store.Record, error) {
	rec, err := s.Store.Load(ctx, id)
	return s.moved(rec, -s.off), err
}

func (s apart) Create(ctx context.Context, rec store.Record) error {
	return s.Store.Create(ctx, s.moved(rec, s.off))
}

func (s apart) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	return s.Store.Update(ctx, s.moved(rec, s.off), ifVersion)
}

func (s apart) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	return s.Store.Replace(ctx, old, ifVersion, s.moved(rec, s.off), until)
}

func (s apart) Touch(ctx context.Context, id store.ID, seen, expires time.Time) error {
	return s.Store.Touch(ctx, id, seen.Add(s.off), expires.Add(s.off))
}

func (s apart) End(ctx context.Context, id store.ID, until time.Time) (store.ID, error) {
	return s.Store.End(ctx, id, until.Add(s.off))
}

func (s apart) User(ctx context.Context, user string) ([]store.Record, error) {
	records, err := s.Store.User(ctx, user)
	records = slices.Clone(records)
	for i := range records {
		records[i] = s.moved(records[i], -s.off)
	}
	return records, err
}

// G11: "MaxPerUser with EndOldest": the login that a commit has just made is never
// what it ends, however far the clocks of servers are apart.
func TestG11EndOldestWithClocksApart(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-90 * time.Second, -2 * time.Second, -time.Microsecond, 0, 2 * time.Second, 90 * time.Second} {
		for _, most := range []int{1, 3} {
			t.Run(fmt.Sprint(off, "/", most), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { loginsInTurn(t, off, most) })
			})
		}
	}
}

func loginsInTurn(t *testing.T, off time.Duration, most int) {
	st := memstore.New(memstore.Config{})
	var log coatchecktest.Events
	here := manage(t, st, coatcheck.Config{MaxPerUser: most, Events: log.Record})
	there := manage(t, apart{st, off}, coatcheck.Config{MaxPerUser: most, Events: log.Record})
	var in []*browser
	for n := range 12 {
		m := here
		if n%3 > 0 {
			m = there
		}
		b := newBrowser(g11App(m))
		wants(t, b.Send("POST", "/login?user=ann"), 200, "")
		in = append(in, b)
		// Which of the others is the oldest, the clocks say.
		left := slices.DeleteFunc(slices.Clone(in), func(b *browser) bool { return b.Send("GET", "/user").Body.String() != "user ann" })
		if len(left) != min(n+1, most) || left[len(left)-1] != b || off == 0 && left[0] != in[max(0, n+1-most)] {
			t.Fatalf("after login %d: %d browsers are logged in; want %d, this one among them", n+1, len(left), min(n+1, most))
		}
		time.Sleep(time.Duration(n+1) * 100 * time.Millisecond)
	}
	if logins, ends := log.Count(coatcheck.LoggedIn), log.Count(coatcheck.Revoked); logins != 12 || ends != 12-most {
		t.Errorf("%d logins and %d revocations heard of, want 12 and %d", logins, ends, 12-most)
	}
	// To log in again in a browser that has a session makes no more of them.
	last := in[len(in)-1]
	wants(t, last.Send("POST", "/login?user=ann"), 200, "")
	wants(t, last.Send("GET", "/user"), 200, "user ann")
	if n := log.Count(coatcheck.Revoked); n != 12-most {
		t.Errorf("%d revocations heard of, want %d as before", n, 12-most)
	}
}

// G11: of many logins at once, on servers whose clocks are apart, as many stay as
// may.
func TestG11EndOldestOfParallelLoginsWithClocksApart(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{true, false} {
		for _, most := range []int{1, 3} {
			t.Run(fmt.Sprint(together, "/", most), func(t *testing.T) {
				t.Parallel()
				for range 20 {
					loginsAtOnce(t, together, most)
				}
			})
		}
	}
}

func loginsAtOnce(t *testing.T, together bool, most int) {
	const logins = 12
	st := &trap{Store: memstore.New(memstore.Config{})}
	var created atomic.Int32
	all := make(chan struct{})
	if together { // nobody lists before every record is there
		st.set(nil, func(_ context.Context, method string) error {
			if method == "Create" {
				if created.Add(1) == logins {
					close(all)
				}
				<-all
			}
			return nil
		})
	}
	browsers := make([]*browser, logins)
	for i := range browsers {
		browsers[i] = newBrowser(g11App(manage(t, apart{st, time.Duration(i%3-1) * 2 * time.Second}, coatcheck.Config{MaxPerUser: most})))
	}
	parallel(logins, func(i int) {
		if w := browsers[i].Send("POST", "/login?user=ann"); w.Code != 200 {
			t.Errorf("answer %d %q", w.Code, w.Body)
		}
	})
	left := slices.DeleteFunc(browsers, func(b *browser) bool { return b.Send("GET", "/user").Body.String() != "user ann" })
	if records, err := st.User(t.Context(), "ann"); len(left) != most || len(records) != most || err != nil {
		t.Errorf("%d browsers are logged in and %d sessions left (%v), want %d", len(left), len(records), err, most)
	}
}

// G5, G11: where nobody knows whether the token of a login that was dated anew is
// stored, the login is 503, ends nobody's session and leaves none of its own.
func TestG11RedatedAndNoAnswer(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{true, false} {
		t.Run(fmt.Sprint("applied ", applied), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := memstore.New(memstore.Config{})
				broken := &trap{Store: st}
				other := newBrowser(g11App(manage(t, apart{st, 2 * time.Second}, coatcheck.Config{MaxPerUser: 1})))
				wants(t, other.Send("POST", "/login?user=ann"), 200, "")
				lost := false
				failing := func(_ context.Context, method string) error {
					if lost = lost || method == "Replace"; method == "Replace" || lost && method == "Load" {
						return errors.New("no answer")
					}
					return nil
				}
				if applied {
					broken.set(func(ctx context.Context, method string) error {
						if lost && method == "Load" {
							return errors.New("no answer")
						}
						return nil
					}, failing)
				} else {
					broken.set(failing, nil)
				}
				b := newBrowser(g11App(manage(t, broken, coatcheck.Config{MaxPerUser: 1})))
				wants(t, b.Send("POST", "/login?user=ann"), 503, "")
				broken.set(nil, nil)
				wants(t, b.Send("GET", "/user"), 200, "user ")
				wants(t, other.Send("GET", "/user"), 200, "user ann")
				if records, err := st.User(t.Context(), "ann"); err != nil || len(records) != 1 {
					t.Errorf("%d sessions, %v; want the other's", len(records), err)
				}
			})
		})
	}
}
