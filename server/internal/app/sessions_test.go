package app

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// awaitClient waits until the register has one client, with this number of sessions and
// this value.
func awaitClient(tb testing.TB, numbers numbersv1.NumberServiceClient, sessions int32, value int64) {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		list := listClients(tb, numbers, 1000)
		if len(list) == 1 && list[0].GetActiveSessions() == sessions && list[0].GetLastValue() == value {
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("the register has %v; want one client with %d sessions and value %d", list, sessions, value)
		}
	}
}

// TestTakeover begins a second session of a client whose first one is still open, for
// every pair of doors.
func TestTakeover(t *testing.T) {
	names := []string{"grpc", "inproc", "legacy", "gateway"}
	for _, first := range names {
		for _, second := range names {
			t.Run(first+"/"+second, func(t *testing.T) {
				r := start(t)
				doors := r.doors(t)
				numbers := r.numbersClient(t)
				old := begin(t, doors[first], 7, 0)
				send(t, old, 10)
				awaitClient(t, numbers, 1, 10)
				taken := begin(t, doors[second], 7, 10)
				awaitClient(t, numbers, 2, 10)
				send(t, taken, 11)
				awaitClient(t, numbers, 2, 11)
				if err := old.close(); err != nil {
					t.Error(err)
				}
				awaitClient(t, numbers, 1, 11)
				send(t, taken, 12)
				awaitClient(t, numbers, 1, 12)
				if err := taken.close(); err != nil {
					t.Error(err)
				}
				awaitClient(t, numbers, 0, 12)
			})
		}
	}
}

// begin begins a session of a client whose last value must be last.
func begin(tb testing.TB, d door, id int32, last int64) counting {
	tb.Helper()
	s, value, err := d.count(tb.Context(), id)
	if err != nil || value != last {
		tb.Fatalf("client %d begins with value %d, %v; want %d", id, value, err, last)
	}
	return s
}

// send reports a value.
func send(tb testing.TB, s counting, value int64) {
	tb.Helper()
	if err := s.report(value); err != nil {
		tb.Fatal(err)
	}
}

// TestConnectionDies: when a client's connection breaks, its session ends and its last
// value is kept.
func TestConnectionDies(t *testing.T) {
	for name, die := range map[string]func(*net.TCPConn){
		"closed": func(*net.TCPConn) {},
		"reset":  func(nc *net.TCPConn) { nc.SetLinger(0) },
	} {
		t.Run("grpc/"+name, func(t *testing.T) {
			r := start(t)
			dialed := make(chan net.Conn, 1)
			cc, err := grpc.NewClient("passthrough:///"+r.grpcListener.Addr().String(),
				grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
					nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
					if err == nil {
						select {
						case dialed <- nc:
						default: // it reconnects
						}
					}
					return nc, err
				}))
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			s := begin(t, rpcDoor{cc}, 7, 0)
			send(t, s, 5)
			awaitClient(t, r.numbersClient(t), 1, 5)
			nc := (<-dialed).(*net.TCPConn)
			die(nc)
			nc.Close()
			awaitClient(t, r.numbersClient(t), 0, 5)
			if err := s.close(); err == nil {
				t.Error("closing a session without a connection succeeded")
			}
		})
		t.Run("legacy/"+name, func(t *testing.T) {
			r := start(t)
			nc := dialOld(t, r.legacyAddr())
			nc.send(t, "7 5 ")
			awaitClient(t, r.numbersClient(t), 1, 5)
			die(nc.TCPConn)
			nc.Close()
			awaitClient(t, r.numbersClient(t), 0, 5)
		})
	}
}

// TestListClientsWhileRegistering: a listing while clients register has all clients that
// were known before, in order, and none twice.
func TestListClientsWhileRegistering(t *testing.T) {
	const known, all = 100, 1000
	r := start(t)
	register := func(id int32) {
		s, _, err := rpcDoor{r.channel}.count(t.Context(), id)
		if err == nil {
			err = s.close()
		}
		if err != nil {
			t.Error(err)
		}
	}
	var group sync.WaitGroup
	for id := int32(0); id < all; id += all / known {
		group.Go(func() { register(id) })
	}
	group.Wait()

	var next atomic.Int32
	for range 20 {
		group.Go(func() {
			for id := next.Add(1) - 1; id < all; id = next.Add(1) - 1 {
				register(id)
			}
		})
	}
	registered := make(chan struct{})
	go func() {
		group.Wait()
		close(registered)
	}()
	numbers := r.numbersClient(t)
	grew := false
	for done := false; !done; {
		select {
		case <-registered:
			done = true
		default:
		}
		var got []int32
		for _, c := range listClients(t, numbers, 37) {
			got = append(got, c.GetClientId())
		}
		grew = grew || len(got) > known && len(got) < all
		for id := int32(0); id < all; id += all / known {
			if _, found := slices.BinarySearch(got, id); !found {
				t.Fatalf("the listing lacks client %d: %v", id, got)
			}
		}
		for i := range got[1:] {
			if got[i] >= got[i+1] {
				t.Fatalf("client %d is listed after %d", got[i+1], got[i])
			}
		}
		if done && len(got) != all {
			t.Errorf("the last listing has %d clients, want %d", len(got), all)
		}
	}
	if !grew {
		t.Error("no listing ran while clients registered")
	}
}
