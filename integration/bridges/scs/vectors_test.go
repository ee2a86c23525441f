//go:build linux

package scs_test

import (
	"encoding/json"
	"flag"
	"maps"
	"math/big"
	"os"
	"slices"
	"testing"
	"time"

	original "github.com/alexedwards/scs/v2"
)

var update = flag.Bool("update", false, "write testvectors/bridge/scs.json anew")

const vectorsFile = "../../../testvectors/bridge/scs.json"

type vector struct {
	Name     string                     `json:"name"`
	Settings map[string]string          `json:"settings,omitempty"`
	Key      string                     `json:"key,omitempty"`
	Record   []byte                     `json:"record,omitempty"`
	Made     int64                      `json:"made"`
	User     string                     `json:"user"`
	Values   map[string]json.RawMessage `json:"values"`
	Refused  []string                   `json:"refused,omitempty"`
}

// TestVectors makes the vectors, or reads those that are there as scs does.
func TestVectors(t *testing.T) {
	if *update {
		makeVectors(t)
	}
	raw, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		var codec original.Codec = original.GobCodec{}
		if v.Settings["Codec"] == "JSON" {
			codec = jsonCodec{}
		}
		_, values, err := codec.Decode(v.Record)
		if err != nil || len(values) != len(v.Values)+len(v.Refused) {
			t.Errorf("%s: scs reads %d values, %v", v.Name, len(values), err)
		}
	}
}

func makeVectors(t *testing.T) {
	now := time.Now()
	var list []vector
	add := func(name string, codec original.Codec, settings map[string]string, values map[string]any, refused ...string) {
		record, err := codec.Encode(now.Add(24*time.Hour).UTC(), values)
		if err != nil {
			t.Fatal(err)
		}
		v := vector{Name: name, Settings: settings, Record: record, Made: now.Unix(), Values: make(map[string]json.RawMessage), Refused: refused}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if !slices.Contains(refused, name) {
				v.Values[name] = json.RawMessage(jsonOf(t, values[name]))
			}
		}
		v.User, _ = values["userID"].(string)
		list = append(list, v)
	}
	all := maps.Clone(every)
	all["userID"] = "u7"
	add("every type", original.GobCodec{}, nil, all)
	add("nobody", original.GobCodec{}, nil, nil)
	add("a type of its own", original.GobCodec{}, nil, map[string]any{"userID": "ü", "big": big.NewInt(7), "n": 1}, "big")
	add("JSON", jsonCodec{}, map[string]string{"Codec": "JSON"}, map[string]any{"userID": "u7", "n": 1, "f": 1.5, "l": []string{"a"}})
	raw, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorsFile, append(raw, '\n'), 0o666); err != nil {
		t.Fatal(err)
	}
}
