package pickle

import (
	"strconv"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

// collect are the opcodes of lists, tuples, sets and dicts.
func (m *machine) collect(op byte) (bool, error) {
	switch op {
	case ']', ')', 0x8f: // EMPTY_LIST, EMPTY_TUPLE, EMPTY_SET
		m.push(&list{})
	case '}':
		m.push(&dict{})
	case 'l', 't', 0x91: // LIST, TUPLE, FROZENSET
		items, err := m.popMark()
		m.push(&list{Items: items})
		return true, err
	case 'd':
		items, err := m.popMark()
		if err != nil {
			return true, err
		}
		m.push(&dict{})
		return true, m.setItems(items)
	case 0x85, 0x86, 0x87: // TUPLE1, 2, 3
		return true, m.tuple(int(op - 0x84))
	case 'a': // APPEND
		item, err := m.pop()
		if err != nil {
			return true, err
		}
		return true, m.appendItems([]any{item})
	case 'e', 0x90: // APPENDS, ADDITEMS
		items, err := m.popMark()
		if err != nil {
			return true, err
		}
		return true, m.appendItems(items)
	case 's': // SETITEM
		value, err := m.pop()
		if err != nil {
			return true, err
		}
		key, err := m.pop()
		if err != nil {
			return true, err
		}
		return true, m.setItems([]any{key, value})
	case 'u': // SETITEMS
		items, err := m.popMark()
		if err != nil {
			return true, err
		}
		return true, m.setItems(items)
	default:
		return false, nil
	}
	return true, nil
}

func (m *machine) tuple(n int) error {
	if len(m.stack) < n {
		return errDamaged
	}
	at := len(m.stack) - n
	items := append([]any(nil), m.stack[at:]...)
	m.stack = m.stack[:at]
	m.push(&list{Items: items})
	return nil
}

func (m *machine) appendItems(items []any) error {
	if len(m.stack) == 0 {
		return errDamaged
	}
	top := m.stack[len(m.stack)-1]
	l, ok := top.(*list)
	if _, unmade := top.(opaque); unmade {
		return nil
	}
	if !ok {
		return errDamaged
	}
	l.Items = append(l.Items, items...)
	return nil
}

func (m *machine) setItems(items []any) error {
	if len(m.stack) == 0 || len(items)%2 != 0 {
		return errDamaged
	}
	top := m.stack[len(m.stack)-1]
	d, ok := top.(*dict)
	if _, unmade := top.(opaque); unmade {
		return nil
	}
	if !ok {
		return errDamaged
	}
	for i := 0; i < len(items); i += 2 {
		d.Keys, d.Values = append(d.Keys, items[i]), append(d.Values, items[i+1])
	}
	return nil
}

// remember are the opcodes of the memo: what was made is named, to be had again.
// That it then stands in two places, or in itself, is for the encoder to bound.
func (m *machine) remember(op byte) (bool, error) {
	switch op {
	case 0x94: // MEMOIZE
		return true, m.put(uint64(len(m.memo)))
	case 'p', 'g':
		s, err := m.line()
		if err != nil {
			return true, err
		}
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return true, errDamaged
		}
		if op == 'p' {
			return true, m.put(n)
		}
		return true, m.get(n)
	case 'q', 'r', 'h', 'j':
		width := uint64(1)
		if op == 'r' || op == 'j' {
			width = 4
		}
		n, err := m.uint(width)
		if err != nil {
			return true, err
		}
		if op == 'q' || op == 'r' {
			return true, m.put(n)
		}
		return true, m.get(n)
	}
	return false, nil
}

func (m *machine) put(n uint64) error {
	if len(m.stack) == 0 {
		return errDamaged
	}
	if len(m.memo) > 2*bridge.MaxItems {
		return tree.ErrItems
	}
	m.memo[n] = m.stack[len(m.stack)-1]
	return nil
}

func (m *machine) get(n uint64) error {
	v, ok := m.memo[n]
	if !ok {
		return errDamaged
	}
	m.push(v)
	return nil
}
