// Package bridge is what the packages below it have in common: each reads and
// writes the sessions of one other system (Flask, Django, Rails, …), so that a Go
// program knows who is logged in there, takes those sessions over, and can go back.
//
// A package has a Config, a function New that checks all of it, and a type that
// is a Source, usually an Opener, and, where the other system keeps sessions in a
// store, a Walker:
//
//	old, err := flask.New(flask.Config{SecretKey: …})
//	s, err := old.Read(r)       // who is logged in at the Flask application
//
// Every byte of a foreign cookie or record is hostile: it is verified before it
// is decoded, decoded as data and never as code, within bounds on size and depth,
// and nothing here panics. No error and no printed value has a secret in it.
package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"
)

// A Session is a session of another system, as that system would see it.
type Session struct {
	// ID identifies the session for adoption: the same at every Read, Open and
	// All of one session, and of no other. It begins with the package's name, as
	// "flask:". It is derived from what was verified only, so that nobody without
	// the secret can write one session's cookie in two ways. Where the cookie is
	// the whole session it identifies that cookie, or what stays in it. It need not
	// change when somebody logs in. A secret; never stored by us but as a hash.
	ID string

	// User is who is logged in, by the value that the Config names; empty = nobody.
	User string

	// Values are what the session holds, the user's own entries included, each as
	// the JSON that a coatcheck.Key reads.
	Values map[string]json.RawMessage

	// Refused are values that were left out of Values because only code could read
	// them or JSON cannot hold them: their names, and what each is, such as an
	// object of a PHP class. Issue does not write them.
	Refused map[string]string

	// IDStays says that ID stays when the cookie is written anew, as one that is in it
	// does. Else, and where it is not Stored, each writing of one login has its own.
	IDStays bool

	// Stored says that this is what a store has now, and not what a cookie says,
	// of which copies and earlier ones are genuine as well.
	Stored bool
	// Written is when the cookie was, where it is the whole session, and no time of
	// a login; zero = the format says none.
	Written time.Time

	Expires time.Time // when it is not valid any more, as it stands; zero = it says none
	// Fixed says that nothing with this ID is valid after Expires, however it is used.
	Fixed bool

	CSRF string // the session's CSRF token, a secret; empty = it has none
}

// Format prints that this is a session and nothing of it, whatever the verb.
func (Session) Format(f fmt.State, _ rune) { io.WriteString(f, "{foreign session}") }

// MarshalText returns the same; encoding/json and log/slog use it.
func (s Session) MarshalText() ([]byte, error) { return fmt.Append(nil, s), nil }

// A Source is the sessions of one application of another system. It is safe for
// concurrent use and starts no goroutine.
type Source interface {
	// Read returns the session that the request belongs to in the other
	// application: verified, in time, and decoded. The error is, or wraps,
	// ErrAbsent where there is none; ErrExpired; ErrForged, of which a
	// *SettingError tells more; ErrEnded where its store knows it no more; or a
	// *RefusedError. Any other error is one of a store, which says nothing about
	// the session. It ends with the request's context.
	Read(r *http.Request) (Session, error)

	// Issue makes s the browser's session in the other application: the record,
	// where it keeps one, and then the cookie, among the headers of w. User is
	// written where Read finds it, over what Values say; ID is not used: every
	// Issue makes a session of its own and ends, where there is a store, the one
	// that the request brought. Zero Expires = the lifetime of the Config. Call it
	// before the first byte of the answer. What the format cannot hold is an error
	// and writes nothing.
	Issue(w http.ResponseWriter, r *http.Request, s Session) error

	// End ends the session that the request belongs to in the other application,
	// in its store and in the browser. Where there is none it only clears the
	// cookie. Where the cookie is the whole session a copy of it stays valid
	// there until it expires; the documentation says so.
	End(w http.ResponseWriter, r *http.Request) error
}

// An Opener reads a cookie's value without a request, for tools that inspect it.
type Opener interface {
	// Open is Read for the value of the cookie.
	Open(ctx context.Context, value string) (Session, error)
}

// A Walker goes through all sessions of a store, for a bulk import.
type Walker interface {
	// All yields every session, in no particular order, in batches as they are
	// asked for. An error of which Skips is true concerns one session, of which
	// ID may be known, and the walk goes on; any other is yielded once and ends it.
	All(ctx context.Context) iter.Seq2[Session, error]
}

// Every package also has
//
//	func Recognize(value string) bool
//
// which reports whether a cookie's value has the form of that system's, without
// any secret, as far as the form tells.
