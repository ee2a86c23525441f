package coatcheck

import (
	"context"
	"log/slog"
	"time"
)

// A Kind says what happened to a session. ASVS 16.3.1–16.3.3.
type Kind string

// The kinds of events. Those in the second group deserve somebody's attention.
const (
	Created   Kind = "created"   // an anonymous session began
	LoggedIn  Kind = "login"     // a user logged in or authenticated again: new token
	Renewed   Kind = "renewed"   // new token, same user
	LoggedOut Kind = "logout"    // a handler ended the session
	Revoked   Kind = "revoked"   // the session was ended from outside its requests
	Expired   Kind = "expired"   // a cookie came whose session was over
	HeldBack  Kind = "held back" // a request from another site came without the session cookie: it was not let write, or a value it asked for is absent
	Conflict  Kind = "conflict"  // a commit met that of another process and was repeated

	Refused    Kind = "refused"        // a cookie or a request was turned away; Reason says why
	Mismatch   Kind = "value mismatch" // a stored value does not fit its key's type
	Damaged    Kind = "damaged"        // a record cannot be read; the session was ended
	WriteEnded Kind = "write ended"    // a write came after the session's end and was refused
	Late       Kind = "late"           // the session was used too late in the response
	StoreError Kind = "store error"    // the store failed
	Insecure   Kind = "insecure"       // New was told to allow plain HTTP, or a Secure cookie was set over it
	Large      Kind = "large cookie"   // a session in its cookie is so large that proxies may refuse the answer
)

// An Event tells what happened to one session. It never holds a token, an id,
// a key or a value.
type Event struct {
	Time   time.Time
	Kind   Kind
	Handle string // the session's public name; empty where there is none
	User   string // the logged-in user, where known
	Reason string // why, in a few fixed words
	Err    error  // the store's error, for StoreError; for Refused and HeldBack the hosts that differ
}

// Reasons of events.
const (
	reasonUnsaved = "not saved after the response"
	reasonPanic   = "not saved: the handler panicked"
)

// LogEvents returns a Config.Events that writes each event to log: the second
// group of kinds as warnings, StoreError as an error, the others as info.
func LogEvents(log *slog.Logger) func(Event) {
	return func(e Event) {
		level := slog.LevelInfo
		switch e.Kind {
		case StoreError:
			level = slog.LevelError
		case Refused, Mismatch, Damaged, WriteEnded, Late, Insecure, Large:
			level = slog.LevelWarn
		}
		ctx := context.Background()
		if !log.Enabled(ctx, level) {
			return
		}
		attrs := make([]slog.Attr, 0, 5)
		attrs = append(attrs, slog.String("event", string(e.Kind)))
		for _, a := range []struct{ key, value string }{
			{"session", e.Handle}, {"user", e.User}, {"reason", e.Reason},
		} {
			if a.value != "" {
				attrs = append(attrs, slog.String(a.key, a.value))
			}
		}
		if e.Err != nil {
			attrs = append(attrs, slog.String("error", e.Err.Error()))
		}
		log.LogAttrs(ctx, level, "session", attrs...)
	}
}
