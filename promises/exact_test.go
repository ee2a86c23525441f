package promises_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// accessToken is made like an oauth2.Token, whose extra fields are in raw.
type accessToken struct {
	AccessToken string
	Expiry      time.Time
	raw         any
}

// R4: a value that JSON would alter or leave out in part is refused, by every
// change, with the key, the field and a way out; nothing is stored.
func TestValuesComeBackOrAreRefused(t *testing.T) {
	t.Parallel()
	location, err := url.Parse("https://ann:secret@example.com/")
	if err != nil {
		t.Fatal(err)
	}
	const bad = "secret\xff"
	for name, c := range map[string]struct {
		do   func(*coatcheck.Session)
		want string
	}{
		"text":           {setting("k", bad), "want a []byte"},
		"list":           {setting("k", []string{"a", bad}), "[1]: text"},
		"table":          {setting("k", map[string]string{bad: "a"}), "a key is text"},
		"token":          {setting("k", accessToken{raw: "secret"}), "raw: not exported"},
		"URL":            {setting("k", *location), "User: a url.Userinfo"},
		"integer in any": {setting("k", map[string]any{"secret": int64(1<<53 + 1)}), "[…]: an integer beyond 2^53"},
		"struct in any":  {setting("k", any(accessToken{})), "want a field of that type"},
		"error":          {setting("k", errors.New("secret")), "an error, an interface"},
		"func":           {setting("k", func() {}), "a func()"},
		"SetFor":         {func(s *coatcheck.Session) { coatcheck.NewKey[string]("k").SetFor(s, bad, time.Hour) }, "want a []byte"},
		"Append":         {func(s *coatcheck.Session) { coatcheck.Append(s, coatcheck.NewKey[[]string]("k"), bad) }, "[0]: text"},
		"Update": {func(s *coatcheck.Session) {
			coatcheck.NewKey[string]("k").Update(s, func(string) string { return bad })
		}, "want a []byte"},
		"Flash": {func(s *coatcheck.Session) { s.Flash(bad) }, "[0]: text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got error
			store := memstore.New(memstore.Config{})
			m := manage(t, store, coatcheck.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
				got = err
				coatcheck.AnswerError(w, r, err)
			}})
			w := newBrowser(only(m, func(_ http.ResponseWriter, _ *http.Request, s *coatcheck.Session) { c.do(s) })).Send("POST", "/")
			if w.Code != http.StatusInternalServerError || !errors.Is(got, coatcheck.ErrValue) || !strings.Contains(fmt.Sprint(got), c.want) {
				t.Errorf("got %d, %v; want 500 and an ErrValue with %q", w.Code, got, c.want)
			}
			if text := fmt.Sprint(got); strings.Contains(text, "secret") || !strings.Contains(text, `"`) && !strings.Contains(text, "Flash") {
				t.Errorf("the error shows the value, or not the key: %v", got)
			}
			if stats, err := store.Stats(t.Context()); err != nil || stats.Sessions != 0 {
				t.Errorf("%d sessions are stored, want none (%v)", stats.Sessions, err)
			}
		})
	}
}

func setting[T any](name string, v T) func(*coatcheck.Session) {
	return func(s *coatcheck.Session) { coatcheck.NewKey[T](name).Set(s, v) }
}

// R4: what JSON carries comes back equal, also where only *T has the methods.
func TestValuesComeBack(t *testing.T) {
	t.Parallel()
	location, err := url.Parse("https://example.com/a?b#c")
	if err != nil {
		t.Fatal(err)
	}
	comesBack(t, "\u2028 <&> \\ufffd \ufffd")
	comesBack(t, *location)
	comesBack(t, accessToken{AccessToken: "a", Expiry: time.Unix(1, 0).UTC()})
	comesBack(t, celsius{20.5})
	comesBack(t, map[string]any{"a": []any{1.5, nil, "b"}})
	comesBack(t, struct {
		Kept string
		Left func() `json:"-"`
	}{Kept: "x"})
}

// celsius has its methods by pointer, as big.Int has.
type celsius struct{ degrees float64 }

func (c *celsius) MarshalJSON() ([]byte, error) { return json.Marshal(c.degrees) }
func (c *celsius) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &c.degrees) }

func comesBack[T any](t *testing.T, v T) {
	t.Helper()
	key := coatcheck.NewKey[T]("k")
	b := newBrowser(only(manage(t, memstore.New(memstore.Config{}), coatcheck.Config{}), func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		if r.Method == http.MethodPost {
			key.Set(s, v)
			return
		}
		if got, ok := key.Get(s); !ok || !reflect.DeepEqual(got, v) {
			t.Errorf("%#v came back as %#v, %t", v, got, ok)
		}
	}))
	wants(t, b.Send("POST", "/"), http.StatusOK, "")
	wants(t, b.Send("GET", "/"), http.StatusOK, "")
}
