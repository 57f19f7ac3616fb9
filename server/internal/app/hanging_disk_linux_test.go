package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/filecache"
)

// hangingDisk is a file system that answers only when it is told to. It is shown at
// dir, and its files lie in backing.
type hangingDisk struct {
	dir, backing string

	mu    sync.Mutex
	awake chan struct{} // closed while it answers
}

// newHangingDisk mounts one that answers.
func newHangingDisk(t *testing.T) *hangingDisk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a file system")
	}
	disk := &hangingDisk{dir: t.TempDir(), backing: t.TempDir(), awake: make(chan struct{})}
	close(disk.awake)
	files, err := fs.NewLoopbackRoot(disk.backing)
	if err != nil {
		t.Fatal(err)
	}
	root := &hangingNode{files.(*fs.LoopbackNode), disk}
	mounted, err := fs.Mount(disk.dir, root, &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true}})
	if err != nil {
		t.Skip("no FUSE here: ", err)
	}
	keepFuse(t)
	t.Cleanup(func() {
		disk.wake()
		if err := mounted.Unmount(); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return disk
}

// keepFuse keeps the programs that the test starts from inheriting the file system's
// connection: if the test were killed, one that waits for the disk would hold it
// alive, and would wait for itself.
func keepFuse(t *testing.T) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range open {
		if target, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && target == "/dev/fuse" {
			fd, err := strconv.Atoi(f.Name())
			if err != nil {
				t.Fatal(err)
			}
			syscall.CloseOnExec(fd)
		}
	}
}

// hang lets nothing be answered that comes from now on.
func (d *hangingDisk) hang() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.awake = make(chan struct{})
}

// wake answers everything.
func (d *hangingDisk) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.awake:
	default:
		close(d.awake)
	}
}

func (d *hangingDisk) wait() {
	d.mu.Lock()
	awake := d.awake
	d.mu.Unlock()
	<-awake
}

// write makes files, below the mounted directory.
func (d *hangingDisk) write(t *testing.T, n int) (names []string) {
	t.Helper()
	for i := range n {
		names = append(names, fmt.Sprint("f", i))
		if err := os.WriteFile(filepath.Join(d.backing, names[i]), []byte(names[i]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

type hangingNode struct {
	*fs.LoopbackNode
	disk *hangingDisk
}

// WrapChild makes the files of a hanging directory hang.
func (n *hangingNode) WrapChild(_ context.Context, node fs.InodeEmbedder) fs.InodeEmbedder {
	return &hangingNode{node.(*fs.LoopbackNode), n.disk}
}

func (n *hangingNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.disk.wait()
	return n.LoopbackNode.Lookup(ctx, name, out)
}

func (n *hangingNode) Getattr(ctx context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.disk.wait()
	return n.LoopbackNode.Getattr(ctx, f, out)
}

func (n *hangingNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	n.disk.wait()
	return n.LoopbackNode.Open(ctx, flags)
}

// TestHangingDisk has the disk hang under the real program while many call for files
// (PARITY_HANG_CALLS, 400 by default), each for another one. A system call on a file
// cannot be given up and holds a thread, and the Go runtime ends a program that has
// 10,000 of them.
func TestHangingDisk(t *testing.T) {
	// maxThreads is what the operations of files may take, and as many again for the
	// runtime, the register and the log.
	const maxThreads = 64 + 64
	calls := setting(t, "PARITY_HANG_CALLS", 400)
	disk := newHangingDisk(t)
	names := disk.write(t, calls)
	p := startProcess(t, "--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=", "--trusted-gateways=127.0.0.0/8", "--data-dir="+t.TempDir(), disk.dir)
	t.Cleanup(disk.wake) // before the process is killed: it could not die
	files := filesv1.NewFileServiceClient(p.dial(t))
	numbers := numbersv1.NewNumberServiceClient(p.dial(t))
	if _, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: names[0]}); err != nil {
		t.Fatal(err)
	}
	session, err := numbers.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exchange := func(req *numbersv1.CountRequest) {
		t.Helper()
		if err := session.Send(req); err != nil {
			t.Fatal(err)
		}
		if _, err := session.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	exchange(&numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Register{Register: &numbersv1.Register{ClientId: 7}}})

	disk.hang()
	var callers sync.WaitGroup
	var mu sync.Mutex
	outcomes := map[string]int{}
	gone, leave := context.WithCancel(t.Context())
	for i, name := range names {
		callers.Go(func() {
			ctx := gone // half of them wait for as long as the server lets them
			if i%2 == 1 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(gone, 10*time.Millisecond)
				defer cancel()
			}
			_, _, err := download(ctx, files, &filesv1.GetRequest{Name: name})
			mu.Lock()
			defer mu.Unlock()
			outcomes[outcome(err)]++
		})
	}
	refused := func() int {
		mu.Lock()
		defer mu.Unlock()
		return outcomes["Unavailable DISK_UNAVAILABLE, try again"]
	}
	// Meanwhile numbers go on, until those who had to queue have been sent away.
	threads, draws := 0, 0
	for end := time.Now().Add(time.Minute); refused() < calls/2-64 && time.Now().Before(end); draws++ {
		if _, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
			t.Fatal(err)
		}
		exchange(&numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Draw{Draw: &numbersv1.Draw{}}})
		threads = max(threads, p.threads(t))
		time.Sleep(10 * time.Millisecond) // no load: only proof that they answer
	}
	if n := refused(); n < calls/2-64 {
		t.Errorf("%d of %d calls were sent away, want all but those with the disk", n, calls/2)
	}
	if threads > maxThreads {
		t.Errorf("%d threads, want at most %d", threads, maxThreads)
	}
	// Nobody queues behind a disk that hangs.
	_, _, err = download(t.Context(), files, &filesv1.GetRequest{Name: names[0]})
	if got := outcome(err); got != "Unavailable DISK_UNAVAILABLE, try again" {
		t.Errorf("then Get ends in %s", got)
	}

	disk.wake()
	leave()
	callers.Wait()
	woken := time.Now()
	defer func() { t.Log("all files again after", time.Since(woken)) }()
	t.Logf("%d calls with the disk hanging: %v; %d threads at most; %d draws through each way meanwhile", calls, outcomes, threads, draws)
	for _, name := range names {
		callers.Go(func() {
			data, err := retryUnavailable(t.Context(), files, name)
			if err != nil || string(data) != name {
				t.Errorf("when the disk is back, Get(%q) = %q, %v", name, data, err)
			}
		})
	}
	callers.Wait()
}

