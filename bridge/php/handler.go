package php

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/phpdata"
	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

// A Handler is PHP's session.serialize_handler: how a session's variables stand one
// after the other.
type Handler int

// The handlers that PHP brings. The zero value is PHP's default.
const (
	HandlerPHP       Handler = iota // php: name|value name|value
	HandlerBinary                   // php_binary: a byte for the name's length, name, value
	HandlerSerialize                // php_serialize: one array
)

func (h Handler) String() string {
	switch h {
	case HandlerPHP:
		return "php"
	case HandlerBinary:
		return "php_binary"
	case HandlerSerialize:
		return "php_serialize"
	}
	return fmt.Sprintf("Handler(%d)", int(h))
}

var errHandler = errors.New("not what this handler writes")

// decode reads all variables of a session.
func (h Handler) decode(data []byte) (phpdata.Array, error) {
	if h == HandlerSerialize {
		return decodeArray(data)
	}
	var out phpdata.Array
	items := 0
	for len(data) > 0 {
		name, rest, undefined, err := h.name(data)
		if err != nil {
			return nil, err
		}
		data = rest
		if undefined {
			if items++; items > bridge.MaxItems {
				return nil, tree.ErrItems
			}
			continue
		}
		var v any
		if v, data, err = phpdata.DecodeOne(data, &items); err != nil {
			return nil, err
		}
		out = append(out, phpdata.Entry{Key: name, Value: v})
	}
	return out, nil
}

// ambiguous reports whether another handler reads the same bytes. In what that one wrote
// a visitor's own text may look like the variables of this one, a user among them;
// whatever begins as an array is none of the others' names, so php_serialize is sure.
func (h Handler) ambiguous(data []byte) (other Handler, _ bool) {
	if h == HandlerSerialize || len(data) == 0 {
		return 0, false
	}
	for _, other := range []Handler{HandlerSerialize, HandlerBinary, HandlerPHP} {
		if other == h || other == HandlerBinary && swallows(data) {
			continue
		}
		if vars, err := other.decode(data); err == nil && len(vars) > 0 {
			return other, true
		}
	}
	return 0, false
}

// swallows reports whether php_binary would read a | in the first name. What php
// writes begins with a letter, for it a name of 32 bytes and more, which may end by
// chance where the last value begins; and an application has no such name.
func swallows(data []byte) bool {
	name, _, _, err := HandlerBinary.name(data)
	return err == nil && strings.Contains(name, "|")
}

func decodeArray(data []byte) (phpdata.Array, error) {
	if len(data) == 0 {
		return nil, nil
	}
	v, rest, err := phpdata.Decode(data)
	if err != nil {
		return nil, err
	}
	out, ok := v.(phpdata.Array)
	if !ok || len(rest) > 0 {
		return nil, errHandler
	}
	return out, nil
}

// longestName is what php_binary can write.
const longestName = 127

// name reads a variable's name. One that is declared and has no value is marked: by a
// high bit, or by ! before the name.
func (h Handler) name(data []byte) (name string, rest []byte, undefined bool, err error) {
	if h == HandlerBinary {
		n := int(data[0] & longestName)
		if n > len(data)-1 {
			return "", nil, false, errHandler
		}
		return string(data[1 : n+1]), data[n+1:], data[0] > longestName, nil
	}
	i := bytes.IndexByte(data, '|')
	if i < 0 {
		return "", nil, false, errHandler
	}
	name = string(data[:i])
	if name != "" && name[0] == '!' {
		return name[1:], data[i+1:], true, nil
	}
	return name, data[i+1:], false, nil
}

// encode writes all variables of a session. The error names the variable that the
// handler cannot hold.
func (h Handler) encode(vars phpdata.Array) ([]byte, error) {
	if h == HandlerSerialize {
		return phpdata.Append(nil, vars), nil
	}
	var b []byte
	for _, e := range vars {
		name, ok := e.Key.(string)
		if !ok {
			return nil, fmt.Errorf("the handler %s has no variables with numbers as names, such as %v", h, e.Key)
		}
		if h == HandlerBinary {
			if len(name) > longestName {
				return nil, fmt.Errorf("the name of a variable has %d bytes; the handler %s has at most %d", len(name), h, longestName)
			}
			b = append(append(b, byte(len(name))), name...)
		} else {
			if bytes.ContainsAny([]byte(name), "|!") {
				return nil, fmt.Errorf("the handler %s has no names with | or !, such as %q", h, name)
			}
			b = append(append(b, name...), '|')
		}
		b = phpdata.Append(b, e.Value)
	}
	return b, nil
}
