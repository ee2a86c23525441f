package coatcheck

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Names that begin with labelMark are those of entries that hold labels; no Key
// can have one. They belong to the login and not to the values: Clear leaves
// them alone, the next login drops them.
const labelMark = "\x00label:"

const (
	maxLabelName = 64
	maxLabel     = 255
)

// checkLabel validates the name of a label and, unless it is empty, its value.
func checkLabel(name, value string) error {
	if name == "" || len(name) > maxLabelName {
		return fmt.Errorf("%w: label name of %d bytes; want 1 to %d", ErrValue, len(name), maxLabelName)
	}
	if len(value) > maxLabel {
		return fmt.Errorf("%w: label %q of %d bytes; want at most %d", ErrValue, name, len(value), maxLabel)
	}
	for _, text := range [...]string{name, value} {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("%w: label %q: it or its name is not UTF-8, or has a control character", ErrValue, name)
		}
	}
	return nil
}

// SetLabel gives this login a label: a name of the application's own that stays
// when the token is renewed, which the handle does not. Info lists it, and
// RevokeLabel finds the session by it: "kitchen tablet" for a list of devices,
// or the sid under which an OpenID provider will end the session days later.
// An empty value removes the label. The name has 1 to 64 bytes of UTF-8, the
// value at most 255, neither with control characters; a session has few labels.
//
// SetLabel waits for the first byte as Key.Set does, and may come before or
// after Login in the same request. A later Login without it drops the label;
// Clear does not. A label is shown in lists: it is no place for a secret.
func (s *Session) SetLabel(name, value string) {
	err := checkLabel(name, value)
	var raw []byte
	if err == nil && value != "" {
		raw, err = encodeValue(labels.form, value)
	}
	o := op{labelMark + name, func(entry) (entry, error) { return entry{raw: raw}, nil }}
	if !s.lock() {
		return
	}
	defer s.unlock()
	if s.changing(err, o) {
		w := s.wish()
		w.labels = append(w.labels, o)
	}
}

// labels is the Key of every label, but for its name.
var labels = NewKey[string]("label")

// Label returns the label of that name, or "".
func (s *Session) Label(name string) string {
	k := labels
	k.name = labelMark + name
	value, _ := k.Get(s)
	return value
}

// labelsOf reads the labels of a record's entries, nil where there is none.
func labelsOf(entries []byte) map[string]string {
	var found map[string]string
	for len(entries) > 0 {
		at := entryAt(entries)
		if at.end == 0 {
			break
		}
		if name := entries[at.name:at.expires]; isLabel(name) {
			if value, err := labels.form.decode(entries[at.raw:at.end]); err == nil {
				if found == nil {
					found = make(map[string]string)
				}
				found[string(name[len(labelMark):])] = value
			}
		}
		entries = entries[at.end:]
	}
	return found
}

// wishes are what a request has said of its login, for one that comes after it.
type wishes struct {
	remember time.Duration
	sliding  bool
	labels   []op
}

// wish returns the wishes, for one to be added.
func (s *Session) wish() *wishes {
	if s.wishes == nil {
		s.wishes = new(wishes)
	}
	return s.wishes
}

// label makes pending what the request has said of labels so far. The ops ask for
// nothing, so that they may run again.
func (s *Session) label(ops []op) {
	for _, o := range ops {
		_ = s.apply(o, 0) // it has no error, and no label expires
		s.record(o)
	}
	s.applied = len(s.ops)
}

// pendingLabels returns the ops on labels that wait for the commit.
func (s *Session) pendingLabels() []op {
	return slices.DeleteFunc(slices.Clone(s.ops), func(o op) bool { return !isLabel(o.name) })
}

func isLabel[T string | []byte](name T) bool {
	return len(name) >= len(labelMark) && string(name[:len(labelMark)]) == labelMark
}

// ofLogin reports whether the entry of that name belongs to the login.
func ofLogin[T string | []byte](name T) bool { return isLabel(name) || string(name) == slidingName }

// drops reports whether the base's entry counts no more, which is of the login or
// a value.
func (s *Session) drops(ofLogin bool) bool {
	if ofLogin {
		return s.identity == logIn
	}
	return s.drop
}

// stored returns the base's entry of that name, absent if it counts no more.
func (s *Session) stored(name string) entry {
	if s.drops(ofLogin(name)) {
		return entry{name: name}
	}
	return findEntry(s.entries(), name)
}

// counting returns the base's entries without those that count no more.
func (s *Session) counting(entries []byte) []byte {
	var kept []byte
	from := 0 // where what is to be kept next begins
	for i := 0; i < len(entries); {
		at := entryAt(entries[i:])
		if at.end == 0 {
			break // openData checked it
		}
		if s.drops(ofLogin(entries[i+at.name : i+at.expires])) {
			kept = append(kept, entries[from:i]...)
			from = i + at.end
		}
		i += at.end
	}
	if from == 0 {
		return entries
	}
	return append(kept, entries[from:]...)
}

// RevokeLabel ends the sessions of user that have this label and returns how
// many. It is Revoke for a name that outlives renewals. A login that has begun and
// is not stored yet is not found; RevokeAll defeats that too.
//
// An OpenID provider's logout token may name its sid without its sub: then the
// application must have noted whose sid that is, or look for it with All, which
// costs as much as all sessions together.
func (m *Manager) RevokeLabel(ctx context.Context, user, name, value string) (int, error) {
	if err := checkLabel(name, value); err != nil {
		return 0, err
	}
	if value == "" {
		return 0, fmt.Errorf("%w: label %q without a value", ErrValue, name)
	}
	s, err := m.asking(ctx)
	if err != nil {
		return 0, err
	}
	records, err := m.live(ctx, user)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, rec := range records {
		if h, err := openData(rec.Data); err != nil || labelsOf(h.entries)[name] != value {
			continue
		}
		if err := m.endChain(ctx, s, rec.ID, user); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
