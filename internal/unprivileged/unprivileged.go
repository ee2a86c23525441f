// Package unprivileged is how tests that run as root start servers that refuse
// to: as the user nobody, in folders of its own. A test of any other user starts
// them as itself.
package unprivileged

import (
	"os"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// Account is whom a server runs as. Nil stands for the user of the test itself.
var Account = sync.OnceValues(func() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
})

// NewDir makes a temporary folder that Account may write.
func NewDir(name string) (string, error) {
	who, err := Account()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "coatcheck-"+name+"-")
	if err == nil && who != nil {
		err = os.Chown(dir, int(who.Uid), int(who.Gid))
	}
	return dir, err
}
