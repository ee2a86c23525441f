// Package foreigntest is for the tests of packages that read other systems' sessions:
// a store in memory, requests with a cookie, and frozen vectors.
package foreigntest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/testvectors"
)

// A KV is a bridge.KV in memory. The zero KV is empty.
type KV struct {
	mu   sync.Mutex
	held map[string]entry
}

type entry struct {
	value []byte
	end   time.Time
}

// Get implements bridge.KV.
func (k *KV) Get(_ context.Context, key string) ([]byte, time.Duration, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.held[key]
	switch {
	case !ok:
		return nil, 0, bridge.ErrEnded
	case e.end.IsZero():
		return e.value, -1, nil
	case !time.Now().Before(e.end):
		return nil, 0, bridge.ErrEnded
	}
	return e.value, time.Until(e.end), nil
}

// Set implements bridge.KV.
func (k *KV) Set(_ context.Context, key string, value []byte, left time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := entry{value: slices.Clone(value)}
	if left > 0 {
		e.end = time.Now().Add(left)
	}
	if k.held == nil {
		k.held = make(map[string]entry)
	}
	k.held[key] = e
	return nil
}

// Del implements bridge.KV.
func (k *KV) Del(_ context.Context, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.held, key)
	return nil
}

// Keys implements bridge.KeyWalker.
func (k *KV) Keys(_ context.Context, prefix string) iter.Seq2[string, error] {
	k.mu.Lock()
	keys := slices.Sorted(maps.Keys(k.held))
	k.mu.Unlock()
	return func(yield func(string, error) bool) {
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) && !yield(key, nil) {
				return
			}
		}
	}
}

// Len is how many keys there are.
func (k *KV) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.held)
}

// Request is a request with cookies: name, value, name, value.
func Request(cookies ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for i := 0; i < len(cookies); i += 2 {
		r.AddCookie(&http.Cookie{Name: cookies[i], Value: cookies[i+1]})
	}
	return r
}

// Next is the browser's next request after an answer.
func Next(w *httptest.ResponseRecorder) *http.Request {
	r := Request()
	for _, c := range w.Result().Cookies() {
		if c.MaxAge >= 0 {
			r.AddCookie(c)
		}
	}
	return r
}

// A Vector is what the real thing made.
type Vector struct {
	Name     string                     `json:"name"`
	Settings map[string]string          `json:"settings,omitempty"` // what its maker was configured to
	Cookies  []string                   `json:"cookies,omitempty"`  // name, value, name, value
	Key      string                     `json:"key,omitempty"`      // of the record in its store
	Record   []byte                     `json:"record,omitempty"`   // in base64
	Made     int64                      `json:"made"`               // in seconds since 1970
	User     string                     `json:"user"`
	Values   map[string]json.RawMessage `json:"values"`
	Refused  []string                   `json:"refused,omitempty"` // names of values
}

// Vectors reads a file of testvectors/bridge.
func Vectors(t testing.TB, name string) (list []Vector) {
	t.Helper()
	raw, err := fs.ReadFile(testvectors.Files(), "bridge/"+name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
		t.Fatalf("%s: %d vectors, %v", name, len(list), err)
	}
	return list
}

// Check holds what was read against the vector.
func (v Vector) Check(t testing.TB, s bridge.Session, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", v.Name, err)
		return
	}
	if s.User != v.User {
		t.Errorf("%s: the user is %q, want %q", v.Name, s.User, v.User)
	}
	if len(s.Values) != len(v.Values) {
		t.Errorf("%s: read the values %v, want %v", v.Name, slices.Sorted(maps.Keys(s.Values)), slices.Sorted(maps.Keys(v.Values)))
	}
	for name, want := range v.Values {
		if !EqualJSON(s.Values[name], want) {
			t.Errorf("%s: %s is %s, want %s", v.Name, name, s.Values[name], want)
		}
	}
	if got := slices.Sorted(maps.Keys(s.Refused)); !slices.Equal(got, v.Refused) {
		t.Errorf("%s: refused %v, want %v", v.Name, s.Refused, v.Refused)
	}
}

// Identity checks that a source names the session of the request as it did to Read.
func Identity(t testing.TB, source bridge.Source, r *http.Request, s bridge.Session) {
	t.Helper()
	if id, err := source.(bridge.Identifier).Identity(r); err != nil || id != s.ID {
		t.Errorf("the identity without the store is %q, %v; want %q", id, err, s.ID)
	}
}

// A Dump is what the serializer of another language made, without a session around it.
type Dump struct {
	Name     string
	Protocol int // of pickle
	Data     []byte
	Values   map[string]json.RawMessage
	Refused  string // why it is, or its value "a"
}

// Dumps reads a file of testvectors/bridge.
func Dumps(t testing.TB, name string) []Dump {
	t.Helper()
	raw, err := fs.ReadFile(testvectors.Files(), "bridge/"+name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []Dump }
	if err := json.Unmarshal(raw, &file); err != nil || len(file.Vectors) == 0 {
		t.Fatalf("%s: %d vectors, %v", name, len(file.Vectors), err)
	}
	return file.Vectors
}

// Seeds are those of a fuzz test: the short ones.
func Seeds(f *testing.F, name string) {
	f.Helper()
	for _, d := range Dumps(f, name) {
		if len(d.Data) < 2000 {
			f.Add(d.Data)
		}
	}
}

// A Decode reads a dump.
type Decode func(data []byte) (values map[string]json.RawMessage, refused map[string]string, err error)

// Damaged checks that no part of a dump that ends early is read, and that a bit that is
// turned does no harm.
func Damaged(t *testing.T, d Dump, decode Decode) {
	t.Helper()
	for n := range d.Data {
		if _, _, err := decode(d.Data[:n]); err == nil {
			t.Errorf("%s: %d bytes of it are read", d.Name, n)
		}
		for bit := range 8 {
			turned := slices.Clone(d.Data)
			turned[n] ^= 1 << bit
			_, _, _ = decode(turned)
		}
	}
}

// Fuzzed checks what a reader makes of any bytes: JSON, or a refusal.
func Fuzzed(t *testing.T, data []byte, decode Decode) {
	t.Helper()
	values, _, err := decode(data)
	if refused := (*bridge.RefusedError)(nil); err != nil && !errors.As(err, &refused) {
		t.Errorf("%v is no refusal", err)
	}
	for name, v := range values {
		if !json.Valid(v) {
			t.Errorf("%q is no JSON: %s", name, v)
		}
	}
}

// Exact compares the values of two sides to the last digit.
func Exact(t testing.TB, what string, got, want map[string]json.RawMessage) {
	t.Helper()
	if a, b := exact(t, got), exact(t, want); len(a)+len(b) > 0 && !reflect.DeepEqual(a, b) {
		t.Errorf("%s: got %v\nwant %v", what, a, b)
	}
}

func exact(t testing.TB, values map[string]json.RawMessage) (out map[string]any) {
	t.Helper()
	data, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	for name, v := range out { // 1e+308 and 1e308 are one
		if n, ok := v.(json.Number); ok && strings.ContainsAny(string(n), ".e") {
			out[name], _ = n.Float64()
		}
	}
	return out
}

// EqualJSON reports whether two texts are the same as JSON.
func EqualJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
