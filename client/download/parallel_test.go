package download

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// newGroup returns a group that has n connections to a server lent to it.
func newGroup(tb testing.TB, addr string, n int) *Group {
	tb.Helper()
	g := NewGroup(0)
	for range n {
		g.Lend(filesv1.NewFileServiceClient(fakeserver.Dial(tb, addr)))
	}
	return g
}

// connections counts the connections over which calls of Get came.
func connections(files *fakeserver.Files) int {
	from := map[string]bool{}
	for _, call := range files.Calls() {
		p, _ := peer.FromContext(call.Stream.Context())
		from[p.Addr.String()] = true
	}
	return len(from)
}

// TestParallel fetches a file over several connections at once, to a file and in order.
func TestParallel(t *testing.T) {
	const size = 20*segmentSize + 7
	files := &fakeserver.Files{Whole: true}
	data := random(size, 40)
	files.Put("f", data)
	// The first ranges wait for each other: one connection alone would wait forever.
	var arrived sync.WaitGroup
	arrived.Add(4)
	var waiting sync.Map
	files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
		p, _ := peer.FromContext(call.Stream.Context())
		if _, again := waiting.LoadOrStore(p.Addr.String(), true); !again {
			arrived.Done()
		}
		if call.GetOffset() > 0 {
			arrived.Wait()
		}
		return nil
	}
	server, client := newServer(t, files)
	group := newGroup(t, server.Addr, 3)
	var last int64
	r, err := GetBelow(t.Context(), client, "f", t.TempDir(), Options{Group: group, Progress: func(done, _ int64) { last = done }})
	if err != nil || r.Bytes != size || !r.Whole || last != size {
		t.Fatalf("GetBelow = %+v, %v, progress %d", r, err, last)
	}
	wantFile(t, r.Path, data)
	if n := connections(files); n != 4 {
		t.Errorf("took %d connections, want 4", n)
	}
	if len(group.spare) != 3 {
		t.Errorf("%d connections are spare afterwards, want 3", len(group.spare))
	}

	var out bytes.Buffer
	files.Before = nil
	if r, err := Copy(t.Context(), client, "f", &out, Options{Group: group}); err != nil || !r.Whole {
		t.Errorf("Copy = %+v, %v", r, err)
	}
	if !bytes.Equal(out.Bytes(), data) {
		t.Errorf("Copy wrote %d bytes that are not the file", out.Len())
	}
}

// TestParallelConnectionsLost breaks all connections again and again.
func TestParallelConnectionsLost(t *testing.T) {
	files := &fakeserver.Files{Whole: true}
	data := random(12*segmentSize, 41)
	files.Put("f", data)
	var server *fakeserver.Server
	var cuts atomic.Int64
	files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
		if call.Number%7 == 5 && sent == chunk && cuts.Add(1) < 6 {
			server.Cut()
			return errors.New("cut")
		}
		return nil
	}
	server, client := newServer(t, files)
	opts := ignore
	opts.Group = newGroup(t, server.Addr, 3)
	r, err := GetBelow(t.Context(), client, "f", t.TempDir(), opts)
	if err != nil || !r.Whole {
		t.Fatalf("GetBelow = %+v, %v", r, err)
	}
	wantFile(t, r.Path, data)
	if cuts.Load() < 2 {
		t.Errorf("the connections broke %d times", cuts.Load())
	}
}

