package app

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"example.com/parity/server/internal/filecache"
)

const (
	// soakPeriod is the number of bytes after which a file's content repeats. It is a
	// prime, so that no two blocks or pieces of blocks are equal.
	soakPeriod = 1_299_709
	// soakSlowWrite is the longest time of an ordinary write. If a write takes longer than
	// the cache waits for a file to settle, the half-written file looks settled. This
	// bound is far less than that wait, because a reader may have begun earlier.
	soakSlowWrite = 10 * time.Millisecond
	// soakRetained is how many downloads a reader keeps and compares again later, when
	// their memory may have been reused.
	soakRetained = 4
	// soakPatience is the longest time of one download, also with the race detector and two
	// dozen readers on two processors.
	soakPatience = 3 * time.Minute
)

// TestSoak downloads files through every door and in every manner for PARITY_SOAK_TIME
// (3 s by default), through a cache that is too small for them, while some of them are
// rewritten. It compares every byte: a buffer that is reused while it is still being sent
// causes no error but wrong content.
func TestSoak(t *testing.T) {
	duration := 3 * time.Second
	if text := os.Getenv("PARITY_SOAK_TIME"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := &soak{running: start(t, "--cache-size=16MiB", "--log-messages=false"), scratch: t.TempDir(), outcomes: map[string]int{}}
	s.makeFiles(t)

	cc, err := grpc.NewClient(s.grpcListener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	doors := s.doors(t)
	doors["gzip"] = rpcDoor{cc}

	end := time.Now().Add(duration)
	var group sync.WaitGroup
	for _, f := range s.files {
		if f.rewrite != nil {
			group.Go(func() { s.rewrite(t, f, end) })
		}
	}
	var kinds []string
	for doorName, d := range doors {
		for _, m := range soakManners {
			if _, isRPC := d.(rpcDoor); m.ranged && !isRPC {
				continue // the original protocol has no ranges
			}
			r := &soakReader{soak: s, kind: doorName + ", " + m.name, door: d, manner: m}
			kinds = append(kinds, r.kind+": right")
			group.Go(func() { r.read(t, end) })
		}
	}
	group.Wait()

	for _, outcome := range slices.Sorted(maps.Keys(s.outcomes)) {
		t.Logf("%7d %s", s.outcomes[outcome], outcome)
	}
	if t.Failed() {
		return // the readers have stopped early
	}
	for _, manner := range []string{"overwritten", "truncated", "renamed"} {
		kinds = append(kinds, manner+" files: rewritten", manner+" files: right")
	}
	for _, kind := range append(kinds, "still files: right", "changed under its reader") {
		if s.outcomes[kind] == 0 {
			t.Errorf("outcome %q never happened", kind)
		}
	}
	cache := s.cache.Stats()
	t.Logf("cache: %+v", cache)
	if cache.Hits == 0 || cache.Fills == 0 || cache.Joins == 0 || cache.Uncached == 0 || cache.Evictions == 0 {
		t.Errorf("not every operation of the cache was used: %+v", cache)
	}
}

// soak is a server with files of known content.
type soak struct {
	*running
	scratch string // directory for files to be renamed
	files   []*soakFile

	mu       sync.Mutex
	outcomes map[string]int
}

func (s *soak) count(outcome string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[outcome]++
}

// soakManner is how a file is downloaded.
type soakManner struct {
	name    string
	ranged  bool          // only a range of the file
	pause   time.Duration // between two pieces
	cancels bool          // after the first piece
}

var soakManners = []soakManner{
	{name: "whole"},
	{name: "range", ranged: true},
	{name: "slow", pause: 20 * time.Millisecond},
	{name: "cancelled", cancels: true},
}

// soakReader downloads files through one door in one manner.
type soakReader struct {
	*soak
	kind   string
	door   door
	manner soakManner

	retained []func() error // compare earlier downloads again
}

// read downloads files until end.
func (r *soakReader) read(t *testing.T, end time.Time) {
	// On a busy machine it continues until one download was right.
	for right, late := false, end.Add(30*time.Second); (!right && time.Now().Before(late) || time.Now().Before(end)) && !t.Failed(); {
		f := r.files[rand.N(len(r.files))]
		if r.manner.cancels && f.size == 0 {
			continue
		}
		outcome, err := r.readFile(t.Context(), f)
		if err != nil {
			t.Errorf("%s: %s: %v", r.kind, f.name, err)
			return
		}
		right = right || outcome == "right"
		r.count(r.kind + ": " + outcome)
		r.count(f.manner() + " files: " + outcome)
		if outcome == "changed" {
			r.count("changed under its reader")
		}
		for len(r.retained) > soakRetained {
			if err := r.retained[0](); err != nil {
				t.Errorf("%s: compared again: %v", r.kind, err)
			}
			r.retained = r.retained[1:]
		}
	}
}

// readFile downloads f, or a range of it, and returns the outcome: "right", "changed" or,
// if the writer was too slow, "torn". An error is a fault of the server.
func (r *soakReader) readFile(ctx context.Context, f *soakFile) (outcome string, err error) {
	ctx, cancel := context.WithTimeout(ctx, soakPatience)
	defer cancel()
	var off, limit int64
	if r.manner.ranged {
		off, limit = soakRange(f.size)
	}
	oldest := f.done.Load()
	pieces, err := r.fetch(ctx, f.name, off, limit)
	newest := f.begun.Load()
	data := slices.Concat(pieces...)
	switch {
	case errors.Is(err, errCancelled):
	case f.rewrite != nil && (status.Code(err) == codes.Aborted || errors.Is(err, syscall.ECONNRESET)):
		// The bytes before the error may belong to no generation.
		return "changed", nil
	case status.Code(err) == codes.OutOfRange && f.mayBeTorn(oldest, newest):
		return "torn", nil // emptied and not yet written
	case err != nil:
		return "", fmt.Errorf("after %d bytes from %d: %w", len(data), off, err)
	}
	for generation := oldest; generation <= newest; generation++ {
		if f.is(generation, data, off, limit, err == nil) {
			r.retain(f, generation, off, pieces)
			return "right", nil
		}
	}
	if f.mayBeTorn(oldest, newest) {
		return "torn", nil
	}
	return "", fmt.Errorf("%d bytes from %d, limit %d, error %v: match none of the generations %d to %d, checksum %08x",
		len(data), off, limit, err, oldest, newest, crc32.ChecksumIEEE(data))
}

// retain keeps the pieces of a download, uncopied, to compare them again.
func (r *soakReader) retain(f *soakFile, generation, off int64, pieces [][]byte) {
	r.retained = append(r.retained, func() error {
		if data := slices.Concat(pieces...); !f.is(generation, data, off, int64(len(data)), false) {
			return fmt.Errorf("%s: %d bytes from %d have changed since they were compared", f.name, len(data), off)
		}
		return nil
	})
}

// soakRange returns a range of a file. Half of all ranges begin near the boundary of two
// blocks.
func soakRange(size int64) (off, limit int64) {
	off = rand.N(size + 1)
	limit = rand.N(size + 2)
	if rand.N(2) == 0 {
		border := rand.N(size/filecache.BlockSize+1) * filecache.BlockSize
		off = min(max(border+rand.N(int64(3))-1, 0), size)
	}
	return off, limit
}
