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
// opened and then only written. While it cannot be written, because the disk is
// full for example, commits fail. What they held stays in the copy, is seen by
// Register and List, and is written as soon as the disk takes it.
type Bolt struct {
	*sessions
	committer *committer[Record]
	db        *bbolt.DB

	mu      sync.RWMutex
	clients table
}

var _ Store = (*Bolt)(nil)

// OpenBolt opens the register in the file at path, or begins it. A file that is
// damaged, or that is something else, is an error and stays as it is. log is told
// when the file cannot be written, and when it can again.
func OpenBolt(path string, log *slog.Logger) (*Bolt, error) {
	b := &Bolt{sessions: newSessions()}
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
	b.clients, err = load(b.db)
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

// changed has the record of a client written. b.mu must be held, so that records
// reach the committer in the order in which they changed.
func (b *Bolt) changed(id int32) *Commit {
	return b.committer.update(id, func(r *Record) { *r = b.clients[id] })
}

// write commits records, in the order of their keys, so that each page is gone
// through once.
func (b *Bolt) write(_ context.Context, changes map[int32]*Record) error {
	ids := slices.Sorted(maps.Keys(changes))
	for group := range slices.Chunk(ids, groupRecords) {
		err := guard(func() error {
			return b.db.Update(func(tx *bbolt.Tx) error {
				clients := tx.Bucket(clientsBucket)
				for _, id := range group {
					key := encodeID(id)
					if err := clients.Put(key, encodeRecord(key, *changes[id])); err != nil {
						return err
					}
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
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
