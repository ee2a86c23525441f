//go:build unix && !solaris && !aix

package php

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// lock takes flock's lock, which PHP holds while a request uses the session. It ends
// when the file is closed.
func lock(ctx context.Context, f *os.File, alone bool) error {
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
