package pickle

import (
	"encoding/json"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

// Decode reads a pickle of a dict with text as keys. Each value becomes JSON as
// Python's json module has it; bytes become base64, sets and tuples lists, dates
// what isoformat says, time spans seconds. Values that only code could read or
// JSON cannot hold are left out, and refused says of each why. Errors are
// *bridge.RefusedError, as of a pickle that is no dict.
func Decode(data []byte) (values map[string]json.RawMessage, refused map[string]string, err error) {
	if len(data) > bridge.MaxRecord {
		return nil, nil, bridge.Refused("a pickle of more than %d bytes", bridge.MaxRecord)
	}
	m := machine{in: data, memo: map[uint64]any{}}
	v, err := m.run()
	if err != nil {
		return nil, nil, err
	}
	switch v := v.(type) {
	case *dict:
		return tree.Objects(v)
	case opaque:
		return nil, nil, bridge.Refused("%s", v.What)
	}
	return nil, nil, bridge.Refused("a pickle that is no dict")
}
