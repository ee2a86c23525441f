package benchmarks_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/benchmarks"
	"github.com/coatcheck/coatcheck/store"
)

const sidName = "__Host-Http-sid"

// filledKept is floor-kept with a session that was filled, and its store.
func filledKept(t *testing.T) (*kept, store.Store) {
	t.Helper()
	var st store.Store
	b := memory
	b.Made = func(made store.Store) { st = made }
	k := &kept{start(t, benchmarks.FloorKept, b).(http.Handler), make(map[string]string)}
	if w := k.send("POST", "/fill?n=10"); w.Code != http.StatusOK {
		t.Fatalf("fill: %d %s", w.Code, w.Body)
	}
	return k, st
}

// reads reports whether the cookies open a session, which a read never makes.
func (k *kept) reads(t *testing.T, header ...string) bool {
	t.Helper()
	w := k.send("GET", "/read", header...)
	if len(w.Header()["Set-Cookie"]) > 0 {
		t.Errorf("a read sets %q", w.Header()["Set-Cookie"])
	}
	return w.Code == http.StatusOK
}

// What is not genuine to the last character, or there twice, opens nothing (G8), also
// beside a token that is remembered as genuine.
func TestKeptRefusesForged(t *testing.T) {
	t.Parallel()
	k, _ := filledKept(t)
	genuine := k.jar[sidName]
	for i := range genuine {
		changed := []byte(genuine)
		if changed[i] = 'A'; genuine[i] == 'A' {
			changed[i] = 'B'
		}
		k.jar[sidName] = string(changed)
		if k.reads(t) {
			t.Fatalf("opened with character %d changed", i)
		}
		if k.jar[sidName] = genuine; !k.reads(t) {
			t.Fatal("a genuine token opens nothing")
		}
	}
	delete(k.jar, sidName)
	for _, value := range []string{genuine + `"`, `"` + genuine + `"`, genuine[1:], genuine + "A", "", genuine + "; " + sidName + "=x", genuine + "; " + sidName + "=" + genuine} {
		if k.reads(t, "Cookie", sidName+"="+value) {
			t.Errorf("opened by %q", value)
		}
	}
	if !k.reads(t, "Cookie", "a=b;"+sidName+"="+genuine+" ; c=d") {
		t.Error("a genuine token among others opens nothing")
	}
	if k.reads(t, "Cookie", sidName+"="+genuine, "Cookie", sidName+"=x") {
		t.Error("opened by two lines")
	}
}

// A record that is over, or damaged, opens nothing.
func TestKeptRefusesRecords(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*store.Record){
		"as it was": func(*store.Record) {},
		"damaged":   func(rec *store.Record) { rec.Data = append(slices.Clone(rec.Data), 9) },
		"over":      func(rec *store.Record) { rec.Deadline = time.Now().UTC().Add(-time.Second).Truncate(time.Microsecond) },
	} {
		k, st := filledKept(t)
		records, err := st.User(t.Context(), "alice")
		if err != nil || len(records) != 1 {
			t.Fatal(records, err)
		}
		rec := records[0]
		change(&rec)
		was := rec.Version
		rec.Version++
		if err := st.Update(t.Context(), rec, was); err != nil {
			t.Fatal(err)
		}
		if got, want := k.reads(t), name == "as it was"; got != want {
			t.Errorf("a record that is %s: opened %t", name, got)
		}
	}
}

// Beside another process, which is coatcheck, nothing is lost either (G1); and coatcheck
// finds in the record what it would have written.
func TestKeptBesideCoatcheck(t *testing.T) {
	t.Parallel()
	const many, each = 4, 50
	k, st := filledKept(t)
	m := benchmarks.Manager(t, st)
	count := coatcheck.NewKey[int]("count")
	other := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, count.Update(coatcheck.From(r.Context()), func(n int) int { return n + 1 }))
	}))
	var wg sync.WaitGroup
	var mu sync.Mutex
	came := make(map[string]bool)
	for i := range 2 * many {
		mine := &kept{k.Handler, maps.Clone(k.jar)}
		if i%2 == 1 {
			mine.Handler = other
		}
		wg.Go(func() {
			for range each {
				w := mine.send("POST", "/count")
				mu.Lock()
				came[w.Body.String()] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(came) != 2*many*each || !came[fmt.Sprint(2*many*each)] {
		t.Errorf("%d different numbers, want 1 to %d", len(came), 2*many*each)
	}
	list, err := m.Sessions(t.Context(), "alice")
	if err != nil || len(list) != 1 || list[0].Device != "Firefox on Linux" || fmt.Sprint(list[0].Address) != "192.0.2.1" {
		t.Errorf("alice's sessions: %+v, %v", list, err)
	}
}
