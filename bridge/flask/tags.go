package flask

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
)

// Flask's tagged JSON gives a value a type by a map of one key that begins with a
// space. " di" is for a map that would look like that by itself.

// untag returns a value without tags. The scanner has checked it, its depth too.
func untag(raw json.RawMessage) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errJSON
	}
	v, err := plain(v)
	if err != nil {
		return nil, err
	}
	return encode(v)
}

// encode is json.Marshal without escapes for HTML.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, errJSON
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func plain(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case []any:
		for i := range v {
			if v[i], err = plain(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key, inner := range v {
			if inner, err = plain(inner); err != nil {
				return nil, err
			}
			if len(v) == 1 && strings.HasPrefix(key, " ") {
				return typed(key, inner, v)
			}
			v[key] = inner
		}
	}
	return v, nil
}

// typed is what a tag makes of a value that has none within. Other tags than
// Flask's own are maps to Flask too, unless the application knows them.
func typed(tag string, v any, whole map[string]any) (any, error) {
	text, isText := v.(string)
	switch tag {
	case " t":
		if list, ok := v.([]any); ok {
			return list, nil
		}
	case " di":
		if inner, ok := v.(map[string]any); ok && len(inner) == 1 {
			for key, value := range inner {
				return map[string]any{strings.TrimSuffix(key, "__"): value}, nil
			}
		}
	case " m":
		if isText {
			return text, nil
		}
	case " b":
		if b, err := base64.StdEncoding.DecodeString(text); isText && err == nil {
			return base64.StdEncoding.EncodeToString(b), nil
		}
	case " u":
		if b, err := hex.DecodeString(strings.ReplaceAll(text, "-", "")); isText && err == nil && len(b) == 16 {
			h := hex.EncodeToString(b)
			return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"), nil
		}
	case " d":
		if t, err := http.ParseTime(text); isText && err == nil {
			return t.UTC().Format(time.RFC3339), nil
		}
	default:
		whole[tag] = v
		return whole, nil
	}
	return nil, bridge.Refused("a value that does not fit its tag")
}

// retag returns a value in which no map looks like a tag.
func retag(raw json.RawMessage) (json.RawMessage, error) {
	if !bytes.Contains(raw, []byte(`" `)) && !bytes.Contains(raw, []byte(`"\u`)) {
		var b bytes.Buffer
		if json.Compact(&b, raw) != nil {
			return nil, errJSON
		}
		return b.Bytes(), nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errJSON
	}
	return encode(escaped(v))
}

var tags = map[string]bool{" di": true, " t": true, " b": true, " m": true, " u": true, " d": true}

func escaped(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = escaped(v[i])
		}
	case map[string]any:
		for key, inner := range v {
			inner = escaped(inner)
			if len(v) == 1 && tags[key] {
				return map[string]any{" di": map[string]any{key + "__": inner}}
			}
			v[key] = inner
		}
	}
	return v
}
