package filecache

import (
	"context"
	"hash/crc32"
	"sync"
	"sync/atomic"
)

// BlockSize is the most bytes that Chunk hands out at once. Files are kept in
// blocks of this size, each an allocation of its own, so that a slow reader holds
// on to the block it is sending, not to a whole file that has been evicted. It is
// so large that the cost of a chunk is not seen, and so much less than 1 MiB that a
// block and what describes it fit into the 1 MiB buffers that gRPC clients pool.
const BlockSize = 1<<20 - 4<<10

// diskChunk is the most bytes that are read at once for a reader of a file that is
// not cached, which are the reader's own.
const diskChunk = 256 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// content is the bytes of one version of a file, complete or still being read.
type content struct {
	info Info
	dir  *generation // where it is read from
	sum  uint32      // CRC-32C of the whole; valid once done is closed
	seq  uint64      // its place in the order of insertion; guarded by Cache.mu

	// blocks[:filled] may be read without a lock: filled is raised only after a
	// block is in place. The slice grows with what has been read, whatever size the
	// file claims to have. It becomes nil when the bytes are let go.
	blocks atomic.Pointer[[][]byte]
	filled atomic.Int64

	done chan struct{} // closed when the last block is in place, or with err set
	err  error

	mu   sync.Mutex
	more chan struct{} // closed and replaced whenever filled is raised
}

func newContent(info Info, dir *generation) *content {
	c := &content{info: info, dir: dir, done: make(chan struct{}), more: make(chan struct{})}
	c.blocks.Store(new([][]byte))
	return c
}

// add puts the next block in place and wakes those who wait for it.
func (c *content) add(b []byte) {
	// The last block comes after the content was put into the cache, and may find
	// it evicted again.
	if blocks := c.blocks.Load(); blocks != nil {
		grown := append(*blocks, b)
		c.blocks.CompareAndSwap(blocks, &grown)
	}
	c.filled.Add(1)
	c.mu.Lock()
	close(c.more)
	c.more = make(chan struct{})
	c.mu.Unlock()
}

// finish ends the reading of the file.
func (c *content) finish(sum uint32, err error) {
	c.sum, c.err = sum, err
	close(c.done)
}

// drop lets go of the bytes. Who is still reading goes on from the file itself.
func (c *content) drop() { c.blocks.Store(nil) }

// block returns the i-th block, waiting until it has been read. It returns nil
// where the bytes have been let go.
func (c *content) block(ctx context.Context, i int64) ([]byte, error) {
	for i >= c.filled.Load() {
		c.mu.Lock()
		more := c.more
		c.mu.Unlock()
		if i < c.filled.Load() {
			break
		}
		select {
		case <-more:
		case <-c.done:
			if c.err != nil {
				return nil, c.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if blocks := c.blocks.Load(); blocks != nil {
		return (*blocks)[i], nil
	}
	return nil, nil
}

// isDropped reports whether the bytes have been let go.
func (c *content) isDropped() bool { return c.blocks.Load() == nil }
