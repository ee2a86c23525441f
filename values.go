package coatcheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/internal/exact"
	"github.com/coatcheck/coatcheck/internal/record"
)

// A Key is the name and type of one value in every session, made by [NewKey] and
// usually kept in a package variable. It holds no value, and is safe for
// concurrent use. Values are stored as JSON; string, bool, int, int32, int64,
// uint64 and []byte take a short way.
//
// What JSON would alter or leave out of a value is refused with [ErrValue], and the
// error names it: text that is not UTF-8, a field that is not exported and not
// zero, NaN, two keys of a map that are written alike. Left out is what json:"-"
// and omitempty say. Types with methods for JSON or text, to write and to read,
// decide for themselves.
//
// In an interface the data comes back and not its type: numbers as float64, text
// as string, slices and arrays as []any, maps with keys of text as map[string]any.
// Refused there is what is no longer the same data: integers beyond 2^53, structs,
// pointers, []byte, json.Number, times and other types with methods for JSON or
// text, maps with other keys.
//
// A stored value that does not fit T, of an earlier release, counts as absent, and
// is an event; it stays until a change replaces it. See Formerly.
type Key[T any] struct {
	name string
	err  error
	form *form[T] // nil: as encoding/json has it, unchecked
}

// NewKey returns the key of that name: 1 to 128 bytes of UTF-8 without control
// characters. With another name every change through the key fails with
// [ErrValue], and Get finds nothing. So it is where JSON brings no value of T back:
// a chan, a func, an interface with methods, a struct without an exported field.
func NewKey[T any](name string) Key[T] {
	k := Key[T]{name: name}
	k.form, k.err = formOf[T]()
	if k.err != nil {
		k.err = fmt.Errorf("%w: key %q: %w", ErrValue, name, k.err)
	}
	if err := checkText("key name", name, maxName); err != nil {
		k.err = fmt.Errorf("%w: %.*q", err, maxName, name)
	}
	return k
}

// Name returns the key's name.
func (k Key[T]) Name() string { return k.name }

// Get returns the value, and whether there is one. It is a copy: what is changed in
// a map, a slice or behind a pointer of it is not changed in the session. Set does
// that, or Update, which loses nothing to other requests.
func (k Key[T]) Get(s *Session) (T, bool) {
	var zero T
	if !s.lock() {
		return zero, false
	}
	defer s.unlock()
	s.ensureLoaded()
	e := s.lookup(k.name, 0)
	if e.Raw == nil {
		s.noteMissing(k.name)
	}
	if e.Raw == nil || k.err != nil || e.Expires != 0 && e.Expires <= time.Now().UnixMilli() {
		return zero, false
	}
	return decodeEntry(s, k.form, e)
}

// Set stores v, for as long as the session lasts. It waits for the first byte
// of the response, or for Commit.
func (k Key[T]) Set(s *Session, v T) { k.set(s, v, 0) }

// SetFor stores v for ttl, more than zero, and at most for as long as the
// session lasts.
func (k Key[T]) SetFor(s *Session, v T, ttl time.Duration) {
	if ttl <= 0 {
		s.refuse(fmt.Errorf("%w: key %q: ttl is %v; want > 0", ErrValue, k.name, ttl))
		return
	}
	k.set(s, v, time.Now().Add(ttl).UnixMilli())
}

func (k Key[T]) set(s *Session, v T, expires int64) {
	raw, err := encodeEntry(k.name, k.form, v)
	s.change(k.err, op{k.name, replaceFunc(func(record.Entry) (record.Entry, error) {
		return record.Entry{Raw: raw, Expires: expires}, err
	})})
}

// Delete removes the value. It waits as Set does.
func (k Key[T]) Delete(s *Session) {
	s.change(k.err, op{k.name, replaceFunc(func(record.Entry) (record.Entry, error) { return record.Entry{}, nil })})
}

// Pop removes the value and returns it, and whether there was one. It commits
// at once, with all that is pending: of any number of requests that pop a value
// at the same time exactly one gets it. That there is none it may say of the
// session as this request loaded it; in streams and websockets it asks the store.
// When it fails it returns zero and false, and Err tells why.
func (k Key[T]) Pop(s *Session) (T, bool) {
	err := k.err
	if err == nil && s.x.m.carrier.inCookie() {
		err = fmt.Errorf("coatcheck: Pop from a session in its cookie: %w", errors.ErrUnsupported)
	}
	return pop(s, k, err)
}

