package legacytcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// shutdown begins a shutdown that has enough time. The returned function waits until it has
// ended.
func (d *door) shutdown(t *testing.T) (wait func()) {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- d.Shutdown(ctx)
	}()
	<-d.draining
	return func() {
		t.Helper()
		if err := <-done; err != nil {
			t.Errorf("Shutdown = %v", err)
		}
	}
}

// TestShutdownClosesIdle checks that idle clients are closed, after what they sent is handled.
func TestShutdownClosesIdle(t *testing.T) {
	d := newDoor(t, Both, Config{})
	silent, idle := d.dial(t), d.dial(t)
	idle.send(t, "3748 5 odd ")
	idle.receive(t, "0 79 ")
	idle.send(t, "6 ") // may arrive after the shutdown has begun

	wait := d.shutdown(t)
	silent.receiveEnd(t, false)
	idle.receiveEnd(t, false)
	wait()
	d.Counts.await(t, ReasonShutdown, 2)
	if got := d.Numbers.value(3748); got != 6 {
		t.Errorf("value = %d, want 6", got)
	}
	if _, err := net.Dial("tcp", d.Addr); err == nil {
		t.Error("connected after Shutdown")
	}
}

// TestShutdownProcessesWhatHasArrived begins the shutdown while a request is being handled
// and others are in the socket.
func TestShutdownProcessesWhatHasArrived(t *testing.T) {
	d := newDoor(t, Both, Config{})
	drawing, release := make(chan struct{}), make(chan struct{})
	d.Numbers.before = func(_ context.Context, req *numbersv1.CountRequest) error {
		if req.GetDraw().GetParity() == numbersv1.Parity_PARITY_ODD {
			close(drawing)
			<-release
		}
		return nil
	}
	p := d.dial(t)
	p.send(t, "3748 1 odd ")
	<-drawing
	p.send(t, "2 even 3 ")
	wait := d.shutdown(t)
	close(release)
	p.receive(t, "0 79 90 ")
	p.receiveEnd(t, false)
	wait()
	if got := d.Numbers.value(3748); got != 3 {
		t.Errorf("value = %d, want 3", got)
	}
}

// TestShutdownLetsTransfersFinish begins the shutdown before the service answers.
func TestShutdownLetsTransfersFinish(t *testing.T) {
	d := newDoor(t, Both, Config{})
	asked, release := make(chan struct{}), make(chan struct{})
	d.Files.before = func(context.Context) error {
		close(asked)
		<-release
		return nil
	}
	data := bytes.Repeat([]byte("parity"), 1<<20)
	d.Files.add("file", stubFile{data: data})
	p := d.dial(t)
	p.send(t, "file")
	<-asked
	wait := d.shutdown(t)
	close(release)
	got, err := io.ReadAll(p)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes and %v, want %d", len(got), err, len(data))
	}
	wait()
}

// TestShutdownCuts has a client that does not read and a service that hangs.
func TestShutdownCuts(t *testing.T) {
	d := newDoor(t, Both, Config{})
	d.Files.add("big", stubFile{data: make([]byte, 64<<20)})
	entered := make(chan struct{}, 1)
	d.Numbers.before = func(ctx context.Context, req *numbersv1.CountRequest) error {
		if req.GetDraw() == nil {
			return nil
		}
		entered <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	unread, hung := d.dial(t), d.dial(t)
	unread.send(t, "big")
	hung.send(t, "3748 odd ")
	<-entered

	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := d.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown = %v, want %v", err, context.DeadlineExceeded)
	}
	d.Counts.await(t, ReasonShutdown, 2)
	if _, err := io.Copy(io.Discard, unread); err == nil {
		t.Error("an incomplete file ended in EOF, want a reset")
	}
	hung.receiveEnd(t, true)
}

// TestShutdownOfAFlood has a client that never stops sending.
func TestShutdownOfAFlood(t *testing.T) {
	d := newDoor(t, Both, Config{})
	p := d.dial(t)
	p.send(t, "3748 ")
	p.receive(t, "0 ")
	flooded := make(chan struct{})
	go func() {
		defer close(flooded)
		reports := bytes.Repeat([]byte("1 "), 1<<10)
		for {
			if _, err := p.Write(reports); err != nil {
				return
			}
		}
	}()
	d.shutdown(t)()
	<-flooded
}

// TestShutdownEndsWaitsForUpstream has a service that is UNAVAILABLE.
func TestShutdownEndsWaitsForUpstream(t *testing.T) {
	d := newDoor(t, Both, Config{Limits: Limits{UpstreamWait: time.Hour, UpstreamRecovery: time.Hour}})
	calls := make(chan struct{}, 100)
	away := status.Error(codes.Unavailable, "away")
	d.Numbers.before = func(_ context.Context, req *numbersv1.CountRequest) error {
		if req.GetRegistration().GetClientId() == 1 {
			return nil
		}
		calls <- struct{}{}
		return away
	}
	d.Files.before = func(context.Context) error { calls <- struct{}{}; return away }
	counting, fresh, file := d.dial(t), d.dial(t), d.dial(t)
	counting.send(t, "1 ")
	counting.receive(t, "0 ")
	counting.send(t, "odd ")
	fresh.send(t, "2 ")
	file.send(t, "file")
	for range 3 {
		<-calls
	}
	d.shutdown(t)()
	d.Counts.await(t, ReasonUpstream, 3)
	file.receiveEnd(t, true)
}

// TestServeAfterShutdown checks that Serve closes its listener and returns.
func TestServeAfterShutdown(t *testing.T) {
	g := New(Config{})
	if err := g.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Serve(l, Both); err != nil {
		t.Errorf("Serve = %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v, want a closed listener", err)
	}
	if err := g.Shutdown(t.Context()); err != nil {
		t.Errorf("second Shutdown = %v", err)
	}
}
