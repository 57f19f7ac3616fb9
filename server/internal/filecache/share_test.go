package filecache

import "testing"

// TestShare has small parts of a block be copies, which do not hold on to it.
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
			t.Errorf("[%d:%d] is shared: %t", c.from, c.to, shared)
		}
	}
}
