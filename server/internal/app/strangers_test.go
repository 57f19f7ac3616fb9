package app

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// faultPatience bounds every wait of these tests.
const faultPatience = 60 * time.Second

// valueOf returns a client's last value, 0 if the register does not have it.
func valueOf(t *testing.T, numbers numbersv1.NumberServiceClient, id int32) int64 {
	t.Helper()
	for _, c := range listClients(t, numbers, 1000) {
		if c.GetClientId() == id {
			return c.GetLastValue()
		}
	}
	return 0
}

// awaitValue waits until a client's last value is want.
func awaitValue(t *testing.T, numbers numbersv1.NumberServiceClient, id int32, want int64) {
	t.Helper()
	for end := time.Now().Add(faultPatience); valueOf(t, numbers, id) != want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("client %d has value %d, want %d", id, valueOf(t, numbers, id), want)
		}
	}
}

// startAlone starts a server and returns it and the path of its log.
func startAlone(t *testing.T, flags ...string) (p *process, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "server.log")
	return startProcess(t, serverArgs(t, t.TempDir(), append(flags, "--log-file="+log)...)...), log
}

// startForStrangers starts a server that admits PARITY_FAULT_STRANGERS connections (400 by
// default), three quarters of them from one address.
func startForStrangers(t *testing.T) (p *process, log string, strangers int) {
	t.Helper()
	const limit = 16_384 // of all connections, by default
	strangers = setting(t, "PARITY_FAULT_STRANGERS", 400)
	raiseFileLimit(t, strangers+100)
	flags := []string{"--state=memory:"}
	if strangers < limit {
		flags = append(flags, fmt.Sprintf("--legacy-connections=%d", strangers), fmt.Sprintf("--legacy-connections-per-address=%d", strangers*3/4))
	}
	p, log = startAlone(t, flags...)
	return p, log, strangers
}

// TestFaultSilentStrangers fills the server with silent connections from one address.
// New clients are still admitted at once, and counting clients are not disturbed.
// PARITY_FAULT_STRANGERS=16384 fills a server with the default limits.
func TestFaultSilentStrangers(t *testing.T) {
	p, log, strangers := startForStrangers(t)
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
			t.Errorf("a new client from %s: %v", from, err)
		}
		newcomer.leave(t)
	}
	t.Logf("new clients were served beside %d silent connections in %s", strangers, time.Since(began))
	counting.send(t, "5 ")
	counting.leave(t)
	if err := p.terminate(); err != nil {
		t.Fatal(err)
	}
	if size := sizeOf(t, log); size > 1<<20 {
		t.Errorf("the log has %d bytes, want 1 MiB at most", size)
	}
}

// TestFaultTalkingStrangers opens as many sessions from one address as it may have.
// Another address can still connect.
func TestFaultTalkingStrangers(t *testing.T) {
	p, _, strangers := startForStrangers(t)
	refused := 0
	for i := range strangers {
		stranger := dialOld(t, p.legacy)
		io.WriteString(stranger, fmt.Sprintf("%d ", i%10_000))
		if stranger.expect("0 ", faultPatience) != nil {
			refused++
		}
	}
	if want := strangers - strangers*3/4; refused != want {
		t.Errorf("%d of %d sessions were refused, want %d", refused, strangers, want)
	}
	newcomer := dialFrom(t, "127.0.0.2", p.legacy)
	newcomer.send(t, "10000")
	if err := newcomer.expect("0 ", faultPatience); err != nil {
		t.Errorf("a new client from another address: %v", err)
	}
}

// TestFaultManySessionsOfOneID opens more sessions of one ID than the service allows. The
// connection is closed at once, the gateway does not retry, and other IDs are admitted.
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
		t.Errorf("%d connections closed with reason=upstream_limit, want 1", n)
	}
}

// TestFaultFloodOfValues sends values in one session as fast as possible. The newest value
// is kept, few are reported, and the log says how many were merged.
// PARITY_FAULT_FLOOD_MIB=256 measures the cost.
func TestFaultFloodOfValues(t *testing.T) {
	const rate = 1000 // the flag's default
	mib := setting(t, "PARITY_FAULT_FLOOD_MIB", 4)
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
		t.Errorf("the register has value %d, want 4711", got)
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
		t.Errorf("%d values were reported in %s, want at most %d", strings.Count(string(text), "msg=Report "), took, most)
	}
	if n := strings.Count(string(text), "newer values replace older ones"); n < 1 || n > int(took/time.Second)+2 {
		t.Errorf("%d log lines about merged values in %s, want 1 to %d", n, took, int(took/time.Second)+2)
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
