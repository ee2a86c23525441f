package gobdata

import (
	"bytes"
	"cmp"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

// JSON gives what Decode gave as JSON: times as RFC 3339, bytes as base64, complex
// numbers as a list of two. What JSON has not, and a value with a tree.Opaque in it, is a
// *bridge.RefusedError.
func JSON(v any) (json.RawMessage, error) {
	plain, err := forJSON(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

func forJSON(v any) (any, error) {
	switch v := v.(type) {
	case complex128:
		return forJSON([]any{real(v), imag(v)})
	case []any:
		out := make([]any, len(v))
		for i := range v {
			e, err := forJSON(v[i])
			if err != nil {
				return nil, err
			}
			out[i] = e
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			e, err := forJSON(v[k])
			if err := cmp.Or(err, tree.Plain(k)); err != nil {
				return nil, err
			}
			out[k] = e
		}
		return out, nil
	}
	return v, tree.Plain(v)
}

// Any stands for whatever encoding/json makes of a value.
type Any struct{}

// Value gives JSON as the Go value that an application puts into its session. Like
// says of which type that is: a value of it. With none it is what Go programs use:
// int for whole numbers and float64 for others, string, bool, and slices of those.
func Value(raw json.RawMessage, like any) (any, error) {
	if _, ok := like.(Any); ok {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, errors.New("not JSON")
		}
		return v, nil
	}
	if like != nil {
		p := reflect.New(reflect.TypeOf(like))
		if err := json.Unmarshal(raw, p.Interface()); err != nil {
			return nil, fmt.Errorf("not of the type %T", like)
		}
		return p.Elem().Interface(), nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("not JSON")
	}
	return natural(v)
}

func natural(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, string:
		return v, nil
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			n, err := v.Int64()
			return int(n), err
		}
		return v.Float64()
	case []any:
		return naturalList(v)
	}
	return nil, errors.New("an object, of which nobody said the Go type")
}

func naturalList(list []any) (any, error) {
	if len(list) == 0 {
		return []string{}, nil
	}
	first, err := natural(list[0])
	if err != nil {
		return nil, err
	}
	if first == nil {
		return nil, errMixed
	}
	out := reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(first)), 0, len(list))
	for _, e := range list {
		v, err := natural(e)
		if err != nil {
			return nil, err
		}
		if reflect.TypeOf(v) != reflect.TypeOf(first) {
			return nil, errMixed
		}
		out = reflect.Append(out, reflect.ValueOf(v))
	}
	return out.Interface(), nil
}

var errMixed = errors.New("a list of several types, of which nobody said the Go type")

// Encode writes a value as gob. The error names the type that gob does not know.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

// User gives a user as the Go value that an application expects: a string, or a number
// if like is one.
func User(user string, like any) (any, error) {
	switch reflect.ValueOf(like).Kind() {
	case reflect.Invalid, reflect.String:
		raw, err := json.Marshal(user)
		if err != nil {
			return nil, err
		}
		return Value(raw, like)
	}
	v, err := Value(json.RawMessage(user), like)
	if err != nil {
		return nil, fmt.Errorf("the user is no %T, as the application expects", like)
	}
	return v, nil
}