// TestParallelUselessConnection: a connection that a server does not serve is no reason to
// fail.
func TestParallelUselessConnection(t *testing.T) {
	files, none := new(fakeserver.Files), new(fakeserver.Files)
	data := random(8*segmentSize, 42)
	files.Put("f", data)
	refused := make(chan struct{})
	var once sync.Once
	none.Put("f", data)
	none.Before = func(*fakeserver.Call, int64, *filesv1.GetResponse) error {
		once.Do(func() { close(refused) })
		return status.Error(codes.ResourceExhausted, "too many connections")
	}
	files.Before = func(call *fakeserver.Call, _ int64, _ *filesv1.GetResponse) error {
		if call.GetOffset() > 0 {
			<-refused
		}
		return nil
	}
	_, client := newServer(t, files)
	other, _ := newServer(t, none)
	noOutage := Options{Group: newGroup(t, other.Addr, 1), Outage: func(o Outage) { t.Errorf("outage %+v", o) }}
	r, err := GetBelow(t.Context(), client, "f", t.TempDir(), noOutage)
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, r.Path, data)
}

// TestParallelKilled: a process that is killed while ranges come over several connections
// leaves all that it has verified, in any order.
func TestParallelKilled(t *testing.T) {
	const size = 12 * segmentSize
	files := &fakeserver.Files{Whole: true}
	data := random(size, 43)
	files.Put("f", data)
	var hang atomic.Bool
	hang.Store(true)
	files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
		// One range does not come, the rest does.
		if offset := call.GetOffset(); hang.Load() && offset <= segmentSize && offset+call.GetLimit() > segmentSize {
			<-call.Stream.Context().Done()
		}
		return nil
	}
	server, client := newServer(t, files)
	dir := t.TempDir()
	process := exec.Command(os.Args[0])
	process.Dir = dir
	process.Env = append(os.Environ(), victimEnv+"="+server.Addr, victimLanes+"=4")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	waitPart(dir, size, 6*segmentSize)
	process.Process.Kill()
	process.Wait()
	hang.Store(false)
	before := len(files.Calls())

	r, err := GetBelow(t.Context(), client, "f", dir, Options{Group: newGroup(t, server.Addr, 3)})
	if err != nil || r.Resumed < 6*segmentSize || !r.Whole {
		t.Fatalf("GetBelow = %+v, %v", r, err)
	}
	wantFile(t, r.Path, data)
	wantDir(t, dir, "f")
	fetched := int64(0)
	for _, call := range files.Calls()[before:] {
		fetched += min(call.GetLimit(), size-call.GetOffset())
	}
	if want := size - r.Resumed + 1; fetched != want { // a byte to look at the file
		t.Errorf("asked for %d bytes, want %d", fetched, want)
	}
}

// TestGroupOfFiles downloads several files at once, with what they share.
func TestGroupOfFiles(t *testing.T) {
	files := new(fakeserver.Files) // without a checksum of the whole, which would hide a mixture
	server, client := newServer(t, files)
	group, dir := newGroup(t, server.Addr, 2), t.TempDir()
	var all sync.WaitGroup
	for i := range 6 {
		name, data := fmt.Sprint("dir/f", i), random(int64(i)*3*segmentSize+int64(i), uint64(50+i))
		files.Put(name, data)
		all.Go(func() {
			r, err := GetBelow(t.Context(), client, name, dir, Options{Group: group})
			if err != nil {
				t.Error(err)
				return
			}
			wantFile(t, r.Path, data)
		})
	}
	all.Wait()
	if group.claimed != 0 || len(group.spare) != 2 {
		t.Errorf("%d bytes are claimed afterwards, and %d connections spare", group.claimed, len(group.spare))
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, "dir")); len(entries) != 6 {
		t.Errorf("left %v", entries)
	}
}

// TestParallelInPlace downloads a file many times, with idle connections from the start:
// each range lands in its place, although nothing but the bytes would tell.
func TestParallelInPlace(t *testing.T) {
	files := new(fakeserver.Files)
	data := random(2*segmentSize+1, 44)
	files.Put("f", data)
	server, client := newServer(t, files)
	group, dir := newGroup(t, server.Addr, 3), t.TempDir()
	for range 200 {
		r, err := GetBelow(t.Context(), client, "f", dir, Options{Group: group, Force: true})
		group.placed = nil // as if each were a group of its own
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, r.Path, data)
	}
}
