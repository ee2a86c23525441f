package dbsc

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/binding"
	"github.com/coatcheck/coatcheck/internal/vectors"
	"github.com/coatcheck/coatcheck/memstore"
)

// A vector is one of the three kinds: an entry, a bound cookie, a challenge.
type vector struct {
	ID, Says, Application, Name, Error string
	Secrets                            []string

	Entry, Algorithm, Key, Binding string
	Since, Proven, Refreshed, Used int64

	Cookie             string
	Challenge, For, Of string
	Life, Now, Issued  int64
}

// R8, R9, R10 as the vectors have them, which another program made.
func TestBoundVectors(t *testing.T) {
	t.Parallel()
	kinds := make(map[string]int)
	for _, c := range vectors.Read[vector](t, "bound-sessions.json") {
		t.Run(c.ID, func(t *testing.T) {
			switch {
			case c.Entry != "":
				kinds["entry"]++
				c.entry(t)
			case c.Cookie != "":
				kinds["cookie"]++
				c.cookie(t)
			default:
				kinds[c.For]++
				c.challenge(t)
			}
		})
	}
	for _, kind := range []string{"entry", "cookie", "registration", "refresh"} {
		if kinds[kind] < 9 {
			t.Errorf("%d vectors of %s", kinds[kind], kind)
		}
	}
}

func (c vector) entry(t *testing.T) {
	b, ok := binding.Decode([]byte(c.Entry))
	if c.Error != "" {
		if ok {
			t.Errorf("%s: read as %+v, want %s", c.Says, b, c.Error)
		}
		return
	}
	for what, at := range map[string]struct {
		got  time.Time
		want int64
	}{"since": {b.Since, c.Since}, "proven": {b.Proven, c.Proven}, "refreshed": {b.Refreshed, c.Refreshed}, "used": {b.Used, c.Used}} {
		if at.got.IsZero() != (at.want == 0) || at.want != 0 && at.got.UnixMicro() != at.want {
			t.Errorf("%s: %s is %v, want %d", c.Says, what, at.got, at.want)
		}
	}
	if !ok || hex.EncodeToString(b.ID[:]) != c.Binding || binding.Name(b.Algorithm) != c.Algorithm || hex.EncodeToString(b.Key) != c.Key {
		t.Errorf("%s: %+v, %v", c.Says, b, ok)
	}
	// We write it as the other program did.
	if again := string(b.Encode()); again != c.Entry {
		t.Errorf("%s: we write %s, want %s", c.Says, again, c.Entry)
	}
}

// handler is that of an application with the vector's secrets and names.
func (c vector) handler(t *testing.T) *Handler {
	t.Helper()
	keys, err := cookie.NewKeys(c.Secrets...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := coatcheck.New(memstore.New(memstore.Config{}), keys.Application(c.Application), coatcheck.Config{Name: c.Name})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(m, Config{MaxAge: time.Duration(c.Life) * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (c vector) cookie(t *testing.T) {
	h, now := c.handler(t), time.Unix(c.Now, 0)
	id := [binding.IDSize]byte(unhex(t, c.Binding))
	issued, why := h.proves(c.Cookie, id, now)
	if want := map[string]string{"": "", "forged": reasonForged, "other": reasonOther, "expired": reasonExpired}[c.Error]; why != want {
		t.Errorf("%s: got %q, want %q", c.Says, why, want)
	}
	if c.Error != "" {
		return
	}
	if issued.Unix() != c.Issued {
		t.Errorf("%s: issued %v, want %d", c.Says, issued, c.Issued)
	}
	if again := h.cookies.bind(id, issued); again != c.Cookie && len(c.Secrets) == 1 {
		t.Errorf("%s: we write %s, want %s", c.Says, again, c.Cookie)
	}
}

func (c vector) challenge(t *testing.T) {
	h, now, of := c.handler(t), time.UnixMicro(c.Now), unhex(t, c.Of)
	var err error
	if c.For == "registration" {
		err = h.offered([32]byte(of), c.Challenge, now)
	} else {
		_, err = h.unspent(binding.Record{ID: [binding.IDSize]byte(of), Used: time.UnixMicro(c.Used), Refreshed: time.UnixMicro(c.Refreshed)}, c.Challenge, now)
	}
	want := map[string]error{"": nil, "forged": reasonChallenge, "stale": reasonStale, "replayed": reasonReplayed}[c.Error]
	if err != want {
		t.Errorf("%s: got %v, want %v", c.Says, err, want)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
