package pickle

import (
	"fmt"
	"strings"
	"time"
)

// object are the opcodes that name and call. Of names, only those of module
// datetime mean something here.
func (m *machine) object(op byte) (bool, error) {
	switch op {
	case 'c', 'i': // GLOBAL, INST
		module, err := m.line()
		if err != nil {
			return true, err
		}
		class, err := m.line()
		if err != nil {
			return true, err
		}
		if op == 'i' {
			_, err = m.popMark()
		}
		m.named(module, class)
		return true, err
	case 0x93: // STACK_GLOBAL
		class, err := m.pop()
		if err != nil {
			return true, err
		}
		module, err := m.pop()
		if err != nil {
			return true, err
		}
		a, okA := module.(text)
		b, okB := class.(text)
		if !okA || !okB {
			return true, errDamaged
		}
		m.named(string(a), string(b))
		return true, nil
	case 'R': // REDUCE
		return true, m.call()
	case 'o': // OBJ: a class and its arguments above a mark
		items, err := m.popMark()
		if err == nil && len(items) > 0 {
			m.push(unmade(items[0]))
		}
		return true, err
	case 0x81: // NEWOBJ: a class, arguments
		return true, m.make(1)
	case 0x92: // NEWOBJ_EX: a class, arguments, named arguments
		return true, m.make(2)
	case 'b': // BUILD: an object, its state
		return true, m.make(1)
	}
	return false, nil
}

func (m *machine) named(module, class string) {
	if module == "datetime" {
		switch class {
		case "datetime", "date", "time", "timedelta", "timezone":
			m.push(name(class))
			return
		}
	}
	full := module + "." + class
	if len(full) > 80 {
		full = full[:80] + "…"
	}
	m.push(opaque{What: fmt.Sprintf("the class %s in a pickle", strings.Trim(fmt.Sprintf("%q", full), `"`))})
}

// make takes the class below n arguments, and does not make it.
func (m *machine) make(n int) error {
	if len(m.stack) < n+1 {
		return errDamaged
	}
	m.stack = m.stack[:len(m.stack)-n]
	class, _ := m.pop()
	m.push(unmade(class))
	return nil
}

// unmade is what stands for an object of a class.
func unmade(class any) opaque {
	switch class := class.(type) {
	case opaque:
		return class
	case name:
		return opaque{What: "an object of datetime." + string(class) + " in a pickle"}
	}
	return opaque{What: "an object of a class in a pickle"}
}

// call makes a date of what stands for one.
func (m *machine) call() error {
	v, err := m.pop()
	if err != nil {
		return err
	}
	f, err := m.pop()
	if err != nil {
		return err
	}
	if class, ok := f.(opaque); ok {
		m.push(class)
		return nil
	}
	class, isName := f.(name)
	args, isList := v.(*list)
	if !isName || !isList {
		return errDamaged
	}
	made := map[name]func([]any) (any, bool){
		"datetime": datetime, "date": day, "time": clock, "timedelta": delta, "timezone": offset,
	}[class]
	value, ok := made(args.Items)
	if !ok {
		value = opaque{What: fmt.Sprintf("a datetime.%s that is none", string(class))}
	}
	m.push(value)
	return nil
}

// datetime reads year, month, day, hour, minute, second and microseconds of ten
// bytes, and a zone.
func datetime(args []any) (any, bool) {
	b, rest, ok := packed(args, 10)
	if !ok {
		return nil, false
	}
	// The high bit of the month is fold, which isoformat leaves out, too.
	d, ok := day([]any{raw{b[0], b[1], b[2] & 0x7f, b[3]}})
	if !ok {
		return nil, false
	}
	c, ok := clock([]any{raw(b[4:])})
	if !ok {
		return nil, false
	}
	return suffix(d.(date)+"T"+c.(date), rest)
}

func day(args []any) (any, bool) {
	b, rest, ok := packed(args, 4)
	if !ok || len(rest) > 0 || b[2] < 1 || b[2] > 12 || b[3] < 1 || b[3] > 31 {
		return nil, false
	}
	return date(fmt.Sprintf("%04d-%02d-%02d", int(b[0])<<8|int(b[1]), b[2], b[3])), true
}

func clock(args []any) (any, bool) {
	b, rest, ok := packed(args, 6)
	if !ok {
		return nil, false
	}
	hour := b[0] & 0x7f // fold again, of a time
	micro := int(b[3])<<16 | int(b[4])<<8 | int(b[5])
	if hour > 23 || b[1] > 59 || b[2] > 59 || micro > 999999 {
		return nil, false
	}
	s := fmt.Sprintf("%02d:%02d:%02d", hour, b[1], b[2])
	if micro > 0 {
		s += fmt.Sprintf(".%06d", micro)
	}
	return suffix(date(s), rest)
}

// packed returns the bytes of a date. Some of Python 2 come as text.
func packed(args []any, n int) (b raw, rest []any, ok bool) {
	if len(args) == 0 {
		return nil, nil, false
	}
	b, ok = args[0].(raw)
	return b, args[1:], ok && len(b) == n
}

func suffix(d date, zones []any) (any, bool) {
	if len(zones) == 0 {
		return d, true
	}
	z, ok := zones[0].(zone)
	return d + date(z), ok && len(zones) == 1
}

// A delta of a zone is days, seconds and microseconds; as a value of a session it
// is seconds.
func delta(args []any) (any, bool) {
	var n [3]int64
	if len(args) > len(n) {
		return nil, false
	}
	for i, arg := range args {
		v, ok := arg.(int64)
		if !ok || v > 1<<31 || v < -1<<31 {
			return nil, false
		}
		n[i] = v
	}
	return float64(n[0]*86400+n[1]) + float64(n[2])/1e6, true
}

func offset(args []any) (any, bool) {
	if len(args) == 0 || len(args) > 2 { // a second one is a name
		return nil, false
	}
	seconds, ok := args[0].(float64)
	if !ok || seconds <= -86400 || seconds >= 86400 {
		return nil, false
	}
	d := time.Duration(seconds) * time.Second
	sign := '+'
	if d < 0 {
		sign, d = '-', -d
	}
	return zone(fmt.Sprintf("%c%02d:%02d", sign, int(d.Hours()), int(d.Minutes())%60)), true
}
