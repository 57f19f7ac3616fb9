package filecache

import (
	"context"
	"hash/crc32"
	"sync"
	"sync/atomic"
)

// BlockSize is the maximum number of bytes that Chunk returns. Files are kept in blocks of
// this size, each allocated separately, so that a slow reader of an evicted file holds one
// block and not the whole file. The size is large enough to make the cost of a chunk
// negligible, and a block plus its message fits into the 1 MiB buffers that gRPC clients
// pool.
const BlockSize = 1<<20 - 4<<10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// content is the bytes of one version of a file, complete or being read.
type content struct {
	info Info
	dir  *generation // the directory it is read from
	sum  uint32      // CRC-32C of the file; valid when done is closed
	seq  uint64      // position in the order of insertion; guarded by Cache.mu

	// blocks[:filled] may be read without a lock, because filled is incremented only after
	// a block was added. The slice grows with the bytes read, whatever size the file claims.
	// Nil: the blocks were dropped.
	blocks atomic.Pointer[[][]byte]
	filled atomic.Int64

	done chan struct{} // closed after the last block, or when err is set
	err  error

	mu   sync.Mutex
	more chan struct{} // closed and replaced whenever filled is incremented
}

func newContent(info Info, dir *generation) *content {
	c := &content{info: info, dir: dir, done: make(chan struct{}), more: make(chan struct{})}
	c.blocks.Store(new([][]byte))
	return c
}

// add appends a block and wakes the readers that wait for it.
func (c *content) add(b []byte) {
	// The last block is added when the content is in the cache already. It may have been
	// evicted since, and then it stays dropped.
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

// finish ends the fill.
func (c *content) finish(sum uint32, err error) {
	c.sum, c.err = sum, err
	close(c.done)
}

// drop frees the blocks. Readers continue from the disk.
func (c *content) drop() { c.blocks.Store(nil) }

// isDropped reports whether the blocks were dropped.
func (c *content) isDropped() bool { return c.blocks.Load() == nil }

// block returns the i-th block when it has been read, or nil if the blocks were dropped.
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
