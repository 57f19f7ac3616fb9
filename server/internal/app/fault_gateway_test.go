package app

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// faultPatience is how long what must happen may take.
const faultPatience = 60 * time.Second

// serveName answers DNS queries for the addresses of any name with those, so that one
// gRPC target has them all, and returns where it does.
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

// pair is two servers that share a register, behind a gateway that gives them sessions
// in turn. All three are processes.
type pair struct {
	servers [2]*process
	logs    [2]string
	gateway *process
}

func newPair(t *testing.T) *pair {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs the whole of 127.0.0.0/8")
	}
	redis := newRedisServer(t)
	p := &pair{}
	addrs := [2]string{"127.0.0.1", "127.0.0.2"}
	port := fixedPort(t, addrs[:]...)
	for i, addr := range addrs {
		dataDir := t.TempDir()
		p.logs[i] = filepath.Join(dataDir, "server.log")
		p.servers[i] = startProcess(t, "--grpc="+net.JoinHostPort(addr, port), "--legacy=127.0.0.1:0", "--admin=",
			"--data-dir="+dataDir, redis.state(), t.TempDir())
	}
	p.gateway = startProcess(t, "gateway", "--legacy=127.0.0.1:0", "--admin=",
		"--upstream=dns://"+serveName(t, addrs[:]...)+"/servers.test:"+port)
	return p
}

// of returns the server that has the session of a client, and the other one.
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
	t.Fatalf("no server has logged client %s", client)
	return nil, nil
}

// oldClient is a connection of the number dialect.
type oldClient struct{ *net.TCPConn }

func dialOld(t *testing.T, addr string) oldClient {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return oldClient{nc.(*net.TCPConn)}
}

func (c oldClient) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// expect reads what must come next, within that time.
func (c oldClient) expect(text string, within time.Duration) error {
	c.SetReadDeadline(time.Now().Add(within))
	got := make([]byte, len(text))
	if n, err := io.ReadFull(c, got); string(got[:n]) != text {
		return fmt.Errorf("got %q, %v; want %q", got[:n], err, text)
	}
	return nil
}

// leave ends the session in order: the gateway's EOF says that all is durable.
func (c oldClient) leave(t *testing.T) {
	t.Helper()
	c.CloseWrite()
	c.SetReadDeadline(time.Now().Add(faultPatience))
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Fatalf("leaving: %q, %v; want EOF", rest, err)
	}
}

// TestFaultOldValueOverNewer: a client's server hangs while it draws; the client hangs up,
// comes back by the other server, counts on and leaves in order; the server is killed. What
// the gateway then does for the first connection must not undo what the second committed.
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
			its.cmd.Process.Signal(syscall.SIGSTOP)
			first.send(t, "odd ")
			hangUp(first)

			var second oldClient
			for end := time.Now().Add(faultPatience); ; { // half of the sessions go to the one that hangs
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
					t.Fatalf("the gateway does not let go of the first connection:\n%s", p.gateway.stderr)
				}
			}
			if got := valueOf(t, numbers, 7); got != 42 {
				t.Errorf("the register says %d, want 42", got)
			}
		})
	}
}

func valueOf(t *testing.T, numbers numbersv1.NumberServiceClient, id int32) int64 {
	t.Helper()
	for _, c := range listClients(t, numbers) {
		if c.GetClientId() == id {
			return c.GetLastValue()
		}
	}
	return 0
}

func awaitValue(t *testing.T, numbers numbersv1.NumberServiceClient, id int32, want int64) {
	t.Helper()
	for end := time.Now().Add(faultPatience); valueOf(t, numbers, id) != want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("client %d is at %d, want %d", id, valueOf(t, numbers, id), want)
		}
	}
}

// faultScale returns a number that the environment may set.
func faultScale(t *testing.T, name string, ordinary int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return ordinary
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number", name, text)
	}
	return n
}

// startAlone starts a server whose log is in the file that is returned.
func startAlone(t *testing.T, flags ...string) (p *process, log string) {
	t.Helper()
	dataDir := t.TempDir()
	args := append([]string{"--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=", "--data-dir=" + dataDir}, flags...)
	return startProcess(t, append(args, t.TempDir())...), filepath.Join(dataDir, "server.log")
}

// TestFaultSilentStrangers fills the server with connections of one address that say
// nothing. Newcomers get in at once all the same, and those who count notice nothing.
// PARITY_FAULT_STRANGERS=16384 with the flags' defaults is a full house.
func TestFaultSilentStrangers(t *testing.T) {
	strangers := faultScale(t, "PARITY_FAULT_STRANGERS", 400)
	raiseFileLimit(t, strangers+100)
	flags := []string{"--state=memory:"}
	if strangers < 16_384 {
		flags = []string{"--state=memory:", fmt.Sprintf("--legacy-connections=%d", strangers), fmt.Sprintf("--legacy-connections-per-address=%d", strangers*3/4)}
	}
	p, log := startAlone(t, flags...)
	counting := dialOld(t, p.legacy)
	counting.send(t, "1")
	if err := counting.expect("0 ", faultPatience); err != nil {
		t.Fatal(err)
	}
	for range strangers {
		dialOld(t, p.legacy)
	}
	began := time.Now()
	for _, from := range []string{"127.0.0.1", "127.0.0.2"} {
		newcomer := dialFrom(t, from, p.legacy)
		newcomer.send(t, "2")
		if err := newcomer.expect("0 ", faultPatience); err != nil {
			t.Errorf("a newcomer from %s: %v", from, err)
		}
		newcomer.leave(t)
	}
	t.Logf("newcomers were served among %d strangers in %s", strangers, time.Since(began))
	counting.send(t, "5 ")
	counting.leave(t)
	if err := p.terminate(); err != nil {
		t.Fatal(err)
	}
	if size := sizeOf(t, log); size > 1<<20 {
		t.Errorf("the log has %d bytes", size)
	}
}

