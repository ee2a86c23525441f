package coatcheck

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck/internal/record"
)

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
		raw, err = labels.form.encode(value)
	}
	o := op{record.LabelMark + name, func(record.Entry) (record.Entry, error) { return record.Entry{Raw: raw}, nil }}
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
	k.name = record.LabelMark + name
	value, _ := k.Get(s)
	return value
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
	return slices.DeleteFunc(slices.Clone(s.ops), func(o op) bool { return !record.IsLabel(o.name) })
}

// drops reports whether the base's entry counts no more, which is of the login or
// a value.
func (s *Session) drops(ofLogin bool) bool {
	if ofLogin {
		return s.identity == logIn
	}
	return s.drop
}

// stored returns the base's entry of that name, absent if it counts no more.
func (s *Session) stored(name string) record.Entry {
	if s.drops(record.OfLogin(name)) {
		return record.Entry{Name: name}
	}
	return record.Find(s.entries(), name)
}

// counting returns the base's entries without those that count no more.
func (s *Session) counting(entries []byte) []byte {
	return record.Without(entries, s.drops(true), s.drops(false))
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
	n, why := 0, s.asked(user, reasonLabel, reasonLabelOwn)
	for _, rec := range records {
		if h, err := record.Open(rec.Data); err != nil || record.Labels(h.Entries)[name] != value {
			continue
		}
		if err := m.endChain(ctx, s, rec.ID, user, why); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
