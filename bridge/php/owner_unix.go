//go:build unix && !solaris && !aix

package php

import (
	"io/fs"
	"os"
	"syscall"
)

// openHow keeps an open from following a link and from waiting at a pipe.
const openHow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// trusted reports whether root or the user of this program made a file.
func trusted(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (s.Uid == 0 || int(s.Uid) == os.Getuid() || int(s.Uid) == os.Geteuid())
}

// links is how many names a file has; none once it was removed.
func links(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink)
	}
	return 1
}