func pop[T any](s *Session, k Key[T], err error) (T, bool) {
	var v T
	var ok bool
	done := s.commitNow(err, false, op{k.name, replaceFunc(func(old record.Entry) (e record.Entry, _ error) {
		var zero T
		v, ok = zero, false
		if old.Raw == nil {
			return e, nil
		}
		if v, ok = decodeEntry(s, k.form, old); !ok {
			return old, nil // left alone
		}
		return e, nil
	})})
	if !done {
		var zero T
		return zero, false
	}
	if !ok && s.lock() {
		s.noteMissing(k.name)
		s.unlock()
	}
	return v, ok
}

// Update replaces the value by what f makes of it (of the zero value, if there
// is none) and returns what was stored: what Get would find, without whatever
// JSON leaves out. It commits at once, with all that is pending, and loses no
// update however many requests there are. Where nothing changes it returns what
// the store has now, of which it asks the store. A lifetime that SetFor gave
// stays. When it fails it returns zero, and Err tells why.
//
// f must be a pure function: it may run several times, though never after
// Update has returned, and must not use the session.
func (k Key[T]) Update(s *Session, f func(T) T) T {
	u := &update[T]{k: k, s: s, f: f}
	if !s.commitNow(k.err, true, op{k.name, u}) {
		var zero T
		return zero
	}
	return u.v
}

// An update is what Update asks for, and v what came of it: one allocation, where a
// function would be two.
type update[T any] struct {
	k Key[T]
	s *Session
	f func(T) T
	v T
}

func (u *update[T]) replace(old record.Entry) (record.Entry, error) {
	old, u.v = replacing(u.s, u.k.form, old)
	u.v = u.f(u.v)
	raw, err := encodeEntry(u.k.name, u.k.form, u.v)
	if err == nil {
		u.v, err = storedValue(u.k.name, u.v, raw)
	}
	return record.Entry{Raw: raw, Expires: old.Expires}, err
}

// Append adds elements to the end of a slice. It waits as Set does, and keeps
// what other requests append at the same time. A lifetime that SetFor gave
// stays.
func Append[E any](s *Session, k Key[[]E], elems ...E) {
	if len(elems) == 0 {
		return
	}
	elems = slices.Clone(elems) // the caller's slice may change before the commit
	s.change(k.err, op{k.name, replaceFunc(func(old record.Entry) (record.Entry, error) {
		old, list := replacing(s, k.form, old)
		raw, err := encodeEntry(k.name, k.form, append(list, elems...))
		return record.Entry{Raw: raw, Expires: old.Expires}, err
	})})
}

// flashName is that of the entry that holds the flashes; no Key can have it.
const flashName = "\x00flash"

var flashes = func() Key[[]string] {
	k := NewKey[[]string]("flash")
	k.name = flashName
	return k
}()

// What Flash keeps, as JSON and in number: messages that are shown on the next page
// are few. An application that never shows them must not fill the session with them,
// or one day the person's next change is ErrTooLarge.
const (
	maxFlashes    = 32
	maxFlashBytes = 8 << 10
)

// Flash keeps a message until Flashes fetches it, in this request or a later
// one. It waits as Set does. With a category, or any other value, it is a Key of
// a list: Append keeps one, Pop shows each once.
//
// Of messages that nobody fetches the latest 32 stay, and no more than 8 KiB of
// them, with [NewInCookie] a quarter of [Config.MaxCookie]; the oldest are dropped, with
// an event of the kind Failed. A single message may be longer.
func (s *Session) Flash(message string) {
	told := false // it may run several times
	s.change(nil, op{flashName, replaceFunc(func(old record.Entry) (record.Entry, error) {
		old, list := replacing(s, flashes.form, old)
		kept, raw, err := s.latestFlashes(append(list, message))
		if err == nil && len(kept) <= len(list) && !told {
			told = true
			s.x.event(Event{Kind: Failed, Handle: s.handle(), User: s.base.User, Reason: reasonFlashes})
		}
		return record.Entry{Raw: raw, Expires: old.Expires}, err
	})})
}

