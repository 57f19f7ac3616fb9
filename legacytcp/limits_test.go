package legacytcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/internal/await"
)

// TestLimitsDefaults checks the defaults of all limits.
func TestLimitsDefaults(t *testing.T) {
	want := Limits{
		MaxConns:           16384,
		MaxConnsPerAddress: 12288,
		ReportRate:         1000,
		FirstByteTimeout:   10 * time.Second,
		IdleTimeout:        5 * time.Minute,
		WriteTimeout:       30 * time.Second,
		Quiet:              20 * time.Millisecond,
		UpstreamWait:       5 * time.Second,
		UpstreamRecovery:   30 * time.Second,
	}
	if got := (Limits{}).withDefaults(); got != want {
		t.Errorf("defaults = %+v, want %+v", got, want)
	}
	if got := want.withDefaults(); got != want {
		t.Errorf("set limits became %+v, want %+v", got, want)
	}
}

// TestFirstByteTimeout has clients that send nothing.
func TestFirstByteTimeout(t *testing.T) {
	const timeout = 60 * time.Millisecond
	for _, dialects := range []Dialects{Both, FilesOnly} {
		d := newDoor(t, dialects, Config{Limits: Limits{FirstByteTimeout: timeout}})
		began := time.Now()
		d.dial(t).receiveEnd(t, false)
		if took := time.Since(began); took < timeout {
			t.Errorf("closed after %v, want %v", took, timeout)
		}
		d.Counts.await(t, ReasonFirstByteTimeout, 1)
		if !strings.Contains(d.Log.String(), "reason=first_byte_timeout") {
			t.Errorf("log = %s", d.Log)
		}
	}
}

// TestIdleTimeout has a client that stops sending inside a frame.
func TestIdleTimeout(t *testing.T) {
	d := newDoor(t, Both, Config{Limits: Limits{IdleTimeout: 300 * time.Millisecond}})
	p := d.dial(t)
	p.send(t, "3748 ")
	p.receive(t, "0 ")
	for i := range 8 { // for twice the timeout, never idle
		time.Sleep(75 * time.Millisecond)
		p.send(t, fmt.Sprintf("%d ", i))
	}
	p.send(t, "odd ev")
	p.receive(t, "79 ")
	p.receiveEnd(t, false) // an incomplete frame does not keep it open
	d.Counts.await(t, ReasonIdle, 1)
	if got := d.Numbers.value(3748); got != 7 {
		t.Errorf("value = %d, want 7", got)
	}
}

// TestWriteTimeout has clients that do not read, in both dialects.
func TestWriteTimeout(t *testing.T) {
	d := newDoor(t, Both, Config{Limits: Limits{WriteTimeout: 100 * time.Millisecond}})
	d.Files.add("big", stubFile{data: make([]byte, 64<<20)})
	d.spy.setSendBuffer(4 << 10)

	file := d.dial(t)
	file.send(t, "big")
	d.Counts.await(t, ReasonWriteTimeout, 1)

	numbers := d.dial(t)
	numbers.SetReadBuffer(4 << 10)
	numbers.send(t, "3748 ")
	for draws := []byte(strings.Repeat("odd ", 1<<14)); ; {
		if _, err := numbers.Write(draws); err != nil {
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("Write after the timeout = %v, want a reset", err)
			}
			break
		}
	}
	d.Counts.await(t, ReasonWriteTimeout, 2)

	n, err := io.Copy(io.Discard, file)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading after the timeout = %d bytes and %v, want a reset", n, err)
	}
}

// TestWriteDeadlineIsRenewed sends replies at intervals longer than the timeout of a write.
func TestWriteDeadlineIsRenewed(t *testing.T) {
	const timeout = 50 * time.Millisecond
	d := newDoor(t, Both, Config{Limits: Limits{WriteTimeout: timeout}})
	p := d.dial(t)
	p.send(t, "3748 ")
	p.receive(t, "0 ")
	for _, want := range []string{"79 ", "90 "} {
		time.Sleep(timeout + timeout/2)
		p.send(t, "odd ")
		p.receive(t, want)
	}
}

// TestWriteProgress writes to a client that accepts some bytes late in each timeout, and
// then none.
func TestWriteProgress(t *testing.T) {
	nc := &slowConn{takes: []int{3, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0}}
	c := &conn{g: New(Config{}), nc: nc}
	if err := c.write([]byte("12345678")); err != nil {
		t.Errorf("write with progress = %v", err)
	}
	if err := c.write([]byte("1")); !isTimeout(err) {
		t.Errorf("write without progress = %v, want a timeout", err)
	}
	if nc.got != "12345678" {
		t.Errorf("written %q, want %q", nc.got, "12345678")
	}
	if len(nc.takes) != 0 {
		t.Errorf("%d expected writes did not happen", len(nc.takes))
	}
}

// slowConn accepts takes[i] bytes of write i, which times out if that is not all of it.
type slowConn struct {
	net.Conn
	takes []int
	got   string
}

func (c *slowConn) SetWriteDeadline(time.Time) error { return nil }

