//go:build !unix || solaris || aix

package php

import "io/fs"

// Where lock is not supported no session's file is read or written.
const openHow = 0

func trusted(fs.FileInfo) bool { return false }

func links(fs.FileInfo) uint64 { return 1 }
