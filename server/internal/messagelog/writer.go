package messagelog

import (
	"bytes"
	"fmt"
	"time"
)

const (
	// flushEvery is how long a line may stay in memory. A crash loses that much.
	flushEvery = 100 * time.Millisecond

	// defaultHangTimeout is how long one write may take before the log counts as hanging: less
	// than clients wait for a response, and more than a busy disk takes.
	defaultHangTimeout = 5 * time.Second

	// pieceSize is the size of one write in bytes; a longer line is written as a whole. A
	// disk that takes less within defaultHangTimeout, which is 50 KB/s, counts as hanging.
	pieceSize = 256 << 10
)

// writerState is the part of the writer's state that callers see. file.mu guards it.
type writerState struct {
	began   time.Time // of the current disk operation; zero: none
	hangs   bool      // the current operation exceeds hangTimeout
	failure error     // of the last write
	before  int64     // lost bytes before the writer began to hang or fail
	ended   bool
	closing error // of closing the file, when ended
}

func (f *file) startWriter() {
	if f.hangTimeout == 0 {
		f.hangTimeout = defaultHangTimeout
	}
	f.watchdog = time.AfterFunc(f.hangTimeout, f.hang)
	f.watchdog.Stop()
	go f.run()
}

// run takes turns until the file is closed to callers and all lines are written.
func (f *file) run() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-f.wake:
		case <-tick.C:
		}
		for closed := true; closed; {
			var written int
			if written, closed = f.turn(); closed && written == 0 {
				f.end()
				return
			}
		}
	}
}

// turn writes the buffered lines. It returns their length, and whether the file is closed
// to callers.
func (f *file) turn() (written int, closed bool) {
	f.mu.Lock()
	if !f.full {
		f.swap()
	}
	reopen := f.reopen
	f.reopen, closed = false, f.closed
	lines := f.spare
	if len(lines) == 0 && !reopen {
		f.mu.Unlock()
		return 0, closed
	}
	f.full = true // no swap during the turn
	f.mu.Unlock()

	if reopen {
		f.do(f.disk.Close) //nolint:errcheck // the next write opens a file, or fails with the reason
	}
	for rest := lines; len(rest) > 0; {
		var piece []byte
		piece, rest = cut(rest)
		f.writePiece(piece)
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = false
	f.changed.Broadcast()
	return len(lines), closed
}

// cut cuts off a piece of whole lines, so that a rotated file ends with a whole line.
func cut(lines []byte) (piece, rest []byte) {
	if len(lines) <= pieceSize {
		return lines, nil
	}
	end := bytes.LastIndexByte(lines[:pieceSize], '\n')
	if end < 0 {
		end = bytes.IndexByte(lines, '\n')
	}
	return lines[:end+1], lines[end+1:]
}

// writePiece writes lines. If it fails they are lost and counted. The first failure and the
// recovery go to stderr.
func (f *file) writePiece(piece []byte) {
	lost := f.lost.Load()
	err := f.do(func() error {
		n, err := f.disk.Write(piece)
		if err != nil {
			f.lost.Add(int64(len(piece) - n))
		}
		return err
	})
	f.mu.Lock()
	failed := f.failure != nil
	f.failure = err
	if err != nil && !failed {
		f.before = lost
	}
	f.mu.Unlock()
	switch {
	case err != nil && !failed:
		fmt.Fprintf(f.stderr, "server: lines of the log are lost: %v\n", err)
	case err == nil && failed:
		f.printRecovery()
	}
}

// do runs a disk operation under the watchdog.
func (f *file) do(operation func() error) error {
	f.mu.Lock()
	f.began = time.Now()
	f.mu.Unlock()
	f.watchdog.Reset(f.hangTimeout)
	err := operation()
	f.watchdog.Stop()
	f.mu.Lock()
	hung := f.hangs
	f.began, f.hangs = time.Time{}, false
	f.mu.Unlock()
	if hung && err == nil {
		f.printRecovery()
	}
	return err
}

// hang marks the writer as hanging until its current operation ends.
func (f *file) hang() {
	f.mu.Lock()
	// The timer may be late, and the writer in another operation.
	if f.began.IsZero() || time.Since(f.began) < f.hangTimeout {
		f.mu.Unlock()
		return
	}
	f.hangs, f.before = true, f.lost.Load()
	f.changed.Broadcast()
	f.mu.Unlock()
	fmt.Fprintf(f.stderr, "server: the log has not been written for %v: until it is, lines that do not fit into memory are lost\n", f.hangTimeout)
}

func (f *file) printRecovery() {
	f.mu.Lock()
	lost := f.lost.Load() - f.before
	f.mu.Unlock()
	fmt.Fprintf(f.stderr, "server: the log is written again; %d bytes of its lines were lost\n", lost)
}

func (f *file) end() {
	err := f.do(f.disk.Close)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended, f.closing = true, err
	f.changed.Broadcast()
}
