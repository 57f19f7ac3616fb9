package filecache

import (
	"container/list"
	"math"
	"slices"
	"sort"
)

// EntryOverhead is what an entry is charged, in bytes, beside its file's length:
// for its name (up to 1,024 bytes) and bookkeeping, so that empty files are
// bounded too.
const EntryOverhead = 2 << 10

// lru is the set of completely cached files, bounded in bytes, with the
// original's rule of eviction. It is not synchronised.
type lru struct {
	limit    int64 // bytes
	used     int64 // bytes charged for entries
	reserved int64 // bytes charged for what is still being read
	entries  map[string]*list.Element
	recent   *list.List // of *content, most recently used first
	order    []*content // by content.seq, which is the order of insertion
	lastSeq  uint64

	evictions int64 // since the beginning
}

func newLRU(limit int64) *lru {
	return &lru{limit: limit, entries: map[string]*list.Element{}, recent: list.New()}
}

// charge is what a file of size bytes counts for. A sparse file may claim any size.
func charge(size int64) int64 {
	if size > math.MaxInt64-EntryOverhead {
		return math.MaxInt64
	}
	return size + EntryOverhead
}

// get returns the entry of that name, if there is one, without using it.
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

// reserve makes room for a file of size bytes and takes it. It reports false,
// and evicts nothing, where other reservations leave too little room.
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

// release gives back what reserve took.
func (l *lru) release(size int64) { l.reserved -= charge(size) }

// insert turns the reservation made for c into an entry, in place of an older
// version of the same file.
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

// evict takes c out and lets go of its bytes.
func (l *lru) evict(c *content) {
	l.evictions++
	l.used -= charge(c.info.Size)
	l.recent.Remove(l.entries[c.info.Name])
	delete(l.entries, c.info.Name)
	i := l.firstAfter(c.seq - 1)
	l.order = slices.Delete(l.order, i, i+1)
	c.drop()
}

// clear takes everything out.
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
