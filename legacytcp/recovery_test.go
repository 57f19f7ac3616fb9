package legacytcp

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/await"
)

// TestRecoveryTransitions checks every event in every state. "-" marks events that cannot
// happen.
func TestRecoveryTransitions(t *testing.T) {
	const table = `
	            registered reported  committed broken    ended     gone      gaveUp
	 fresh      settled    -         -         fresh     fresh     over      over
	 settled    -          reported  settled   lost      settled   settled   over
	 reported   -          reported  settled   doubt     reported  reported  abandoned
	 repeated   -          reported  settled   doubt     repeated  repeated  abandoned
	 lost       settled    doubt     -         lost      left      over      over
	 doubt      repeated   doubt     -         doubt     owed      abandoned abandoned
	 left       -          owed      -         left      left      over      over
	 owed       repeated   owed      -         owed      owed      abandoned abandoned
	 over       -          abandoned -         over      over      over      over
	 abandoned  -          abandoned -         abandoned abandoned abandoned abandoned`
	states := []string{"fresh", "settled", "reported", "repeated", "lost", "doubt", "left", "owed", "over", "abandoned"}
	rows := strings.Split(strings.TrimSpace(table), "\n")
	events := strings.Fields(rows[0])
	if len(states) != recoveryStates || len(rows)-1 != recoveryStates || len(events) != recoveryEvents {
		t.Fatalf("the table has %d states and %d events, want %d and %d", len(rows)-1, len(events), recoveryStates, recoveryEvents)
	}
	unsaved := []string{"reported", "repeated", "doubt", "owed", "abandoned"}
	for s, row := range rows[1:] {
		cells := strings.Fields(row)
		if cells[0] != states[s] {
			t.Fatalf("row %d is %q, want %q", s, cells[0], states[s])
		}
		if got := recoveryState(s).unsaved(); got != slices.Contains(unsaved, cells[0]) {
			t.Errorf("%s: unsaved = %v", cells[0], got)
		}
		for e, want := range cells[1:] {
			next, ok := recoveryState(s).next(recoveryEvent(e))
			if got := states[next]; !ok && want != "-" || ok && got != want {
				t.Errorf("%s in %s leads to %s, %v; want %s", events[e], cells[0], got, ok, want)
			}
		}
	}
}

// TestRecoveryTokens follows a report through lost streams. Its token remains the token of
// the session in which it was first made.
func TestRecoveryTokens(t *testing.T) {
	var r recovery
	check := func(state recoveryState, value int64, origin string) {
		t.Helper()
		if r.state != state || r.value != value || r.origin != origin {
			t.Fatalf("state %d, value %d of session %q; want %d, %d of %q", r.state, r.value, r.origin, state, value, origin)
		}
	}
	r.registered("s1")
	r.reported(1)
	check(stateReported, 1, "s1")
	for _, session := range []string{"s2", "s3"} { // the repeat is lost, twice
		r.happen(eventBroken)
		check(stateDoubt, 1, "s1")
		r.registered(session)
		check(stateRepeated, 1, "s1")
	}
	r.reported(2) // a new write of the session
	check(stateReported, 2, "s3")
	r.happen(eventBroken)
	r.happen(eventEnded)
	r.reported(3) // between sessions: counts as made in the last one
	check(stateOwed, 3, "s3")
	r.registered("s4")
	check(stateRepeated, 3, "s3")
	r.happen(eventCommitted)
	check(stateSettled, 3, "s3")
}

// hangingService is a number service whose draws hang until the service is killed.
// Registers and reports are handled meanwhile, as by a second server with the same store.
type hangingService struct {
	*stubStore
	hung   chan struct{}                 // receives a value when a draw hangs
	repeat func(*numbersv1.Report) error // handles a repeated report; nil: the stub does

	mu   sync.Mutex
	hang chan struct{} // if set, draws wait until it is closed and end in UNAVAILABLE
}

// before is the stub's hook.
func (c *hangingService) before(_ context.Context, req *numbersv1.CountRequest) error {
	c.mu.Lock()
	hang := c.hang
	c.mu.Unlock()
	if r := req.GetReport(); r.GetRepeatsSession() != "" && c.repeat != nil {
		return c.repeat(r)
	}
	if req.GetDraw() != nil && hang != nil {
		select {
		case c.hung <- struct{}{}:
		default:
		}
		<-hang
		return status.Error(codes.Unavailable, "killed")
	}
	return nil
}

