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

// awaitClient waits until the only client in the register has these sessions and this
// value.
func awaitClient(tb testing.TB, numbers numbersv1.NumberServiceClient, sessions int32, value int64) {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		list := listClients(tb, numbers, 1000)
		if len(list) == 1 && list[0].GetActiveSessions() == sessions && list[0].GetLastValue() == value {
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("the register has %v; want one client with %d sessions and the value %d", list, sessions, value)
		}
	}
}

// TestTakeover lets a second session take over from a first one that is still open,
// through every two doors.
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

// begin begins a session of a client whose last value is known.
func begin(tb testing.TB, d door, id int32, last int64) counting {
	tb.Helper()
	s, value, err := d.count(tb.Context(), id)
	if err != nil || value != last {
		tb.Fatalf("client %d begins with %d, %v; want %d", id, value, err, last)
	}
	return s
}

func send(tb testing.TB, s counting, value int64) {
	tb.Helper()
	if err := s.report(value); err != nil {
		tb.Fatal(err)
	}
}

// TestConnectionDies: a client that is gone without a goodbye has no session any
// more, and what it reported before is there.
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
						default: // it connects again
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
				t.Error("a session without a connection ended well")
			}
		})
		t.Run("legacy/"+name, func(t *testing.T) {
			r := start(t)
			nc, err := net.Dial("tcp", r.legacyAddr())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := nc.Write([]byte("7 5 ")); err != nil {
				t.Fatal(err)
			}
			awaitClient(t, r.numbersClient(t), 1, 5)
			die(nc.(*net.TCPConn))
			nc.Close()
			awaitClient(t, r.numbersClient(t), 0, 5)
		})
	}
}

// TestListClientsWhileRegistering: pages that are asked for while clients register
// have all those that were there before, and none twice.
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
				t.Fatalf("client %d is not listed: %v", id, got)
			}
		}
		for i := range got[1:] {
			if got[i] >= got[i+1] {
				t.Fatalf("client %d is listed behind %d", got[i+1], got[i])
			}
		}
		if done && len(got) != all {
			t.Errorf("%d clients are listed at last, want %d", len(got), all)
		}
	}
	if !grew {
		t.Error("no list was asked for while clients registered")
	}
}
