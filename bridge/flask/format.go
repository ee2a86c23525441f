package flask

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"time"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/pickle"
)

// decode returns the values of a record, and those that only code could read.
func (f Format) decode(b []byte) (values map[string]json.RawMessage, refused map[string]string, err error) {
	if len(b) > bridge.MaxRecord {
		return nil, nil, bridge.Refused("a record of more than %d bytes", bridge.MaxRecord)
	}
	switch looks := formatOf(b); {
	case f == Pickle && looks == JSON:
		return nil, nil, &bridge.SettingError{Setting: "flask.Config.RecordFormat", Want: "JSON"}
	case f != Pickle && looks == Pickle:
		return nil, nil, &bridge.SettingError{Setting: "flask.Config.RecordFormat", Want: "Pickle"}
	case f == MsgPack && looks == JSON:
		return nil, nil, &bridge.SettingError{Setting: "flask.Config.RecordFormat", Want: "JSON"}
	case f == JSON && looks == MsgPack:
		return nil, nil, &bridge.SettingError{Setting: "flask.Config.RecordFormat", Want: "MsgPack"}
	}
	switch f {
	case Pickle:
		return pickle.Decode(b)
	case MsgPack:
		values, err = unpack(b)
		return values, nil, err
	}
	values, _, err = object(b)
	return values, nil, err
}

// formatOf guesses by the first byte: of a pickle of protocol 2 and later, of a map
// in JSON, of one in msgpack.
func formatOf(b []byte) Format {
	switch {
	case len(b) == 0 || b[0] == 0x80 && len(b) > 1 && b[1] >= 2 && b[1] <= 5:
		return Pickle
	case b[0] == '{':
		return JSON
	case b[0]&0xf0 == 0x80 || b[0] == 0xde || b[0] == 0xdf:
		return MsgPack
	}
	return Pickle
}

func (f Format) encode(values map[string]json.RawMessage) ([]byte, error) {
	switch f {
	case Pickle:
		return pickle.Encode(values)
	case MsgPack:
		return pack(values)
	}
	return encode(values)
}

// An unpacker reads msgpack, as data and within bounds. Its results are what
// encoding/json writes as the JSON that is wanted.
type unpacker struct {
	b            []byte
	depth, items int
}

var errPack = bridge.Refused("a record that is no msgpack")

