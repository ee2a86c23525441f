package cookie_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

func newRaw(t testing.TB, name string, p cookie.Policy) *cookie.Raw {
	t.Helper()
	c, err := cookie.NewRaw(name, p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// C13: a value is sent exactly as it is, or not at all.
func TestLineRefuses(t *testing.T) {
	t.Parallel()
	c := newRaw(t, "sid", cookie.Policy{})
	for b := range 256 {
		value := "a" + string([]byte{byte(b)}) + "b"
		_, err := c.Line(value, 0)
		good := b > ' ' && b < 0x7f && !strings.ContainsRune(`",;\`, rune(b))
		if (err == nil) != good {
			t.Errorf("byte %#02x: got error %v", b, err)
		}
		if err != nil && strings.Contains(err.Error(), value) {
			t.Errorf("byte %#02x: the error shows the value: %v", b, err)
		}
	}
	if _, err := c.Line(strings.Repeat("v", 4093), 0); err != nil {
		t.Errorf("4096 bytes: got %v", err)
	}
	if _, err := c.Line(strings.Repeat("v", 4094), 0); err == nil || !strings.Contains(err.Error(), "4097 bytes") || !strings.Contains(err.Error(), "4096") {
		t.Errorf("4097 bytes: got %v, want an error with both sizes", err)
	}
	for _, age := range []time.Duration{-1, 400*day + 1, -1 << 63, 1<<63 - 1} {
		if line, err := c.Line("v", age); err == nil {
			t.Errorf("%v: got %s, want an error", age, line)
		}
	}
	if line, err := c.Line("", 0); err != nil || !strings.HasPrefix(line, "sid=; ") {
		t.Errorf("the empty value: got %s, %v", line, err)
	}
}

func TestWriteSetsNothingOnError(t *testing.T) {
	t.Parallel()
	c, h := newRaw(t, "sid", cookie.Policy{}), http.Header{}
	if err := c.Write(h, "a b", time.Minute); err == nil || len(h) != 0 {
		t.Errorf("got %v, %v", h, err)
	}
	if err := c.Write(h, "ab", 0); err != nil || h.Get("Set-Cookie") != "sid=ab; Path=/; Secure; HttpOnly; SameSite=Strict" {
		t.Errorf("got %v, %v", h, err)
	}
}

// C15: exactly one cookie of exactly this name, in any number of lines.
func TestRead(t *testing.T) {
	t.Parallel()
	const name = "__Host-sid"
	c := newRaw(t, name, cookie.Policy{})
	long := strings.Repeat("v", 4096-len(name))
	for _, tt := range []struct {
		name   string
		lines  []string
		want   string
		reason string // "-": absent
	}{
		{"none", nil, "", "-"},
		{"empty line", []string{""}, "", "-"},
		{"alone", []string{"__Host-sid=v"}, "v", ""},
		{"empty value", []string{"__Host-sid="}, "", ""},
		{"among others", []string{"a=b; __Host-sid=v; c=d"}, "v", ""},
		{"second line", []string{"a=b", "c=d; __Host-sid=v"}, "v", ""},
		{"no space", []string{"a=b;__Host-sid=v;c=d"}, "v", ""},
		{"white space around", []string{"a=b; \t __Host-sid=v \t ;"}, "v", ""},
		{"equals sign in the value", []string{"__Host-sid=v=w=="}, "v=w==", ""},
		{"nameless before", []string{"junk; =x; __Host-sid=v"}, "v", ""},
		{"bad cookies beside it", []string{"a b=\"c,d; \x00=\x01; __Host-sid=v"}, "v", ""},
		{"no equals sign", []string{"__Host-sid"}, "", "-"},
		{"other case", []string{"__host-sid=v; __HOST-SID=v; __Host-Sid=v"}, "", "-"},
		{"longer name", []string{"__Host-sid2=v; x__Host-sid=v"}, "", "-"},
		{"space in the name", []string{"__Host-sid =v; __Host- sid=v"}, "", "-"},
		{"nameless smuggling", []string{"=__Host-sid=v"}, "", "-"},
		{"name in a value", []string{"a=__Host-sid=v"}, "", "-"},
		{"twice", []string{"__Host-sid=v; __Host-sid=w"}, "", cookie.ReasonDuplicate},
		{"twice the same", []string{"__Host-sid=v; a=b; __Host-sid=v"}, "", cookie.ReasonDuplicate},
		{"twice in two lines", []string{"__Host-sid=v", "__Host-sid=w"}, "", cookie.ReasonDuplicate},
		{"twice, one empty", []string{"__Host-sid=; __Host-sid=w"}, "", cookie.ReasonDuplicate},
		{"another twice", []string{"a=v; a=w; __Host-sid=v"}, "v", ""},
		{"quoted", []string{`__Host-sid="v"`}, "", cookie.ReasonQuoted},
		{"half quoted", []string{`__Host-sid="v`}, "", cookie.ReasonQuoted},
		{"quote inside", []string{`__Host-sid=v"`}, "", cookie.ReasonBytes},
		{"space inside", []string{"__Host-sid=v w"}, "", cookie.ReasonBytes},
		{"comma", []string{"__Host-sid=v,w"}, "", cookie.ReasonBytes},
		{"backslash", []string{`__Host-sid=v\w`}, "", cookie.ReasonBytes},
		{"newline", []string{"__Host-sid=v\r\n"}, "", cookie.ReasonBytes},
		{"NUL", []string{"__Host-sid=v\x00"}, "", cookie.ReasonBytes},
		{"not ASCII", []string{"__Host-sid=ä"}, "", cookie.ReasonBytes},
		{"4096 bytes", []string{"__Host-sid=" + long}, long, ""},
		{"4097 bytes", []string{"__Host-sid=" + long + "v"}, "", cookie.ReasonTooLong},
		{"after 5000 others", []string{strings.Repeat("a=b; ", 5000) + "__Host-sid=v"}, "v", ""},
	} {
		got, err := c.Read(http.Header{"Cookie": tt.lines})
		var forged *cookie.ForgedError
		switch {
		case tt.reason == "":
			if got != tt.want || err != nil {
				t.Errorf("%s: got %.20q, %v, want %.20q", tt.name, got, err, tt.want)
			}
		case got != "":
			t.Errorf("%s: got %.20q, want an error", tt.name, got)
		case tt.reason == "-":
			if err != cookie.ErrAbsent {
				t.Errorf("%s: got %v, want ErrAbsent", tt.name, err)
			}
		case !errors.As(err, &forged) || !errors.Is(err, cookie.ErrForged) || *forged != (cookie.ForgedError{Name: name, Reason: tt.reason}):
			t.Errorf("%s: got %v, want refused: %s", tt.name, err, tt.reason)
		}
	}
}

// G8: a header of any size costs no memory.
func TestReadAllocates(t *testing.T) {
	c := newRaw(t, "sid", cookie.Policy{})
	signed := cookie.NewSigned[string]("sid", testKeys(t), cookie.Policy{})
	for name, tt := range map[string]struct {
		header string
		max    float64 // the error
	}{
		"absent among 1 MB":     {strings.Repeat("a=b; ", 200_000), 0},
		"present among 1 MB":    {strings.Repeat("a=b; ", 200_000) + "sid=v", 0},
		"1 MB itself":           {"sid=" + strings.Repeat("v", 1<<20), 1},
		"1 MB of spaces":        {"sid=" + strings.Repeat(" ", 1<<20), 0},
		"200,000 of its name":   {strings.Repeat("sid=b; ", 200_000), 1},
		"1 MB without a divide": {strings.Repeat("a", 1<<20), 0},
	} {
		h := http.Header{"Cookie": {tt.header}}
		if n := testing.AllocsPerRun(3, func() { c.Read(h) }); n > tt.max {
			t.Errorf("%s: Read allocates %v times, want %v", name, n, tt.max)
		}
		r := &http.Request{Header: h}
		if n := testing.AllocsPerRun(3, func() { signed.Get(r) }); n > 2 {
			t.Errorf("%s: Get allocates %v times, want at most 2", name, n)
		}
	}
}

func TestLineAllocatesOnce(t *testing.T) {
	c := newRaw(t, "__Host-Http-sid", cookie.Policy{})
	value := strings.Repeat("v", 52)
	if n := testing.AllocsPerRun(100, func() { c.Line(value, time.Hour) }); n > 1 {
		t.Errorf("Line allocates %v times, want 1", n)
	}
}

// A byte that no cookie can carry is refused wherever it stands.
func TestLineRefusesBytes(t *testing.T) {
	t.Parallel()
	c, err := cookie.NewRaw("a", cookie.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	for length := 1; length <= 20; length++ {
		good := strings.Repeat("v", length)
		if _, err := c.Line(good, 0); err != nil {
			t.Errorf("%q: %v", good, err)
		}
		for at := range length {
			for b := range 256 {
				value := good[:at] + string([]byte{byte(b)}) + good[at+1:]
				bad := b <= ' ' || b >= 0x7f || strings.ContainsRune(`",;\`, rune(b))
				if _, err := c.Line(value, 0); (err != nil) != bad || bad && !strings.Contains(err.Error(), fmt.Sprintf("byte %d ", at)) {
					t.Errorf("%q: %v, want an error of byte %d: %t", value, err, at, bad)
				}
			}
		}
	}
}
