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
)

// TestRecoveryTransitions has every event in every state. "-" is what cannot happen.
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

// TestRecoveryTokens follows a report through lost streams: its token stays that of
// the session in which it was made.
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
	r.reported(3) // there is no session: as if made in the last
	check(stateOwed, 3, "s3")
	r.registered("s4")
	check(stateRepeated, 3, "s3")
	r.happen(eventCommitted)
	check(stateSettled, 3, "s3")
}

// chain is a service of two servers over one store, of which the first hangs when it
// is told to, until it is killed.
type chain struct {
	*stubStore
	mu     sync.Mutex
	hang   chan struct{} // not nil: draws hang until it is closed, and end UNAVAILABLE
	repeat func(*numbersv1.Report) error
}

// before is what the service's stub asks.
func (c *chain) before(_ context.Context, req *numbersv1.CountRequest) error {
	c.mu.Lock()
	hang, repeat := c.hang, c.repeat
	c.mu.Unlock()
	if r := req.GetReport(); r.GetRepeatsSession() != "" && repeat != nil {
		return repeat(r)
	}
	if req.GetDraw() != nil && hang != nil {
		<-hang
		return status.Error(codes.Unavailable, "killed")
	}
	return nil
}

func (c *chain) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func newChain(t *testing.T, limits Limits) (*door, *chain) {
	d := newDoor(t, Both, Config{Limits: limits})
	c := &chain{stubStore: d.Numbers.store}
	d.Numbers.before = c.before
	return d, c
}

// TestRepeatUndoesNothing: a client's draw hangs with its server; the client comes back
// by another server, counts on and leaves in order; the server is killed. Nothing of the
// first connection is written over what the second wrote, however the first ended.
func TestRepeatUndoesNothing(t *testing.T) {
	for name, end := range map[string]func(*peer){
		"closed":      func(p *peer) { p.Close() },
		"half closed": func(p *peer) { p.CloseWrite() },
		"reset":       func(p *peer) { p.SetLinger(0); p.Close() },
		"still there": func(*peer) {},
		// Its server does not read them, so neither does the gateway.
		"closed behind more values": func(p *peer) { p.Write([]byte("13 14 odd 15 ")); p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			d, c := newChain(t, Limits{})
			hang := make(chan struct{})
			c.set(func() { c.hang = hang })
			first := d.dial(t)
			first.send(t, "7 ")
			first.receive(t, "0 ")
			first.send(t, "12 odd ")
			spy, err := d.spy.of(first)
			if err != nil {
				t.Fatal(err)
			}
			spy.awaitRead(len("7 12 odd "))
			for end := time.Now().Add(patience); c.of(7).value != 12; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("12 never came")
				}
			}
			end(first)
			awaitEnded(t, spy, name)

			c.set(func() { c.hang = nil })
			second := d.dial(t)
			second.send(t, "7 42 ")
			second.receive(t, "12 ")
			second.CloseWrite()
			second.receiveEnd(t, false)

			close(hang)
			switch name {
			case "still there":
				first.receive(t, "79 ") // of the next session
				first.CloseWrite()
				first.receiveEnd(t, false)
			case "half closed":
				first.receiveEnd(t, false)
			}
			d.Counts.until(t, func() error {
				if n := d.Counts.closed[ReasonClient] + d.Counts.closed[ReasonUpstream]; n != 2 {
					return fmt.Errorf("closed by reason: %v, want 2 by their clients or for upstream", d.Counts.closed)
				}
				return nil
			})
			if got := c.of(7).value; got != 42 {
				t.Errorf("the register says %d, want 42", got)
			}
			d.Numbers.mu.Lock()
			defer d.Numbers.mu.Unlock()
			if want := map[bool]int{true: 1}[name == "still there"]; d.Numbers.drawn != want {
				t.Errorf("%d draws were answered, want %d", d.Numbers.drawn, want)
			}
		})
	}
}

// awaitEnded waits until the gateway's side of a connection has noticed its end.
func awaitEnded(t *testing.T, nc net.Conn, how string) {
	t.Helper()
	if how == "still there" {
		return
	}
	for end := time.Now().Add(patience); presenceOf(nc) == present; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the client is still there")
		}
	}
}

// TestRepeatSavesLastReport: what a half-closed client reported last is repeated, though
// its draw is not; its EOF says that it is durable.
func TestRepeatSavesLastReport(t *testing.T) {
	d, c := newChain(t, Limits{})
	hang := make(chan struct{})
	c.set(func() { c.hang = hang })
	p := d.dial(t)
	p.send(t, "7 ")
	p.receive(t, "0 ")
	p.send(t, "odd 12 odd 13 ")
	p.CloseWrite()
	spy, err := d.spy.of(p)
	if err != nil {
		t.Fatal(err)
	}
	awaitEnded(t, spy, "")
	close(hang)
	p.receiveEnd(t, false)
	d.Counts.await(t, ReasonUpstream, 1)
	if got := c.of(7).value; got != 13 {
		t.Errorf("the register says %d, want 13", got)
	}
}