func (c *slowConn) Write(p []byte) (int, error) {
	n := c.takes[0]
	c.takes = c.takes[1:]
	c.got += string(p[:n])
	if n < len(p) {
		return n, os.ErrDeadlineExceeded
	}
	return n, nil
}

// TestMaxConns counts the connections of two listeners.
func TestMaxConns(t *testing.T) {
	d := newDoor(t, Both, Config{Limits: Limits{MaxConns: 2}})
	second, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.serve(t, second, FilesOnly)
	first := d.Addr

	in := d.dial(t)
	in.send(t, "1 ")
	in.receive(t, "0 ")
	other := d.dial(t)
	other.send(t, "3 ")
	other.receive(t, "0 ")

	d.Addr = second.Addr().String()
	d.dial(t).receiveEnd(t, false)
	d.Addr = first
	d.dial(t).receiveEnd(t, false)
	d.Counts.await(t, ReasonOverCapacity, 2)

	in.Close()
	d.Counts.await(t, ReasonClient, 1)
	await.That(t, "a place is free", func() bool { // which happens after the close is counted
		next := d.dial(t)
		next.send(t, "2 ")
		return next.expect("0 ") == nil
	})
}

// TestAllow checks the allow list.
func TestAllow(t *testing.T) {
	refused := newDoor(t, Both, Config{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	refused.dial(t).receiveEnd(t, false)
	refused.Counts.await(t, ReasonNotAllowed, 1)

	allowed := newDoor(t, Both, Config{Allow: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8")}})
	p := allowed.dial(t)
	p.send(t, "1 ")
	p.receive(t, "0 ")
}

// TestContains matches mapped and zoned addresses.
func TestContains(t *testing.T) {
	for _, tt := range []struct {
		allow, addr string
		want        bool
	}{
		{"", "[2001:db8::1]:1", false},
		{"127.0.0.1/32", "127.0.0.1:1", true},
		{"127.0.0.1/32", "127.0.0.2:1", false},
		{"127.0.0.1/32", "[::ffff:127.0.0.1]:1", true},
		{"fe80::/10", "[fe80::1%lo]:1", true},
		{"::/0", "127.0.0.1:1", false},
	} {
		var prefixes []netip.Prefix
		if tt.allow != "" {
			prefixes = append(prefixes, netip.MustParsePrefix(tt.allow))
		}
		addr := addrPort(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tt.addr))).Addr()
		if got := contains(prefixes, addr); got != tt.want {
			t.Errorf("contains(%q, %s) = %v, want %v", tt.allow, tt.addr, got, tt.want)
		}
	}
}

// TestBadFramesAreLoggedAndCounted checks that a bad frame is quoted in the log.
func TestBadFramesAreLoggedAndCounted(t *testing.T) {
	d := newDoor(t, Both, Config{})
	p := d.dial(t)
	p.send(t, "3748 ")
	p.receive(t, "0 ")
	p.send(t, "he\"l\x1blo odd ")
	p.receive(t, "79 ")
	if got := d.Counts.frames; got != 1 {
		t.Errorf("%d bad frames counted, want 1", got)
	}
	if want := `client_id=3748 frame="\"he\\\"l\\x1blo\""`; !strings.Contains(d.Log.String(), want) {
		t.Errorf("log = %s, want it to contain %s", d.Log, want)
	}
	p.send(t, strings.Repeat("x ", 20))
	p.receiveEnd(t, false)
	p.Close()
	d.Counts.await(t, ReasonBadFrames, 1)
	if got := d.Counts.frames; got != maxBadFrames {
		t.Errorf("%d bad frames counted, want %d", got, maxBadFrames)
	}
}

// TestPanicEndsOneConnection checks that the gateway survives a panic.
func TestPanicEndsOneConnection(t *testing.T) {
	d := newDoor(t, FilesOnly, Config{Files: panickingFiles{}})
	for i := range 2 {
		p := d.dial(t)
		p.send(t, "file")
		p.receiveEnd(t, true)
		d.Counts.await(t, ReasonPanic, i+1)
	}
	if log := d.Log.String(); !strings.Contains(log, "just so") || !strings.Contains(log, "answerFile") {
		t.Errorf("log = %s, want the panic and its stack", log)
	}
}

type panickingFiles struct{ filesv1.FileServiceClient }

func (panickingFiles) Get(context.Context, *filesv1.GetRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[filesv1.GetResponse], error) {
	panic("just so")
}

// TestAcceptErrors checks that Serve retries transient errors and returns others.
func TestAcceptErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, Both, Config{})
	d.serve(t, &failingListener{Listener: l, errs: []error{
		&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)},
		&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.ECONNABORTED)},
	}}, Both)
	d.Addr = l.Addr().String()
	p := d.dial(t)
	p.send(t, "1 ")
	p.receive(t, "0 ")

	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := New(Config{}).Serve(&failingListener{Listener: l, errs: []error{broken}}, Both); !errors.Is(err, broken) {
		t.Errorf("Serve = %v, want %v", err, broken)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v, want a closed listener", err)
	}
}

// failingListener returns each of errs before it accepts.
type failingListener struct {
	net.Listener
	errs []error
}

func (l *failingListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	return l.Listener.Accept()
}
