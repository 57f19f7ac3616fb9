package register

import (
	"maps"
	"sync"
)

// sessions counts the open sessions of each client on this server. It implements a
// store's Enter and Leave.
type sessions struct {
	mu   sync.Mutex
	open map[int32]int32
}

func newSessions() *sessions { return &sessions{open: map[int32]int32{}} }

// Enter implements Store.
func (s *sessions) Enter(id int32) int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[id]++
	return s.open[id]
}

// Leave implements Store.
func (s *sessions) Leave(id int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[id]--; s.open[id] == 0 {
		delete(s.open, id)
	}
}

// count adds the open sessions to each client.
func (s *sessions) count(clients []Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range clients {
		clients[i].Sessions += s.open[clients[i].ID]
	}
}

// of returns the number of open sessions of a client.
func (s *sessions) of(id int32) int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id]
}

// all returns a copy of all counts that are not 0.
func (s *sessions) all() map[int32]int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.open)
}