// kill ends the draws that hang, and later ones, in UNAVAILABLE.
func (c *hangingService) kill() { close(c.hang) }

// restart lets later draws be answered.
func (c *hangingService) restart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hang = nil
}

// wantValue checks the value of client 7.
func (c *hangingService) wantValue(t *testing.T, want int64) {
	t.Helper()
	if got := c.of(7).value; got != want {
		t.Errorf("value = %d, want %d", got, want)
	}
}

// newHangingDoor returns a door in front of a hanging service, with a connection that is
// registered as client 7 and has sent requests. The first of their draws hangs.
func newHangingDoor(t *testing.T, tokens bool, requests string) (*door, *hangingService, *peer) {
	t.Helper()
	d := newDoor(t, Both, Config{})
	c := &hangingService{stubStore: d.Numbers.store, hung: make(chan struct{}, 1), hang: make(chan struct{})}
	d.Numbers.before, d.Numbers.noTokens = c.before, !tokens
	p := d.dial(t)
	p.send(t, "7 ")
	p.receive(t, "0 ")
	p.send(t, requests)
	<-c.hung
	return d, c, p
}

// TestRepeatUndoesNothing has a draw of a client hang in the service. The client connects
// again, counts on and closes; then the service is killed. The first connection, however
// it ended, must not overwrite what the second one wrote.
func TestRepeatUndoesNothing(t *testing.T) {
	for name, end := range map[string]func(*peer){
		"closed":      func(p *peer) { p.Close() },
		"half closed": func(p *peer) { p.CloseWrite() },
		"reset":       func(p *peer) { p.SetLinger(0); p.Close() },
		"still there": func(*peer) {},
		// The service does not receive these values, so the gateway does not read them.
		"closed behind more values": func(p *peer) { p.Write([]byte("13 14 odd 15 ")); p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			d, c, first := newHangingDoor(t, true, "12 odd ")
			hang := c.hang
			spy := d.spyOf(t, first)
			end(first)
			if name != "still there" {
				awaitLeft(t, spy)
			}

			c.restart() // for the second connection
			second := d.dial(t)
			second.send(t, "7 42 ")
			second.receive(t, "12 ")
			second.CloseWrite()
			second.receiveEnd(t, false)

			close(hang)
			switch name {
			case "still there":
				first.receive(t, "79 ") // from the next session
				first.CloseWrite()
				first.receiveEnd(t, false)
			case "half closed":
				first.receiveEnd(t, false)
			}
			d.Counts.until(t, func() error {
				if n := d.Counts.closed[ReasonClient] + d.Counts.closed[ReasonUpstream]; n != 2 {
					return fmt.Errorf("closed by reason: %v, want 2 by %q or %q", d.Counts.closed, ReasonClient, ReasonUpstream)
				}
				return nil
			})
			c.wantValue(t, 42)
			d.Numbers.mu.Lock()
			defer d.Numbers.mu.Unlock()
			if want := map[bool]int{true: 1}[name == "still there"]; d.Numbers.drawn != want {
				t.Errorf("%d draws were answered, want %d", d.Numbers.drawn, want)
			}
		})
	}
}

// awaitLeft waits until the kernel has noticed that the client of nc closed or reset.
func awaitLeft(t *testing.T, nc net.Conn) {
	t.Helper()
	await.That(t, "the client has left", func() bool { return presenceOf(nc) != present })
}

// TestRepeatSavesLastReport checks that the last value of a half-closed client is repeated,
// though its draw is not. The gateway's EOF means that the value is durable.
func TestRepeatSavesLastReport(t *testing.T) {
	d, c, p := newHangingDoor(t, true, "odd 12 odd 13 ")
	p.CloseWrite()
	awaitLeft(t, d.spyOf(t, p))
	c.kill()
	p.receiveEnd(t, false)
	d.Counts.await(t, ReasonUpstream, 1)
	c.wantValue(t, 13)
}

