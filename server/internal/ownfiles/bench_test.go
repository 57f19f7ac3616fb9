//go:build unix

package ownfiles

import (
	"os"
	"testing"
	"time"
)

func BenchmarkHides(b *testing.B) {
	f := newFolder(b)
	f.write("server.log", "notes.txt", "fresh")
	then := time.Now().Add(-time.Hour)
	f.do(os.Chtimes(f.path("notes.txt"), then, then))
	f.open()
	f.growOld("notes.txt")
	for _, name := range []string{"notes.txt", "server.log"} {
		b.Run(name, func(b *testing.B) {
			fi := f.stat(name)
			b.ReportAllocs()
			for b.Loop() {
				f.set.Hides(fi)
			}
		})
	}
	f.write("fresh")
	b.Run("fresh", func(b *testing.B) {
		fi := f.stat("fresh")
		for b.Loop() {
			f.set.Hides(fi)
		}
	})
}
