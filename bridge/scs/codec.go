package scs

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/bridge/internal/gobdata"
)

// errCodec means that a record is another codec's.
var errCodec = errors.New("bridge: not what this codec writes")

// Any, as Any{} in Gob.Types, is for a value that the application has from encoding/json:
// float64, string, bool, []any, map[string]any. Gob must know the last two there too.
type Any = gobdata.Any

// Gob is scs's own codec. A gob describes itself, so that structs of the application
// are read as objects with their fields' names, without knowing their types; times and
// what is written by MarshalText too. What only a GobDecode or UnmarshalBinary of the
// application could read is left out and named.
type Gob struct {
	// Types has a value of the type that the application expects under a key, for
	// Issue: "cart": []Item(nil). Types of its own must be known to gob by the name
	// that they have there (gob.RegisterName). Without an entry a whole number is an
	// int, another number a float64, and a list of one kind a slice of it.
	Types map[string]any
}

type record struct {
	Deadline time.Time
	Values   map[string]any
}

// Decode implements Codec.
func (Gob) Decode(data []byte) (deadline time.Time, values map[string]json.RawMessage, refused map[string]string, err error) {
	tree, err := gobdata.Decode(data)
	if beyond := (*bridge.RefusedError)(nil); errors.As(err, &beyond) {
		return time.Time{}, nil, nil, err
	}
	top, _ := tree.(map[string]any)
	deadline, ok := top["Deadline"].(time.Time)
	held, none := top["Values"], top["Values"] == nil
	all, isMap := held.(map[string]any)
	if err != nil || !ok || !none && !isMap || len(top) > 2 {
		return time.Time{}, nil, nil, errCodec
	}
	values, refused = foreign.Values(all, gobdata.JSON)
	return deadline, values, refused, nil
}

// Encode implements Codec.
func (g Gob) Encode(deadline time.Time, values map[string]json.RawMessage, userKey, user string) ([]byte, error) {
	out := record{deadline.UTC(), make(map[string]any, len(values)+1)}
	for name, raw := range values {
		v, err := gobdata.Value(raw, g.Types[name])
		if err != nil {
			return nil, fmt.Errorf("the value %q is %w; scs.Gob.Types can say of which it is", name, err)
		}
		out.Values[name] = v
	}
	if user != "" {
		v, err := gobdata.User(user, g.Types[userKey])
		if err != nil {
			return nil, err
		}
		out.Values[userKey] = v
	}
	return gobdata.Encode(out)
}

// JSON is a codec that writes scs's record by encoding/json, as applications do that
// set SessionManager.Codec to one: {"Deadline": …, "Values": {…}}.
type JSON struct {
	// NumericUser writes the user as a number.
	NumericUser bool
}

type jsonRecord struct {
	Deadline time.Time
	Values   map[string]json.RawMessage
}

// Decode implements Codec.
func (JSON) Decode(data []byte) (deadline time.Time, values map[string]json.RawMessage, refused map[string]string, err error) {
	if err := foreign.Measure(data); err != nil {
		return time.Time{}, nil, nil, err
	}
	var in jsonRecord
	if json.Unmarshal(data, &in) != nil || in.Deadline.IsZero() {
		return time.Time{}, nil, nil, errCodec
	}
	return in.Deadline, in.Values, nil, nil
}

// Encode implements Codec.
func (j JSON) Encode(deadline time.Time, values map[string]json.RawMessage, userKey, user string) ([]byte, error) {
	out := jsonRecord{deadline.UTC(), make(map[string]json.RawMessage, len(values)+1)}
	for name, raw := range values {
		out.Values[name] = raw
	}
	if user != "" {
		raw, err := foreign.UserValue(user, j.NumericUser)
		if err != nil {
			return nil, err
		}
		out.Values[userKey] = raw
	}
	return json.Marshal(out)
}
