package cookie

import "fmt"

// A Subkey is a key for one purpose, derived from one secret. Its ID travels in
// the open with what was made under it; the Key is secret. A Subkey prints as
// [redacted], except where fmt asks no methods: in a field that is not exported,
// and under %p. Keep what holds one out of logs.
type Subkey struct {
	ID  [4]byte
	Key [32]byte
}

const redacted = "[redacted]"

// Format prints [redacted], whatever the verb.
func (Subkey) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// String returns [redacted].
func (Subkey) String() string { return redacted }

// MarshalText returns [redacted]; encoding/json and log/slog use it.
func (Subkey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format prints [redacted], whatever the verb.
func (Keys) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// String returns [redacted].
func (Keys) String() string { return redacted }

// MarshalText returns [redacted]; encoding/json and log/slog use it.
func (Keys) MarshalText() ([]byte, error) { return []byte(redacted), nil }
