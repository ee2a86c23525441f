package cookie_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

func newSealer(t testing.TB, name string, max time.Duration) *cookie.Sealer {
	t.Helper()
	s, err := cookie.NewSealer(name, testKeys(t), max)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A Sealer writes the frames of C9, of any bytes.
func TestSealer(t *testing.T) {
	t.Parallel()
	s := newSealer(t, "sid", time.Hour)
	for _, payload := range [][]byte{nil, {0}, []byte("\xff\x00 any bytes"), bytes.Repeat([]byte{7}, 3000)} {
		value, err := s.Seal(payload, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Open(value); err != nil || !bytes.Equal(got, payload) {
			t.Errorf("got %.10q, %v, want %.10q", got, err, payload)
		}
		_, err = newSealer(t, "other", time.Hour).Open(value)
		refused(t, "another name", err, cookie.ReasonTag)
	}
	value, err := s.Seal([]byte(`"valid JSON"`), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	c := cookie.NewSealed[json.RawMessage]("sid", testKeys(t), cookie.Policy{MaxAge: time.Hour})
	// C3: one purpose never serves two formats.
	_, err = c.Get(request("sid=" + value))
	refused(t, "as a sealed cookie", err, cookie.ReasonTag)
	for _, other := range []string{"", "A", value + "=", value[1:], "\n" + value, value[:9] + "\n" + value[9:], value[:9] + "\n\n\n\n" + value[9:]} {
		_, err := s.Open(other)
		refused(t, other, err, cookie.ReasonEncoding, cookie.ReasonVersion)
	}
	// Whole groups, so that only the length speaks against it.
	_, err = s.Open(strings.Repeat("Agaa", 1024))
	refused(t, "too long", err, cookie.ReasonTooLong)
}

func TestSealerLifetime(t *testing.T) {
	for _, tt := range []struct{ ttl, valid time.Duration }{
		{time.Minute, time.Minute},
		{90*time.Second + time.Nanosecond, 91 * time.Second},
		{1<<63 - 1, time.Hour}, // far more than the header holds, and than is read
	} {
		bubble(t, func(t *testing.T) {
			s := newSealer(t, "sid", time.Hour)
			value, err := s.Seal([]byte("x"), tt.ttl)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(tt.valid - time.Nanosecond)
			if _, err := s.Open(value); err != nil {
				t.Errorf("%v: before its end: %v", tt.ttl, err)
			}
			time.Sleep(time.Nanosecond)
			if _, err := s.Open(value); err != cookie.ErrExpired {
				t.Errorf("%v: at its end: got %v", tt.ttl, err)
			}
		})
	}
}

func TestSealerRefuses(t *testing.T) {
	t.Parallel()
	keys := testKeys(t)
	for what, f := range map[string]func() error{
		"bad name":  func() error { _, err := cookie.NewSealer("a b", keys, time.Hour); return err },
		"nil keys":  func() error { _, err := cookie.NewSealer("a", nil, time.Hour); return err },
		"zero keys": func() error { _, err := cookie.NewSealer("a", &cookie.Keys{}, time.Hour); return err },
		"no max":    func() error { _, err := cookie.NewSealer("a", keys, 0); return err },
		"401 days":  func() error { _, err := cookie.NewSealer("a", keys, 401*day); return err },
		"no ttl":    func() error { _, err := newSealer(t, "a", time.Hour).Seal(nil, 0); return err },
		"too large": func() error { _, err := newSealer(t, "a", time.Hour).Seal(make([]byte, 3030), 1); return err },
		"zero Seal": func() error { _, err := new(cookie.Sealer).Seal(nil, 1); return err },
		"zero Open": func() error { _, err := new(cookie.Sealer).Open("AA"); return err },
	} {
		if err := f(); err == nil || !strings.HasPrefix(err.Error(), "cookie: ") {
			t.Errorf("%s: got %v, want an error", what, err)
		}
	}
}
