package gorilla

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/bridge/internal/gobdata"
)

// A Serializer is how a gorilla application writes values: Gob or JSON.
type Serializer interface {
	decode(payload []byte) (values map[string]json.RawMessage, refused map[string]string, err error)
	encode(values map[string]json.RawMessage, userKey, user string) ([]byte, error)
	text(payload []byte) (string, error) // of a cookie that holds an id
	encodeText(id string) ([]byte, error)
}

var errSerializer = errors.New("bridge: not what this serializer writes")

// Any, as Any{} in Gob.Types, is for a value that the application has from encoding/json:
// float64, string, bool, []any, map[string]any. Gob must know the last two there too.
type Any = gobdata.Any

// Gob is the default of securecookie and of redistore. A gob describes itself, so that
// structs of the application are read as objects with their fields' names. What only a
// GobDecode or UnmarshalBinary of the application could read is left out and named.
type Gob struct {
	// Types has a value of the type that the application expects under a key, for
	// Issue: "cart": []Item(nil). Types of its own must be known to gob by the name
	// that they have there (gob.RegisterName). Without an entry a whole number is an
	// int, another number a float64, and a list of one kind a slice of it.
	Types map[string]any
}

func (Gob) decode(payload []byte) (map[string]json.RawMessage, map[string]string, error) {
	tree, err := gobdata.Decode(payload)
	if beyond := (*bridge.RefusedError)(nil); errors.As(err, &beyond) {
		return nil, nil, err
	}
	all, ok := tree.(map[string]any)
	if err != nil || !ok {
		return nil, nil, errSerializer
	}
	values, refused := foreign.Values(all, gobdata.JSON)
	return values, refused, nil
}

func (g Gob) encode(values map[string]json.RawMessage, userKey, user string) ([]byte, error) {
	out := make(map[any]any, len(values)+1)
	for name, raw := range values {
		v, err := gobdata.Value(raw, g.Types[name])
		if err != nil {
			return nil, fmt.Errorf("the value %q is %w; gorilla.Gob.Types can say of which it is", name, err)
		}
		out[name] = v
	}
	if user != "" {
		v, err := gobdata.User(user, g.Types[userKey])
		if err != nil {
			return nil, err
		}
		out[userKey] = v
	}
	return gobdata.Encode(out)
}

func (Gob) text(payload []byte) (string, error) {
	v, err := gobdata.Decode(payload)
	id, ok := v.(string)
	if err != nil || !ok {
		return "", errSerializer
	}
	return id, nil
}

func (Gob) encodeText(id string) ([]byte, error) { return gobdata.Encode(id) }

// JSON is redistore's JSONSerializer, and securecookie's JSONEncoder.
type JSON struct {
	// NumericUser writes the user as a number.
	NumericUser bool
}

func (JSON) decode(payload []byte) (values map[string]json.RawMessage, _ map[string]string, _ error) {
	if err := foreign.Measure(payload); err != nil {
		return nil, nil, err
	}
	if json.Unmarshal(payload, &values) != nil || values == nil {
		return nil, nil, errSerializer
	}
	return values, nil, nil
}

func (j JSON) encode(values map[string]json.RawMessage, userKey, user string) ([]byte, error) {
	out := make(map[string]json.RawMessage, len(values)+1)
	for name, raw := range values {
		out[name] = raw
	}
	if user != "" {
		raw, err := foreign.UserValue(user, j.NumericUser)
		if err != nil {
			return nil, err
		}
		out[userKey] = raw
	}
	return json.Marshal(out)
}

func (JSON) text(payload []byte) (id string, _ error) {
	if json.Unmarshal(payload, &id) != nil {
		return "", errSerializer
	}
	return id, nil
}

func (JSON) encodeText(id string) ([]byte, error) { return json.Marshal(id) }
