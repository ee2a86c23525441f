package cookie

import (
	"errors"
	"strconv"
)

// Errors of reading a cookie. The program tells them apart with errors.Is; the
// client must not be able to: answer all three in the same way, or the answer
// helps whoever tries out forgeries (ASVS 5.0 11.2.5).
var (
	// ErrAbsent: the request carries no cookie of that name.
	ErrAbsent = errors.New("cookie: absent")

	// ErrExpired: the cookie is past its lifetime, as it was issued or as the
	// declaration limits it now. For a sealed cookie that is older than any
	// the declaration issues, the age is the cookie's own claim: it is turned
	// away before a key is derived for it.
	ErrExpired = errors.New("cookie: expired")

	// ErrForged: there is a cookie of that name which this declaration did
	// not issue under any of its keys. It comes as a *ForgedError.
	ErrForged = errors.New("cookie: forged or damaged")
)

// errUndeclared is the error of zero values.
var errUndeclared = errors.New("cookie: the zero value; want one made by New, NewSigned, NewSealed, NewSealer or NewRaw")

// Why a cookie was refused.
const (
	ReasonDuplicate = "duplicate"      // the name occurs more than once
	ReasonTooLong   = "too long"       // name and value are more than 4096 bytes
	ReasonQuoted    = "quoted"         // the value starts with a double quote
	ReasonBytes     = "bytes"          // a byte that no cookie value may have
	ReasonEncoding  = "encoding"       // not strict base64url, or too short
	ReasonVersion   = "version"        // not this kind of frame
	ReasonKey       = "unknown key"    // made under a key that is not in the ring
	ReasonTag       = "authentication" // MAC or tag does not fit
	ReasonFuture    = "future"         // issued more than 60 s from now
	ReasonValue     = "value"          // authentic or plain, but not a T
)

// A ForgedError is an [ErrForged] with its reason, which is for logs and
// counters, never for the client. It holds nothing of the value.
type ForgedError struct {
	Name   string // of the cookie
	Reason string // one of the Reason constants
}

// Error names the cookie and the reason.
func (e *ForgedError) Error() string {
	return "cookie: " + strconv.Quote(e.Name) + " refused: " + e.Reason
}

// Is makes errors.Is(err, [ErrForged]) true.
func (e *ForgedError) Is(target error) bool { return target == ErrForged }
