package cookie

import (
	"net/http"
	"strconv"
	"time"
)

// The lifetime is said twice (C13, G6). Java's CookieManager takes a cookie with
// Max-Age alone for one of RFC 2965 and sends it back quoted, with $Path; LWP
// heeds Expires alone. Where there are both browsers heed Max-Age, so that their
// clock does not matter. It comes first: Java believes what it sees first. For ELinks
// the first second of 1970 is no end at all.
const (
	maxAgeIs     = "; Max-Age="
	expiresIs    = "; Expires="
	longAgo      = "Thu, 01 Jan 1970 00:00:01 GMT"
	lifetimeSize = len("34560000") + len(http.TimeFormat)
)

// An ending is what stands behind the values of all lines with one Max-Age that are
// made within one second.
type ending struct {
	age, expires int64 // seconds, and seconds since 1970
	text         string
}

// tailAt returns what stands behind the value in a line.
func (c *Raw) tailAt(maxAge time.Duration, now time.Time) string {
	if maxAge == 0 {
		return c.tail
	}
	// Both rounded up: no client forgets a cookie early.
	age, began := seconds(maxAge), now.Add(time.Second-1).Unix()
	e := c.latest.Load()
	if e != nil && e.age == age && e.expires == began+age {
		return e.text
	}
	made := &ending{age, began + age, ""}
	var room [lifetimeSize]byte
	n := strconv.AppendInt(room[:0], age, 10)
	date := appendDate(n, time.Unix(made.expires, 0))[len(n):]
	made.text = maxAgeIs + string(n) + c.tail + expiresIs + string(date)
	if e == nil || e.expires-e.age != began { // the first of its second is kept
		c.latest.Store(made)
	}
	return made.text
}

// appendDate is at.UTC().AppendFormat(b, http.TimeFormat), three times as fast.
func appendDate(b []byte, at time.Time) []byte {
	at = at.UTC()
	year, month, day := at.Date()
	hour, minute, second := at.Clock()
	b = append(b, at.Weekday().String()[:3]...)
	b = append(b, ',', ' ', digit(day/10), digit(day), ' ')
	b = append(b, month.String()[:3]...)
	b = append(b, ' ', digit(year/1000), digit(year/100), digit(year/10), digit(year), ' ',
		digit(hour/10), digit(hour), ':', digit(minute/10), digit(minute), ':', digit(second/10), digit(second))
	return append(b, " GMT"...)
}

// digit is the last one of n.
func digit(n int) byte { return '0' + byte(n%10) }

// seconds rounds up, so that nothing becomes 0, which deletes.
func seconds(d time.Duration) int64 {
	n := int64(d / time.Second)
	if d%time.Second > 0 {
		n++
	}
	return n
}
