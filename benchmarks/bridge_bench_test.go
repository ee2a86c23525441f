package benchmarks_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/bridge/gorilla"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

const flaskSecret = "a secret of Flask for the benchmark"

// tenValues is a session as an application of another system has it.
var tenValues = bridge.Session{User: "12345", Values: map[string]json.RawMessage{
	"_permanent": json.RawMessage(`true`), "csrf_token": json.RawMessage(`"0123456789012345678901234567890123456789"`),
	"cart": json.RawMessage(`["tea","jam","bread"]`), "theme": json.RawMessage(`"dark"`), "lang": json.RawMessage(`"de"`),
	"visits": json.RawMessage(`17`), "last": json.RawMessage(`"2026-11-28T16:30:12Z"`),
}}

// issued is the value of the cookie that a source makes of a session.
func issued(t testing.TB, s bridge.Source, old bridge.Session) string {
	t.Helper()
	w := httptest.NewRecorder()
	if err := s.Issue(w, httptest.NewRequest(http.MethodPost, "/", nil), old); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()[0].Value
}

func flaskSource(t testing.TB) *flask.Source {
	t.Helper()
	s, err := flask.New(flask.Config{SecretKey: flaskSecret})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A reader reads a cookie of another system, by the bridge and by the fastest other Go
// code that could be had.
type reader struct {
	name        string
	ours, other func() (values int, err error)
}

func readers(t testing.TB) []reader {
	t.Helper()
	f := flaskSource(t)
	value := issued(t, f, tenValues)
	mac := hmac.New(sha1.New, []byte(flaskSecret))
	mac.Write([]byte("cookie-session"))
	key := mac.Sum(nil)
	hash, block := []byte(strings.Repeat("h", 64)), []byte(strings.Repeat("b", 32))
	g, err := gorilla.New(gorilla.Config{Keys: []gorilla.KeyPair{{Hash: hash, Block: block}}, Name: "mysession", UserKey: "_user_id"})
	if err != nil {
		t.Fatal(err)
	}
	secure, codec := issued(t, g, tenValues), securecookie.New(hash, block)
	gob.Register([]string(nil))
	open := func(s bridge.Opener, value string) func() (int, error) {
		return func() (int, error) {
			session, err := s.Open(context.Background(), value)
			return len(session.Values), err
		}
	}
	return []reader{
		{"flask", open(f, value), func() (int, error) {
			values, err := byHand(key, value)
			return len(values), err
		}},
		{"gorilla", open(g, secure), func() (int, error) {
			var values map[any]any
			err := codec.Decode("mysession", secure, &values)
			return len(values), err
		}},
	}
}

// byHand reads Flask's cookie as Go programs that do it by hand do: one HMAC under a
// key that is derived once, zlib, and encoding/json. No module that reads Flask's
// cookies could be had to measure against.
func byHand(key []byte, value string) (map[string]any, error) {
	at := strings.LastIndexByte(value, '.')
	if at < 0 {
		return nil, errors.New("no signature")
	}
	sig, err := base64.RawURLEncoding.DecodeString(value[at+1:])
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha1.New, key)
	mac.Write([]byte(value[:at]))
	if !hmac.Equal(mac.Sum(nil), sig) {
		return nil, errors.New("forged")
	}
	text := value[:strings.LastIndexByte(value[:at], '.')]
	rest, compressed := strings.CutPrefix(text, ".")
	b, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil {
		return nil, err
	}
	if compressed {
		z, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		if b, err = io.ReadAll(z); err != nil {
			return nil, err
		}
	}
	var values map[string]any
	return values, json.Unmarshal(b, &values)
}

// Both sides of BenchmarkBridgeRead read the same values.
func TestBridgeReaders(t *testing.T) {
	for _, r := range readers(t) {
		ours, err := r.ours()
		other, err2 := r.other()
		if err = errors.Join(err, err2); err != nil || ours != other || ours < len(tenValues.Values) {
			t.Errorf("%s: %d values, the other code %d, %v", r.name, ours, other, err)
		}
	}
}

// BenchmarkBridgeRead is a cookie of another system verified and decoded, ours and the
// other code in turns; "of-other" is what ours takes of the other's time.
func BenchmarkBridgeRead(b *testing.B) {
	for _, r := range readers(b) {
		b.Run(r.name, func(b *testing.B) {
			var ours, other []float64
			for b.Loop() {
				for side, times := range map[*[]float64]func() (int, error){&ours: r.ours, &other: r.other} {
					*side = append(*side, float64(timed(func() {
						if _, err := times(); err != nil {
							b.Fatal(err)
						}
					}))/turn)
				}
			}
			b.ReportMetric(middle(ours), "ours-ns/op")
			b.ReportMetric(middle(other), "other-ns/op")
			b.ReportMetric(middle(ours)/middle(other), "of-other")
			b.ReportMetric(0, "ns/op") // of both together
		})
	}
}

func middle(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// counted counts what is written to a store.
type counted struct {
	store.Store
	writes int
}

func (c *counted) Unwrap() store.Store { return c.Store }

func (c *counted) Create(ctx context.Context, rec store.Record) error {
	c.writes++
	return c.Store.Create(ctx, rec)
}

func (c *counted) Replace(ctx context.Context, old store.ID, ifVersion uint64, rec store.Record, until time.Time) error {
	c.writes++
	return c.Store.Replace(ctx, old, ifVersion, rec, until)
}

func (c *counted) Update(ctx context.Context, rec store.Record, ifVersion uint64) error {
	c.writes++
	return c.Store.Update(ctx, rec, ifVersion)
}

// BenchmarkAdopt is a first request that is logged in at Flask, beside a login here.
func BenchmarkAdopt(b *testing.B) {
	keys, err := cookie.NewKeys(text(40))
	if err != nil {
		b.Fatal(err)
	}
	old := flaskSource(b)
	for _, kind := range []string{"login", "adopt"} {
		b.Run(kind, func(b *testing.B) {
			st := &counted{Store: memstore.New(memstore.Config{})}
			sessions, err := coatcheck.New(st, keys, coatcheck.Config{})
			if err != nil {
				b.Fatal(err)
			}
			move, err := bridge.NewMove(sessions, old, bridge.MoveConfig{Until: time.Now().AddDate(0, 1, 0)})
			if err != nil {
				b.Fatal(err)
			}
			app := move.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := coatcheck.From(r.Context())
				if kind == "login" {
					s.Login(r.Header.Get("User"))
				}
				_, _ = io.WriteString(w, s.User())
			}))
			adopted(b, app, old, kind)
			b.ReportMetric(float64(st.writes)/float64(b.N), "writes/op")
		})
	}
}

// adopted sends requests of many people, each the first of its browser.
func adopted(b *testing.B, app http.Handler, old bridge.Source, kind string) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		user := strconv.Itoa(i)
		r := httptest.NewRequest(http.MethodPost, "https://app.example/", nil)
		r.Header.Set("User", user)
		if kind == "adopt" {
			r.AddCookie(&http.Cookie{Name: "session", Value: issued(b, old, bridge.Session{User: user})})
		}
		w := httptest.NewRecorder()
		b.StartTimer()
		app.ServeHTTP(w, r)
		b.StopTimer()
		if got := []any{w.Code, w.Body.String()}; !reflect.DeepEqual(got, []any{http.StatusOK, user}) {
			b.Fatalf("got %v, want %s logged in", got, user)
		}
		b.StartTimer()
	}
}
