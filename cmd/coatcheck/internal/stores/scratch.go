package stores

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// removeTimeout is how long removing may take, also after an interrupt.
const removeTimeout = time.Minute

// What begins the names of scratches: of tables, of which PostgreSQL and the
// store leave 30 letters for the whole prefix, and of keys.
const (
	sqlScratch   = "coatcheck_check_"
	redisScratch = "coatcheck-check-"
)

// scratchAge is how old a scratch is that nobody uses any more: its program was
// killed. A check takes a minute or two, and clocks differ.
const scratchAge = 6 * time.Hour

// OpenScratch opens an empty store behind url, in tables or under keys of its
// own that nobody else knows. Its Close removes them, also after ctx has ended.
// What a scratch left whose program was killed long ago it removes as well.
// Of the Options only the schema counts.
func OpenScratch(ctx context.Context, url string, o Options) (*Opened, error) {
	begin, end := sqlScratch, "_"
	if strings.HasPrefix(Scheme(url), "redis") {
		begin, end = redisScratch, ":"
	}
	opened, err := Open(ctx, url, Options{Prefix: begin + scratchName(time.Now()) + end, Schema: o.Schema})
	if err != nil {
		return nil, err
	}
	if remove, closeStore := opened.remove, opened.close; remove != nil {
		opened.close = func() error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
			defer cancel()
			return errors.Join(remove(ctx), closeStore())
		}
	}
	if err := opened.removeOld(ctx, begin, end); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	if _, err := opened.Migrate(ctx); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}

// scratchName is when a scratch was made, in 7 digits, and 5 letters that nobody
// knows.
func scratchName(now time.Time) string {
	return fmt.Sprintf("%07s", strconv.FormatInt(now.Unix(), 36)) + strings.ToLower(rand.Text()[:5])
}

// scratchTime is when the scratch was made, and false for what is none.
func scratchTime(name string) (time.Time, bool) {
	if len(name) != 12 {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(name[:7], 36, 64)
	return time.Unix(seconds, 0), err == nil
}

// removeOld removes the scratches that are too old to be in use.
func (o *Opened) removeOld(ctx context.Context, begin, end string) error {
	if o.scratches == nil {
		return nil
	}
	prefixes, err := o.scratches(ctx)
	for _, prefix := range prefixes {
		name, ok := strings.CutPrefix(prefix, begin)
		if !ok || !strings.HasSuffix(name, end) {
			continue
		}
		if made, ok := scratchTime(strings.TrimSuffix(name, end)); ok && time.Since(made) > scratchAge {
			err = errors.Join(err, o.removeOther(ctx, prefix))
		}
	}
	return err
}
