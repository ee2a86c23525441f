package pickle

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"maps"
)

// Encode writes a dict of values as a pickle of protocol 2, which every Python
// since 2.3 reads. It has no class and no memo.
func Encode(values map[string]json.RawMessage) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("\x80\x02}(")
	for _, name := range slices.Sorted(maps.Keys(values)) {
		writeText(&out, name)
		if err := encode(&out, values[name]); err != nil {
			return nil, fmt.Errorf("value %q: %w", name, err)
		}
	}
	out.WriteString("u.")
	return out.Bytes(), nil
}

func encode(out *bytes.Buffer, value json.RawMessage) error {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("not JSON: %v", err)
	}
	if bytes.Contains(bytes.ToLower(value), []byte(`\ud`)) && strings.ContainsRune(fmt.Sprint(v), '�') {
		return fmt.Errorf("half of a pair of surrogates")
	}
	return write(out, v)
}

func write(out *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case nil:
		out.WriteByte('N')
	case bool:
		out.WriteByte(map[bool]byte{true: 0x88, false: 0x89}[v])
	case string:
		writeText(out, v)
	case json.Number:
		return writeNumber(out, v.String())
	case []any:
		out.WriteString("](")
		for _, item := range v {
			if err := write(out, item); err != nil {
				return err
			}
		}
		out.WriteByte('e')
	case map[string]any:
		out.WriteString("}(")
		for _, name := range slices.Sorted(maps.Keys(v)) {
			writeText(out, name)
			if err := write(out, v[name]); err != nil {
				return err
			}
		}
		out.WriteByte('u')
	}
	return nil
}

func writeText(out *bytes.Buffer, s string) {
	out.WriteByte('X')
	_ = binary.Write(out, binary.LittleEndian, uint32(len(s))) // a Buffer takes all
	out.WriteString(s)
}

func writeNumber(out *bytes.Buffer, s string) error {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("a number beyond those of Python's float")
		}
		out.WriteByte('G')
		return binary.Write(out, binary.BigEndian, math.Float64bits(f))
	}
	if len(s) > maxDigits/4*2 {
		return fmt.Errorf("a number of %d digits", len(s))
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return fmt.Errorf("not a number")
	}
	if n.IsInt64() && n.Int64() == int64(int32(n.Int64())) {
		out.WriteByte('J')
		return binary.Write(out, binary.LittleEndian, int32(n.Int64()))
	}
	b := toTwos(n)
	out.WriteByte(0x8b)
	_ = binary.Write(out, binary.LittleEndian, uint32(len(b)))
	out.Write(b)
	return nil
}

// toTwos writes little-endian two's complement, with room for the sign.
func toTwos(n *big.Int) []byte {
	size := n.BitLen()/8 + 1
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	b := n.FillBytes(make([]byte, size))
	slices.Reverse(b)
	return b
}
