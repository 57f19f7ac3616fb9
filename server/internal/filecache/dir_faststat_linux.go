package filecache

import (
	"os"

	"golang.org/x/sys/unix"
)

// resolveCached is RESOLVE_CACHED: openat2 fails if it would have to access the disk to
// look up a name.
const resolveCached = 0x20

// fastStat stats files without accessing the disk. Callers do this themselves, for a third
// of the cost of an operation of the pool. It works on file systems whose inodes are in
// memory whenever their names are, but not on those that query a server or another process.
type fastStat struct {
	dir *os.File // nil: not supported here
}

// inMemory lists the file systems that stat a cached name from memory.
var inMemory = map[uint32]bool{
	unix.EXT4_SUPER_MAGIC:  true, // ext2 and ext3 too
	unix.XFS_SUPER_MAGIC:   true,
	unix.BTRFS_SUPER_MAGIC: true,
	unix.F2FS_SUPER_MAGIC:  true,
	unix.TMPFS_MAGIC:       true,
}

func newFastStat(root *os.Root) fastStat {
	dir, err := root.Open(".")
	if err != nil {
		return fastStat{}
	}
	s := fastStat{dir}
	var fs unix.Statfs_t
	if unix.Fstatfs(int(dir.Fd()), &fs) == nil && inMemory[uint32(fs.Type)] {
		if fd, err := s.lookup("."); err == nil { // the kernel supports and permits openat2
			_ = unix.Close(fd)
			return s
		}
	}
	dir.Close()
	return fastStat{}
}

// lookup follows symbolic links as os.Root does. It fails for files of other file systems
// and wherever os.Root would, and leaves these cases to os.Root.
func (s fastStat) lookup(name string) (fd int, err error) {
	return unix.Openat2(int(s.dir.Fd()), name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV | resolveCached,
	})
}

// stat returns the stamp of a regular file. It reports false if it cannot tell.
func (s fastStat) stat(name string) (stamp, bool) {
	if s.dir == nil {
		return stamp{}, false
	}
	fd, err := s.lookup(name)
	if err != nil {
		return stamp{}, false
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	_ = unix.Close(fd) // O_PATH: nothing was opened that could fail to close
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return stamp{}, false
	}
	return stamp{
		modified: unix.TimespecToNsec(st.Mtim), changed: unix.TimespecToNsec(st.Ctim),
		size: st.Size, inode: st.Ino,
		device: uint64(st.Dev), //nolint:unconvert // 32 bits on some architectures
	}, true
}

func (s fastStat) close() {
	if s.dir != nil {
		s.dir.Close()
	}
}
