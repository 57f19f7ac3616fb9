package filecache

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"
)

// TestEvictedUnderReader evicts a file that is being read. The slow reader continues from
// the disk, and holds only one block of the evicted content.
func TestEvictedUnderReader(t *testing.T) {
	c, dir := newCache(t, 4<<20)
	want := random(3 * BlockSize)
	write(t, dir, "slow", want)
	write(t, dir, "other", random(3*BlockSize))
	if _, _, err := read(t.Context(), c, "slow", BlockSize); err != nil {
		t.Fatal(err)
	}
	f, err := c.Open(t.Context(), "slow")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := f.Chunk(t.Context(), 0, BlockSize)
	if err != nil {
		t.Fatal(err)
	}
	freed := make(chan struct{})
	blocks := f.content.blocks.Load()
	runtime.AddCleanup(&(*blocks)[2][0], func(struct{}) { close(freed) }, struct{}{})
	if _, _, err := read(t.Context(), c, "other", BlockSize); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		runtime.GC()
		select {
		case <-freed:
		case <-time.After(10 * time.Millisecond):
			continue
		}
		break
	}
	select {
	case <-freed:
	default:
		t.Error("the evicted file's blocks are still in memory")
	}
	all := slices.Clone(got)
	for int64(len(all)) < f.Size {
		b, err := f.Chunk(t.Context(), int64(len(all)), BlockSize)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if !bytes.Equal(all, want) {
		t.Error("the bytes differ after the eviction")
	}

	write(t, dir, "slow", random(3*BlockSize+1))
	if _, err := f.Chunk(t.Context(), BlockSize, BlockSize); !errors.Is(err, ErrChanged) {
		t.Errorf("evicted and changed: %v, want %v", err, ErrChanged)
	}
}

// TestShare checks that small parts of a block are copies, which do not keep the block in
// memory.
func TestShare(t *testing.T) {
	block := make([]byte, 1000)
	for _, c := range []struct {
		from, to int64
		shared   bool
	}{{0, 1000, true}, {500, 750, true}, {500, 749, false}, {0, 1, false}} {
		part := share(block, c.from, c.to)
		if int64(len(part)) != c.to-c.from {
			t.Errorf("[%d:%d] has %d bytes", c.from, c.to, len(part))
		}
		if shared := &part[0] == &block[c.from]; shared != c.shared {
			t.Errorf("[%d:%d] is shared: %t, want %t", c.from, c.to, shared, c.shared)
		}
	}
}
