//go:build linux

package framework

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Same compares the values of both sides by what they say, to the last digit, but for
// those that are ignored.
func Same(t *testing.T, got, want map[string]json.RawMessage, ignored ...string) {
	t.Helper()
	for name := range want {
		if _, ok := got[name]; !ok && !slices.Contains(ignored, name) {
			t.Errorf("the value %q is missing", name)
		}
	}
	for name, value := range got {
		if slices.Contains(ignored, name) {
			continue
		}
		if a, b := exact(t, value), exact(t, want[name]); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: got %s, want %s", name, value, want[name])
		}
	}
}

// exact keeps whole numbers to the last digit; 1e308 and 1e+308 are one.
func exact(t *testing.T, value json.RawMessage) (out any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		t.Errorf("%q: %v", value, err)
	}
	return floats(out)
}

func floats(v any) any {
	switch v := v.(type) {
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			f, _ := v.Float64()
			return f
		}
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = floats(v[k])
		}
	}
	return v
}

// RandomValues are up to eight, of all that JSON has.
func RandomValues(rng *rand.Rand) map[string]any {
	out := map[string]any{}
	for range 1 + rng.IntN(8) {
		out[fmt.Sprintf("k%d", rng.IntN(1000))] = randomValue(rng, 0)
	}
	return out
}

func randomValue(rng *rand.Rand, depth int) any {
	switch n := rng.IntN(9); {
	case n == 0:
		return nil
	case n == 1:
		return rng.IntN(2) == 0
	case n == 2:
		return rng.Int64() - rng.Int64()
	case n == 3:
		return rng.NormFloat64() + 0.5
	case n < 7 || depth > 3:
		text := make([]rune, rng.IntN(30))
		for i := range text {
			text[i] = []rune("aZ09 \"\\/<&:.-_\n\x00\u007fé\u2028世🧥")[rng.IntN(21)]
		}
		return string(text)
	case n == 7:
		list := make([]any, rng.IntN(4))
		for i := range list {
			list[i] = randomValue(rng, depth+1)
		}
		return list
	}
	dict := map[string]any{}
	for range rng.IntN(4) {
		dict[fmt.Sprint(rng.IntN(100))] = randomValue(rng, depth+1)
	}
	return dict
}

// JSON is values as a session has them.
func JSON(t *testing.T, values map[string]any) map[string]json.RawMessage {
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