// latestFlashes returns those of the messages that are kept, also as stored.
func (s *Session) latestFlashes(list []string) (kept []string, raw []byte, err error) {
	most := maxFlashBytes
	if m := s.x.m; m.carrier.inCookie() {
		most = m.cfg.MaxCookie / 4 // 1 KiB of what browsers keep
	}
	for list = list[max(0, len(list)-maxFlashes):]; ; list = list[1:] {
		raw, err = encodeEntry(flashName, flashes.form, list)
		switch {
		case len(list) == 1, err == nil && len(raw) <= most, err != nil && !errors.Is(err, ErrTooLarge):
			return list, raw, err
		}
	}
}

// Flashes removes and returns the messages, the oldest first. Like Pop it
// commits at once: parallel requests neither lose nor double a message. It calls
// the store only where there are messages, or once the response has begun.
func (s *Session) Flashes() []string {
	messages, _ := pop(s, flashes, nil)
	return messages
}

// entryName names an entry in errors: a key, or one of our own.
func entryName(name string) string {
	switch label, ok := strings.CutPrefix(name, record.LabelMark); {
	case ok:
		return fmt.Sprintf("label %q", label)
	case name == flashName:
		return "the messages of Flash"
	}
	return fmt.Sprintf("key %q", name)
}

// check returns err, what is wrong with the op's key, or that it is the zero
// Key, which has no name.
func (o op) check(err error) error {
	if err == nil && o.name == "" {
		return fmt.Errorf("%w: the zero Key; want one made by NewKey", ErrValue)
	}
	return err
}

// change records an op that waits for the commit.
func (s *Session) change(err error, o op) {
	if !s.lock() {
		return
	}
	defer s.unlock()
	s.changing(err, o)
}

// changing is change for who holds the mutex. It reports success.
func (s *Session) changing(err error, o op) bool {
	if !s.mayChange(false) {
		return false
	}
	if err = o.check(err); err == nil {
		err = s.apply(o, time.Now().UnixMilli())
	}
	if err != nil {
		s.fail(err)
		return false
	}
	s.record(o)
	s.applied, s.blind = len(s.ops), true
	return true
}

// commitNow commits an op with all that is pending, and reports success. Where
// that changes nothing and the call is to confirm it, only what the store said
// during the call will do.
func (s *Session) commitNow(err error, confirm bool, o op) bool {
	if !s.lock() {
		return false
	}
	defer s.unlock()
	if confirm && s.cookie != cookieUnread {
		s.doubt()
	}
	s.edit().looked = time.Time{}
	if !s.usable() { // the commit refuses what needs more, but not to find nothing
		if confirm {
			s.tellLost()
		}
		return false
	}
	if err = o.check(err); err != nil {
		s.fail(err)
		return false
	}
	before, looked := len(s.edit().ops), s.looked
	if m := s.x.m; s.life != live || s.namesakes || m.adopts.Load() || m.guard.Load() != nil {
		looked = time.Time{} // since then there was more than our own code
	}
	s.record(o)
	panicked := true
	defer func() {
		if panicked && len(s.ops) > before { // whoever recovers must not run it again
			s.ops, s.view, s.applied = s.ops[:before], nil, 0
			s.replayNow()
		}
	}()
	s.commitAt(s.x.phase(), looked)
	panicked = false
	return !s.failed
}

func encodeEntry[T any](name string, x *form[T], v T) ([]byte, error) {
	raw, err := x.encode(v)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %v", ErrValue, entryName(name), err)
	case len(raw) > maxValue:
		return nil, fmt.Errorf("%w: %s: %d bytes; want at most %d", ErrTooLarge, entryName(name), len(raw), maxValue)
	}
	return raw, nil
}

// storedValue returns what v is once it has been stored as raw.
func storedValue[T any](name string, v T, raw []byte) (T, error) {
	switch p := any(&v).(type) {
	case *bool, *int, *int64, *int32, *uint64, *[]byte: // themselves
		return v, nil
	case *string:
		if exact.Plain(*p) {
			return v, nil
		}
	}
	stored, err := record.Unmarshal[T](raw)
	if err != nil {
		return stored, fmt.Errorf("%w: %s: what its type encodes to does not fit it", ErrValue, entryName(name))
	}
	return stored, nil
}

// decodeEntry returns the value of an entry, and whether it fits.
func decodeEntry[T any](s *Session, x *form[T], e record.Entry) (T, bool) {
	v, err := x.decode(e.Raw)
	if err != nil {
		s.x.event(Event{Kind: Mismatch, Handle: s.handle(), Reason: reasonMismatch, Err: fmt.Errorf("%w: %s", ErrValue, entryName(e.Name))})
		return v, false
	}
	return v, true
}

