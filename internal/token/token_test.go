package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/coatcheck/coatcheck/internal/vectors"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/store"
)

func keysOf(t testing.TB, name string, secrets ...string) Keys {
	t.Helper()
	keys, err := cookie.NewKeys(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return New(keys, Purpose+":"+name)
}

// T1, T2, T3, T4 as the vectors have them, which another program made.
func TestTokenVectors(t *testing.T) {
	t.Parallel()
	for _, c := range vectors.Read[struct {
		ID, Says, Application, Name, Token, Handle, Error string
		Secrets                                           []string
		SessionID                                         string `json:"session_id"`
	}](t, "session-tokens.json") {
		keys, err := cookie.NewKeys(c.Secrets...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := New(keys.Application(c.Application), Purpose+":"+c.Name).Open(c.Token)
		switch {
		case c.Error != "":
			want := map[string]error{"malformed": ErrMalformed, "forged": ErrForged}[c.Error]
			if want == nil || !errors.Is(err, want) || !store.ID(got).IsZero() {
				t.Errorf("%s (%s): got %v, want %s", c.ID, c.Says, err, c.Error)
			}
		case err != nil:
			t.Errorf("%s (%s): %v", c.ID, c.Says, err)
		case hex.EncodeToString(got[:]) != c.SessionID || store.ID(got).Handle() != c.Handle:
			t.Errorf("%s (%s): got the id %x and the handle %s, want %s and %s", c.ID, c.Says, got[:], store.ID(got).Handle(), c.SessionID, c.Handle)
		}
	}
}

// T1 A token is exactly 39 bytes, written as 52 characters of base64url.
// T2 The first secret signs. T3 The session's id is SHA-256 of a label and the
// random bytes. Checked with the standard library alone.
func TestTokenIssued(t *testing.T) {
	t.Parallel()
	const first, second = "i4TVGxqVXbVxVh0HfOqcV0Jzg1b2mDqN4n5T9nYzG2k", "q9mH2Zr8uXc1LwT5eKb7NfJ3sYp6VdG0aQxR4hMiO-U"
	keys, err := cookie.NewKeys(first, second)
	if err != nil {
		t.Fatal(err)
	}
	signer := keys.Derive("session-token:sid")[0]
	issue := New(keys, Purpose+":sid")
	seen := make(map[string]bool)
	for range 1000 {
		sealed, id := issue.Seal(nil)
		text := string(sealed)
		token, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(text) != 52 || len(token) != 39 || token[0] != 1 {
			t.Fatalf("got %q: %v, %d bytes", text, err, len(token))
		}
		mac := hmac.New(sha256.New, signer.Key[:])
		mac.Write(token[:23])
		if string(token[1:5]) != string(signer.ID[:]) || string(token[23:]) != string(mac.Sum(nil)[:16]) {
			t.Fatalf("%q does not carry the first key's id and MAC", text)
		}
		if want := sha256.Sum256(append([]byte("coatcheck/session-id/v1\x00"), token[5:23]...)); id != want {
			t.Fatalf("got the id %x, want %x", id[:], want)
		}
		if opened, err := issue.Open(text); err != nil || opened != id {
			t.Fatalf("its own token opens as %x, %v", opened, err)
		}
		if seen[string(token[5:23])] {
			t.Fatal("the same random bytes twice")
		}
		seen[string(token[5:23])] = true
	}
}

// T2 any secret whose id is the token's may verify: also the second of two with
// the same id.
func TestTokenKeysOfOneID(t *testing.T) {
	t.Parallel()
	const first, second = "i4TVGxqVXbVxVh0HfOqcV0Jzg1b2mDqN4n5T9nYzG2k", "q9mH2Zr8uXc1LwT5eKb7NfJ3sYp6VdG0aQxR4hMiO-U"
	both := keysOf(t, "sid", first, second)
	both.keys[1].id = both.keys[0].id // once in 2^32 pairs of secrets
	for i, k := range both.keys {
		text, id := Keys{keys: []*key{k}, seen: new(verified)}.Seal(nil)
		if got, err := both.Open(string(text)); err != nil || got != id {
			t.Errorf("signed by key %d: got %x, %v", i, got, err)
		}
	}
}

// G8: malformed ... cookies are refused: open never panics, and accepts only what
// was issued, in its one spelling.
func FuzzToken(f *testing.F) {
	issued := make(map[string]string)
	issue := keysOf(f, "__Host-Http-sid", "i4TVGxqVXbVxVh0HfOqcV0Jzg1b2mDqN4n5T9nYzG2k")
	for _, c := range vectors.Read[struct {
		Token     string
		SessionID string `json:"session_id"`
	}](f, "session-tokens.json") {
		f.Add(c.Token)
		if _, err := issue.Open(c.Token); err == nil && c.SessionID != "" {
			issued[c.Token] = c.SessionID
		}
	}
	f.Fuzz(func(t *testing.T, value string) {
		if got, err := issue.Open(value); err == nil && issued[value] != hex.EncodeToString(got[:]) {
			t.Errorf("%q opens as %x", value, got)
		}
	})
}

// The MAC of a token that was just made is remembered: nobody computes it again for the
// next request.
func TestSealRemembers(t *testing.T) {
	t.Parallel()
	keys := keysOf(t, "a", "i4TVGxqVXbVxVh0HfOqcV0Jzg1b2mDqN4n5T9nYzG2k")
	value, id := keys.Seal(nil)
	raw, err := encoding.DecodeString(string(value))
	if err != nil {
		t.Fatal(err)
	}
	if !keys.seen.has(&id, raw[1:5], raw[headSize:]) {
		t.Error("a token that was just made is not remembered")
	}
}

// T3: what is remembered of a genuine token lets nothing else in: another MAC,
// another key's id, another cookie's keys.
func TestRemembered(t *testing.T) {
	t.Parallel()
	const secret = "i4TVGxqVXbVxVh0HfOqcV0Jzg1b2mDqN4n5T9nYzG2k"
	keys, other := keysOf(t, "a", secret), keysOf(t, "b", secret)
	sealed, id := keys.Seal(nil)
	value := string(sealed)
	for range 3 {
		if got, err := keys.Open(value); err != nil || got != id {
			t.Fatalf("a genuine token: %x, %v, want %x", got, err, id)
		}
	}
	raw, err := encoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		raw[i] ^= 1
		if got, err := keys.Open(encoding.EncodeToString(raw)); err == nil || got != [32]byte{} {
			t.Errorf("with byte %d changed: %x, %v, want an error and no id", i, got, err)
		}
		raw[i] ^= 1
	}
	if got, err := other.Open(value); err == nil || got != [32]byte{} {
		t.Errorf("the token of another cookie: %x, %v, want an error and no id", got, err)
	}
}
