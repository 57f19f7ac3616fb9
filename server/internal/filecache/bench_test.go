package filecache

import (
	"io"
	"testing"
	"time"
)

func BenchmarkOpenRead(b *testing.B) {
	for _, bb := range []struct {
		name     string
		size     int
		capacity int64
	}{
		{"hit/4KiB", 4 << 10, 64 << 20},
		{"hit/32MiB", 32 << 20, 64 << 20},
		{"uncached/4KiB", 4 << 10, 0},
		{"uncached/32MiB", 32 << 20, 0},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c, dir := newCache(b, bb.capacity)
			write(b, dir, "f", random(bb.size))
			time.Sleep(settleTime)
			b.SetBytes(int64(bb.size))
			b.ReportAllocs()
			for b.Loop() {
				f, err := c.Open(b.Context(), "f")
				if err != nil {
					b.Fatal(err)
				}
				for off := int64(0); off < f.Size; {
					chunk, err := f.Chunk(b.Context(), off, BlockSize)
					if err != nil {
						b.Fatal(err)
					}
					off += int64(len(chunk))
					io.Discard.Write(chunk)
				}
				f.Close()
			}
		})
	}
}
