package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

var exactRules = []rule{
	{"S12", "Data comes back byte for byte", tryData},
	{"S12", "times come back to the microsecond", tryTimes},
	{"S12", "a Version comes back and is compared in all its bits", tryVersions},
	{"S12", "bytes once returned never change", tryAliasing},
}

// maxData is the longest Data that the core stores.
const maxData = 64 << 10

func tryData(ctx context.Context, e *env) error {
	all := make([]byte, 0, 256)
	for i := range 256 {
		all = append(all, byte(i))
	}
	large := newData(maxData)
	var errs []error
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"nil", nil},
		{"empty", []byte{}},
		{"one zero byte", []byte{0}},
		{"zero bytes", make([]byte, 300)},
		{"every byte", all},
		{"not UTF-8", []byte("a\xff\xfe\xc3\x28")},
		{"spaces at the ends", []byte(" \t\na \r\n ")},
		{"what another layer could decode", []byte(`{"a":"\u0000"}` + "\\x00'\"\\")},
		{"64 KiB", large},
		{"a byte less", large[1:]},
	} {
		created := e.record(newUser())
		created.Data = c.data
		updated := e.record(created.User)
		changed := next(updated)
		changed.Data = c.data
		emptied := next(changed)
		emptied.Data = nil
		renewed := e.renewed(created, created.User)
		renewed.Data = c.data
		err := errors.Join(
			e.create(ctx, created),
			e.live(ctx, created),
			e.create(ctx, updated),
			got("Update", e.Update(ctx, changed, updated.Version), nil),
			e.live(ctx, changed),
			e.lists(ctx, created.User, created, changed),
			got("Update", e.Update(ctx, emptied, changed.Version), nil),
			e.live(ctx, emptied),
			got("Replace", e.Replace(ctx, created.ID, created.Version, renewed, standing(renewed)), nil),
			e.live(ctx, renewed),
		)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return errors.Join(errs...)
}

func tryTimes(ctx context.Context, e *env) error {
	last := time.Date(9999, time.December, 31, 23, 59, 59, 999_999_000, time.UTC)
	micro := time.Microsecond
	var errs []error
	for _, t := range []time.Time{
		time.Unix(0, 1000).UTC(),
		time.Date(2001, time.September, 9, 1, 46, 39, 999_999_000, time.UTC),
		time.Date(2024, time.February, 29, 23, 59, 59, 1000, time.UTC),
		time.Date(2025, time.March, 30, 2, 30, 0, 123_456_000, time.UTC), // an hour that some zones skip
		now().Truncate(time.Second),
		time.Date(2038, time.January, 19, 3, 14, 8, 0, time.UTC), // past 32 bits of seconds
		last.Add(-time.Hour),
	} {
		rec := e.record(newUser())
		rec.AuthTime, rec.Created, rec.Seen = t, t.Add(micro), t.Add(2*micro)
		if future := t.Add(3 * micro); future.After(rec.Expires) {
			rec.Expires, rec.Deadline = future, last
		} else {
			// What is over an engine may drop, so these stay in the future.
			rec.Expires = rec.Expires.Truncate(time.Second).Add(999_999 * micro)
			rec.Deadline = rec.Deadline.Truncate(time.Second).Add(micro)
		}
		two := next(rec)
		two.Seen, two.Expires = rec.Seen.Add(micro), rec.Expires.Add(micro)
		three := two
		three.Seen, three.Expires = two.Seen.Add(micro), two.Expires.Add(micro)
		err := errors.Join(
			e.create(ctx, rec),
			e.live(ctx, rec),
			got("Update", e.Update(ctx, two, rec.Version), nil),
			e.live(ctx, two),
			got("Touch", e.Touch(ctx, rec.ID, three.Seen, three.Expires), nil),
			e.live(ctx, three),
			e.lists(ctx, rec.User, three),
		)
		if err != nil {
			errs = append(errs, fmt.Errorf("%v: %w", t, err))
		}
	}
	return errors.Join(errs...)
}

func tryVersions(ctx context.Context, e *env) error {
	var errs []error
	for _, version := range []uint64{
		1, 1<<53 + 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 1, math.MaxUint64,
	} {
		rec := e.record(newUser())
		rec.Version = version
		two := next(rec)
		two.Version = version ^ 1<<62
		renewed := e.renewed(two, rec.User)
		err := errors.Join(
			e.create(ctx, rec),
			e.live(ctx, rec),
			got("Update from another version", e.Update(ctx, two, version^1), store.ErrConflict),
			got("Update", e.Update(ctx, two, version), nil),
			e.live(ctx, two),
			got("Replace", e.Replace(ctx, two.ID, two.Version, renewed, standing(renewed)), nil),
			e.live(ctx, renewed),
		)
		if err != nil {
			errs = append(errs, fmt.Errorf("version %d: %w", version, err))
		}
	}
	return errors.Join(errs...)
}

// tryAliasing keeps what Load and User returned while the store goes on.
func tryAliasing(ctx context.Context, e *env) error {
	user := newUser()
	var held, copies [][]byte
	hold := func(rec store.Record) {
		held = append(held, rec.Data)
		copies = append(copies, bytes.Clone(rec.Data))
	}
	rec := e.record(user)
	errs := []error{e.create(ctx, rec)}
	for i := range 60 {
		stored, err := e.Load(ctx, rec.ID)
		errs = append(errs, got("Load", err, nil))
		hold(stored)
		list, err := e.User(ctx, user)
		errs = append(errs, got("User", err, nil))
		for _, listed := range list {
			hold(listed)
		}
		ifVersion := rec.Version
		rec = next(rec)
		// Of the length of before, so that it would fit in its place.
		rec.Data = newData(100 + i%3)
		errs = append(errs, got("Update", e.Update(ctx, rec, ifVersion), nil))
	}
	renewed, after := e.renewed(rec, user), e.record(user)
	errs = append(errs,
		got("Replace", e.Replace(ctx, rec.ID, rec.Version, renewed, standing(renewed)), nil),
		e.end(ctx, renewed.ID, store.ID{}, soon()),
		e.create(ctx, after))
	for i := range held {
		if !bytes.Equal(held[i], copies[i]) {
			errs = append(errs, wrong("Load or User", "the Data that call %d returned changed afterwards", i+1))
			break
		}
	}
	return errors.Join(errs...)
}
