package bridge_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/gorilla"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/php"
	"github.com/coatcheck/coatcheck/bridge/scs"
)

// Every reader of records refuses more than bridge.MaxItems values and what is deeper than
// bridge.MaxDepth, whatever the values are spread over.
func TestRecordsBeyondBounds(t *testing.T) {
	t.Parallel()
	kv := new(foreigntest.KV)
	record := func(values string) string {
		return fmt.Sprintf(`{"Deadline":%q,"Values":%s}`, time.Now().AddDate(0, 0, 1).Format(time.RFC3339), values)
	}
	whole := func(values string) string { return values }
	each := func(n int, name func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(name(i))
		}
		return b.String()
	}
	object := func(n int) string {
		return `{"userID":"1"` + each(n-1, func(i int) string { return fmt.Sprintf(`,"%x":1`, i) }) + `}`
	}
	deep := func(n int) string { return `{"d":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	php100 := func(name func(i int) string) func(n int) string { // arrays of 100, each a variable
		return func(n int) string {
			return each(n/101, func(i int) string {
				return name(i) + "a:100:{" + each(100, func(j int) string { return fmt.Sprintf("i:%d;N;", j) }) + "}"
			})
		}
	}
	plain := func(i int) string { return fmt.Sprintf("v%d|", i) }
	binary := func(i int) string { return fmt.Sprintf("\x05%05d", i) }
	tests := map[string]struct {
		source     bridge.Source
		err        error
		wrap       func(string) string
		many, deep func(n int) string
	}{}
	add := func(name string, source bridge.Source, err error, wrap func(string) string, many, deep func(n int) string) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		test := tests[name]
		test.source, test.wrap, test.many, test.deep = source, wrap, many, deep
		tests[name] = test
	}
	s, err := scs.New(scs.Config{Store: kv, UserKey: "userID", Codec: scs.JSON{}})
	add("scs.JSON", s, err, record, object, deep)
	g, err := gorilla.New(gorilla.Config{Keys: []gorilla.KeyPair{{Hash: make([]byte, 32)}}, Name: "session", UserKey: "user", Store: gorilla.Redis(kv, ""), RecordSerializer: gorilla.JSON{}})
	add("gorilla.JSON", g, err, whole, object, deep)
	p, err := php.New(php.Config{Store: php.Redis(kv, ""), UserKey: "user"})
	add("php", p, err, whole, php100(plain), nil)
	add("php, null", p, err, whole, func(n int) string { return each(n, func(i int) string { return plain(i) + "N;" }) }, nil)
	add("php, undefined", p, err, whole, func(n int) string { return each(n, func(i int) string { return "!" + plain(i) }) }, nil)
	b, err := php.New(php.Config{Store: php.Redis(kv, ""), UserKey: "user", Handler: php.HandlerBinary})
	add("php_binary", b, err, whole, php100(binary), nil)
	for name, test := range tests {
		w := httptest.NewRecorder()
		if err := test.source.Issue(w, foreigntest.Request(), bridge.Session{User: "1"}); err != nil {
			t.Fatal(err)
		}
		r := foreigntest.Request()
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		key := ""
		for key = range kv.Keys(t.Context(), "") {
		}
		read := func(data string) error {
			_ = kv.Set(t.Context(), key, []byte(data), time.Hour)
			_, err := test.source.Read(r)
			return err
		}
		var refused *bridge.RefusedError
		if err := read(test.wrap(test.many(bridge.MaxItems - 1000))); errors.As(err, &refused) && strings.Contains(refused.What, "more than") {
			t.Errorf("%s: almost as many values as may be: %v", name, err)
		}
		if err := read(test.wrap(test.many(bridge.MaxItems + 1000))); !errors.As(err, &refused) || !strings.Contains(refused.What, "values") {
			t.Errorf("%s: too many values: %v; want a *RefusedError", name, err)
		}
		if test.deep != nil {
			if err := read(test.wrap(test.deep(bridge.MaxDepth + 1))); !errors.As(err, &refused) {
				t.Errorf("%s: too deep: %v; want a *RefusedError", name, err)
			}
		}
		_ = kv.Del(t.Context(), key)
	}
}
