package register

import (
	"context"
	"time"
)

// Memory is a Store that lasts as long as the process.
type Memory struct {
	content
	closed bool // guarded by mu
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{content: newContent(newTable())} }

// inMemory is the Commit of every change.
var inMemory = committed(nil)

// Register implements Store.
func (m *Memory) Register(_ context.Context, id int32, door Door, now time.Time) (Record, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return Record{}, false, errClosed
	}
	r, returning := m.clients.register(id, door, now)
	return r, returning, nil
}

// Save implements Store.
func (m *Memory) Save(id int32, c Change) *Commit {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return committed(errClosed)
	}
	m.clients.change(id, c)
	return inMemory
}

// Health implements Store.
func (m *Memory) Health() error { return nil }

// Close implements Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
