package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
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

// hangingDisk is a FUSE file system whose operations can be made to block or to fail. It
// is mounted at dir and stores its files in backing.
type hangingDisk struct {
	dir, backing string

	broken atomic.Bool // open fails

	mu    sync.Mutex
	awake chan struct{} // closed while operations proceed
}

// newHangingDisk mounts one that does not block yet. It is unmounted at the end of the
// test.
func newHangingDisk(t *testing.T) *hangingDisk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
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
		t.Skip("needs FUSE: ", err)
	}
	closeFuseOnExec(t)
	t.Cleanup(func() {
		disk.wake()
		if err := mounted.Unmount(); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return disk
}

// closeFuseOnExec keeps programs that the test starts from inheriting the connection to
// FUSE. Otherwise, if the test were killed, a program blocked on the disk would keep the
// connection open, and so block for ever.
func closeFuseOnExec(t *testing.T) {
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

// hang blocks all operations from now on.
func (d *hangingDisk) hang() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.awake = make(chan struct{})
}

// wake lets all operations proceed.
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

// write creates n files, each with its name as content.
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

// WrapChild makes the nodes below a hangingNode hangingNodes.
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
	if n.disk.broken.Load() {
		return nil, 0, syscall.EIO
	}
	return n.LoopbackNode.Open(ctx, flags)
}

// TestHangingDisk makes the disk hang while many calls each request a different file
// (PARITY_HANG_CALLS, 400 by default). A blocked system call on a file cannot be
// cancelled and occupies a thread, and the Go runtime ends a program with 10,000 threads.
// The program must bound the threads, answer Unavailable, serve numbers, and recover.
func TestHangingDisk(t *testing.T) {
	// maxThreads is 64 threads for file operations, and as many for the runtime, the
	// register and the log.
	const maxThreads = 64 + 64
	calls := setting(t, "PARITY_HANG_CALLS", 400)
	disk := newHangingDisk(t)
	names := disk.write(t, calls)
	p := startProcess(t, serverArgs(t, disk.dir, "--trusted-gateways=127.0.0.0/8")...)
	t.Cleanup(disk.wake) // before the process is killed, which could not end while blocked
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
	exchange(registering(7))

	disk.hang()
	var callers sync.WaitGroup
	var mu sync.Mutex
	outcomes := map[string]int{}
	patient, leave := context.WithCancel(t.Context())
	for i, name := range names {
		callers.Go(func() {
			ctx := patient // half of the calls wait until the server ends them
			if i%2 == 1 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(patient, 10*time.Millisecond)
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
	// Numbers are served meanwhile, until all queued calls have been refused.
	threads, draws := 0, 0
	for end := time.Now().Add(time.Minute); refused() < calls/2-64 && time.Now().Before(end); draws++ {
		if _, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
			t.Fatal(err)
		}
		exchange(drawing(numbersv1.Parity_PARITY_UNSPECIFIED))
		threads = max(threads, p.status(t, "Threads"))
		time.Sleep(10 * time.Millisecond)
	}
	if n := refused(); n < calls/2-64 {
		t.Errorf("%d of %d calls were refused, want all but the 64 that block on the disk", n, calls/2)
	}
	if threads > maxThreads {
		t.Errorf("%d threads, want at most %d", threads, maxThreads)
	}
	// A call does not queue while the disk hangs.
	_, _, err = download(t.Context(), files, &filesv1.GetRequest{Name: names[0]})
	if got := outcome(err); got != "Unavailable DISK_UNAVAILABLE, try again" {
		t.Errorf("Get while the disk hangs: %s, want Unavailable DISK_UNAVAILABLE and RetryInfo", got)
	}

	disk.wake()
	leave()
	callers.Wait()
	woken := time.Now()
	defer func() { t.Log("all files were downloaded in", time.Since(woken)) }()
	t.Logf("%d calls while the disk hung: %v; at most %d threads; %d draws of each kind", calls, outcomes, threads, draws)
	for _, name := range names {
		callers.Go(func() {
			data, err := retryUnavailable(t.Context(), files, name)
			if err != nil || string(data) != name {
				t.Errorf("Get(%q) after the disk has recovered = %q, %v", name, data, err)
			}
		})
	}
	callers.Wait()
}

// TestStopWithHangingDisk stops a server while calls block on its disk.
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
				t.Errorf("Get: %v, want Unavailable", err)
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
		t.Error("the server still waits for the disk after a minute")
	}
	callers.Wait()
	disk.wake()
}

// TestDiskErrorStaysInside: a client gets INTERNAL for an error of the disk. Only the log
// has the cause.
func TestDiskErrorStaysInside(t *testing.T) {
	disk := newHangingDisk(t)
	names := disk.write(t, 1)
	disk.broken.Store(true)
	wantCauseInLog(t, startIn(t, disk.dir), names[0], syscall.EIO)
}

// TestSlowReadersHoldNoDescriptors starts downloads of uncached files and does not read
// them (PARITY_SLOW_GETS, 300 by default). They must not hold a file descriptor each.
func TestSlowReadersHoldNoDescriptors(t *testing.T) {
	gets := setting(t, "PARITY_SLOW_GETS", 300)
	dir := t.TempDir()
	for i := range gets {
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	p := startProcess(t, serverArgs(t, dir, "--cache-size=0", "--trusted-gateways=127.0.0.0/8")...)
	// The bandwidth estimate does not enlarge an explicit window, so an unread call soon
	// blocks.
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
		if _, err := stream.Recv(); err != nil { // then the window is full
			t.Fatalf("Get %d: %v", i, err)
		}
	}
	after := p.descriptors(t)
	t.Logf("%d descriptors before, %d with %d unread Gets", before, after, gets)
	if used := after - before; used > filecache.DefaultMaxOpen {
		t.Errorf("%d descriptors for %d unread Gets, want at most %d", used, gets, filecache.DefaultMaxOpen)
	}
}

// descriptors returns the number of open file descriptors of the process.
func (p *process) descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// outcome returns the code of a call, its reason, and whether it carries RetryInfo.
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

// retryUnavailable downloads a file and retries while the status is Unavailable.
func retryUnavailable(ctx context.Context, files filesv1.FileServiceClient, name string) (data []byte, err error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if data, _, err = download(ctx, files, &filesv1.GetRequest{Name: name}); status.Code(err) != codes.Unavailable {
			break
		}
	}
	return data, err
}
