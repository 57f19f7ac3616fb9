package inproc

import (
	"iter"
	"sync"
)

// maxIdle is how many coroutines without work are kept. A new one has to grow its
// stack for the interceptors and the handler, which for a small file costs more than
// the call; beyond as many as begin at about the same time there is nothing to gain.
const maxIdle = 64

// coroutine runs one handler after the other.
type coroutine struct {
	work func(yield func(any) bool) (again bool)
	next func() (any, bool)
	stop func()
}

// over is what a coroutine hands out when its handler has returned.
type over struct{}

func newCoroutine() *coroutine {
	co := &coroutine{}
	co.next, co.stop = iter.Pull(func(yield func(any) bool) {
		for co.work(yield) {
			co.work = nil // it holds on to the call
			if !yield(over{}) {
				return
			}
		}
	})
	return co
}

// coroutines are those without work.
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

// put takes back a coroutine whose handler has returned.
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

// close ends those without work, and the others when their work is done.
func (p *coroutines) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, co := range idle {
		co.stop()
	}
}
