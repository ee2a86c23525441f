package cookie_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
)

// newest returns the newest hours before now, as many as are kept.
func newest(now time.Time) (hours []int64) {
	for i := range cookie.MaxHours {
		hours = append(hours, now.Unix()/3600-int64(i))
	}
	return hours
}

// G10: a key for every hour, and of those in use the newest are kept. Older
// cookies open all the same.
func TestHours(t *testing.T) {
	bubble(t, func(t *testing.T) {
		declare := func() cookie.Cookie[int] {
			return cookie.NewSealed[int]("a", testKeys(t), cookie.Policy{MaxAge: 400 * day})
		}
		c := declare()
		var cookies []string
		for i := range 600 {
			cookies = append(cookies, set(t, c, i))
			time.Sleep(time.Hour)
		}
		want := newest(time.Now().Add(-time.Hour))
		if got := cookie.CachedHours(c)(); !slices.Equal(got, want) {
			t.Errorf("sealing in 600 hours keeps %d: %v, want %v", len(got), got, want)
		}
		forwards, backwards, mixed := declare(), declare(), declare()
		for i := range cookies {
			for c, j := range map[cookie.Cookie[int]]int{forwards: i, backwards: len(cookies) - 1 - i, mixed: i * 7 % len(cookies)} {
				if v, err := c.Get(request(cookies[j])); v != j || err != nil {
					t.Fatalf("cookie %d: got %d, %v", j, v, err)
				}
			}
		}
		for _, c := range []cookie.Cookie[int]{forwards, backwards, mixed} {
			if got := cookie.CachedHours(c)(); !slices.Equal(got, want) {
				t.Errorf("opening 600 keeps %d: %v, want %v", len(got), got, want)
			}
		}
	})
}

// Whoever sends forgeries chooses their hour. None leaves a key behind, and for
// an hour out of reach none is derived: such a frame is turned away for its
// time, before anybody sees that it is forged.
func TestForgedHours(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := cookie.NewSealed[int]("a", testKeys(t), cookie.Policy{MaxAge: 100 * time.Hour})
		forged := func(age int64) error {
			r := reference{version: 2, secret: secretB, name: "a", issued: time.Now().Unix() - age, ttl: 1<<32 - 1}
			r.kid, _ = reference{label: "coatcheck/v1", secret: secretA}.keys(t)
			_, err := c.Get(request("a=" + r.value(t, "1")))
			return err
		}
		for i := range int64(100) {
			refused(t, "forged", forged(i*3600), cookie.ReasonTag)
		}
		if got := cookie.CachedHours(c)(); len(got) != 0 {
			t.Errorf("forgeries left keys of the hours %v", got)
		}
		refused(t, "of the future", forged(-61), cookie.ReasonFuture)
		if err := forged(100 * 3600); err != cookie.ErrExpired {
			t.Errorf("of the past: got %v, want ErrExpired", err)
		}
	})
}

// A list that a reader holds never changes under it.
func TestHoursAreNotEdited(t *testing.T) {
	t.Parallel()
	c := cookie.NewSealed[int]("a", testKeys(t), cookie.Policy{MaxAge: 400 * day})
	value := func(hoursAgo int) string {
		return "a=" + reference{version: 2, secret: secretA, name: "a", issued: time.Now().Unix() - int64(hoursAgo)*3600, ttl: 400 * 86400}.value(t, "1")
	}
	var values []string
	for i := range 2 * cookie.MaxHours {
		values = append(values, value(i*5%(2*cookie.MaxHours)))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, v := range values {
				if _, err := c.Get(request(v)); err != nil {
					t.Error(err)
				}
				list := cookie.CachedHours(c)
				before := list()
				if _, err := c.Get(request(values[len(before)])); err != nil {
					t.Error(err)
				}
				if after := list(); !slices.Equal(before, after) {
					t.Errorf("the list changed:\n%v\n%v", before, after)
				}
				if !slices.IsSortedFunc(before, func(a, b int64) int { return int(b - a) }) {
					t.Errorf("the list is not the newest first: %v", before)
				}
			}
		})
	}
	wg.Wait()
}
