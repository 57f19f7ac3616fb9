package download

import (
	"cmp"
	"context"
	"hash/crc32"
	"math"
	"slices"
	"sync"
)

// maxFree bounds what a file system says of its free space, in bytes.
const maxFree = math.MaxInt64

// span is a range of a file.
type span struct{ offset, size int64 }

func (s span) end() int64 { return s.offset + s.size }

// piece is a range of a file that has been verified.
type piece struct {
	span
	crc uint32
}

// ranges says which ranges of a file are verified, and hands out the others, from the
// beginning. Its methods may be called concurrently.
type ranges struct {
	mu       sync.Mutex
	size     int64
	pieces   []piece       // verified
	done     int64         // their bytes
	gaps     []span        // not handed out, in order
	out      int           // how many are handed out, and neither verified nor given back
	changed  chan struct{} // closed, and replaced, when something is given back or verified
	complete bool
}

// newRanges returns the ranges of a file of which pieces are verified; they must be in
// order, without overlaps, and within the file. An empty file has one empty range, which
// is never verified at the start: it has a checksum too.
func newRanges(size int64, pieces []piece) *ranges {
	r := &ranges{size: size, pieces: slices.Clone(pieces), changed: make(chan struct{})}
	at := int64(0)
	for _, p := range pieces {
		if p.offset > at {
			r.gaps = append(r.gaps, span{at, p.offset - at})
		}
		at = p.end()
		r.done += p.size
	}
	if at < size || size == 0 {
		r.gaps = append(r.gaps, span{at, size - at})
	}
	r.complete = len(r.gaps) == 0
	return r
}

// take hands out the first range that is missing, at most limit bytes of it.
func (r *ranges) take(limit int64) (span, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.gaps) == 0 {
		return span{}, false
	}
	s := r.gaps[0]
	if s.size > limit {
		s.size = limit
		r.gaps[0] = span{s.end(), r.gaps[0].size - limit}
	} else {
		r.gaps = slices.Delete(r.gaps, 0, 1)
	}
	r.out++
	return s, true
}

// takeAt hands out a range as take does, if it begins at offset.
func (r *ranges) takeAt(offset, limit int64) (span, bool) {
	r.mu.Lock()
	first := len(r.gaps) > 0 && r.gaps[0].offset == offset
	r.mu.Unlock()
	if !first {
		return span{}, false
	}
	return r.take(limit)
}

// wait returns a range as take does. It waits for one that another lane gives back, and
// returns false when the file is complete.
func (r *ranges) wait(ctx context.Context, limit int64) (s span, ok bool, err error) {
	for {
		if s, ok := r.take(limit); ok {
			return s, true, nil
		}
		r.mu.Lock()
		complete, changed := r.complete, r.changed
		again := len(r.gaps) > 0
		r.mu.Unlock()
		switch {
		case again:
			continue
		case complete:
			return span{}, false, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return span{}, false, context.Cause(ctx)
		}
	}
}

// left returns how many bytes have not been handed out, and a channel that is closed when
// that may have changed.
func (r *ranges) left() (n int64, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, gap := range r.gaps {
		n += gap.size
	}
	return n, r.changed
}

// giveBack returns a range that was handed out.
func (r *ranges) giveBack(s span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out--
	i, _ := slices.BinarySearchFunc(r.gaps, s, func(a, b span) int { return cmp.Compare(a.offset, b.offset) })
	r.gaps = slices.Insert(r.gaps, i, s)
	if i+1 < len(r.gaps) && s.end() == r.gaps[i+1].offset {
		r.gaps[i].size += r.gaps[i+1].size
		r.gaps = slices.Delete(r.gaps, i+1, i+2)
	}
	if i > 0 && r.gaps[i-1].end() == s.offset {
		r.gaps[i-1].size += r.gaps[i].size
		r.gaps = slices.Delete(r.gaps, i, i+1)
	}
	r.tell()
}

// verified adds a piece that was handed out.
func (r *ranges) verified(p piece) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out--
	r.pieces = append(r.pieces, p)
	r.done += p.size
	if r.complete = r.out == 0 && len(r.gaps) == 0; r.complete {
		r.tell()
	}
}

// tell wakes those who wait. r.mu must be held.
func (r *ranges) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// held returns how many bytes are verified.
func (r *ranges) held() int64 {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// sum returns the CRC-32C of the file, all of which must have been verified.
func (r *ranges) sum() (crc uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.pieces, func(a, b piece) int { return cmp.Compare(a.offset, b.offset) })
	crc = crc32.Checksum(nil, castagnoli)
	for _, p := range r.pieces {
		crc = combine(crc, p.crc, p.size)
	}
	return crc
}

// alone returns the checksum of the file if it is one piece, which then is the server's.
func (r *ranges) alone() (crc uint32, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pieces) != 1 || r.pieces[0].size != r.size {
		return 0, false
	}
	return r.pieces[0].crc, true
}
