// Package store is the contract between the sessions of package coatcheck and
// what keeps them: [Store] with its rules S1 to S15, the [Record] that it keeps,
// and the errors that it gives. Applications choose a store (memstore, sqlstore,
// redisstore, sealedstore around one of them) and hand it to coatcheck.New; this
// package is for those who write one, wrap one, or read what one holds. Package
// storetest checks a store against the rules.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"
)

// An ID is a record's key in the store: the SHA-256 of a label and the random
// part of the session's token. It does not open anything: nobody can compute
// the token, and so the cookie, from it. It is still kept out of logs; every
// way to print an ID prints its Handle. Stores use the bytes themselves, id[:].
type ID [sha256.Size]byte

// handleLabel keeps handles apart from every other use of SHA-256 here.
const handleLabel = "coatcheck/handle/v1\x00"

// handleBytes of that hash make a handle.
const handleBytes = 9

// Handle returns the public name of the session: 9 bytes of a hash of the ID,
// as 12 characters of base64url. It is what lists, logs and events show, and
// it is useless as a cookie.
func (id ID) Handle() string {
	var room [handleBytes * 4 / 3]byte
	return string(id.AppendHandle(room[:0]))
}

// AppendHandle appends the Handle to b.
func (id ID) AppendHandle(b []byte) []byte {
	var text [len(handleLabel) + len(id)]byte
	n := copy(text[:], handleLabel)
	copy(text[n:], id[:])
	sum := sha256.Sum256(text[:])
	return base64.RawURLEncoding.AppendEncode(b, sum[:handleBytes])
}

// IsZero reports whether the ID names no session.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the Handle.
func (id ID) String() string { return id.Handle() }

// Format prints the Handle, whatever the verb.
func (id ID) Format(f fmt.State, _ rune) { fmt.Fprint(f, id.Handle()) }

// MarshalText returns the Handle.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.Handle()), nil }

// A Record is what the store keeps of one session. All times are UTC and whole
// microseconds; a store keeps them exactly.
type Record struct {
	ID       ID
	Version  uint64    // 64 random bits, new with each commit; never 0
	User     string    // the logged-in user, compared byte for byte; empty = anonymous
	AuthTime time.Time // start of the request that logged in, or for an anonymous session that made it
	Created  time.Time // when the session began; a renewed token keeps it
	Seen     time.Time // last activity; moved by Touch and Update; never indexed
	Expires  time.Time // end by idleness, never after Deadline; moved by Touch and Update; never indexed
	Deadline time.Time // end of the session's life, whatever it does
	Data     []byte    // opaque to the store; read-only for everyone from the moment it is passed
}

// Format prints who, what and when, and neither the data nor the id.
func (r Record) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{session %s user %q data %d bytes deadline %s}",
		r.ID.Handle(), r.User, len(r.Data), r.Deadline.UTC().Format(time.RFC3339))
}

// MarshalText returns the same; encoding/json and log/slog use it. Stores write
// the fields.
func (r Record) MarshalText() ([]byte, error) { return fmt.Append(nil, r), nil }

// Errors of the store contract. Stores return them as they are or wrapped.
var (
	ErrNotFound = errors.New("coatcheck: no such session")
	ErrExists   = errors.New("coatcheck: session id already in use")
	ErrConflict = errors.New("coatcheck: session changed meanwhile")
	ErrFull     = errors.New("coatcheck: session store is full")

	// ErrEnded says that the session, or every session of its user, was ended.
	// Stores return it as an *EndedError where they know more.
	ErrEnded = errors.New("coatcheck: session has ended")
)

// An EndedError is the [ErrEnded] of one id.
type EndedError struct {
	Next  ID        // the id that replaced this one; zero if none did
	Until time.Time // how long the tombstone stands
}

// Error says that the session has ended.
func (e *EndedError) Error() string { return ErrEnded.Error() }

// Format prints the same, whatever the verb: the successor is an id.
func (e *EndedError) Format(f fmt.State, _ rune) { io.WriteString(f, e.Error()) }

// Is makes errors.Is(err, [ErrEnded]) true.
func (e *EndedError) Is(target error) bool { return target == ErrEnded }

