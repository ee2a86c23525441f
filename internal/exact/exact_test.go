package exact_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/internal/exact"
)

// token is made like an oauth2.Token.
type token struct {
	AccessToken string    `json:"access_token"`
	Expiry      time.Time `json:"expiry,omitzero"`
	raw         any
}

type (
	list  []list
	node  struct{ Next *node }
	base  struct{ ID string }
	twice struct{ A, B base }
	over  struct {
		base
		ID string
	}
	one   struct{ base }
	other struct{ ID string }
	clash struct {
		base
		other
	}
	hidden  struct{ name string }
	holder  struct{ Hidden hidden }
	pointer struct{ Hidden *hidden }
	guarded struct {
		mu sync.Mutex
		N  int
	}
	left struct {
		Kept string
		Out  func() `json:"-"`
		out  string `json:"-"`
		Err  error  `json:"-"`
	}
	stamped struct {
		time.Time
		Note string
	}
	byPointer struct{ n int }
	oneWay    struct{ N int }
	named     string
	point     struct{ X, Y int } // the form has only X
	folded    string             // any case when it is read
	toText    int
	fromText  int
	counted   struct {
		N json.Number `json:"n,omitempty"`
	}
)

func (p point) MarshalText() ([]byte, error)  { return strconv.AppendInt(nil, int64(p.X), 10), nil }
func (p *point) UnmarshalText(b []byte) error { _, err := fmt.Sscan(string(b), &p.X); return err }
func (f *folded) UnmarshalText(b []byte) error {
	if string(b) == "no" {
		return errors.New("secret")
	}
	*f = folded(strings.ToLower(string(b)))
	return nil
}
func (toText) MarshalText() ([]byte, error)    { return []byte("x"), nil }
func (*fromText) UnmarshalText(b []byte) error { return nil }

func (b *byPointer) MarshalJSON() ([]byte, error) { return json.Marshal(b.n) }
func (b *byPointer) UnmarshalJSON(j []byte) error { return json.Unmarshal(j, &b.n) }
func (oneWay) MarshalText() ([]byte, error)       { return []byte("x"), nil }

// A case is a type with values that JSON carries and values that it does not.
type example struct {
	name string
	run  func(t *testing.T)
}

// carried wants each value to be let through, and to come back equal.
func carried[T any](name string, values ...T) example {
	return example{name, func(t *testing.T) {
		x, err := exact.Of[T]()
		if err != nil {
			t.Fatalf("the type is refused: %v", err)
		}
		for _, v := range values {
			if err := x.Check(&v); err != nil {
				t.Errorf("%#v: %v", v, err)
			}
			var back T
			if j, err := json.Marshal(&v); err != nil || json.Unmarshal(j, &back) != nil || !reflect.DeepEqual(back, v) {
				t.Errorf("%#v: encoding/json writes %s, %v, and reads %#v: the case is wrong", v, j, err, back)
			}
		}
	}}
}

// altered wants each value to be refused with these words.
func altered[T any](name, want string, values ...T) example {
	return example{name, func(t *testing.T) {
		x, err := exact.Of[T]()
		if err != nil {
			t.Fatalf("the type is refused: %v", err)
		}
		for _, v := range values {
			err := x.Check(&v)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%#v: got %v, want an error with %q", v, err, want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the value: %v", err)
			}
		}
	}}
}

// unfit wants the type refused.
func unfit[T any](name, want string) example {
	return example{name, func(t *testing.T) {
		if _, err := exact.Of[T](); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}}
}

