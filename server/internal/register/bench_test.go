package register

import (
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

const benchClients = 64

// BenchmarkSave measures a report of a session that does not wait for its commit.
func BenchmarkSave(b *testing.B) {
	eachKindParallel(b, func(s Store, id int32, next func() bool) {
		now, commit := time.Now(), inMemory
		for v := int64(0); next(); v++ {
			commit = s.Save(id, Change{Value: v, SetValue: true, Seen: SeenAt(GRPC, now)})
		}
		<-commit.Done()
	})
}

// BenchmarkCommit waits for each change, with different numbers of concurrent clients.
func BenchmarkCommit(b *testing.B) {
	eachKindParallel(b, func(s Store, id int32, next func() bool) {
		now := time.Now()
		for v := int64(0); next(); v++ {
			<-s.Save(id, Change{Value: v, SetValue: true, Seen: SeenAt(GRPC, now)}).Done()
		}
	})
}

// BenchmarkList lists a page of a register with the default number of clients.
func BenchmarkList(b *testing.B) {
	const clients, page = 10_001, 100
	for _, kind := range kinds {
		b.Run(kind.name, func(b *testing.B) {
			s := kind.opener(b)()
			commit := inMemory
			for id := range int32(clients) {
				commit = s.Save(id, value(1, 1))
			}
			<-commit.Done()
			b.ReportAllocs()
			for b.Loop() {
				if got := list(b, s, clients/2, page); len(got) != page {
					b.Fatalf("%d clients, want %d", len(got), page)
				}
			}
		})
	}
}

func eachKindParallel(b *testing.B, save func(s Store, id int32, next func() bool)) {
	for _, kind := range kinds {
		b.Run(kind.name, func(b *testing.B) {
			s := kind.opener(b)()
			var ids atomic.Int32
			b.SetParallelism(benchClients / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) { save(s, ids.Add(1), pb.Next) })
		})
	}
}

// BenchmarkTransaction commits groups of records to a file.
func BenchmarkTransaction(b *testing.B) {
	for _, size := range []int{1, 200, groupRecords} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			d, _, err := openDatabase(filepath.Join(b.TempDir(), "numbers.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer d.close()
			rows := make([]row, size)
			b.ReportAllocs()
			for v := int64(1); b.Loop(); v++ {
				for i := range rows {
					rows[i] = row{int32(i * 2), Record{Number: 1, Value: v, Revision: v, Writer: v << 20, Seen: seen(int(v % 60))}}
				}
				if err := d.write(rows); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
