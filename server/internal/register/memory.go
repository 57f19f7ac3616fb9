package register

import (
	"context"
	"sync"
	"time"
)

// Memory is a Store that lasts as long as the process.
type Memory struct {
	*sessions

	mu      sync.RWMutex
	clients table
	closed  bool
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{sessions: newSessions(), clients: newTable()} }

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

// List implements Store.
func (m *Memory) List(_ context.Context, after int32, limit int) ([]Client, error) {
	m.mu.RLock()
	page := m.clients.list(after, limit)
	m.mu.RUnlock()
	m.count(page)
	return page, nil
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
