package download

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// Sizes in these tests: what the server sends at once, and maxSegment.
const (
	chunk       = fakeserver.Chunk
	segmentSize = 16 * chunk
)

func TestMain(m *testing.M) {
	usualSegment, maxSegment, minSegment, firstLook = segmentSize, segmentSize, chunk, segmentSize
	if addr := os.Getenv(victimEnv); addr != "" {
		victim(addr)
		return
	}
	goleak.VerifyTestMain(m)
}

// newServer returns a server and a client of it.
func newServer(tb testing.TB, files *fakeserver.Files) (*fakeserver.Server, filesv1.FileServiceClient) {
	tb.Helper()
	s := fakeserver.Start(tb, files, nil)
	return s, filesv1.NewFileServiceClient(fakeserver.Dial(tb, s.Addr))
}

// random returns n random bytes, which depend on the seed.
func random(n int64, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, 0, n+8)
	for int64(len(data)) < n {
		data = binary.LittleEndian.AppendUint64(data, rng.Uint64())
	}
	return data[:n]
}

// wantFile checks a file's content.
func wantFile(tb testing.TB, path string, want []byte) {
	tb.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		tb.Fatalf("%s has %d bytes and is not the file of %d", path, len(got), len(want))
	}
}

// wantDir checks which files a directory has; "*.part" stands for one part file.
func wantDir(tb testing.TB, dir string, want ...string) {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	got := []string{}
	for _, e := range entries {
		name := e.Name()
		if filepath.Ext(name) == partSuffix {
			name = "*" + partSuffix
		}
		got = append(got, name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		tb.Fatalf("%s has %q, want %q", dir, got, want)
	}
}

// waitPart waits until the part file in dir of a file of size bytes holds at least so many
// of them.
func waitPart(dir string, size, held int64) {
	for have := int64(0); have < held; time.Sleep(time.Millisecond) {
		parts, _ := filepath.Glob(filepath.Join(dir, ".*"+partSuffix))
		if len(parts) != 1 {
			continue
		}
		if f, err := os.Open(parts[0]); err == nil {
			pieces, _ := (&part{file: f, size: size}).readJournal()
			f.Close()
			have = 0
			for _, p := range pieces {
				have += p.span.size
			}
		}
	}
}

// ignore takes everything that is told, and drops it.
var ignore = Options{Outage: func(Outage) {}, Restart: func(error) {}, Progress: func(int64, int64) {}}