func unpack(b []byte) (map[string]json.RawMessage, error) {
	u := &unpacker{b: b}
	v, err := u.value()
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok || len(u.b) != 0 {
		return nil, errPack
	}
	values := make(map[string]json.RawMessage, len(m))
	for name, v := range m {
		if values[name], err = encode(v); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// take returns the next n bytes.
func (u *unpacker) take(n uint64) ([]byte, error) {
	if n > uint64(len(u.b)) {
		return nil, errPack
	}
	b := u.b[:n]
	u.b = u.b[n:]
	return b, nil
}

// number is the big-endian number in the next n bytes.
func (u *unpacker) number(n uint64) (uint64, error) {
	b, err := u.take(n)
	if err != nil {
		return 0, err
	}
	var room [8]byte
	copy(room[8-len(b):], b)
	return binary.BigEndian.Uint64(room[:]), nil
}

func (u *unpacker) value() (any, error) {
	first, err := u.take(1)
	if err != nil {
		return nil, err
	}
	switch c := first[0]; {
	case c < 0x80:
		return int64(c), nil
	case c < 0x90:
		return u.table(uint64(c & 0x0f))
	case c < 0xa0:
		return u.list(uint64(c & 0x0f))
	case c < 0xc0:
		return u.text(uint64(c & 0x1f))
	case c >= 0xe0:
		return int64(int8(c)), nil
	case c == 0xc0:
		return nil, nil
	case c == 0xc2, c == 0xc3:
		return c == 0xc3, nil
	case c >= 0xcc && c <= 0xcf:
		return u.number(1 << (c - 0xcc))
	case c >= 0xd0 && c <= 0xd3:
		bits := 8 << (c - 0xd0)
		n, err := u.number(uint64(bits / 8))
		return int64(n) << (64 - bits) >> (64 - bits), err
	case c == 0xca, c == 0xcb:
		return u.float(c == 0xca)
	}
	return u.sized(first[0])
}

func (u *unpacker) float(short bool) (any, error) {
	var f float64
	if short {
		n, err := u.number(4)
		if err != nil {
			return nil, err
		}
		f = float64(math.Float32frombits(uint32(n)))
	} else {
		n, err := u.number(8)
		if err != nil {
			return nil, err
		}
		f = math.Float64frombits(n)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, bridge.Refused("a number that is not finite")
	}
	return f, nil
}

// sized is what has its size in a field of its own.
func (u *unpacker) sized(c byte) (any, error) {
	width := map[byte]uint64{0xc4: 1, 0xc5: 2, 0xc6: 4, 0xc7: 1, 0xc8: 2, 0xc9: 4, 0xd9: 1, 0xda: 2, 0xdb: 4, 0xdc: 2, 0xdd: 4, 0xde: 2, 0xdf: 4}[c]
	n, err := u.number(width)
	if err != nil {
		return nil, err
	}
	switch {
	case c >= 0xd4 && c <= 0xd8:
		return u.extension(1 << (c - 0xd4))
	case c >= 0xc7 && c <= 0xc9:
		return u.extension(n)
	case c >= 0xd9 && c <= 0xdb:
		return u.text(n)
	case c >= 0xc4 && c <= 0xc6:
		b, err := u.take(n)
		return base64.StdEncoding.EncodeToString(b), err
	case c == 0xdc, c == 0xdd:
		return u.list(n)
	case c == 0xde, c == 0xdf:
		return u.table(n)
	}
	return nil, errPack
}

func (u *unpacker) text(n uint64) (any, error) {
	b, err := u.take(n)
	if err == nil && !utf8.Valid(b) {
		err = bridge.Refused("text that is not UTF-8")
	}
	return string(b), err
}

// enter counts what a list or map of n holds, each of which has a byte at least.
func (u *unpacker) enter(n uint64) error {
	u.depth++
	switch {
	case u.depth > bridge.MaxDepth:
		return tooDeep
	case n > uint64(len(u.b)):
		return errPack
	}
	if u.items += int(n); u.items > bridge.MaxItems {
		return tooMany
	}
	return nil
}

func (u *unpacker) list(n uint64) (any, error) {
	if err := u.enter(n); err != nil {
		return nil, err
	}
	list := make([]any, n)
	for i := range list {
		var err error
		if list[i], err = u.value(); err != nil {
			return nil, err
		}
	}
	u.depth--
	return list, nil
}

func (u *unpacker) table(n uint64) (any, error) {
	if err := u.enter(n); err != nil {
		return nil, err
	}
	m := make(map[string]any, n)
	for range n {
		key, err := u.value()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, bridge.Refused("a map whose key is no text")
		}
		if m[name], err = u.value(); err != nil {
			return nil, err
		}
	}
	u.depth--
	return m, nil
}

// extension knows the one of the specification, a time.
func (u *unpacker) extension(n uint64) (any, error) {
	kind, err := u.number(1)
	if err != nil {
		return nil, err
	}
	b, err := u.take(n)
	if err != nil {
		return nil, err
	}
	if kind != 0xff {
		return nil, bridge.Refused("the msgpack extension %d", int8(kind))
	}
	var at time.Time
	switch n {
	case 4:
		at = time.Unix(int64(binary.BigEndian.Uint32(b)), 0)
	case 8:
		both := binary.BigEndian.Uint64(b)
		at = time.Unix(int64(both&(1<<34-1)), int64(both>>34))
	case 12:
		at = time.Unix(int64(binary.BigEndian.Uint64(b[4:])), int64(binary.BigEndian.Uint32(b)))
	}
	if at = at.UTC(); at.Year() < 1 || at.Year() > 9999 {
		return nil, bridge.Refused("a time that is none")
	}
	return at.Format(time.RFC3339Nano), nil
}
