package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/coatcheck/coatcheck/bridge"
)

// A Path leads to a value within others: names with dots between them.
type Path []string

// NewPath reads one.
func NewPath(text string) Path { return strings.Split(text, ".") }

// Get gives the user that stands there; empty where nothing does.
func (p Path) Get(values map[string]json.RawMessage) (string, error) {
	for ; len(p) > 1; p = p[1:] {
		raw, ok := values[p[0]]
		if !ok || string(raw) == "null" {
			return "", nil
		}
		values = nil
		if json.Unmarshal(raw, &values) != nil {
			return "", bridge.Refused("no object where the user is")
		}
	}
	return User(values[p[0]])
}

// Set gives values with the user there, or without one if it is empty.
func (p Path) Set(values map[string]json.RawMessage, user string, number bool) (map[string]json.RawMessage, error) {
	if values = maps.Clone(values); values == nil {
		values = make(map[string]json.RawMessage)
	}
	if len(p) == 1 {
		delete(values, p[0])
		if user == "" {
			return values, nil
		}
		raw, err := UserValue(user, number)
		values[p[0]] = raw
		return values, err
	}
	var within map[string]json.RawMessage
	if raw, ok := values[p[0]]; ok && json.Unmarshal(raw, &within) != nil {
		return nil, fmt.Errorf("bridge: the value %q is no object, in which the user could be", p[0])
	}
	if within == nil && user == "" {
		return values, nil
	}
	within, err := p[1:].Set(within, user, number)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(within)
	if err != nil {
		return nil, errors.New("bridge: a value is no JSON")
	}
	values[p[0]] = raw
	return values, nil
}
