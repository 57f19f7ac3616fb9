package filecache

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// insert adds an entry without bytes, and reports whether it fit.
func insert(l *lru, name string, size int64) bool {
	if !l.reserve(size) {
		return false
	}
	l.insert(newContent(Info{Name: name, Size: size, Version: name}, nil))
	return true
}

func names(l *lru) []string {
	all := []string{}
	for _, c := range l.order {
		all = append(all, c.info.Name)
	}
	return all
}

// TestEvictionRule states the original's rule case by case. Sizes are in MiB, "use x" is a
// hit, and the cache holds 100 MiB plus the overhead of five files.
func TestEvictionRule(t *testing.T) {
	const unit = 1 << 20
	tests := []struct {
		name  string
		steps string
		want  string // in order of insertion
	}{
		{"fits: nothing is evicted", "add a 40, add b 40, add c 19", "a b c"},
		{"one at least as large is evicted alone", "add a 40, add b 40, add c 30", "b c"},
		{"equally large counts as at least as large", "add a 20, add b 50, add c 50", "a c"},
		{"the least recently used of the large ones", "add a 40, add b 40, use a, add c 30", "a c"},
		{"a large one is evicted before smaller, older ones", "add s 10, add l 60, add m 10, add n 50", "s m n"},
		{"none as large: the oldest are evicted until it fits", "add a 30, add b 30, add c 30, add d 70", "c d"},
		{"none as large: a use changes the order", "add a 30, add b 30, add c 30, use a, add d 70", "a d"},
		{"none as large: one is enough", "add a 30, add b 30, add c 30, add d 31", "b c d"},
		{"fills the cache alone", "add a 30, add b 30, add c 99", "c"},
		{"larger than the cache: nothing is evicted", "add a 30, add b 30, add c 101", "a b"},
		{"a new version replaces the old", "add a 30, add b 30, add a 35", "b a"},
		{"an empty file is inserted", "add a 40, add e 0", "a e"},
		{"an empty file is larger than no file", "add a 99, add e 0, add f 99", "e f"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLRU(100*unit + 5*EntryOverhead)
			for _, step := range strings.Split(tt.steps, ", ") {
				var op, name string
				var size int64
				fmt.Sscan(step, &op, &name, &size)
				if op == "use" {
					l.use(name)
				} else {
					insert(l, name, size*unit)
				}
			}
			if got := strings.Join(names(l), " "); got != tt.want {
				t.Errorf("after %q: %q, want %q", tt.steps, got, tt.want)
			}
		})
	}
}

func TestLRUBound(t *testing.T) {
	const limit = 10 * (1000 + EntryOverhead)
	l := newLRU(limit)
	for i := range 11 {
		if !insert(l, fmt.Sprint(i), 1000) {
			t.Fatalf("file %d did not fit", i)
		}
		if want := min(int64(i+1), 10) * (1000 + EntryOverhead); l.used != want {
			t.Errorf("after %d files %d bytes used, want %d", i+1, l.used, want)
		}
	}
	for _, tt := range []struct {
		size int64
		want bool
	}{
		{limit - EntryOverhead - 1, true},
		{limit - EntryOverhead, true},
		{limit - EntryOverhead + 1, false},
		{math.MaxInt64 - EntryOverhead, false},
		{math.MaxInt64, false}, // a sparse file may claim any size
	} {
		if got := insert(l, "large", tt.size); got != tt.want {
			t.Errorf("file of %d bytes in a cache of %d: cached %v, want %v", tt.size, limit, got, tt.want)
		}
	}
}

// TestLRUOrder looks up positions in the order of insertion. Clients choose them, so the
// largest possible position must not wrap around to the first.
func TestLRUOrder(t *testing.T) {
	l := newLRU(1 << 20)
	for _, name := range []string{"a", "b", "c"} {
		insert(l, name, 1)
	}
	for seq, want := range map[uint64]int{0: 0, 1: 1, 3: 3, 4: 3, math.MaxUint64: 3} {
		if got := l.firstAfter(seq); got != want {
			t.Errorf("firstAfter(%d) = %d, want %d", seq, got, want)
		}
	}
}

// TestLRUReservations checks that reservations count and are never evicted.
func TestLRUReservations(t *testing.T) {
	l := newLRU(100 << 10)
	insert(l, "a", 40<<10)
	if !l.reserve(50 << 10) {
		t.Fatal("no room for the first reservation")
	}
	if got := names(l); !slices.Equal(got, []string{"a"}) {
		t.Errorf("cached %q, want a", got)
	}
	if !l.reserve(40 << 10) {
		t.Fatal("no room for the second, although a can be evicted")
	}
	if got := names(l); len(got) != 0 {
		t.Errorf("cached %q, want nothing", got)
	}
	if l.reserve(10 << 10) {
		t.Error("room for a third, although everything is reserved")
	}
	l.release(50 << 10)
	l.release(40 << 10)
	if l.used != 0 || l.reserved != 0 {
		t.Errorf("used %d, reserved %d at the end, want 0", l.used, l.reserved)
	}
}
