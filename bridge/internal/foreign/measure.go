package foreign

import (
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

// Measure refuses JSON that is longer or deeper, or has more items, than a session
// may. Whether it is JSON it does not say.
func Measure(data []byte) error {
	if len(data) > bridge.MaxRecord {
		return tree.ErrSize
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
			return tree.ErrDepth
		}
		if items > bridge.MaxItems {
			return tree.ErrItems
		}
	}
	return nil
}
