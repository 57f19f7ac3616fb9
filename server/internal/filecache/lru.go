package filecache

import (
	"container/list"
	"math"
	"slices"
	"sort"
)

// EntryOverhead is the number of bytes charged for an entry in addition to the length of
// the file: for its name (up to 1,024 bytes) and bookkeeping. So the number of empty files
// is bounded too.
const EntryOverhead = 2 << 10

// lru is the set of completely cached files, bounded in bytes, with the original's eviction
// rule. It is not synchronized.
type lru struct {
	limit    int64 // bytes
	used     int64 // bytes charged for entries
	reserved int64 // bytes charged for fills in progress
	entries  map[string]*list.Element
	recent   *list.List // of *content, most recently used first
	order    []*content // in order of insertion: by content.seq
	lastSeq  uint64

	evictions int64 // a counter
}

func newLRU(limit int64) *lru {
	return &lru{limit: limit, entries: map[string]*list.Element{}, recent: list.New()}
}

// charge returns the bytes charged for a file. A sparse file may claim any size.
func charge(size int64) int64 {
	if size > math.MaxInt64-EntryOverhead {
		return math.MaxInt64
	}
	return size + EntryOverhead
}

// get returns the entry of that name, or nil. It does not count as a use.
func (l *lru) get(name string) *content {
	if e := l.entries[name]; e != nil {
		return e.Value.(*content)
	}
	return nil
}

// use marks the entry of that name as the most recently used.
func (l *lru) use(name string) {
	l.recent.MoveToFront(l.entries[name])
}

// reserve reserves room for a file of size bytes, evicting others if necessary. It reports
// false and evicts nothing if the other reservations leave too little room.
func (l *lru) reserve(size int64) bool {
	need := charge(size)
	if need > l.limit-l.reserved {
		return false
	}
	fits := func() bool { return need <= l.limit-l.reserved-l.used }
	if !fits() {
		if c := l.oldestAtLeast(size); c != nil {
			l.evict(c)
		}
	}
	for !fits() {
		l.evict(l.recent.Back().Value.(*content))
	}
	l.reserved += need
	return true
}

// release ends the reservation of a file of size bytes.
func (l *lru) release(size int64) { l.reserved -= charge(size) }

// insert turns the reservation for c into an entry. It replaces another version of the same
// file.
func (l *lru) insert(c *content) {
	if old := l.get(c.info.Name); old != nil {
		l.evict(old)
	}
	l.release(c.info.Size)
	l.used += charge(c.info.Size)
	l.lastSeq++
	c.seq = l.lastSeq
	l.entries[c.info.Name] = l.recent.PushFront(c)
	l.order = append(l.order, c)
}

// evict removes c and frees its blocks.
func (l *lru) evict(c *content) {
	l.evictions++
	l.used -= charge(c.info.Size)
	l.recent.Remove(l.entries[c.info.Name])
	delete(l.entries, c.info.Name)
	i := l.firstAfter(c.seq - 1)
	l.order = slices.Delete(l.order, i, i+1)
	c.drop()
}

// clear evicts everything.
func (l *lru) clear() {
	for l.recent.Len() > 0 {
		l.evict(l.recent.Back().Value.(*content))
	}
}

// oldestAtLeast returns the least recently used entry of size bytes or more.
func (l *lru) oldestAtLeast(size int64) *content {
	for e := l.recent.Back(); e != nil; e = e.Prev() {
		if c := e.Value.(*content); c.info.Size >= size {
			return c
		}
	}
	return nil
}

// firstAfter returns the index in l.order of the first entry inserted after seq.
func (l *lru) firstAfter(seq uint64) int {
	return sort.Search(len(l.order), func(i int) bool { return l.order[i].seq > seq })
}
