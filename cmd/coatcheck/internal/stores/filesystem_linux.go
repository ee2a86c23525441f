package stores

import "golang.org/x/sys/unix"

// fileSystem names what is no local disk, or is "".
func fileSystem(file string) string {
	var s unix.Statfs_t
	if unix.Statfs(file, &s) != nil {
		return ""
	}
	return fileSystems[uint32(s.Type)]
}

// fileSystems has the kinds that matter, by their numbers in the kernel.
var fileSystems = map[uint32]string{
	unix.TMPFS_MAGIC: inMemory, unix.RAMFS_MAGIC: inMemory,
	unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", unix.CIFS_SUPER_MAGIC: "SMB", unix.SMB2_SUPER_MAGIC: "SMB",
	unix.AFS_SUPER_MAGIC: "AFS", unix.CODA_SUPER_MAGIC: "Coda", unix.CEPH_SUPER_MAGIC: "CephFS",
	unix.V9FS_MAGIC: "9P", unix.OCFS2_SUPER_MAGIC: "OCFS2",
}
