package register

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// lockWait is how long OpenBolt waits for the file's lock: long enough for a server
// that is just ending, short enough to be told soon that another one is running.
const lockWait = time.Second

// Bolt is a Store in one file, which one server has open at a time. A change is
// durable when the file has been synced.
//
// Calls work on a copy of the register in memory; the file is read when it is
// opened and then only written. A commit appends to the file's journal, which costs a
// few pages, where the records themselves lie on hundreds; they are brought up to
// date when the journal has become long. While it cannot be written, because the disk is
// full for example, commits fail. What they held stays in the copy, is seen by
// Register and List, and is written as soon as the disk takes it.
type Bolt struct {
	*sessions
	committer *committer[struct{}] // whose groups say which clients have changed
	db        *bbolt.DB

	// The committer's: the journal, and what is being written, kept to be used again.
	journal    journal
	maxJournal int // entries
	ids        []int32
	entries    []byte

	mu      sync.RWMutex
	clients table
}

var _ Store = (*Bolt)(nil)

// OpenBolt opens the register in the file at path, or begins it. A file that is
// damaged, or that is something else, is an error and stays as it is. log is told
// when the file cannot be written, and when it can again.
func OpenBolt(path string, log *slog.Logger) (*Bolt, error) {
	b := &Bolt{sessions: newSessions(), maxJournal: maxJournal}
	err := guard(func() error { return b.open(path) })
	if err != nil {
		if b.db != nil {
			b.db.Close() //nolint:errcheck // nothing was written
		}
		if errors.Is(err, bbolterrors.ErrTimeout) {
			err = errors.New("is in use by another server")
		}
		return nil, fmt.Errorf("register %q: %w", path, err)
	}
	b.committer = newCommitter(log, true, b.write)
	return b, nil
}

func (b *Bolt) open(path string) error {
	isNew, err := checkFile(path)
	if err != nil {
		return err
	}
	b.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:      lockWait,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
	})
	if err != nil {
		return err
	}
	if isNew {
		// A file's name is durable only when its directory is. Not every system can
		// sync one.
		if dir, err := os.Open(filepath.Dir(path)); err == nil {
			dir.Sync() //nolint:errcheck // see above
			dir.Close()
		}
	}
	b.clients, b.journal, err = load(b.db)
	return err
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
	b.clients[id] = c.apply(b.clients[id])
	return b.changed(id)
}

// changed has the record of a client written as it is now, or later. b.mu must be
// held, so that the group which is told is not written without it.
func (b *Bolt) changed(id int32) *Commit {
	return b.committer.update(id, func(*struct{}) {})
}

// write commits the records of the clients that have changed, as they are now.
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
	return nil
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
	b.journal = journal{}
	return nil
}

// encode makes b.entries the entries of these clients.
func (b *Bolt) encode(ids []int32) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	b.entries = b.entries[:0]
	for _, id := range ids {
		b.entries = appendEntry(b.entries, id, b.clients[id])
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
	return errors.Join(b.committer.close(), b.db.Close())
}