// TestRepeatIsLostToo loses the repeat of a report too, before or after the repeat is
// written. Another connection of the client writes before the repeats, between them, or not
// at all.
func TestRepeatIsLostToo(t *testing.T) {
	for _, tt := range []struct {
		written bool   // whether the lost repeat was written
		other   string // when the other connection writes 42
		want    int64
	}{
		{false, "", 12}, {true, "", 12},
		{false, "before", 42}, {true, "before", 42},
		{false, "between", 42}, {true, "between", 42},
	} {
		t.Run(fmt.Sprintf("written=%v,other=%s", tt.written, tt.other), func(t *testing.T) {
			_, c, p := newHangingDoor(t, true, "12 odd ")
			other := func() { c.write(7, -1, &numbersv1.Report{Value: 42}) }
			repeats := 0
			c.repeat = func(r *numbersv1.Report) error {
				c.restart()
				if repeats++; repeats > 2 {
					return nil
				}
				if tt.written {
					c.write(7, stubSessions.Load(), r) // the newest session is this one
				}
				if tt.other == "between" && repeats == 1 {
					other()
				}
				return status.Error(codes.Unavailable, "killed")
			}
			if !tt.written { // then the first report was lost too
				c.stubStore.mu.Lock()
				delete(c.records, 7)
				c.stubStore.mu.Unlock()
			}
			if tt.other == "before" {
				other()
			}
			c.kill()
			p.receive(t, "79 ")
			p.CloseWrite()
			p.receiveEnd(t, false)
			c.wantValue(t, tt.want)
		})
	}
}

// TestNoRepeatWithoutToken has a service that sends no session tokens. It would take a
// repeat for a new report.
func TestNoRepeatWithoutToken(t *testing.T) {
	d, c, p := newHangingDoor(t, false, "12 odd ")
	c.write(7, -1, &numbersv1.Report{Value: 42})
	c.kill()
	p.receiveEnd(t, true) // 12 may be lost
	d.Counts.await(t, ReasonUpstream, 1)
	c.wantValue(t, 42)
}

// TestGoneClientEndsHungCalls checks that a reset by the client cancels its calls long
// before UpstreamRecovery.
func TestGoneClientEndsHungCalls(t *testing.T) {
	d := newDoor(t, Both, Config{Limits: Limits{UpstreamRecovery: time.Hour}})
	hung := make(chan struct{}, 10)
	wait := func(ctx context.Context) error {
		hung <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	d.Numbers.before = func(ctx context.Context, req *numbersv1.CountRequest) error {
		if req.GetDraw() != nil || req.GetRegistration().GetClientId() == 8 {
			return wait(ctx)
		}
		return nil
	}
	d.Files.before = wait
	for _, send := range []string{"7 odd ", "8 ", "file", "list "} {
		p := d.dial(t)
		p.send(t, send)
		<-hung
		p.SetLinger(0)
		p.Close()
	}
	d.Counts.await(t, ReasonClient, 4)
}

// TestFileThatHangs has a service that hangs after the first bytes of a file.
func TestFileThatHangs(t *testing.T) {
	d := newDoor(t, Both, Config{Limits: Limits{UpstreamRecovery: 100 * time.Millisecond}})
	d.Files.add("file", stubFile{data: []byte("content"), hangs: true})
	p := d.dial(t)
	p.send(t, "file")
	p.receive(t, "content")
	p.receiveEnd(t, true)
	d.Counts.await(t, ReasonUpstream, 1)
}

// TestShutdownOfAHungService has a service that ignores that its calls are cancelled.
func TestShutdownOfAHungService(t *testing.T) {
	hung, release := make(chan struct{}), make(chan struct{})
	d := newDoor(t, Both, Config{Files: holdingFiles{hung: hung, release: release}})
	p := d.dial(t)
	p.send(t, "file")
	<-hung
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "ignores that its calls are cancelled") {
		t.Errorf("Shutdown = %v, want that the service ignores that its calls are cancelled", err)
	}
	close(release)
}

// holdingFiles is a file service that ignores contexts.
type holdingFiles struct {
	filesv1.FileServiceClient
	hung, release chan struct{}
}

func (f holdingFiles) Get(context.Context, *filesv1.GetRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[filesv1.GetResponse], error) {
	close(f.hung)
	<-f.release
	return nil, status.Error(codes.Internal, "at last")
}

// TestServiceTakesNoMoreSessions checks that a client is closed at once, without a retry,
// when the service has no room for its session.
func TestServiceTakesNoMoreSessions(t *testing.T) {
	d := newDoor(t, Both, Config{})
	calls := 0
	d.Numbers.before = func(context.Context, *numbersv1.CountRequest) error {
		calls++
		return status.Error(codes.ResourceExhausted, "too many sessions of this ID")
	}
	p := d.dial(t)
	p.send(t, "7 ")
	p.receiveEnd(t, false)
	d.Counts.await(t, ReasonUpstreamLimit, 1)
	if calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
}
