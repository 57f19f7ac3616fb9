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

// soakBytes is the period of which the contents of all files consist.
var soakBytes = sync.OnceValue(func() []byte {
	b := make([]byte, soakPeriod)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
})

// soakFile is a file that is rewritten again and again. The name of the file and the
// number of the generation determine the content, so that bytes read can be attributed to
// a generation.
type soakFile struct {
	name    string
	size    int64                                // of generation 0; no generation is smaller
	grows   bool                                 // other generations may be larger
	rewrite func(path string, data []byte) error // nil: never rewritten

	mu   sync.Mutex         // held while the file is rewritten; guards slow
	slow map[int64]struct{} // generations that took too long to write

	begun, done atomic.Int64 // the newest generation whose writing has begun, or is done
}

// manner returns the first word of the name: how the file is rewritten.
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

// pieces calls each for consecutive pieces of a generation from off to end, until it
// returns false.
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

// is reports whether data is what a generation has at off and, if complete, whether it
// extends to limit or the end of the file.
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

// overwrite overwrites the content in one system call and then truncates the file.
// If it truncated first, the shorter file would for a moment have the old bytes and the
// old modification time, and no reader could detect that.
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

// truncate empties the file and then writes it.
func truncate(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }

// replace renames another file to path.
func (s *soak) replace(path string, data []byte) error {
	scratch := filepath.Join(s.scratch, filepath.Base(path))
	if err := os.WriteFile(scratch, data, 0o600); err != nil {
		return err
	}
	return os.Rename(scratch, path)
}

// rewrite rewrites f repeatedly until end.
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
		// Sometimes too short for the file to be cached, sometimes long enough.
		time.Sleep(rand.N(200 * time.Millisecond))
	}
}

// mayBeTorn reports whether one of the generations took so long to write that the cache
// may have taken a half-written file as settled. A file that is renamed is never torn.
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
