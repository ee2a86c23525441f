package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/store"
)

// Applications only make a store and hand it to coatcheck.New. The calls here
// show what its bounds do: visitors make room for users, users for nobody.
func Example() {
	st := memstore.New(memstore.Config{MaxSessions: 2})
	ctx, now := context.Background(), time.Now()
	create := func(n byte, user string) {
		err := st.Create(ctx, store.Record{
			ID: store.ID{n}, Version: 1, User: user, AuthTime: now, Created: now, Seen: now,
			Expires: now.Add(30 * time.Minute), Deadline: now.Add(12 * time.Hour),
		})
		fmt.Printf("session %d of %q: full %t\n", n, user, errors.Is(err, store.ErrFull))
	}
	create(1, "")
	create(2, "alice")
	create(3, "bob")
	create(4, "carol")
	_, err := st.Load(ctx, store.ID{1})
	fmt.Println("the visitor's session is gone:", errors.Is(err, store.ErrNotFound))
	// Output:
	// session 1 of "": full false
	// session 2 of "alice": full false
	// session 3 of "bob": full false
	// session 4 of "carol": full true
	// the visitor's session is gone: true
}
