package stores

import (
	"context"
	"fmt"

	"github.com/coatcheck/coatcheck/memstore"
)

func openMemory(_ context.Context, url string, _ Options) (*Opened, error) {
	if url != "memory:" {
		return nil, fmt.Errorf("%w: memory: takes nothing behind the colon", ErrURL)
	}
	return &Opened{Store: memstore.New(memstore.Config{})}, nil
}
