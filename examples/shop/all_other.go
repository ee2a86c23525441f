//go:build !linux

package main

import (
	"context"
	"errors"
)

func (o *options) runAll(context.Context, string) error {
	return errors.New("-all starts servers as Debian has them, and needs Linux")
}
