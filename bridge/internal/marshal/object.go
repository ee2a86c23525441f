package marshal

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/tree"
)

// opaque stands for an object that is not made.
func opaque(class tree.Text) tree.Opaque {
	name := string(class)
	if len(name) > 80 {
		name = name[:80] + "…"
	}
	return tree.Opaque{What: "the class " + strings.Trim(fmt.Sprintf("%q", name), `"`) + " in a Marshal dump"}
}

// object reads what names a class, and does not make it.
func (r *reader) object(sign byte, depth int) (any, error) {
	switch sign {
	case 'c', 'm', 'M': // a class or module itself
		b, err := r.bytes()
		return r.enter(opaque(tree.Text(b))), err
	case 'u':
		return r.dumped(depth, false)
	case '/': // a regular expression, and its options
		if _, err := r.bytes(); err != nil {
			return nil, err
		}
		_, err := r.take(1)
		return r.enter(opaque("Regexp")), err
	}
	if !strings.ContainsRune("oSCeUd", rune(sign)) {
		return nil, bridge.Refused("a Marshal dump with the sign %q", sign)
	}
	class, err := r.symbol()
	if err != nil {
		return nil, err
	}
	switch sign {
	case 'o', 'S': // an object, a struct
		r.enter(opaque(class))
		_, err = r.variables(depth)
		return opaque(class), err
	case 'U': // what marshal_dump gave
		r.enter(opaque(class))
		_, err = r.value(depth + 1)
		return opaque(class), err
	}
	// A hash, array or text of a class of its own, or with a module. Rails has one
	// that is a hash but for how it compares keys.
	v, err := r.value(depth + 1)
	if sign == 'C' && class == "ActiveSupport::HashWithIndifferentAccess" {
		return v, err
	}
	return opaque(class), err
}

// dumped reads what _dump of a class gave: bytes, and its variables if it has some,
// which come before it in the numbers of objects.
func (r *reader) dumped(depth int, variables bool) (any, error) {
	class, err := r.symbol()
	if err != nil {
		return nil, err
	}
	b, err := r.bytes()
	if err != nil {
		return nil, err
	}
	if variables {
		if _, err := r.variables(depth); err != nil {
			return nil, err
		}
	}
	if at, ok := timeOf(b); class == "Time" && ok {
		return r.enter(tree.Date(at)), nil
	}
	return r.enter(opaque(class)), nil
}

// timeOf reads the bits of Time: of the first word one that is set, one for UTC, 16
// of the year since 1900, and month, day, hour; of the second minute, second and
// microseconds. They are of UTC always; the zone is among the variables.
func timeOf(b []byte) (string, bool) {
	if len(b) != 8 {
		return "", false
	}
	p, s := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if p>>31 == 0 {
		return "", false
	}
	at := time.Date(int(p>>14&0xffff)+1900, time.Month(p>>10&0xf)+1, int(p>>5&0x1f), int(p&0x1f),
		int(s>>26), int(s>>20&0x3f), int(s&0xfffff)*1000, time.UTC)
	return at.Format(time.RFC3339Nano), at.Year() <= 9999
}
