package filecache

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io/fs"
	"time"
)

// Info describes one version of a file.
type Info struct {
	Name     string
	Size     int64 // bytes
	Modified time.Time
	Version  string // identifies this version; opaque

	stamp    stamp
	fileInfo fs.FileInfo // the source of all this
}

// stamp is the metadata of a file that changes whenever its content does. Times are in
// nanoseconds. Programs may set the modification time, but only the kernel sets the change
// time. A file that replaces another has another inode or, if the inode was reused, another
// change time.
type stamp struct {
	modified, changed int64
	size              int64
	device, inode     uint64
}

func stampOf(fi fs.FileInfo) stamp {
	s := stamp{modified: fi.ModTime().UnixNano(), size: fi.Size()}
	s.changed = s.modified
	s.fill(fi)
	return s
}

// version returns a hash of the stamp, so that it is short and reveals nothing about the
// disk. 128 bits make collisions practically impossible.
func (s stamp) version() string {
	b, err := binary.Append(make([]byte, 0, 5*8), binary.BigEndian, [...]uint64{
		uint64(s.modified), uint64(s.changed), uint64(s.size), s.device, s.inode,
	})
	if err != nil {
		panic(err) // happens only for values without a fixed size
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// describe returns the Info of the file of that name.
func describe(name string, fi fs.FileInfo) Info {
	s := stampOf(fi)
	return Info{Name: name, Size: s.size, Modified: fi.ModTime(), Version: s.version(), stamp: s, fileInfo: fi}
}
