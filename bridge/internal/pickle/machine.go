// Package pickle reads what Python's pickle module wrote, as data: None, booleans,
// numbers, text, bytes, lists, tuples, sets, dicts, and dates. A pickle is a
// program that can call what it names; this reader knows no names but those of
// module datetime, and calls nothing. A value that names more is refused, by name.
package pickle

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

// What is on the stack: nil, bool, int64, *big.Int, float64, text, raw, date,
// *list, *dict, name, opaque, and mark.
type (
	text   = tree.Text
	raw    = tree.Raw
	date   = tree.Date // as isoformat has it
	list   = tree.List // tuples and sets as well
	dict   = tree.Dict
	opaque = tree.Opaque

	zone string // of a datetime, as isoformat has it
	name string // of a class of module datetime
	mark struct{}
)

// A machine is pickle's: a stack, and the memo of what was seen before.
type machine struct {
	in     []byte
	stack  []any
	memo   map[uint64]any
	values int // ever pushed
}

var errDamaged = bridge.Refused("a pickle that is damaged")

// run executes the program and returns what is on the stack at its end. Each step
// takes a byte at least, so that it ends.
func (m *machine) run() (any, error) {
	for {
		op, err := m.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == '.' {
			return m.pop()
		}
		if err := m.step(op[0]); err != nil {
			return nil, err
		}
		if m.values > 2*bridge.MaxItems {
			return nil, tree.ErrItems
		}
	}
}

func (m *machine) step(op byte) error {
	for _, group := range groups {
		if known, err := group(m, op); known || err != nil {
			return err
		}
	}
	return bridge.Refused("a pickle with the operation %q", op)
}

// groups are the operations by what they are about.
var groups = [...]func(*machine, byte) (known bool, err error){
	(*machine).remember, (*machine).textual, (*machine).number, (*machine).constant,
	(*machine).collect, (*machine).binary, (*machine).object,
}

// take returns the next n bytes.
func (m *machine) take(n uint64) ([]byte, error) {
	if n > uint64(len(m.in)) {
		return nil, errDamaged
	}
	b := m.in[:n]
	m.in = m.in[n:]
	return b, nil
}

// line returns the bytes up to the end of the line: of protocol 0.
func (m *machine) line() (string, error) {
	end := bytes.IndexByte(m.in, '\n')
	if end < 0 {
		return "", errDamaged
	}
	s := string(m.in[:end])
	m.in = m.in[end+1:]
	return s, nil
}

// sized returns what follows a little-endian number of n bytes, which is its length.
func (m *machine) sized(n uint64) ([]byte, error) {
	length, err := m.uint(n)
	if err != nil {
		return nil, err
	}
	return m.take(length)
}

func (m *machine) uint(n uint64) (uint64, error) {
	b, err := m.take(n)
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	return binary.LittleEndian.Uint64(wide[:]), nil
}

func (m *machine) push(v any) {
	m.values++
	m.stack = append(m.stack, v)
}

func (m *machine) pop() (any, error) {
	if len(m.stack) == 0 {
		return nil, errDamaged
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// popMark returns what lies above the last mark.
func (m *machine) popMark() ([]any, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if m.stack[i] == (mark{}) {
			above := append([]any(nil), m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return above, nil
		}
	}
	return nil, errDamaged
}

func (m *machine) constant(op byte) (bool, error) {
	switch op {
	case 0x80: // PROTO
		version, err := m.uint(1)
		if err == nil && version > 5 {
			err = bridge.Refused("a pickle of protocol %d", version)
		}
		return true, err
	case 0x95: // FRAME: says how much to read ahead, which is all read
		_, err := m.take(8)
		return true, err
	case 'N':
		m.push(nil)
	case 0x88:
		m.push(true)
	case 0x89:
		m.push(false)
	case '(':
		m.push(mark{})
	case '0': // POP
		_, err := m.pop()
		return true, err
	case '1': // POP_MARK
		_, err := m.popMark()
		return true, err
	default:
		return false, nil
	}
	return true, nil
}

func (m *machine) number(op byte) (bool, error) {
	switch op {
	case 'J': // BININT is signed, the shorter ones are not
		n, err := m.uint(4)
		m.push(int64(int32(uint32(n))))
		return true, err
	case 'K':
		n, err := m.uint(1)
		m.push(int64(n))
		return true, err
	case 'M':
		n, err := m.uint(2)
		m.push(int64(n))
		return true, err
	case 'G': // BINFLOAT, the only one that is big-endian
		b, err := m.take(8)
		if err == nil {
			m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
		return true, err
	case 0x8a: // LONG1
		return true, m.long(1)
	case 0x8b: // LONG4
		return true, m.long(4)
	case 'I', 'L', 'F':
		return true, m.decimal(op)
	}
	return false, nil
}

// maxDigits bounds a number: what makes decimal of binary takes the square of it.
const maxDigits = 4096

func (m *machine) long(n uint64) error {
	b, err := m.sized(n)
	if err != nil {
		return err
	}
	if len(b) > maxDigits/4 {
		return bridge.Refused("a number of %d bytes", len(b))
	}
	m.push(fromTwos(b))
	return nil
}

// fromTwos reads little-endian two's complement.
func fromTwos(b []byte) *big.Int {
	be := make([]byte, len(b))
	for i := range b {
		be[len(b)-1-i] = b[i]
	}
	n := new(big.Int).SetBytes(be)
	if len(b) > 0 && be[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

func (m *machine) decimal(op byte) error {
	s, err := m.line()
	switch {
	case err != nil:
		return err
	case len(s) > maxDigits:
		return bridge.Refused("a number of %d digits", len(s))
	case op == 'I' && (s == "00" || s == "01"): // protocol 0 has no booleans
		m.push(s == "01")
		return nil
	case op == 'F':
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return errDamaged
		}
		m.push(f)
		return nil
	}
	n, ok := new(big.Int).SetString(strings.TrimSuffix(s, "L"), 10)
	if !ok {
		return errDamaged
	}
	m.push(n)
	return nil
}

// textual are the opcodes of text; 'S', 'T' and 'U' are of Python 2, and bytes.
func (m *machine) textual(op byte) (bool, error) {
	var width uint64
	switch op {
	case 'X':
		width = 4
	case 0x8c:
		width = 1
	case 0x8d:
		width = 8
	case 'V', 'S':
		return true, bridge.Refused("a pickle of protocol 0 with text")
	default:
		return false, nil
	}
	b, err := m.sized(width)
	if err == nil {
		m.push(text(b))
	}
	return true, err
}

func (m *machine) binary(op byte) (bool, error) {
	var width uint64
	switch op {
	case 'B', 'T':
		width = 4
	case 'C', 'U':
		width = 1
	case 0x8e, 0x96:
		width = 8
	default:
		return false, nil
	}
	b, err := m.sized(width)
	if err == nil {
		m.push(raw(b))
	}
	return true, err
}