// A ConflictError is the [ErrConflict] of a store that knows, without asking
// again, what it found instead of the version that was to be there. It spares
// whoever tries again the way to the store. A wrapper that changes records on
// their way changes this one too.
type ConflictError struct {
	Now Record // as Load would have returned it at that moment
}

// Error says that the session changed meanwhile.
func (e *ConflictError) Error() string { return ErrConflict.Error() }

// Format prints the same, whatever the verb: the record is nobody's business.
func (e *ConflictError) Format(f fmt.State, _ rune) { io.WriteString(f, e.Error()) }

// Is makes errors.Is(err, [ErrConflict]) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// A Store keeps records. Applications choose one and hand it to coatcheck.New;
// only authors of stores call or implement its methods. The package storetest
// checks a store against the rules below; docs/spec/store.md has their reasons.
//
// An id is in one of three states: unknown, live (a record), or ended (a
// tombstone: the id, a time until which it stands, and perhaps the id that
// replaced it; no data, no user). A tombstone stands at least until its time.
// A store may forget it later than that, never earlier: the caller compares.
//
//   - S1: An unknown id is [ErrNotFound].
//   - S2: Create never replaces a record ([ErrExists]) nor a tombstone ([ErrEnded]).
//   - S3: Update writes only where the stored Version is ifVersion (else [ErrConflict]),
//     never creates ([ErrNotFound]), and never moves Seen or Expires back behind
//     a Touch. It does not change the User. The conflict may be told as a
//     *ConflictError; its record is then what Update found.
//   - S4: After Replace rec is live and old is a tombstone naming rec.ID, with
//     data and user index moved: all or nothing to every observer that knows
//     only old. The tombstone stands until until. The stored Version of old
//     must be ifVersion. It returns what Update returns for old, and what
//     Create returns for rec.
//   - S5: Touch moves Seen and Expires forward, never back, and changes neither
//     Version nor Data nor an index. Equal or earlier values succeed.
//   - S6: End removes data, user and index entry and leaves a tombstone until
//     until, also where nothing was. An existing tombstone keeps its successor
//     and the later of the two times. End returns that successor, or the zero ID.
//   - S7: While a tombstone stands no call makes that id live.
//   - S8: EndUser ends every live session of user except those in keep and those
//     that have replaced them, and returns their ids. Until until it also refuses ([ErrEnded]) a Create or
//     Replace with that User whose AuthTime is not after at, except a Replace
//     whose old id is kept: its new id is then kept too. It is linearizable
//     with both. The zero ID in keep is none.
//   - S9: User returns each live record of exactly that user, compared byte for
//     byte, at a cost that grows with that user's sessions only.
//   - S10: No live record with a User is ever missing from User.
//   - S11: Sweep removes, at most max of them, tombstones and revocations past
//     their until, records past Deadline and, as far as a bounded pass finds
//     them, records past Expires, all as of now. Readers are never locked out
//     by it. A store whose engine expires by itself does so 60 seconds past
//     Expires and may return 0.
//   - S12: Data and times come back exactly. Bytes once returned never change.
//   - S13: A store is safe for concurrent use. A cancelled context gives its
//     error and leaves the state before or the state after.
//     The context of a load ends with the request, or 5 seconds after the store
//     first asks for its end: by Deadline or Done, or by Err for the second time.
//     That of the write of a commit outlives the request, and ends 4 seconds after
//     the commit began, or later with half of what is left where it has waited.
//   - S14: A store does not retry, has no clock beside its engine's expiry, and
//     no policy: an expired record is live until it is swept.
//   - S15: Any other error means that the call may or may not have been applied.
//
// The user in Create, Replace, EndUser and User is at most 255 bytes of UTF-8.
// A Record with an empty User is in no index.
type Store interface {
	Load(ctx context.Context, id ID) (Record, error)
	Create(ctx context.Context, rec Record) error
	Update(ctx context.Context, rec Record, ifVersion uint64) error
	Replace(ctx context.Context, old ID, ifVersion uint64, rec Record, until time.Time) error
	Touch(ctx context.Context, id ID, seen, expires time.Time) error
	End(ctx context.Context, id ID, until time.Time) (next ID, err error)
	EndUser(ctx context.Context, user string, at, until time.Time, keep ...ID) ([]ID, error)
	User(ctx context.Context, user string) ([]Record, error)
	Sweep(ctx context.Context, now time.Time, max int) (removed int, err error)
}
