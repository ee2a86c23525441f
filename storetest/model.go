package storetest

import (
	"slices"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// A model is the contract as the shortest program that keeps it, for one
// caller. What real stores answer is compared with it.
type model struct {
	rows    map[store.ID]*modelRow
	revoked map[string][]revocation
}

type modelRow struct {
	rec   store.Record
	ended *store.EndedError
}

type revocation struct {
	at   time.Time
	keep []store.ID
}

func newModel() *model {
	return &model{rows: make(map[store.ID]*modelRow), revoked: make(map[string][]revocation)}
}

// find returns the row of a live id.
func (m *model) find(id store.ID) (*modelRow, error) {
	switch row := m.rows[id]; {
	case row == nil:
		return nil, store.ErrNotFound
	case row.ended != nil:
		return nil, store.ErrEnded
	default:
		return row, nil
	}
}

// free reports why the id cannot be made live.
func (m *model) free(id store.ID) error {
	switch _, err := m.find(id); err {
	case nil:
		return store.ErrExists
	case store.ErrEnded:
		return err
	}
	return nil
}

// refused reports whether a revocation forbids the record. It is open where
// the revocations taken one by one forbid it, but not as one: the latest at
// with the keep of the last call. A store may do either.
func (m *model) refused(rec store.Record, old store.ID) (yes, open bool) {
	all := m.revoked[rec.User]
	for i, r := range all {
		if !rec.AuthTime.After(r.at) && !slices.Contains(r.keep, old) {
			yes = true
			open = i < len(all)-1 && slices.Contains(all[len(all)-1].keep, old)
		}
	}
	return yes, open
}

// create returns every reason to refuse; where there are several, a store may
// name any of them.
func (m *model) create(rec store.Record) (faults []error) {
	if err := m.free(rec.ID); err != nil {
		faults = append(faults, err)
	}
	if yes, _ := m.refused(rec, store.ID{}); yes {
		faults = append(faults, store.ErrEnded)
	}
	if faults == nil {
		m.rows[rec.ID] = &modelRow{rec: rec}
	}
	return faults
}

func (m *model) update(rec store.Record, ifVersion uint64) error {
	row, err := m.find(rec.ID)
	if err != nil {
		return err
	}
	if row.rec.Version != ifVersion {
		return store.ErrConflict
	}
	rec.User, rec.Seen, rec.Expires = row.rec.User, later(rec.Seen, row.rec.Seen), later(rec.Expires, row.rec.Expires)
	row.rec = rec
	return nil
}

// replace returns every reason to refuse. It is told whether the store
// accepted, for where that is open.
func (m *model) replace(old store.ID, ifVersion uint64, rec store.Record, accepted bool) (faults []error) {
	if row, err := m.find(old); err != nil {
		faults = append(faults, err)
	} else if row.rec.Version != ifVersion {
		faults = append(faults, store.ErrConflict)
	}
	if err := m.free(rec.ID); err != nil {
		faults = append(faults, err)
	}
	if yes, open := m.refused(rec, old); yes && !(open && accepted) {
		faults = append(faults, store.ErrEnded)
	}
	if faults != nil {
		return faults
	}
	m.rows[rec.ID] = &modelRow{rec: rec}
	m.rows[old] = &modelRow{ended: &store.EndedError{Next: rec.ID, Until: standing(rec)}}
	for i, r := range m.revoked[rec.User] {
		if slices.Contains(r.keep, old) {
			m.revoked[rec.User][i].keep = append(r.keep, rec.ID)
		}
	}
	return nil
}

func (m *model) touch(id store.ID, seen, expires time.Time) error {
	row, err := m.find(id)
	if err == nil {
		row.rec.Seen, row.rec.Expires = later(row.rec.Seen, seen), later(row.rec.Expires, expires)
	}
	return err
}

func (m *model) end(id store.ID, until time.Time) store.ID {
	row := m.rows[id]
	if row == nil || row.ended == nil {
		m.rows[id] = &modelRow{ended: &store.EndedError{Until: until}}
		return store.ID{}
	}
	row.ended.Until = later(row.ended.Until, until)
	return row.ended.Next
}

func (m *model) endUser(user string, at, until time.Time, keep []store.ID) (ended []store.ID) {
	keep = m.followed(keep)
	for _, rec := range m.user(user) {
		if !slices.Contains(keep, rec.ID) {
			m.end(rec.ID, until)
			ended = append(ended, rec.ID)
		}
	}
	m.revoked[user] = append(m.revoked[user], revocation{at: at, keep: keep})
	return ended
}

// followed returns the ids to keep and those that have replaced them.
func (m *model) followed(keep []store.ID) (all []store.ID) {
	for _, id := range keep {
		for !id.IsZero() && !slices.Contains(all, id) {
			all = append(all, id)
			row := m.rows[id]
			if row == nil || row.ended == nil {
				break
			}
			id = row.ended.Next
		}
	}
	return all
}

func (m *model) user(user string) (list []store.Record) {
	for _, row := range m.rows {
		if row.ended == nil && row.rec.User == user {
			list = append(list, row.rec)
		}
	}
	return list
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