// TestFaultTalkingStrangers fills the places of one address with sessions. Another one
// has places left.
func TestFaultTalkingStrangers(t *testing.T) {
	strangers := faultScale(t, "PARITY_FAULT_STRANGERS", 400)
	raiseFileLimit(t, strangers+100)
	flags := []string{"--state=memory:"}
	if strangers < 16_384 {
		flags = []string{"--state=memory:", fmt.Sprintf("--legacy-connections=%d", strangers), fmt.Sprintf("--legacy-connections-per-address=%d", strangers*3/4)}
	}
	p, _ := startAlone(t, flags...)
	refused := 0
	for i := range strangers {
		stranger := dialOld(t, p.legacy)
		io.WriteString(stranger, fmt.Sprintf("%d ", i%10_000))
		if stranger.expect("0 ", faultPatience) != nil {
			refused++
		}
	}
	if want := strangers - strangers*3/4; refused != want {
		t.Errorf("%d of %d were refused, want %d", refused, strangers, want)
	}
	newcomer := dialFrom(t, "127.0.0.2", p.legacy)
	newcomer.send(t, "10000")
	if err := newcomer.expect("0 ", faultPatience); err != nil {
		t.Errorf("a newcomer from another address: %v", err)
	}
}

// TestFaultManySessionsOfOneID opens more sessions of one ID than the service takes. The
// next is closed at once and is not tried again, and others come in.
func TestFaultManySessionsOfOneID(t *testing.T) {
	const most = 64 // the default
	p, log := startAlone(t)
	for range most {
		c := dialOld(t, p.legacy)
		c.send(t, "7 ")
		if err := c.expect("0 ", faultPatience); err != nil {
			t.Fatal(err)
		}
	}
	extra := dialOld(t, p.legacy)
	extra.send(t, "7 ")
	extra.SetReadDeadline(time.Now().Add(faultPatience))
	if reply, err := io.ReadAll(extra); err != nil || len(reply) > 0 {
		t.Errorf("session %d got %q, %v; want EOF", most+1, reply, err)
	}
	other := dialOld(t, p.legacy)
	other.send(t, "8 ")
	if err := other.expect("0 ", faultPatience); err != nil {
		t.Errorf("another ID: %v", err)
	}
	if err := p.terminate(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "reason=upstream_limit"); n != 1 {
		t.Errorf("%d connections closed for the service's limit, want 1", n)
	}
}

// dialFrom connects from an address of this machine.
func dialFrom(t *testing.T, from, addr string) oldClient {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc, err := d.DialContext(t.Context(), "tcp", addr)
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Skipf("%s is no address of this machine", from)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return oldClient{nc.(*net.TCPConn)}
}

// TestFaultFloodOfValues has one session send values as fast as it can. The newest is
// kept, few are reported, and the log says how many were not.
// PARITY_FAULT_FLOOD_MIB=256 measures what it costs.
func TestFaultFloodOfValues(t *testing.T) {
	const rate = 1000 // the flag's default
	mib := faultScale(t, "PARITY_FAULT_FLOOD_MIB", 4)
	p, log := startAlone(t)
	c := dialOld(t, p.legacy)
	c.send(t, "7")
	if err := c.expect("0 ", faultPatience); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	chunk := strings.Repeat("7 ", 1<<19)
	for range mib {
		c.send(t, chunk)
	}
	c.send(t, "4711 ")
	c.leave(t)
	took := time.Since(began)
	if got := valueOf(t, numbersv1.NewNumberServiceClient(p.dial(t)), 7); got != 4711 {
		t.Errorf("the register says %d, want 4711", got)
	}
	if err := p.terminate(); err != nil {
		t.Fatal(err)
	}
	state := p.cmd.ProcessState
	t.Logf("%d MiB of values in %s: %s of the server's processor time, %d bytes of log",
		mib, took.Round(time.Millisecond), state.UserTime()+state.SystemTime(), sizeOf(t, log))
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if most := rate*(int(took/time.Second)+2) + 10; strings.Count(string(text), "msg=Report ") > most {
		t.Errorf("%d values were reported in %s, want %d at most", strings.Count(string(text), "msg=Report "), took, most)
	}
	if n := strings.Count(string(text), "newer values stand for older ones"); n < 1 || n > int(took/time.Second)+2 {
		t.Errorf("%d lines of merged values in %s", n, took)
	}
}

func sizeOf(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
