package messagelog

import (
	"bytes"
	"fmt"
	"time"
)

const (
	// flushEvery is how long a line may stay in memory: what a crash can lose.
	flushEvery = 100 * time.Millisecond

	// hangsAfter is how long the writer may be at one piece before the log is given up
	// until it has ended: less than what clients wait for an answer, and more than a
	// disk takes that is only busy.
	hangsAfter = 5 * time.Second

	// pieceSize is how many bytes are written at once, but for a longer line. It is
	// what a disk has to take within hangsAfter to count as slow only: 50 KB/s.
	pieceSize = 256 << 10
)

// writerState is what callers need to know of the writer. file.mu guards it.
type writerState struct {
	began   time.Time // of what the writer does to the disk; zero: nothing
	hangs   bool      // it has done that for longer than patience
	failure error     // of the last piece
	before  int64     // bytes lost before the writer came to hang or to fail
	ended   bool
	closing error // of the file, when ended
}

func (f *file) startWriter() {
	if f.patience == 0 {
		f.patience = hangsAfter
	}
	f.watchdog = time.AfterFunc(f.patience, f.hang)
	f.watchdog.Stop()
	go f.run()
}

// run takes turns until the file is closed and all is written.
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

// turn writes what is buffered. It reports how much that was, and whether the file
// is closed to callers.
func (f *file) turn() (written int, closed bool) {
	f.mu.Lock()
	if !f.full {
		f.handOver()
	}
	reopen := f.reopen
	f.reopen, closed = false, f.closed
	lines := f.spare
	if len(lines) == 0 && !reopen {
		f.mu.Unlock()
		return 0, closed
	}
	f.full = true // nobody may hand over more during the turn
	f.mu.Unlock()

	if reopen {
		f.do(f.disk.Close) //nolint:errcheck // the next piece opens the file again, or says why not
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

// cut cuts a piece of whole lines off, so that a file set aside ends with a line.
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

// writePiece writes lines. What cannot be written is lost, and counted. That, and
// its end, are said once and not for every piece.
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
		f.sayRecovered()
	}
}

// do does something to the disk, and has that watched.
func (f *file) do(something func() error) error {
	f.mu.Lock()
	f.began = time.Now()
	f.mu.Unlock()
	f.watchdog.Reset(f.patience)
	err := something()
	f.watchdog.Stop()
	f.mu.Lock()
	hung := f.hangs
	f.began, f.hangs = time.Time{}, false
	f.mu.Unlock()
	if hung && err == nil {
		f.sayRecovered()
	}
	return err
}

// hang gives up what the writer does until that has ended.
func (f *file) hang() {
	f.mu.Lock()
	// The timer may have been late, and the writer be at something else.
	if f.began.IsZero() || time.Since(f.began) < f.patience {
		f.mu.Unlock()
		return
	}
	f.hangs, f.before = true, f.lost.Load()
	f.changed.Broadcast()
	f.mu.Unlock()
	fmt.Fprintf(f.stderr, "server: the log has not been written for %v: until it is, lines that find no room in memory are lost\n", f.patience)
}

func (f *file) sayRecovered() {
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
