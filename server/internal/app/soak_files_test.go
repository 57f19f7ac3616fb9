package app

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/parity/server/internal/filecache"
)

// soakBytes is what the contents of all files are made of: see soakFile.
var soakBytes = sync.OnceValue(func() []byte {
	b := make([]byte, soakPeriod)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
})

// soakFile is a file each generation of which has a content that follows from its
// name and its number, so that bytes tell which generation they are of.
type soakFile struct {
	name    string
	size    int64                                // of generation 0, and the least of all
	grows   bool                                 // other generations may be longer
	rewrite func(path string, data []byte) error // nil: there is one generation only

	mu   sync.Mutex         // held while the file is rewritten; guards slow
	slow map[int64]struct{} // generations that took too long to write

	begun, done atomic.Int64 // the newest generation that is being or has been written
}

// manner returns the first word of the name, which says how the file is rewritten.
func (f *soakFile) manner() string {
	manner, _, _ := strings.Cut(f.name, " ")
	return manner
}

// sizeOf returns the size of a generation.
func (f *soakFile) sizeOf(generation int64) int64 {
	if f.grows {
		return f.size + generation%3
	}
	return f.size
}

// pieces calls each with the pieces that together are the bytes of a generation from
// off to end, until one returns false.
func (f *soakFile) pieces(generation, off, end int64, each func(piece []byte) bool) bool {
	h := fnv.New64a()
	fmt.Fprint(h, f.name, generation)
	for shift := int64(h.Sum64() % soakPeriod); off < end; {
		piece := soakBytes()[(off+shift)%soakPeriod:]
		piece = piece[:min(int64(len(piece)), end-off)]
		if !each(piece) {
			return false
		}
		off += int64(len(piece))
	}
	return true
}

func (f *soakFile) content(generation int64) []byte {
	data := make([]byte, 0, f.sizeOf(generation))
	f.pieces(generation, 0, f.sizeOf(generation), func(piece []byte) bool {
		data = append(data, piece...)
		return true
	})
	return data
}

// is reports whether data is what a generation has from off on, and all of it up to
// limit if it is complete.
func (f *soakFile) is(generation int64, data []byte, off, limit int64, complete bool) bool {
	end := f.sizeOf(generation)
	if limit > 0 {
		end = min(end, off+limit)
	}
	n := int64(len(data))
	if n > end-off || complete && n != end-off {
		return false
	}
	return f.pieces(generation, off, off+n, func(piece []byte) bool {
		same := bytes.Equal(piece, data[:len(piece)])
		data = data[len(piece):]
		return same
	})
}

func (s *soak) makeFiles(t *testing.T) {
	const block = filecache.BlockSize
	for _, size := range []int64{
		0, 1, 100, 4 << 10, block - 1, block, block + 1, 2*block - 1, 2 * block, 2*block + 1, 3<<20 + 7, 5 << 20, 7 << 20,
		20 << 20, // larger than the cache
	} {
		s.files = append(s.files, &soakFile{name: fmt.Sprintf("still %d", size), size: size})
	}
	for name, rewrite := range map[string]func(string, []byte) error{
		"overwritten": overwrite, "truncated": truncate, "renamed": s.replace,
	} {
		for _, size := range []int64{100, block + 1, 3 << 20} {
			s.files = append(s.files, &soakFile{
				name: fmt.Sprintf("%s %d", name, size), size: size, grows: name != "overwritten" || size == 100,
				rewrite: rewrite, slow: map[int64]struct{}{},
			})
		}
	}
	for _, f := range s.files {
		s.write(t, f.name, f.content(0))
	}
}

// overwrite writes over what was there, in one system call, and then cuts off what
// is left of it. The other way round the file would, for a moment, be shorter but
// have the old bytes and the old time, by which nobody can tell.
func overwrite(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(data)))
}

// truncate empties the file and writes it anew.
func truncate(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }

// replace puts another file in its place.
func (s *soak) replace(path string, data []byte) error {
	scratch := filepath.Join(s.scratch, filepath.Base(path))
	if err := os.WriteFile(scratch, data, 0o600); err != nil {
		return err
	}
	return os.Rename(scratch, path)
}

// rewrite rewrites f again and again.
func (s *soak) rewrite(t *testing.T, f *soakFile, end time.Time) {
	for generation := int64(1); time.Now().Before(end); generation++ {
		data := f.content(generation)
		f.mu.Lock()
		f.begun.Store(generation)
		begun := time.Now()
		err := f.rewrite(filepath.Join(s.dir, f.name), data)
		if time.Since(begun) > soakSlowWrite {
			f.slow[generation] = struct{}{}
		}
		f.done.Store(generation)
		f.mu.Unlock()
		if err != nil {
			t.Errorf("%s: %v", f.name, err)
			return
		}
		s.count(f.manner() + " files: rewritten")
		// From what looks unsettled all the time to what can be cached.
		time.Sleep(rand.N(200 * time.Millisecond))
	}
}

// mayBeTorn reports whether one of the generations took so long to write that the
// file could look settled in the meantime. What is renamed is always whole.
func (f *soakFile) mayBeTorn(from, to int64) bool {
	if f.manner() == "renamed" {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for generation := from; generation <= to; generation++ {
		if _, slow := f.slow[generation]; slow {
			return true
		}
	}
	return false
}
