package download

import (
	"context"
	"io"
	"sync"
)

// order writes segments in the order of their offsets, whatever the order in which they
// come. One that comes early waits in the goroutine that has it.
type order struct {
	mu      sync.Mutex
	w       io.Writer
	at      int64                   // how much has been written
	waiting map[int64]chan struct{} // by the offset; closed when it is that one's turn
}

func newOrder(w io.Writer) *order {
	return &order{w: w, waiting: map[int64]chan struct{}{}}
}

// put implements put.
func (o *order) put(ctx context.Context, offset int64, s *segment) error {
	o.mu.Lock()
	if offset != o.at {
		turn := make(chan struct{})
		o.waiting[offset] = turn
		o.mu.Unlock()
		select {
		case <-turn:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		o.mu.Lock()
	}
	defer o.mu.Unlock()
	n, err := s.WriteTo(o.w)
	o.at += n
	if err != nil {
		return err
	}
	if turn, ok := o.waiting[o.at]; ok {
		delete(o.waiting, o.at)
		close(turn)
	}
	return nil
}

// written returns how many bytes have been written.
func (o *order) written() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at
}
