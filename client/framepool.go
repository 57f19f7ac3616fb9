package main

import (
	"sync"

	"google.golang.org/grpc/mem"
)

// frameSize is the maximum size of an HTTP/2 frame in gRPC, in bytes.
const frameSize = 16 << 10

// framePool is gRPC's own pool of buffers, except for those of full frames. gRPC clears
// each of these before it is filled from the network, which is a seventh of the work of a
// download.
type framePool struct {
	mem.BufferPool
	frames sync.Pool // of *[]byte with a capacity of frameSize
}

func newFramePool() *framePool {
	return &framePool{
		BufferPool: mem.DefaultBufferPool(),
		frames: sync.Pool{New: func() any {
			b := make([]byte, frameSize)
			return &b
		}},
	}
}

// Get implements mem.BufferPool. Buffers of other sizes are gRPC's.
func (p *framePool) Get(length int) *[]byte {
	if length > frameSize || length <= frameSize/2 {
		return p.BufferPool.Get(length)
	}
	b := p.frames.Get().(*[]byte)
	*b = (*b)[:length]
	return b
}

// Put implements mem.BufferPool.
func (p *framePool) Put(b *[]byte) {
	if cap(*b) == frameSize {
		p.frames.Put(b)
		return
	}
	p.BufferPool.Put(b)
}
