package inproc

import (
	"iter"
	"sync"
)

// maxIdle is how many idle coroutines are kept for reuse. A new one has to grow its stack
// for the interceptors and the handler, which costs more than the call of a small file.
// More than the calls that begin at about the same time gain nothing.
const maxIdle = 64

// coroutine runs handlers, one after the other.
type coroutine struct {
	work func(yield func(any) bool) (again bool)
	next func() (any, bool)
	stop func()
}

// over is what a coroutine yields when its handler has returned.
type over struct{}

func newCoroutine() *coroutine {
	co := &coroutine{}
	co.next, co.stop = iter.Pull(func(yield func(any) bool) {
		for co.work(yield) {
			co.work = nil // it references the call
			if !yield(over{}) {
				return
			}
		}
	})
	return co
}

// coroutines is a pool of idle coroutines.
type coroutines struct {
	mu     sync.Mutex
	idle   []*coroutine
	closed bool
}

func (p *coroutines) get() *coroutine {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		co := p.idle[last]
		p.idle = p.idle[:last]
		return co
	}
	return newCoroutine()
}

// put returns a coroutine whose handler has returned to the pool.
func (p *coroutines) put(co *coroutine) {
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < maxIdle
	if keep {
		p.idle = append(p.idle, co)
	}
	p.mu.Unlock()
	if !keep {
		co.stop()
	}
}

// close stops the idle coroutines, and each other one when its handler returns.
func (p *coroutines) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, co := range idle {
		co.stop()
	}
}
