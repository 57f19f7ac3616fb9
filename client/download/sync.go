package download

import (
	"os"
	"sync"
)

// syncEvery is after how many bytes the system is asked to write them to the disk: the
// file is synced while more of it arrives, so that little is left for the end.
const syncEvery = 64 << 20

// backgroundSync syncs a file while it is written. Its methods may be called concurrently.
type backgroundSync struct {
	mu      sync.Mutex
	written int64 // since the last sync began
	running bool
	done    sync.WaitGroup
	err     error
}

// after starts a sync if enough has been written, n more bytes now, and none is running. It
// returns the error of an earlier one.
func (b *backgroundSync) after(f *os.File, n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.written += n
	if b.running || b.written < syncEvery || b.err != nil {
		return b.err
	}
	b.written, b.running = 0, true
	b.done.Go(func() {
		err := f.Sync()
		b.mu.Lock()
		defer b.mu.Unlock()
		b.running, b.err = false, err
	})
	return nil
}

// wait waits for a sync that is running, after the last write.
func (b *backgroundSync) wait() error {
	b.done.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
