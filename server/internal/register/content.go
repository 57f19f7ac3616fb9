package register

import (
	"context"
	"sync"
)

// content is what a Store of one server has in memory: the records and the open sessions.
type content struct {
	*sessions

	mu      sync.RWMutex // guards clients
	clients table
}

func newContent(clients table) content { return content{sessions: newSessions(), clients: clients} }

// List implements Store.
func (c *content) List(_ context.Context, after int32, limit int) ([]Client, error) {
	c.mu.RLock()
	page := c.clients.list(after, limit)
	c.mu.RUnlock()
	c.count(page)
	return page, nil
}
