package bridge

import (
	"errors"
	"fmt"
)

// What Read and Open say of a cookie that opens no session.
var (
	// ErrAbsent: the request has no session of the other application.
	ErrAbsent = errors.New("bridge: no session")

	// ErrExpired: it is genuine, but its time has run out.
	ErrExpired = errors.New("bridge: the session has expired")

	// ErrForged: the other application did not make it under these settings.
	ErrForged = errors.New("bridge: the session is not genuine")

	// ErrEnded: it is genuine, but its store knows it no more.
	ErrEnded = errors.New("bridge: the session has ended in its store")
)

// A RefusedError is of a session that is genuine, but uses what its package
// refuses: a class in a pickle, a payload beyond a bound.
type RefusedError struct {
	What string // such as "the class decimal.Decimal"; no value, no secret
}

func (e *RefusedError) Error() string {
	return "bridge: the session has " + e.What + ", which is refused"
}

// Refused returns a *RefusedError. Its arguments must not be secret.
func Refused(format string, args ...any) error {
	return &RefusedError{fmt.Sprintf(format, args...)}
}

// A SettingError is of a session that would be genuine if one of the settings
// were another. It is an ErrForged: nothing was read under what is not configured.
type SettingError struct {
	Setting string // the field, such as "flask.Config.Digest"
	Want    string // what would match, if that is known and no secret; else empty
}

func (e *SettingError) Error() string {
	if e.Want == "" {
		return "bridge: " + e.Setting + " does not match the session"
	}
	return "bridge: " + e.Setting + " does not match the session; " + e.Want + " does"
}

// Is makes a SettingError an ErrForged.
func (e *SettingError) Is(target error) bool { return target == ErrForged }

// gone reports whether err says that nobody is logged in any more, and not that a
// setting is wrong.
func gone(err error) bool {
	return errors.Is(err, ErrAbsent) || errors.Is(err, ErrExpired) || errors.Is(err, ErrEnded)
}

// Skips reports whether err concerns one session only, so that a walk goes on.
func Skips(err error) bool {
	var refused *RefusedError
	return errors.Is(err, ErrAbsent) || errors.Is(err, ErrExpired) || errors.Is(err, ErrForged) ||
		errors.Is(err, ErrEnded) || errors.As(err, &refused)
}
