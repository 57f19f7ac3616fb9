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
	Version  string // names this version, opaque

	stamp stamp
	stat  fs.FileInfo // where it is from
}

// stamp is what the file system says of a file that differs whenever its content
// does. Times are in nanoseconds. Everybody may set the time of modification; the
// time of change is the kernel's alone. A file that takes another's place has another
// inode, unless the other one's was free again, and then another time of change.
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

// version makes a version of a stamp: a hash, so that it is short and tells nothing
// of the disk. 128 bits of it are far more than any number of versions needs.
func (s stamp) version() string {
	b, err := binary.Append(make([]byte, 0, 5*8), binary.BigEndian, [...]uint64{
		uint64(s.modified), uint64(s.changed), uint64(s.size), s.device, s.inode,
	})
	if err != nil {
		panic(err) // only for values without a fixed size
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Describe returns what fi says of the file of that name.
func Describe(name string, fi fs.FileInfo) Info {
	s := stampOf(fi)
	return Info{Name: name, Size: s.size, Modified: fi.ModTime(), Version: s.version(), stamp: s, stat: fi}
}
