package app

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/h2/h2test"
)

// TestCallsOfAConnection opens more calls on a connection than an untrusted client may
// have, from an ordinary address and from the address of a trusted gateway.
func TestCallsOfAConnection(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		var flags []string
		if trusted {
			flags = []string{"--trusted-gateways=127.0.0.0/8"}
		}
		r := start(t, flags...)
		p, err := h2test.Dial(r.grpcListener.Addr().String(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		p.Read()
		var last uint32
		for id := range int32(maxCalls + 1) {
			last, err = p.Call(numbersv1.NumberService_Count_FullMethodName, &numbersv1.CountRequest{
				Kind: &numbersv1.CountRequest_Registration{Registration: &numbersv1.Register{ClientId: id}},
			}, true)
			if err != nil {
				t.Fatal(err)
			}
		}
		got, err := p.Await(last, doorPatience, func(r h2test.Result) bool { return r.Bytes > 0 || r.Ended })
		if err != nil || got.Reset == trusted {
			t.Errorf("trusted %t: call %d = %+v, %v; want it reset: %t", trusted, maxCalls+1, got, err, !trusted)
		}
		p.Close()
	}
}

// TestConnectionsAreBounded opens more connections than one address may have, and more
// than all addresses may have together.
func TestConnectionsAreBounded(t *testing.T) {
	r := start(t, "--grpc-connections=12", "--grpc-connections-per-address=4", "--trusted-networks=127.0.0.3/32")
	open := func(from string) bool {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		nc, err := dialer.Dial("tcp", r.grpcListener.Addr().String())
		if err != nil {
			t.Skip(err) // loopback has one address only
		}
		t.Cleanup(func() { nc.Close() })
		p, err := h2test.New(nc, 1<<20)
		if err != nil {
			return false
		}
		p.Read()
		t.Cleanup(p.Close)
		id, err := p.Call(numbersv1.NumberService_Draw_FullMethodName, &numbersv1.DrawRequest{}, false)
		if err != nil {
			return false
		}
		_, err = p.Await(id, doorPatience, h2test.Ended)
		return err == nil
	}
	for i, step := range []struct {
		from string
		n    int
		open bool
	}{
		{"127.0.0.1", 4, true}, {"127.0.0.1", 2, false}, {"127.0.0.2", 2, true},
		{"127.0.0.3", 6, true}, {"127.0.0.3", 1, false}, {"127.0.0.2", 1, false},
	} {
		for range step.n {
			if got := open(step.from); got != step.open {
				t.Fatalf("step %d, from %s: admitted is %t, want %t", i, step.from, got, step.open)
			}
		}
	}
	b := &besieged{admin: r.front.adminListener.Addr().String()}
	for metric, want := range map[string]float64{
		"parity_grpc_connections":                             12,
		`parity_grpc_connections_cut_total{reason="address"}`: 2,
		`parity_grpc_connections_cut_total{reason="total"}`:   2,
	} {
		if got := b.metric(t, metric); got != want {
			t.Errorf("%s = %.0f, want %.0f", metric, got, want)
		}
	}
}

// TestSilentConnections takes all places with connections that make no call, of several
// addresses and after some have spoken TLS or HTTP/2. A new client takes the place of one of
// them; those that have made a call stay.
func TestSilentConnections(t *testing.T) {
	r := start(t, "--grpc-connections=20", "--grpc-connections-per-address=10")
	numbers := r.numbersClient(t)
	session := begin(t, rpcDoor{r.dial(t)}, 7, 0)
	for i := range 100 {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%4))}}
		nc, err := dialer.Dial("tcp", r.grpcListener.Addr().String())
		if err != nil {
			t.Skip(err) // loopback has one address only
		}
		t.Cleanup(func() { nc.Close() })
		if i%2 == 0 {
			h2test.New(nc, 0) // a preface, and no call
		}
		if i%10 == 0 {
			if _, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
				t.Fatalf("Draw after %d silent connections: %v", i, err)
			}
		}
	}
	for range 5 { // newcomers, also of an address that has many
		if _, err := r.numbersClient(t).Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
			t.Errorf("Draw of a new client: %v", err)
		}
	}
	if err := session.report(12); err != nil {
		t.Errorf("a session that was open before: %v", err)
	}
	if err := session.close(); err != nil {
		t.Errorf("closing it: %v", err)
	}
	b := &besieged{admin: r.front.adminListener.Addr().String()}
	if got := b.metric(t, `parity_grpc_connections_cut_total{reason="displaced"}`); got < 80 {
		t.Errorf("%.0f connections were displaced, want most of 100", got)
	}
}

// TestFewDescriptors attacks a server that may have 1,024 descriptors. New clients must
// still be served.
func TestFewDescriptors(t *testing.T) {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	b := besiege(t, func(args ...string) *process {
		return startCommand(t, exec.Command("sh", append([]string{"-c", `ulimit -n 1024 && exec "$0" "$@"`, path}, args...)...))
	})
	if !strings.Contains(b.stderr.String(), "the limit on open files is low") {
		t.Errorf("no warning about the limit on open files:\n%s", b.stderr.String())
	}
	// Gets that nobody reads.
	for range 5 {
		p := b.peer(t, 0)
		for i := range 220 {
			if _, err := p.Call(filesv1.FileService_Get_FullMethodName, &filesv1.GetRequest{Name: b.names[i%4]}, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Silent connections, for gRPC from one address and more than the limit.
	for door, n := range map[string]int{b.grpc: 1100, b.legacy: 300} {
		for range n {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			nc, err := dialer.Dial("tcp", door)
			if err != nil {
				t.Skip(err) // loopback has one address only
			}
			t.Cleanup(func() { nc.Close() })
			if door == b.grpc {
				h2test.New(nc, 0) // fails where the connection was refused
			}
		}
	}
	t.Logf("%.0f descriptors of %.0f; new clients served within %s",
		b.metric(t, "process_open_fds"), b.metric(t, "process_max_fds"), b.serves(t).Round(time.Millisecond))
}