func location(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

var itself = func() *node {
	n := new(node)
	n.Next = n
	return n
}()

var locked = func() *guarded {
	g := new(guarded)
	g.mu.Lock()
	return g
}()

const bad = "secret\xff"

var examples = []example{
	carried("text", "", "plain", "é", "\ufffd", "\u2028", `\ufffd`, "<&>", "\x00"),
	carried[int64]("numbers", math.MinInt64, math.MaxInt64),
	carried("floats", 0, math.Copysign(0, -1), 0.1, math.MaxFloat64, math.SmallestNonzeroFloat64),
	carried("bytes", nil, []byte{}, []byte{0xff}),
	carried("lists", nil, []string{}, []string{"a", ""}),
	carried("tables", nil, map[string][]byte{}, map[string][]byte{"é": {1}}),
	carried("integer keys", map[int8]string{-1: "a"}),
	carried("keys with a form", map[netip.Addr]int{netip.MustParseAddr("::1"): 1}),
	carried("time", time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)),
	carried("big", big.NewInt(0).Lsh(big.NewInt(1), 200)),
	carried("big by value", *big.NewInt(0).Lsh(big.NewInt(1), 200)),
	carried("raw", json.RawMessage(`{"a":1}`)),
	carried("keys that are times", map[time.Time]int{time.Unix(1, 0).UTC(): 1, time.Unix(2, 0).UTC(): 2}),
	carried("keys of text that are read by a method", nil, map[folded]bool{}, map[folded]bool{"a": true, "b": false}),
	carried("keys that are structs", map[point]int{{X: 1}: 1, {X: 2}: 2}),
	carried("empty numbers that are left out", counted{}, counted{"1"}),
	carried("number", json.Number("12345678901234567890")),
	carried("a form by pointer", byPointer{7}),
	carried("in a list", []byPointer{{7}}),
	carried("URL", *location("https://example.com/a?b#c")),
	carried("token", token{AccessToken: "a", Expiry: time.Unix(1, 0).UTC()}),
	carried("shadowed and zero", over{ID: "x"}),
	carried("embedded", one{base{"x"}}),
	carried("twice the same type", twice{base{"x"}, base{"y"}}),
	carried("mutex", &guarded{N: 1}),
	carried("nested", list{{}, {{}}}),
	carried("chain", node{Next: &node{}}),
	carried("pointers", nil, new(string)),
	carried("nil behind it", &pointer{}, &pointer{Hidden: &hidden{}}),
	carried("meant to be left out", left{Kept: "x"}),
	carried[any]("any", nil, true, "é", 0.5, []any{"a", nil, []any{}}, map[string]any{"a": map[string]any{}}),

	altered("text that is not UTF-8", "not UTF-8, which JSON cannot carry; want a []byte", bad),
	altered("raw", "JSON that is not UTF-8", json.RawMessage(`"`+bad+`"`)),
	altered("named text", "not UTF-8", named(bad)),
	altered("in a list", "[1]: text that is not UTF-8", []string{"a", bad}),
	altered("in a table", "[…]: text", map[string]string{"secret": bad}),
	altered("as a key", "a key is text", map[string]int{bad: 1}),
	altered("two times of one instant", "two keys that come back as one", map[time.Time]int{time.Unix(1, 0).UTC(): 2, time.Unix(1, 0).In(time.FixedZone("", 0)): 3}),
	altered("two keys of one form", "two keys that come back as one", map[point]int{{1, 2}: 1, {1, 3}: 2}),
	altered("two keys that are read as one", "two keys that come back as one", map[folded]int{"a": 1, "A": 2}),
	altered("a key that is not read", "does not read back", map[folded]int{"no": 1}),
	altered("a key of text with a method", "a key is text", map[folded]int{bad: 1}),
	altered("an empty number", "an empty json.Number, which comes back as 0", json.Number("")),
	altered("an empty number in a list", "[1]: an empty json.Number", []json.Number{"1", ""}),
	altered("in a struct", "B.ID: text", twice{B: base{bad}}),
	altered("behind a pointer", "text", &[]string{bad}[0]),
	altered("token", "raw: not exported", token{raw: map[string]any{"id_token": "secret"}}),
	altered("URL with a user", "User: a url.Userinfo", *location("https://ann:secret@example.com/")),
	altered("shadowed", "base.ID: would be lost", over{base: base{"secret"}}),
	altered("name taken twice", "would be lost", clash{base: base{"a"}}, clash{other: other{"a"}}),
	altered("hollow", "Hidden: a exact_test.hidden, which has no exported field", &pointer{&hidden{"secret"}}),
	altered("a locked mutex", "mu: not exported", locked),
	altered("NaN", "NaN", math.NaN(), math.Inf(1), math.Inf(-1)),
	altered("NaN in a list", "[0]", []float32{float32(math.NaN())}),
	altered("pointer to nil", "pointer to nil", new([]string)),
	altered("pointer to a nil map", "pointer to nil", new(map[string]int)),
	altered("pointer to a nil pointer", "pointer to nil", new(*int)),
	altered("itself", "within itself", itself),
	altered[any]("any", "in an interface", int64(1<<53+1), uint64(math.MaxUint64), int64(math.MinInt64), []byte("a"), time.Unix(0, 0), struct{ A int }{1}, new(int),
		json.Number("1"), float32(0.1), map[int]any{1: 1}, map[named]any{"a": base{}}, []any{[]any{base{}}}, make(chan int), errors.New("secret"), [1]time.Time{}),
	altered[any]("text in any", "not UTF-8", bad, []any{bad}, []string{bad}, map[string]any{"a": bad}),
	altered[any]("key in any", "key is text", map[string]any{bad: 1}),
	altered[any]("NaN in any", "NaN", math.NaN(), float32(math.Inf(1))),
	altered("any in a struct", "[0].A: an integer beyond", []struct{ A any }{{int64(1<<53 + 1)}}),

	unfit[error]("error", "interface"),
	unfit[[]fmt.Stringer]("stringers", "[]: an fmt.Stringer"),
	unfit[struct{ Err error }]("field", "Err: an error"),
	unfit[chan int]("chan", "chan int"),
	unfit[func()]("func", "func()"),
	unfit[complex128]("complex", "complex128"),
	unfit[map[float64]int]("keys", "keys"),
	unfit[map[toText]int]("keys that are only written", "no UnmarshalText to read them back"),
	unfit[map[fromText]int]("keys that are only read", "no MarshalText to write them"),
	unfit[map[base]int]("struct keys", "keys"),
	unfit[hidden]("hidden", "no exported field"),
	unfit[holder]("holder", "Hidden: a exact_test.hidden"),
	unfit[stamped]("written as what it embeds", "embedded"),
	unfit[oneWay]("one way", "no method to read it back"),
	unfit[map[string]byPointer]("by pointer in a map", "want a pointer"),
	unfit[map[string]big.Int]("big in a map", "want a pointer"),
}

