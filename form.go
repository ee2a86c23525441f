package coatcheck

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/coatcheck/coatcheck/internal/exact"
	"github.com/coatcheck/coatcheck/internal/record"
)

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

// decodeWhole is decodeValue, and refuses fields that T does not have.
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
