package register

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// fileCheck is how often the store checks that its file is in its place, even if there
// is nothing to write.
const fileCheck = time.Second

// SQLite is a Store in one SQLite database, which one server has open at a time. Other
// programs may read it meanwhile, and copy it with SQLite's backup. A change is durable
// when its transaction has been synced to the write-ahead log.
//
// Calls work on a copy of the register in memory. The database is read when it is
// opened, and after that only written. While it cannot be written, because the disk is
// full for example, commits fail. Their changes stay in the copy, are seen by Register
// and List, and are written as soon as possible.
//
// Changes that are written to a file which was removed or replaced would be lost with
// it. So commits fail until the file is back in its place.
type SQLite struct {
	content
	committer *committer[struct{}] // its groups say which clients have changed
	db        *database
	check     *time.Ticker

	// The committer's: the clients that are being written, and their records.
	ids  []int32
	rows []row
}

var (
	_ Store    = (*SQLite)(nil)
	_ Observed = (*SQLite)(nil)
)

// OpenSQLite opens the register in the file at path, and creates it if there is none.
// A file that is damaged, empty, or something else, is an error and stays as it is. log
// is told when the file cannot be written, and when it can again.
func OpenSQLite(path string, log *slog.Logger) (*SQLite, error) {
	db, clients, err := openDatabase(path)
	if err != nil {
		return nil, fmt.Errorf("register %q: %w", path, err)
	}
	s := &SQLite{content: newContent(clients), db: db}
	s.check = time.NewTicker(fileCheck)
	s.committer = newCommitter(committing[struct{}]{
		write:    s.write,
		failFast: true,
		check:    s.check.C,
		log:      log,
	})
	return s, nil
}

// Register implements Store.
func (s *SQLite) Register(ctx context.Context, id int32, door Door, now time.Time) (Record, bool, error) {
	s.mu.Lock()
	r, returning := s.clients.register(id, door, now)
	commit := s.changed(id)
	s.mu.Unlock()
	if err := commit.wait(ctx); err != nil {
		return Record{}, false, err
	}
	return r, returning, nil
}

// Save implements Store.
func (s *SQLite) Save(id int32, c Change) *Commit {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients.change(id, c)
	return s.changed(id)
}

// changed adds a client to the open group. s.mu must be held, so that the group is not
// written without the change.
func (s *SQLite) changed(id int32) *Commit {
	return s.committer.update(id, func(*struct{}) {})
}

// write commits the current records of the clients that have changed. It checks last
// that the file is in its place, so that nothing is confirmed that was written to
// another one.
func (s *SQLite) write(_ context.Context, changes map[int32]*struct{}) error {
	s.ids = slices.AppendSeq(s.ids[:0], maps.Keys(changes))
	slices.Sort(s.ids) // neighbours are in one page
	for ids := range slices.Chunk(s.ids, groupRecords) {
		s.snapshot(ids)
		if err := s.db.write(s.rows); err != nil {
			return err
		}
		for _, id := range ids {
			delete(changes, id)
		}
	}
	return s.db.inPlace()
}

// snapshot sets s.rows to the current records of clients.
func (s *SQLite) snapshot(ids []int32) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.rows = s.rows[:0]
	for _, id := range ids {
		s.rows = append(s.rows, row{id, s.clients.records[id]})
	}
}

// Health implements Store.
func (s *SQLite) Health() error { return s.committer.health() }

// Close implements Store.
func (s *SQLite) Close() error {
	s.check.Stop()
	return errors.Join(s.committer.close(), s.db.close())
}

// Observe implements Observed.
func (s *SQLite) Observe(o CommitObserver) { s.committer.observer.Store(&o) }
