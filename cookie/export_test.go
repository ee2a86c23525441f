package cookie

import "time"

// MaxHours is the bound of the cache of hourly keys.
const MaxHours = maxHours

// CachedHours returns the hours whose keys a sealed cookie keeps, as a function:
// what it sees is the list as it was then.
func CachedHours[T any](c Cookie[T]) func() []int64 {
	list := c.d.frame.schemes[0].(*sealer).hours.load()
	return func() (hours []int64) {
		for _, e := range list {
			hours = append(hours, e.hour)
		}
		return hours
	}
}

// AppendDate is the date of an Expires.
func AppendDate(at time.Time) string { return string(appendDate(nil, at)) }
