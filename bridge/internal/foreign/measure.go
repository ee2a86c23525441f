package foreign

import "github.com/coatcheck/coatcheck/bridge"

// Measure refuses JSON that is longer or deeper, or has more items, than a session
// may. Whether it is JSON it does not say.
func Measure(data []byte) error {
	if len(data) > bridge.MaxRecord {
		return bridge.Refused("more than %d bytes", bridge.MaxRecord)
	}
	depth, items, text := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			depth++
			items++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			items++
		}
		if depth > bridge.MaxDepth {
			return bridge.Refused("values deeper than %d", bridge.MaxDepth)
		}
		if items > bridge.MaxItems {
			return bridge.Refused("more than %d values", bridge.MaxItems)
		}
	}
	return nil
}
