package promises_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

type (
	person1 struct{ Name string }
	person2 struct{ First, Last string }
)

var (
	tags = coatcheck.Formerly(coatcheck.NewKey[[]string]("v"), func(old string) ([]string, bool) { return strings.Fields(old), old != "none" })

	people = coatcheck.Formerly(coatcheck.NewKey[person2]("v"), func(old person1) (person2, bool) {
		first, last, ok := strings.Cut(old.Name, " ")
		return person2{first, last}, ok
	})

	counts = coatcheck.Formerly(coatcheck.Formerly(coatcheck.NewKey[map[string]int]("v"),
		func(old int) (map[string]int, bool) { return map[string]int{"all": old}, true }),
		func(old json.RawMessage) (map[string]int, bool) { return map[string]int{"bytes": len(old)}, true })
)

// G5: a value of an earlier release is read by whoever was told how, for Get and
// for every change alike.
func TestFormerly(t *testing.T) {
	t.Parallel()
	former(t, "a b", tags, []string{"a", "b"}, 0)
	former(t, []string{"c"}, tags, []string{"c"}, 0)
	former(t, "none", tags, nil, 1)
	former(t, 7, tags, nil, 1)
	former(t, person1{"Ada Lovelace"}, people, person2{"Ada", "Lovelace"}, 0) // whose field a person2 would just ignore
	former(t, person1{"Ada"}, people, person2{}, 0)                           // not one that is known, so a person2 with a field too many
	former(t, map[string]string{"First": "Ada", "Born": "1815"}, people, person2{First: "Ada"}, 0)
	former(t, 3, counts, map[string]int{"all": 3}, 0)
	former(t, "xyz", counts, map[string]int{"bytes": 5}, 0)
	former(t, map[string]int{"a": 1}, counts, map[string]int{"a": 1}, 0)
	var zero coatcheck.Key[int]
	if coatcheck.Formerly(zero, func(string) (int, bool) { return 1, true }).Name() != "" {
		t.Error("the zero Key became another")
	}
}

// former stores old, and reads it by the key, by Get, Update and Pop.
func former[Old, T any](t *testing.T, old Old, key coatcheck.Key[T], want T, mismatches int) {
	t.Helper()
	var log coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: log.Record})
	var got T
	fits := mismatches == 0
	b := newBrowser(m.Handler(paths{
		"/old": func(s *coatcheck.Session, _ http.ResponseWriter, _ *http.Request) {
			coatcheck.NewKey[Old]("v").Set(s, old)
		},
		"/get": func(s *coatcheck.Session, w http.ResponseWriter, _ *http.Request) {
			v, ok := key.Get(s)
			got = v
			fmt.Fprint(w, ok)
		},
		"/pop": func(s *coatcheck.Session, w http.ResponseWriter, _ *http.Request) {
			v, ok := key.Pop(s)
			got = v
			fmt.Fprint(w, ok)
		},
		"/update": func(s *coatcheck.Session, w http.ResponseWriter, _ *http.Request) {
			key.Update(s, func(v T) T { got = v; return v })
			fmt.Fprint(w, fits)
		},
	}))
	for _, path := range []string{"/get", "/pop", "/update"} {
		wants(t, b.Send("POST", "/old"), 200, "")
		before := log.Count(coatcheck.Mismatch)
		w := b.Send("POST", path)
		if w.Code != 200 || w.Body.String() != fmt.Sprint(fits) || !reflect.DeepEqual(got, want) {
			t.Errorf("%s of %v: got %d %s %v, want %v", path, old, w.Code, w.Body, got, want)
		}
		if n := log.Count(coatcheck.Mismatch) - before; (n > 0) != (mismatches > 0) {
			t.Errorf("%s of %v: %d events of a mismatch, want %d", path, old, n, mismatches)
		}
	}
}

// What was read as an older form is written as the new one by the next change.
func TestFormerlyIsWrittenAnew(t *testing.T) {
	t.Parallel()
	plain := coatcheck.NewKey[[]string]("v")
	b := newBrowser(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}).Handler(paths{
		"/old": func(s *coatcheck.Session, _ http.ResponseWriter, _ *http.Request) {
			coatcheck.NewKey[string]("v").Set(s, "a b")
		},
		"/append": func(s *coatcheck.Session, _ http.ResponseWriter, _ *http.Request) { coatcheck.Append(s, tags, "c") },
		"/get": func(s *coatcheck.Session, w http.ResponseWriter, _ *http.Request) {
			v, ok := plain.Get(s)
			fmt.Fprint(w, v, ok)
		},
	}))
	wants(t, b.Send("POST", "/old"), 200, "")
	wants(t, b.Send("GET", "/get"), 200, "[] false")
	wants(t, b.Send("POST", "/append"), 200, "")
	wants(t, b.Send("GET", "/get"), 200, "[a b c] true")
}
