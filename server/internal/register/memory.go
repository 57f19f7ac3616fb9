package register

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Memory is a Store that lasts as long as the process.
type Memory struct {
	mu      sync.RWMutex
	clients map[int32]Record
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{clients: map[int32]Record{}} }

// committed is the Commit of every change: memory is as durable as it gets at once.
var committed = func() *Commit {
	c := newCommit()
	c.finish(nil)
	return c
}()

// Register implements Store.
func (m *Memory) Register(_ context.Context, id int32, now time.Time) (Record, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, returning := m.clients[id]
	if !returning {
		r = NewClient
	}
	m.clients[id] = Change{Seen: now}.apply(r)
	return r, returning, nil
}

// Save implements Store.
func (m *Memory) Save(id int32, c Change) *Commit {
	m.mu.Lock()
	m.clients[id] = c.apply(m.clients[id])
	m.mu.Unlock()
	return committed
}

// List implements Store.
func (m *Memory) List(_ context.Context, after int32, limit int) ([]Client, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var page []Client
	for id, r := range m.clients {
		if id > after {
			page = append(page, Client{ID: id, Record: r})
		}
	}
	slices.SortFunc(page, func(a, b Client) int { return cmp.Compare(a.ID, b.ID) })
	return page[:min(limit, len(page))], nil
}

// Close implements Store.
func (m *Memory) Close() error { return nil }
