package stores

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"
)

// removeTimeout is how long removing may take, also after an interrupt.
const removeTimeout = time.Minute

// OpenScratch opens an empty store behind url, in tables or under keys of its
// own that nobody else knows. Its Close removes them, also after ctx has ended.
func OpenScratch(ctx context.Context, url string) (*Opened, error) {
	random := strings.ToLower(rand.Text()[:10])
	prefix := "coatcheck_check_" + random + "_"
	if strings.HasPrefix(Scheme(url), "redis") {
		prefix = "coatcheck-check-" + random + ":"
	}
	opened, err := Open(ctx, url, Options{Prefix: prefix})
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
	if _, err := opened.Migrate(ctx); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}
