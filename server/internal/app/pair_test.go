package app

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// serveName runs a DNS server that resolves every name to addrs, so that one gRPC target
// has all of them. It returns the server's address.
func serveName(tb testing.TB, addrs ...string) string {
	tb.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	tb.Cleanup(func() {
		pc.Close()
		<-done
	})
	go func() {
		defer close(done)
		query := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(query)
			if err != nil {
				return
			}
			if reply := nameReply(query[:n], addrs); reply != nil {
				pc.WriteTo(reply, from)
			}
		}
	}()
	return pc.LocalAddr().String()
}

// nameReply answers a query with one question (RFC 1035, section 4).
func nameReply(query []byte, addrs []string) []byte {
	const header, typeA = 12, 1
	end := header
	for end < len(query) && query[end] != 0 { // the labels of the name
		end += 1 + int(query[end])
	}
	if end += 1 + 4; end > len(query) {
		return nil
	}
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[header:end]...)
	if binary.BigEndian.Uint16(query[end-4:]) != typeA {
		return reply
	}
	reply[7] = byte(len(addrs))
	for _, addr := range addrs {
		ip := netip.MustParseAddr(addr).As4()
		reply = append(reply, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4) // the name above, IN, for 60 s
		reply = append(reply, ip[:]...)
	}
	return reply
}

// pair is two servers that share a register, and a gateway in front of them that
// balances sessions round robin. All three are processes.
type pair struct {
	servers [2]*process
	logs    [2]string
	gateway *process
}

// newPair starts them.
func newPair(t *testing.T) *pair {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs all of 127.0.0.0/8 as loopback addresses")
	}
	redis := newRedisServer(t)
	p := &pair{}
	addrs := [2]string{"127.0.0.1", "127.0.0.2"}
	port := fixedPort(t, addrs[:]...)
	for i, addr := range addrs {
		dataDir := t.TempDir()
		p.logs[i] = filepath.Join(dataDir, "server.log")
		p.servers[i] = startProcess(t, serverArgs(t, t.TempDir(), "--grpc="+net.JoinHostPort(addr, port),
			"--data-dir="+dataDir, redis.state())...)
	}
	p.gateway = startProcess(t, "gateway", "--legacy=127.0.0.1:0", "--admin=",
		"--upstream=dns://"+serveName(t, addrs[:]...)+"/servers.test:"+port)
	return p
}

// of returns the server that has the client's session, and the other server.
func (p *pair) of(t *testing.T, client string) (its, other *process) {
	t.Helper()
	for end := time.Now().Add(faultPatience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for i, name := range p.logs {
			log, _ := os.ReadFile(name)
			if strings.Contains(string(log), " client="+client+" ") {
				return p.servers[i], p.servers[1-i]
			}
		}
	}
	t.Fatalf("no server has logged a session of client %s", client)
	return nil, nil
}

// TestFaultOldValueOverNewer: a client's server hangs during a draw. The client closes
// the connection, reconnects through the other server, counts on and disconnects in
// order. Then the first server is killed. The gateway's recovery of the first connection
// must not undo what the second one committed.
func TestFaultOldValueOverNewer(t *testing.T) {
	for name, hangUp := range map[string]func(oldClient){
		"closed":               func(c oldClient) { c.Close() },
		"closed behind values": func(c oldClient) { c.Write([]byte("13 14 odd 15 ")); c.Close() },
		"reset":                func(c oldClient) { c.SetLinger(0); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			first := dialOld(t, p.gateway.legacy)
			first.send(t, "7")
			if err := first.expect("0 ", faultPatience); err != nil {
				t.Fatal(err)
			}
			its, other := p.of(t, "7")
			numbers := numbersv1.NewNumberServiceClient(other.dial(t))
			first.send(t, "12 ")
			awaitValue(t, numbers, 7, 12)
			if err := its.freeze(); errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			first.send(t, "odd ")
			hangUp(first)

			var second oldClient
			for end := time.Now().Add(faultPatience); ; { // half of the sessions go to the server that hangs
				second = dialOld(t, p.gateway.legacy)
				second.send(t, "7")
				err := second.expect("12 ", time.Second)
				if err == nil {
					break
				}
				if time.Now().After(end) {
					t.Fatal(err)
				}
				second.Close()
			}
			for v := 13; v <= 42; v++ {
				second.send(t, fmt.Sprintf("%d ", v))
			}
			second.leave(t)
			awaitValue(t, numbers, 7, 42)

			its.kill()
			closed := "peer=" + first.LocalAddr().String()
			for end := time.Now().Add(faultPatience); !strings.Contains(p.gateway.stderr.String(), closed); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the gateway has not closed the first connection:\n%s", p.gateway.stderr)
				}
			}
			if got := valueOf(t, numbers, 7); got != 42 {
				t.Errorf("the register has value %d, want 42", got)
			}
		})
	}
}
