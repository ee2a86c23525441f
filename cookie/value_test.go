package cookie_test

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

type (
	theme  string // a string kind without methods
	level  int8
	stamp  struct{ time.Time }
	basket struct {
		Items []string       `json:"items"`
		Note  string         `json:"note,omitempty"`
		More  map[string]any `json:"more,omitempty"`
	}
)

func declared[T any](t testing.TB) map[string]cookie.Cookie[T] {
	keys := testKeys(t)
	return map[string]cookie.Cookie[T]{
		"plain":  cookie.New[T]("c", cookie.Policy{}),
		"signed": cookie.NewSigned[T]("c", keys, cookie.Policy{}),
		"sealed": cookie.NewSealed[T]("c", keys, cookie.Policy{}),
	}
}

// C11, C12: what was set comes back; text is what a plain cookie sends.
func comesBack[T any](t *testing.T, v T, text string) {
	t.Helper()
	for kind, c := range declared[T](t) {
		sent := set(t, c, v)
		if got, err := c.Get(request("a=b; " + sent)); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%s %T: got %v, %v, want %v", kind, v, got, err, v)
		}
		if kind == "plain" && sent != "c="+text {
			t.Errorf("%T: got %s, want c=%s", v, sent, text)
		}
	}
}

func TestValuesComeBack(t *testing.T) {
	t.Parallel()
	comesBack(t, "alice", "alice")
	comesBack(t, "", "")
	comesBack(t, "!#$%&'()*+-./:<=>?@[]^_`{|}~", "!#$%&'()*+-./:<=>?@[]^_`{|}~")
	comesBack(t, theme("dark"), "dark")
	comesBack(t, 0, "0")
	comesBack(t, -42, "-42")
	comesBack(t, int64(math.MinInt64), "-9223372036854775808")
	comesBack(t, uint64(math.MaxUint64), "18446744073709551615")
	comesBack(t, level(-128), "-128")
	comesBack(t, true, "true")
	comesBack(t, false, "false")
	comesBack(t, 1.5, "MS41")
	comesBack(t, []byte{0, 255}, "IkFQOD0i")
	comesBack(t, []string{"tea", "ä, \"quoted\"; <b>"}, "WyJ0ZWEiLCLDpCwgXCJxdW90ZWRcIjsgXHUwMDNjYlx1MDAzZSJd")
	comesBack(t, basket{Items: []string{"tea"}}, "eyJpdGVtcyI6WyJ0ZWEiXX0")
	comesBack(t, stamp{time.Unix(0, 0).UTC()}, "IjE5NzAtMDEtMDFUMDA6MDA6MDBaIg")
	comesBack(t, any("text"), "InRleHQi")
	comesBack(t, (*int)(nil), "bnVsbA")
}

// Signed and sealed strings may be any UTF-8.
func TestText(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"", "a b", `"quoted"`, `back\slash`, "ä€😀", "\x00\x1f\x7f", "<script>&amp;", "\ufffd", `\ufffd`, `\\ufffd`, "\u2028", "null", "\r\nSet-Cookie: x=y"} {
		for kind, c := range declared[string](t) {
			if kind == "plain" {
				continue
			}
			if got, err := c.Get(request(set(t, c, v))); got != v || err != nil {
				t.Errorf("%s: got %q, %v, want %q", kind, got, err, v)
			}
		}
	}
}

// C11: the payload of a string is the one of encoding/json.
func TestStringIsJSON(t *testing.T) {
	t.Parallel()
	keys := testKeys(t)
	text, raw := cookie.NewSigned[string]("c", keys, cookie.Policy{}), cookie.NewSigned[json.RawMessage]("c", keys, cookie.Policy{})
	for b := range 0x110 {
		v := "a" + string(rune(b)) + "b"
		got, err := raw.Get(request(set(t, text, v)))
		if want, _ := json.Marshal(v); err != nil || string(got) != string(want) {
			t.Errorf("%q: got payload %s, %v, want %s", v, got, err, want)
		}
	}
}

