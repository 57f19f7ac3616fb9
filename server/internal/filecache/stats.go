package filecache

// Stats are the state of a Cache and counters since it was opened.
type Stats struct {
	Used, Capacity int64 // in bytes
	Files          int   // in the cache

	Hits      int64 // files opened that were cached
	Fills     int64 // files opened that were then read into the cache
	Joins     int64 // files opened while they were being read into the cache
	Uncached  int64 // files opened that did not fit
	Evictions int64 // files that left the cache

	Busy    int   // file system operations in progress
	Open    int   // open files, in use or idle
	Refused int64 // callers that got ErrDisk because the disk did not respond in time
}

// Stats returns the statistics of the cache.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Used, s.Capacity = c.lru.used+c.lru.reserved, c.lru.limit
	s.Files, s.Evictions = len(c.lru.order), c.lru.evictions
	s.Busy, s.Refused = c.pool.stats()
	s.Open = c.handles.count()
	return s
}
