//go:build linux

package integration_test

import (
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

const sidName = "__Host-Http-sid"

func newKeys(t *testing.T) *cookie.Keys {
	t.Helper()
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

var counter = coatcheck.NewKey[int]("counter")

// newSite returns an application on the store: static, login, count and whoami.
func newSite(t *testing.T, st store.Store) http.Handler {
	t.Helper()
	return newManager(t, st).Handler(siteMux())
}

func siteMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/static", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) { coatcheck.From(r.Context()).Login("alice") })
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, counter.Update(coatcheck.From(r.Context()), func(n int) int { return n + 1 }))
	})
	mux.HandleFunc("/whoami", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, coatcheck.From(r.Context()).User()) })
	return mux
}

// get sends a request with a session cookie and returns status, body and the
// cookie that is set.
func get(site http.Handler, path, sid string) (status int, body, set string) {
	status, body, set, _ = getAgain(site, path, sid)
	return status, body, set
}

// getAgain is get that also tells how often it was told to try again.
func getAgain(site http.Handler, path, sid string) (status int, body, set string, again int) {
	again = patiently(func() (int, http.Header) {
		var header http.Header
		status, body, set, header = getOnce(site, path, sid)
		return status, header
	})
	return status, body, set, again
}

func getOnce(site http.Handler, path, sid string) (status int, body, set string, header http.Header) {
	r := httptest.NewRequest("GET", "https://example.com"+path, nil)
	if sid != "" {
		r.Header.Set("Cookie", sidName+"="+sid)
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.Name == sidName {
			set = c.Value
		}
	}
	return w.Code, w.Body.String(), set, w.Header()
}

// G9: whoever has a copy of the database has no cookie: no field of it, in any
// spelling, is taken for one.
func TestSQLDumpOpensNothing(t *testing.T) {
	for _, d := range sqlDatabases(t) {
		t.Run(d.name, func(t *testing.T) {
			db := d.open()
			site := newSite(t, newSQLStore(t, db, d.dialect, ""))
			_, _, first := get(site, "/count", "")
			_, _, sid := get(site, "/login", first) // so that there is a tombstone too
			if _, body, _ := get(site, "/whoami", sid); body != "alice" {
				t.Fatalf("with the real cookie: got user %q, want alice", body)
			}
			tried := 0
			for _, field := range dump(t, db, "coatcheck_sessions", "coatcheck_users", "coatcheck_schema") {
				for _, sid := range spellings(field) {
					tried++
					if status, body, set := get(site, "/whoami", sid); status != http.StatusOK || body != "" || set != "" {
						t.Errorf("a field of the dump as a cookie: got status %d, user %q", status, body)
					}
				}
			}
			if tried < 100 {
				t.Errorf("tried %d cookies only: the dump is not complete", tried)
			}
		})
	}
}

// dump returns every field of the tables.
func dump(t *testing.T, db *sql.DB, tables ...string) (fields [][]byte) {
	t.Helper()
	for _, table := range tables {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			row := make([]sql.NullString, len(columns))
			dest := make([]any, len(columns))
			for i := range row {
				dest[i] = &row[i]
			}
			if err := rows.Scan(dest...); err != nil {
				t.Fatal(err)
			}
			for _, field := range row {
				if field.Valid && field.String != "" {
					fields = append(fields, []byte(field.String))
				}
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return fields
}

// spellings are the ways to put bytes into a cookie: as they are where that is
// possible, in hexadecimal and base64, whole and cut to a token's 39 bytes.
func spellings(field []byte) (list []string) {
	cuts := [][]byte{field, append(make([]byte, 39), field...)[len(field):], append(field[:len(field):len(field)], make([]byte, 39)...)[:39]}
	for _, cut := range cuts {
		list = append(list, string(cut), hex.EncodeToString(cut),
			base64.RawURLEncoding.EncodeToString(cut), base64.StdEncoding.EncodeToString(cut))
	}
	return list
}

// G1: 64 clients add 50 times each, through two managers that know nothing of
// each other, as two instances would.
func TestSQLCounter(t *testing.T) {
	const clients, adds = 64, 50
	for _, d := range sqlDatabases(t) {
		t.Run(d.name, func(t *testing.T) {
			var sites [2]http.Handler
			for i := range sites {
				sites[i] = newSite(t, newSQLStore(t, d.open(), d.dialect, ""))
			}
			_, _, sid := get(sites[0], "/login", "")
			var mu sync.Mutex
			seen := make(map[string]int)
			again := 0
			var wg sync.WaitGroup
			for client := range clients {
				wg.Go(func() {
					for range adds {
						status, body, _, n := getAgain(sites[client%2], "/count", sid)
						mu.Lock()
						seen[body]++
						again += n
						mu.Unlock()
						if status != http.StatusOK {
							t.Errorf("got status %d: %s", status, body)
						}
					}
				})
			}
			wg.Wait()
			exactly(t, seen, clients*adds, again, "%d")
		})
	}
}

// exactly wants the numbers from 1, each once. Where somebody was told to try
// again nobody can tell whether the number was taken: that often one may lack.
func exactly(t *testing.T, seen map[string]int, numbers, again int, format string) {
	t.Helper()
	if len(seen) != numbers {
		t.Errorf("%d requests got %d different answers", numbers, len(seen))
	}
	found := 0
	for n := range numbers + again {
		switch seen[fmt.Sprintf(format, n+1)] {
		case 0:
		case 1:
			found++
		default:
			t.Errorf("%d was answered %d times", n+1, seen[fmt.Sprintf(format, n+1)])
		}
	}
	if found != numbers {
		t.Errorf("%d requests, %d of them sent again, got %d of the first %d numbers", numbers, again, found, numbers+again)
	}
}