// replacing returns an entry that is about to be replaced, and its value. What
// does not fit counts as absent (G5).
func replacing[T any](s *Session, x *form[T], old record.Entry) (record.Entry, T) {
	if old.Raw != nil {
		if v, ok := decodeEntry(s, x, old); ok {
			return old, v
		}
	}
	var zero T
	return record.Entry{Name: old.Name}, zero
}

// An op is one change of one entry. It may run several times.
type op struct {
	name string
	do   replacer
}

// A replacer says what takes the place of an entry.
type replacer interface {
	replace(old record.Entry) (record.Entry, error)
}

type replaceFunc func(record.Entry) (record.Entry, error)

func (f replaceFunc) replace(old record.Entry) (record.Entry, error) { return f(old) }

// spares are changes of requests that have ended.
var spares = sync.Pool{New: func() any { return new(changes) }}

// edit returns the session's changes, for one to be added.
func (s *Session) edit() *changes {
	if s.changes == nil {
		s.changes = spares.Get().(*changes)
	}
	return s.changes
}

// apply runs one op and keeps what it gives in the view.
func (s *Session) apply(o op, now int64) error {
	old := s.lookup(o.name, now)
	e, err := o.do.replace(old)
	if err != nil {
		return err
	}
	e.Name = o.name
	s.lasting, s.altered = old.Expires == 0 && e.Expires == 0, !bytes.Equal(old.Raw, e.Raw)
	for i := range s.view {
		if s.view[i].Name == o.name {
			s.view[i] = e
			return nil
		}
	}
	if s.view == nil {
		s.view = s.viewRoom[:0]
	}
	s.view = append(s.view, e)
	return nil
}

func (s *Session) record(o op) {
	c := s.edit()
	if c.ops == nil {
		c.ops = c.opsRoom[:0]
	}
	c.ops = append(c.ops, o)
}

// A form is how the values of one key are written and read.
type form[T any] struct {
	exact  *exact.Type
	former []func(raw []byte) (T, bool)
}

func formOf[T any]() (*form[T], error) {
	x, err := exact.Of[T]()
	return &form[T]{exact: x}, err
}

// Formerly returns a key that also reads what an earlier release stored under its
// name as an Old. convert makes a T of it, or says that it is none; it must be a
// pure function.
//
//	var tags = coatcheck.Formerly(coatcheck.NewKey[[]string]("tags"),
//		func(old string) ([]string, bool) { return strings.Fields(old), true })
//
// A stored value is read as a T if it fits with all its fields, else as an Old with
// all its fields, else as a T with unknown fields. Several calls add several older
// types, tried in that order; json.RawMessage fits everything. What is read is
// written as a T when something changes it. Servers of the earlier release do not
// read it then: to them it counts as absent.
func Formerly[T, Old any](k Key[T], convert func(old Old) (T, bool)) Key[T] {
	if k.form == nil { // the zero Key
		return k
	}
	k.form = &form[T]{exact: k.form.exact, former: append(slices.Clip(k.form.former), func(raw []byte) (v T, ok bool) {
		old, err := decodeWhole[Old](raw)
		if err != nil {
			return v, false
		}
		return convert(old)
	})}
	return k
}

// encode returns v as JSON, or an error if it would not come back equal.
func (x *form[T]) encode(v T) ([]byte, error) {
	if x == nil { // the zero Key
		return record.Marshal(nil, v)
	}
	return record.Marshal(x.exact, v)
}

// decode returns the T that raw stands for.
func (x *form[T]) decode(raw []byte) (T, error) {
	if x == nil || len(x.former) == 0 {
		return record.Unmarshal[T](raw)
	}
	v, err := decodeWhole[T](raw)
	if err == nil {
		return v, nil
	}
	for _, read := range x.former {
		if v, ok := read(raw); ok {
			return v, nil
		}
	}
	return record.Unmarshal[T](raw)
}

// decodeWhole is record.Unmarshal, and refuses fields that T does not have.
func decodeWhole[T any](raw []byte) (T, error) {
	v, err := record.Unmarshal[T](raw)
	if err != nil {
		return v, err
	}
	var strict T
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err = d.Decode(&strict)
	return strict, err
}
