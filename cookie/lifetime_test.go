package cookie_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
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

// A line says the lifetime that it was given, counted from the time that it was
// given, whatever lines were made before it and beside it. Dates are those of whole
// seconds, rounded up.
func TestLinesOfEachSecond(t *testing.T) {
	t.Parallel()
	c, err := cookie.NewRaw("a", cookie.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 40 {
				now := start.Add(time.Duration(i%25) * 300 * time.Millisecond)
				for _, age := range []int{60, 59, 61, 60, 3600} { // 60 now ends with 59 a second later
					b, err := c.AppendLine([]byte("before "), []byte("v"), time.Duration(age)*time.Second, now)
					line := string(b)
					end := now.Add(time.Second - 1).Truncate(time.Second).Add(time.Duration(age) * time.Second)
					want := fmt.Sprintf("Max-Age=%d;", age)
					if date := "Expires=" + end.Format(http.TimeFormat); err != nil || !strings.HasPrefix(line, "before a=v;") || !strings.Contains(line, want) || !strings.HasSuffix(line, date) {
						t.Errorf("at %v for %d s: %q, %v; want %s and %s", now, age, line, err, want, date)
					}
				}
			}
		})
	}
	wg.Wait()
}