// TestRepeatIsLostToo loses the repeat of a report as well, before or after it was
// written, with somebody else's write before, between, or not at all.
func TestRepeatIsLostToo(t *testing.T) {
	for _, tt := range []struct {
		written bool   // whether the repeat that is lost was written
		other   string // when somebody else writes 42
		want    int64
	}{
		{false, "", 12}, {true, "", 12},
		{false, "before", 42}, {true, "before", 42},
		{false, "between", 42}, {true, "between", 42},
	} {
		t.Run(fmt.Sprintf("written=%v,other=%s", tt.written, tt.other), func(t *testing.T) {
			d, c := newChain(t, Limits{})
			somebody := func() { c.write(7, -1, &numbersv1.Report{Value: 42}) }
			hang, repeats := make(chan struct{}), 0
			c.set(func() {
				c.hang = hang
				c.repeat = func(r *numbersv1.Report) error {
					c.set(func() { c.hang = nil })
					if repeats++; repeats > 2 {
						return nil
					}
					if tt.written {
						c.write(7, stubSessions.Load(), r) // the newest session is this one
					}
					if tt.other == "between" && repeats == 1 {
						somebody()
					}
					return status.Error(codes.Unavailable, "killed")
				}
			})
			p := d.dial(t)
			p.send(t, "7 ")
			p.receive(t, "0 ")
			p.send(t, "12 odd ")
			for end := time.Now().Add(patience); c.of(7).value != 12; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("12 never came")
				}
			}
			if !tt.written { // then 12 itself was lost with its server
				c.stubStore.mu.Lock()
				delete(c.records, 7)
				c.stubStore.mu.Unlock()
			}
			if tt.other == "before" {
				somebody()
			}
			close(hang)
			p.receive(t, "79 ")
			p.CloseWrite()
			p.receiveEnd(t, false)
			if got := c.of(7).value; got != tt.want {
				t.Errorf("the register says %d, want %d", got, tt.want)
			}
		})
	}
}

// TestNoRepeatWithoutToken has a service that does not know repeats, and would take one
// for a new report.
func TestNoRepeatWithoutToken(t *testing.T) {
	d, c := newChain(t, Limits{})
	hang := make(chan struct{})
	c.set(func() { c.hang = hang })
	d.Numbers.noTokens = true
	p := d.dial(t)
	p.send(t, "7 ")
	p.receive(t, "0 ")
	p.send(t, "12 odd ")
	for end := time.Now().Add(patience); c.of(7).value != 12; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("12 never came")
		}
	}
	c.write(7, -1, &numbersv1.Report{Value: 42})
	close(hang)
	p.receiveEnd(t, true) // 12 may be lost
	d.Counts.await(t, ReasonUpstream, 1)
	if got := c.of(7).value; got != 42 {
		t.Errorf("the register says %d, want 42", got)
	}
}

// TestGoneClientEndsHungCalls: a client that has reset its connection takes what hangs
// for it along, long before it would take too long.
func TestGoneClientEndsHungCalls(t *testing.T) {
	d := newDoor(t, Both, Config{Limits: Limits{UpstreamRecovery: time.Hour}})
	hung := make(chan struct{}, 10)
	wait := func(ctx context.Context) error {
		hung <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	d.Numbers.before = func(ctx context.Context, req *numbersv1.CountRequest) error {
		if req.GetDraw() != nil || req.GetRegister().GetClientId() == 8 {
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

// TestFileThatHangs hangs after the first bytes.
func TestFileThatHangs(t *testing.T) {
	d := newDoor(t, Both, Config{Limits: Limits{UpstreamRecovery: 100 * time.Millisecond}})
	d.Files.add("file", stubFile{data: []byte("content"), hangs: true})
	p := d.dial(t)
	p.send(t, "file")
	p.receive(t, "content")
	p.receiveEnd(t, true)
	d.Counts.await(t, ReasonUpstream, 1)
}

// TestShutdownOfAHungService has a service that does not let go of its caller.
func TestShutdownOfAHungService(t *testing.T) {
	hung, release := make(chan struct{}), make(chan struct{})
	d := newDoor(t, Both, Config{Files: holdingFiles{hung: hung, release: release}})
	p := d.dial(t)
	p.send(t, "file")
	<-hung
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "ignores that its calls are cancelled") {
		t.Errorf("Shutdown = %v, want that the service ignores it", err)
	}
	close(release)
}

// holdingFiles heeds no context.
type holdingFiles struct {
	filesv1.FileServiceClient
	hung, release chan struct{}
}

func (f holdingFiles) Get(context.Context, *filesv1.GetRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[filesv1.GetResponse], error) {
	close(f.hung)
	<-f.release
	return nil, status.Error(codes.Internal, "at last")
}

// TestServiceTakesNoMoreSessions closes whom the service does not want, at once.
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
