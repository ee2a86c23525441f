package cookie

import (
	"net/http"
	"strconv"
	"time"
)

// The lifetime is said twice (C13, G6). Java's CookieManager takes a cookie with
// Max-Age alone for one of RFC 2965 and sends it back quoted, with $Path; LWP
// heeds Expires alone. Where there are both browsers heed Max-Age, so that their
// clock does not matter. It comes first: Java believes what it sees first.
const (
	maxAgeIs     = "; Max-Age="
	expiresIs    = "; Expires="
	longAgo      = "Thu, 01 Jan 1970 00:00:00 GMT"
	lifetimeSize = len("34560000") + len(http.TimeFormat)
)

// appendLifetime appends seconds and date to b and returns them apart.
func appendLifetime(b []byte, maxAge time.Duration) (age, end []byte) {
	n := seconds(maxAge)
	age = strconv.AppendInt(b, n, 10)
	// Rounded up like Max-Age: no client forgets a cookie early.
	at := time.Now().Add(time.Duration(n)*time.Second + time.Second - 1)
	end = appendDate(age, at)
	return age, end[len(age):]
}

// appendDate is at.UTC().AppendFormat(b, http.TimeFormat), three times as fast:
// each commit of a new session does it twice.
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