// What JSON carries is let through, and nothing else.
func TestExact(t *testing.T) {
	t.Parallel()
	for _, c := range examples {
		t.Run(c.name, c.run)
	}
	meant := left{out: "a tag says so"}
	if x, err := exact.Of[left](); err != nil || x.Check(&meant) != nil {
		t.Errorf("a field with json:\"-\" that is not exported: got %v, %v", err, x.Check(&meant))
	}
	for _, v := range []any{1, int8(-1), uint(7), float32(0.5), int64(1 << 53), []string{"a"}, []int{1}, [1]bool{true}, map[named]int{"a": 1}, named("a")} {
		x, err := exact.Of[any]()
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Check(&v); err != nil { // the same data, of another type
			t.Errorf("%#v in an interface: %v", v, err)
		}
	}
}

// A type of which every value comes back costs nothing.
func TestNothingToCheck(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func() (*exact.Type, error){
		"int": exact.Of[int], "bytes": exact.Of[[]byte], "time": exact.Of[time.Time], "struct": exact.Of[struct {
			A int
			B []time.Time
			C map[int]bool
		}], "twice": exact.Of[struct{ A, B int }],
	} {
		if x, err := of(); x != nil || err != nil {
			t.Errorf("%s: got %v, %v; want nothing to check", name, x, err)
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	x, err := exact.Of[[]twice]()
	if err != nil {
		t.Fatal(err)
	}
	v := []twice{{base{"a"}, base{"b"}}, {}}
	if n := testing.AllocsPerRun(100, func() { _ = x.Check(&v) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// Whatever the value, what is let through comes back equal.
func FuzzExact(f *testing.F) {
	f.Add("a", "b", 0.5, []byte("x"), 1)
	f.Add("\xff", "b\xc0", math.Inf(1), []byte(nil), -1)
	type shape struct {
		Text  string `json:"t"`
		Table map[string][]string
		Any   any
		Array [2]*float64
		Inner *shape0
		named
	}
	x, err := exact.Of[shape]()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string, n float64, raw []byte, i int) {
		v := shape{Text: a, Table: map[string][]string{a: {b}, b: nil}, Array: [2]*float64{&n}, named: named(b)}
		switch i % 4 {
		case 0:
			v.Any, v.named = map[string]any{a: n, b: []any{a, nil}}, ""
		case 1:
			v.Inner, v.named = &shape0{raw, a}, ""
		case 2:
			v.Inner, v.named = &shape0{raw, ""}, ""
		}
		if x.Check(&v) != nil {
			return
		}
		var back shape
		if j, err := json.Marshal(&v); err != nil || json.Unmarshal(j, &back) != nil || !reflect.DeepEqual(back, v) {
			t.Errorf("%#v was let through, and comes back as %#v (%s, %v)", v, back, j, err)
		}
	})
}

type shape0 struct {
	Raw  []byte
	text string
}