type unfit struct{ err error }

func (u unfit) MarshalJSON() ([]byte, error) { return nil, u.err }
func (*unfit) UnmarshalJSON([]byte) error    { return nil }

// granted is made like an oauth2.Token, whose extra fields are in raw.
type granted struct {
	AccessToken string
	raw         any
}

func refusesToSet[T any](t *testing.T, kind string, v T, want string) {
	t.Helper()
	w := newRecorder()
	err := declared[T](t)[kind].Set(w, v)
	if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cookie: ") {
		t.Errorf("%s %.20q: got %v, want an error with %q", kind, any(v), err, want)
	}
	if len(w.Header()) != 0 {
		t.Errorf("%s %.20q: set %v beside the error", kind, any(v), w.Header())
	}
}

// G6: what has no exact form is an error, never altered.
func TestSetRefuses(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"a b", "a;b", "a,b", `"a"`, `a\b`, "ä", "a\r\nSet-Cookie: b=c", "\x00", "\x7f", "a\tb"} {
		refusesToSet(t, "plain", v, "no cookie can carry")
		refusesToSet(t, "plain", theme(v), "no cookie can carry")
	}
	for _, kind := range []string{"signed", "sealed"} {
		refusesToSet(t, kind, "\xff", "not UTF-8")
		refusesToSet(t, kind, theme("\xff"), "not UTF-8")
		refusesToSet(t, kind, strings.Repeat("v", 4000), "browsers keep at most 4096")
		refusesToSet(t, kind, strings.Repeat("v", 1<<20), "browsers keep at most 4096")
	}
	refusesToSet(t, "plain", strings.Repeat("v", 4096), "4097 bytes")
	refusesToSet(t, "plain", basket{Note: strings.Repeat("v", 4096)}, "browsers keep at most 4096")
	for kind := range declared[int](t) {
		refusesToSet(t, kind, basket{Note: "a\xffb"}, "not UTF-8")
		refusesToSet(t, kind, map[string]int{"\xff": 1}, "not UTF-8")
		refusesToSet(t, kind, []string{`\`, "\xff"}, "not UTF-8")
		refusesToSet(t, kind, math.NaN(), "NaN")
		refusesToSet(t, kind, func() {}, "func()")
		refusesToSet(t, kind, make(chan int), "chan int")
		refusesToSet(t, kind, unfit{errors.New("not today")}, "not today")
		refusesToSet(t, kind, json.RawMessage("{"), "JSON")
		refusesToSet(t, kind, json.RawMessage("\"\xff\""), "not UTF-8")
		refusesToSet(t, kind, granted{raw: "id_token"}, "raw: not exported")
		refusesToSet(t, kind, url.URL{User: url.UserPassword("ann", "x")}, "User: a url.Userinfo")
		refusesToSet(t, kind, map[string]any{"n": int64(1<<53 + 1)}, "beyond 2^53")
		refusesToSet(t, kind, struct{ Err error }{errors.New("x")}, "Err: an error")
	}
}

// C14: 4096 bytes of name and value are kept by browsers and set by us; the message
// names the sizes (ASVS 5.0 3.3.5).
func TestLargest(t *testing.T) {
	t.Parallel()
	for kind, overhead := range map[string]int{"signed": 46, "sealed": 42} {
		c := declared[string](t)[kind]
		largest := (4096-len("c"))*6/8 - overhead - len(`""`)
		v := strings.Repeat("v", largest)
		if got, err := c.Get(request(set(t, c, v))); got != v || err != nil {
			t.Errorf("%s: %d bytes: got %d, %v", kind, largest, len(got), err)
		}
		refusesToSet(t, kind, v+"v", "4097 bytes")
	}
}

func mismatched[T any](t *testing.T, values ...string) {
	t.Helper()
	for _, value := range values {
		v, err := cookie.New[T]("c", cookie.Policy{}).Get(request("c=" + value))
		refused(t, value, err, cookie.ReasonValue)
		if !reflect.ValueOf(&v).Elem().IsZero() {
			t.Errorf("%s: got %v beside the error", value, v)
		}
	}
}

// A plain cookie that is no T is refused; nothing half read comes with it.
func TestPlainMismatch(t *testing.T) {
	t.Parallel()
	mismatched[int](t, "", "x", "1.5", "1e3", "0x10", "1_000", "9223372036854775808", "--1")
	mismatched[level](t, "128", "-129")
	mismatched[uint8](t, "-1", "256")
	mismatched[bool](t, "", "1", "TRUE", "yes", "t")
	mismatched[basket](t, "", "{}", "e30=", "e31", "bnVsbA.", "eyJpdGVtcyI6WyJ0ZWEiLDFdfQ", "eyJpdGVtcyI6WyJ0ZWEiXX0=")
	mismatched[[]int](t, "WzEsMiwieCJd")
}

func TestSignedMismatch(t *testing.T) {
	t.Parallel()
	keys := testKeys(t)
	sent := set(t, cookie.NewSigned[[]any]("c", keys, cookie.Policy{}), []any{1, 2, "x"})
	v, err := cookie.NewSigned[[]int]("c", keys, cookie.Policy{}).Get(request(sent))
	refused(t, "[]any as []int", err, cookie.ReasonValue)
	if v != nil {
		t.Errorf("got %v beside the error", v)
	}
}

// The walk-through's header, to the letter.
func TestSetCookieOfTheChapter(t *testing.T) { bubble(t, testSetCookieOfTheChapter) }

func testSetCookieOfTheChapter(t *testing.T) {
	c := cookie.New[string]("username", cookie.Policy{MaxAge: time.Hour})
	w := newRecorder()
	w.Header().Add("Set-Cookie", "other=1")
	if err := c.Set(w, "bob"); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(w, "alice"); err != nil {
		t.Fatal(err)
	}
	want := []string{"other=1", "username=alice; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Strict; Expires=Sat, 01 Jan 2000 01:00:00 GMT"}
	if got := w.Header()["Set-Cookie"]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := c.Clear(w); err != nil {
		t.Fatal(err)
	}
	want[1] = "username=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict; Expires=Thu, 01 Jan 1970 00:00:01 GMT"
	if got := w.Header()["Set-Cookie"]; !reflect.DeepEqual(got, want) {
		t.Errorf("after Clear: got %q, want %q", got, want)
	}
}

// The three errors are told apart, and ErrForged shows nothing of the value.
func TestErrors(t *testing.T) {
	t.Parallel()
	for kind, c := range declared[int](t) {
		if _, err := c.Get(request()); err != cookie.ErrAbsent {
			t.Errorf("%s: got %v, want ErrAbsent", kind, err)
		}
		_, err := c.Get(request("c=top-secret-value"))
		refused(t, kind, err)
		if errors.Is(err, cookie.ErrAbsent) || errors.Is(err, cookie.ErrExpired) || strings.Contains(err.Error(), "top-secret") {
			t.Errorf("%s: got %v", kind, err)
		}
		if !strings.Contains(err.Error(), `"c"`) {
			t.Errorf("%s: %v does not name the cookie", kind, err)
		}
	}
}

// One declaration serves all requests at once; nothing of one shows in another.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	for kind, c := range declared[string](t) {
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 200 {
					v := strings.Repeat(string(rune('a'+g)), 1+(i*37)%1500)
					w := newRecorder()
					if err := c.Set(w, v); err != nil {
						t.Error(err)
						return
					}
					sc, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
					if err != nil {
						t.Error(err)
						return
					}
					if got, err := c.Get(request("c=" + sc.Value)); got != v || err != nil {
						t.Errorf("%s: got %.10q, %v, want %.10q", kind, got, err, v)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}
