package register

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

const (
	// lockWait is how long OpenBolt waits for the file's lock: long enough for a
	// server that is just ending, short enough to be told soon that another one is
	// running.
	lockWait = time.Second
	// fileCheck is how often it is checked that the file is in its place, also while
	// nothing is written.
	fileCheck = time.Second
)

// Bolt is a Store in one file, which one server has open at a time. A change is
// durable when the file has been synced.
//
// Calls work on a copy of the register in memory; the file is read when it is
// opened and then only written. A commit appends to the file's journal, which costs a
// few pages, where the records themselves lie on hundreds; they are brought up to
// date when the journal has become long. While it cannot be written, because the disk is
// full for example, commits fail. What they held stays in the copy, is seen by
// Register and List, and is written as soon as the disk takes it.
//
// Where the file was removed or replaced, what is written to the one that is open is
// lost with it. So commits fail, until the file is back in its place.
type Bolt struct {
	*sessions
	committer *committer[struct{}] // whose groups say which clients have changed
	db        *bbolt.DB
	path      string
	file      fs.FileInfo // what is open
	check     *time.Ticker

	// The committer's: the journal, and what is being written, kept to be used again.
	journal    journal
	maxJournal int // entries
	ids        []int32
	entries    []byte

	mu      sync.RWMutex
	clients table
}

var _ Store = (*Bolt)(nil)

// OpenBolt opens the register in the file at path, or makes it. A file that is
// damaged or empty, or that is something else, is an error and stays as it is. log is
// told when the file cannot be written, and when it can again.
func OpenBolt(path string, log *slog.Logger) (*Bolt, error) {
	b := &Bolt{sessions: newSessions(), maxJournal: maxJournal, path: path}
	err := guard(b.open)
	if err != nil {
		if b.db != nil {
			b.db.Close() //nolint:errcheck // nothing was written
		}
		if errors.Is(err, bbolterrors.ErrTimeout) {
			err = errors.New("is in use by another server")
		}
		return nil, fmt.Errorf("register %q: %w", path, err)
	}
	b.check = time.NewTicker(fileCheck)
	b.committer = newCommitter(committing[struct{}]{
		write:    b.write,
		failFast: true,
		check:    b.check.C,
		log:      log,
	})
	return b, nil
}

func (b *Bolt) open() error {
	exists, err := checkFile(b.path)
	if err == nil && !exists {
		if err = makeFile(b.path); err == nil {
			_, err = checkFile(b.path)
		}
	}
	if err != nil {
		return err
	}
	b.db, err = bbolt.Open(b.path, 0o600, &bbolt.Options{
		Timeout:      lockWait,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(path, flag&^os.O_CREATE, mode)
			if err != nil {
				return nil, err
			}
			b.file, err = f.Stat()
			return f, err
		},
	})
	if err != nil {
		return err
	}
	removeUnfinished(b.path)
	b.clients, b.journal, err = load(b.db)
	return err
}

// errMisplaced is what Health says at once: waiting does not mend it.
var errMisplaced = errors.New("the file is not in its place any more")

// inPlace returns an error where the path does not lead to the file that is open.
func (b *Bolt) inPlace() error {
	info, err := os.Stat(b.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("register %q: %w: it was removed; put it back, or restart the server to begin a new one", b.path, errMisplaced)
	case err != nil:
		return fmt.Errorf("register: %w", err)
	case !os.SameFile(info, b.file):
		return fmt.Errorf("register %q: %w: it was replaced; put it back, or restart the server to use the other one", b.path, errMisplaced)
	}
	return nil
}

// guard turns what bbolt does where it meets damage or a disk that fails, which is
// to panic or to fault on its memory map, into an error.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bbolt: %v", p)
		}
	}()
	return f()
}

// Register implements Store.
func (b *Bolt) Register(ctx context.Context, id int32, door Door, now time.Time) (Record, bool, error) {
	b.mu.Lock()
	r, returning := b.clients.register(id, door, now)
	commit := b.changed(id)
	b.mu.Unlock()
	if err := commit.wait(ctx); err != nil {
		return Record{}, false, err
	}
	return r, returning, nil
}

// Save implements Store.
func (b *Bolt) Save(id int32, c Change) *Commit {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clients.change(id, c)
	return b.changed(id)
}

// changed has the record of a client written as it is now, or later. b.mu must be
// held, so that the group which is told is not written without it.
func (b *Bolt) changed(id int32) *Commit {
	return b.committer.update(id, func(*struct{}) {})
}

// write commits the records of the clients that have changed, as they are now. That
// the file is in its place is checked last, so that nothing is confirmed that was
// written to one that is not.
func (b *Bolt) write(_ context.Context, changes map[int32]*struct{}) error {
	if b.journal.isLong(b.maxJournal) {
		// Where that fails, there may be room for one more group all the same.
		if err := b.fold(); err != nil && b.journal.length >= 2*b.maxJournal {
			return err
		}
	}
	b.ids = slices.AppendSeq(b.ids[:0], maps.Keys(changes))
	for ids := range slices.Chunk(b.ids, groupRecords) {
		b.encode(ids)
		err := b.inFile(func(tx *bbolt.Tx) error { return appendJournal(tx.Bucket(journalBucket), b.entries) })
		if err != nil {
			return err
		}
		for _, id := range ids {
			b.journal.note(id)
			delete(changes, id)
		}
	}
	return b.inPlace()
}

// fold brings the records up to date and empties the journal. Until it is empty it
// is what counts, so the records may be written piece by piece.
func (b *Bolt) fold() error {
	// In the order of their keys, so that each page is gone through once.
	all := slices.Sorted(maps.Keys(b.journal.clients))
	for ids := range slices.Chunk(all, groupRecords) {
		b.encode(ids)
		if err := b.inFile(func(tx *bbolt.Tx) error { return putRecords(tx.Bucket(clientsBucket), b.entries) }); err != nil {
			return err
		}
	}
	if err := b.inFile(emptyJournal); err != nil {
		return err
	}
	b.journal.forget()
	return nil
}

// encode makes b.entries the entries of these clients.
func (b *Bolt) encode(ids []int32) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	b.entries = b.entries[:0]
	for _, id := range ids {
		b.entries = appendEntry(b.entries, id, b.clients.records[id])
	}
}

// inFile runs a transaction.
func (b *Bolt) inFile(f func(*bbolt.Tx) error) error {
	return guard(func() error { return b.db.Update(f) })
}

// List implements Store.
func (b *Bolt) List(_ context.Context, after int32, limit int) ([]Client, error) {
	b.mu.RLock()
	page := b.clients.list(after, limit)
	b.mu.RUnlock()
	b.count(page)
	return page, nil
}

// Health implements Store.
func (b *Bolt) Health() error { return b.committer.health() }

// Close implements Store.
func (b *Bolt) Close() error {
	b.check.Stop()
	return errors.Join(b.committer.close(), b.db.Close())
}
