package cookie_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// An Expires is the date of RFC 9110 §5.6.7, in every time zone.
func FuzzDate(f *testing.F) {
	f.Add(int64(0), int32(0))
	f.Add(int64(951782399), int32(-12*3600)) // 28 February 2000
	f.Add(int64(253402300799), int32(14*3600))
	f.Fuzz(func(t *testing.T, at int64, zone int32) {
		when := time.Unix(at, 0).In(time.FixedZone("", int(zone)%(24*3600)))
		if year := when.UTC().Year(); year < 0 || year > 9999 {
			return // four digits hold no more
		}
		if got, want := cookie.AppendDate(when), when.UTC().Format(http.TimeFormat); got != want {
			t.Errorf("%d: got %s, want %s", at, got, want)
		}
	})
}