// TestStopWithHangingDisk stops a server whose disk hangs, under a call.
func TestStopWithHangingDisk(t *testing.T) {
	disk := newHangingDisk(t)
	names := disk.write(t, 1)
	r := startIn(t, disk.dir, "--drain-timeout=100ms")
	files := r.filesClient(t)
	if _, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: names[0]}); err != nil {
		t.Fatal(err)
	}
	disk.hang()
	var callers sync.WaitGroup
	for range 3 {
		callers.Go(func() {
			_, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: names[0]})
			if status.Code(err) != codes.Unavailable {
				t.Errorf("Get ended in %v", err)
			}
		})
	}
	for r.cache.Stats().Busy == 0 {
		runtime.Gosched()
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the server waits for the disk")
	}
	callers.Wait()
	disk.wake()
}

// TestSlowReadersHoldNoDescriptors downloads files past the cache from a program with
// few descriptors, and does not read them (PARITY_SLOW_GETS, 300 by default).
func TestSlowReadersHoldNoDescriptors(t *testing.T) {
	gets := setting(t, "PARITY_SLOW_GETS", 300)
	dir := t.TempDir()
	for i := range gets {
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	p := startProcess(t, "--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=", "--cache-size=0", "--trusted-gateways=127.0.0.0/8", "--data-dir="+t.TempDir(), dir)
	// A window of one's own is not widened: a call that nobody reads stops soon.
	cc, err := grpc.NewClient(p.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(1<<16), grpc.WithInitialConnWindowSize(1<<30))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	files := filesv1.NewFileServiceClient(cc)
	before := p.descriptors(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range gets {
		stream, err := files.Get(ctx, &filesv1.GetRequest{Name: strconv.Itoa(i)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil { // and then the window is full
			t.Fatalf("Get %d: %v", i, err)
		}
	}
	after := p.descriptors(t)
	t.Logf("%d descriptors before, %d with %d Gets that nobody reads", before, after, gets)
	if used := after - before; used > filecache.DefaultMaxOpen {
		t.Errorf("%d descriptors for %d Gets that nobody reads, want at most %d", used, gets, filecache.DefaultMaxOpen)
	}
}

// threads returns how many the process has.
func (p *process) threads(t *testing.T) int {
	t.Helper()
	return p.status(t, "Threads:")
}

// descriptors returns how many the process has open.
func (p *process) descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// status returns a number of /proc/PID/status.
func (p *process) status(t *testing.T, field string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), field)
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// outcome says how a call ended, and whether it was told when to try again.
func outcome(err error) string {
	st := status.Convert(err)
	text := st.Code().String()
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			text += " " + d.GetReason()
		case *errdetails.RetryInfo:
			text += ", try again"
		}
	}
	return text
}

// retryUnavailable downloads a file as a client does that follows RetryInfo.
func retryUnavailable(ctx context.Context, files filesv1.FileServiceClient, name string) (data []byte, err error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if data, _, err = download(ctx, files, &filesv1.GetRequest{Name: name}); status.Code(err) != codes.Unavailable {
			break
		}
	}
	return data, err
}
