//go:build linux

package visit

import (
	"encoding/json"
	"os"
	"testing"
)

// A Vector is a session that the real thing made, for tests without it.
type Vector struct {
	Name     string                     `json:"name"`
	Settings map[string]string          `json:"settings,omitempty"`
	Cookies  []string                   `json:"cookies,omitempty"` // name, value, name, value
	Key      string                     `json:"key,omitempty"`     // of the record in its store
	Record   []byte                     `json:"record,omitempty"`
	Made     int64                      `json:"made"`
	User     string                     `json:"user"`
	Values   map[string]json.RawMessage `json:"values"`
	Refused  []string                   `json:"refused,omitempty"`
}

// WriteVectors writes a file of testvectors/bridge. Packages that call it are two
// folders below integration.
func WriteVectors(t testing.TB, name string, list []Vector) {
	t.Helper()
	raw, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("../../../testvectors/bridge/"+name, append(raw, '\n'), 0o666); err != nil {
		t.Fatal(err)
	}
}

// ReadVectors reads one.
func ReadVectors(t testing.TB, name string) (list []Vector) {
	t.Helper()
	raw, err := os.ReadFile("../../../testvectors/bridge/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
		t.Fatalf("%s: %d vectors, %v", name, len(list), err)
	}
	return list
}

// JSONOf is for values that encoding/json can write.
func JSONOf(t testing.TB, values map[string]any) map[string]json.RawMessage {
	t.Helper()
	out := make(map[string]json.RawMessage, len(values))
	for name, v := range values {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = raw
	}
	return out
}
