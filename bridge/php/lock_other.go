//go:build !unix || solaris || aix

package php

import (
	"context"
	"errors"
	"os"
)

func lock(context.Context, *os.File, bool) error { return errors.ErrUnsupported }
