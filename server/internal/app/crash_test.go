package app

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
)

const (
	// crashPace is the time between two reports of a client. With 100 clients, most
	// commit groups of 10 ms hold reports.
	crashPace = 20 * time.Millisecond
	// crashLife is the longest time that a server runs before it is killed. The server
	// of the last round runs that long, so that there is something to check.
	crashLife = 1500 * time.Millisecond
	// crashDelay is how long it may take until the server has handled what a client has
	// written, beside the delay that gRPC clients have measured. Clients and server share
	// the machine: 500 clients took up to 400 ms on two busy processors.
	crashDelay = 750 * time.Millisecond

	// commitDelay is the greatest age of a report that a kill may lose: the open group
	// waits for 10 ms, and the group before it is being committed.
	commitDelay = 2 * 10 * time.Millisecond
	// flushDelay is the greatest age of a log line that a kill may lose: the log is flushed
	// every 100 ms.
	flushDelay = 100 * time.Millisecond
)

// TestCrash kills the program at random moments while clients count, half of them over
// gRPC and half over the original protocol, and checks the register of the next server.
// PARITY_CRASH_ROUNDS and PARITY_CRASH_CLIENTS set the numbers of kills and clients.
func TestCrash(t *testing.T) {
	kill(t, setting(t, "PARITY_CRASH_ROUNDS", 3), setting(t, "PARITY_CRASH_CLIENTS", 100))
}

// TestCrashFew does the same with so few clients that they fill neither a commit group
// nor the buffer of the log: both are written by their timers.
func TestCrashFew(t *testing.T) { kill(t, 1, 2) }

func kill(t *testing.T, rounds, clients int) {
	t.Helper()
	c := &crash{dir: t.TempDir(), dataDir: t.TempDir(), clients: make([]*crashClient, clients)}
	for id := range c.clients {
		c.clients[id] = &crashClient{id: int32(id), legacy: id%2 == 1}
	}
	for round := range rounds {
		p := c.start(t, round)
		c.checkRegister(t, p)
		life := crashLife
		if round < rounds-1 {
			life = rand.N(crashLife)
		}
		c.count(t, p, life)
		c.checkLog(t)
		if t.Failed() {
			t.Fatalf("failed in round %d", round)
		}
	}
	p := c.start(t, rounds)
	c.checkRegister(t, p)
	if err := p.terminate(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	t.Logf("rounds %d, clients %d, committed values checked %d, lost %d; "+
		"legacy reports checked %d, oldest lost report %v before the kill; log lines checked %d; delay in the last round %v",
		rounds, clients, c.checked, c.lost, c.reports, c.oldestLost.Round(time.Millisecond), c.lines, c.delay.Round(time.Millisecond))
	if c.checked == 0 || c.reports == 0 || c.lines == 0 {
		t.Error("nothing was checked")
	}
}

// setting returns the number in the environment variable name, else otherwise.
func setting(tb testing.TB, name string, otherwise int) int {
	tb.Helper()
	value := cmp.Or(os.Getenv(name), strconv.Itoa(otherwise))
	n, err := strconv.Atoi(value)
	if err != nil || n <= 0 {
		tb.Fatalf("%s=%q: want a number greater than 0", name, value)
	}
	return n
}

// crash is the state of the test from round to round.
type crash struct {
	dir, dataDir string
	grpc, legacy string // addresses, the same in all rounds
	logFile      string // of this round
	clients      []*crashClient
	killed       time.Time
	delay        time.Duration // see measureDelay

	checked, lost, reports, lines int
	oldestLost                    time.Duration
}

// start starts the program, in every round at the same addresses.
func (c *crash) start(t *testing.T, round int) *process {
	t.Helper()
	if c.grpc == "" {
		c.grpc, c.legacy = "127.0.0.1:"+fixedPort(t, "127.0.0.1"), "127.0.0.1:"+fixedPort(t, "127.0.0.1")
	}
	// Each round has a log of its own, whose last line may be cut off.
	c.logFile = filepath.Join(c.dataDir, fmt.Sprintf("server%d.log", round))
	return startProcess(t, serverArgs(t, c.dir, "--grpc="+c.grpc, "--legacy="+c.legacy,
		"--data-dir="+c.dataDir, "--log-file="+c.logFile)...)
}

// count lets the clients count, and kills the server after life.
func (c *crash) count(t *testing.T, p *process, life time.Duration) {
	t.Helper()
	cc := p.dial(t)
	defer cc.Close()
	var (
		dying   atomic.Bool
		clients sync.WaitGroup
	)
	for _, client := range c.clients {
		client.begin()
		clients.Go(func() {
			if err := client.count(t.Context(), cc, p.legacy); err != nil && !dying.Load() {
				t.Errorf("client %d: %v", client.id, err)
			}
		})
	}
	time.Sleep(life)
	dying.Store(true)
	c.killed = time.Now()
	p.kill()
	clients.Wait()
	c.measureDelay()
	for _, client := range c.clients {
		if client.wentBack != nil {
			t.Errorf("client %d %v", client.id, client.wentBack)
		}
	}
}

// measureDelay sets delay to the longest time that a gRPC client has waited in this round
// for a confirmation. On a busy machine, other clients' reports take as long.
func (c *crash) measureDelay() {
	c.delay = 0
	for _, client := range c.clients {
		if client.legacy {
			continue
		}
		unconfirmed := client.reports
		for _, commit := range client.confirmed {
			if len(unconfirmed) > 0 {
				c.delay = max(c.delay, commit.at.Sub(unconfirmed[0].at))
			}
			unconfirmed = client.reports[min(int(commit.GetReports()), len(client.reports)):]
		}
		if len(unconfirmed) > 0 {
			c.delay = max(c.delay, c.killed.Sub(unconfirmed[0].at))
		}
	}
}

// checkRegister compares the register with what the clients were told and have
// reported.
func (c *crash) checkRegister(t *testing.T, p *process) {
	t.Helper()
	known := map[int32]int64{}
	for _, client := range listClients(t, numbersv1.NewNumberServiceClient(p.dial(t)), 1000) {
		known[client.GetClientId()] = client.GetLastValue()
		if n := client.GetActiveSessions(); n != 0 {
			t.Errorf("client %d has %d sessions after the start, want 0", client.GetClientId(), n)
		}
	}
	for _, client := range c.clients {
		value, ok := known[client.id]
		if client.told {
			c.checked++
			if !ok || value < client.committed {
				c.lost++
				t.Errorf("client %d: the register has %d (known: %v), want at least the committed %d", client.id, value, ok, client.committed)
			}
		}
		if value > client.tried {
			t.Errorf("client %d: the register has %d, want at most %d, the last value reported", client.id, value, client.tried)
		}
		if !client.legacy {
			continue
		}
		for _, r := range client.reports {
			age := c.killed.Sub(r.at)
			switch old := age > commitDelay+crashDelay+c.delay; {
			case value < r.value && old:
				t.Errorf("client %d: the register has %d, want at least %d, reported %v before the kill", client.id, value, r.value, age)
			case value < r.value:
				c.oldestLost = max(c.oldestLost, age)
			case old:
				c.reports++
			}
		}
	}
}

// checkLog checks that the log of a killed server has every line older than its last
// flush, and no broken line but the last.
func (c *crash) checkLog(t *testing.T) {
	t.Helper()
	log, err := os.ReadFile(c.logFile)
	if err != nil {
		t.Fatal(err)
	}
	wellFormed := regexp.MustCompile(`^time=\S{24} level=(INFO|WARN) (msg=(Register|Registered|Report|Committed|ListClientsRequest|ListClientsResponse|call) door=(grpc|legacy) .*|msg="client .*)\n$`)
	seen := map[string]bool{}
	lines := strings.SplitAfter(string(log), "\n")
	for _, line := range lines[:len(lines)-1] { // the last is empty or cut off
		if !wellFormed.MatchString(line) {
			t.Errorf("malformed line: %q", line)
		}
		if client := strings.Index(line, " client="); client >= 0 {
			_, msg, _ := strings.Cut(line[:client], " msg=")
			msg, _, _ = strings.Cut(msg, " ")
			seen[msg+strings.TrimSuffix(line[client:], "\n")] = true
		}
	}
	for _, client := range c.clients {
		for _, l := range client.lines() {
			if age := c.killed.Sub(l.at); age > flushDelay+crashDelay+c.delay {
				c.lines++
				if !seen[l.text] {
					t.Errorf("the log lacks %q, written %v before the kill", l.text, age)
				}
			}
		}
	}
}

// crashClient is a client that continues its count with the server of each round.
type crashClient struct {
	id     int32
	legacy bool

	// Over all rounds:
	committed int64 // the greatest value it was told is durable
	told      bool  // whether it was told any, so that the register must have it
	tried     int64 // the last value that it tried to report

	// In this round:
	registered int64
	reports    []crashReport
	confirmed  []crashCommit
	wentBack   error // it was told a lower value than before
}

// crashReport is a report, and when it was sent.
type crashReport struct {
	value int64
	at    time.Time
}

// crashCommit is a Committed response, and when it arrived.
type crashCommit struct {
	*numbersv1.Committed
	at time.Time
}

// crashLine is the predictable part of a line of the log, and when it was due.
type crashLine struct {
	text string
	at   time.Time
}

// lines returns the log lines of its messages.
func (c *crashClient) lines() []crashLine {
	var lines []crashLine
	for _, r := range c.reports {
		lines = append(lines, crashLine{fmt.Sprintf("Report client=%d value=%d", c.id, r.value), r.at})
	}
	for _, r := range c.confirmed {
		lines = append(lines, crashLine{fmt.Sprintf("Committed client=%d reports=%d value=%d", c.id, r.GetReports(), r.GetValue()), r.at})
	}
	return lines
}

// begin resets the state of the previous round.
func (c *crashClient) begin() {
	c.registered, c.reports, c.confirmed = 0, nil, nil
}

// isTold records a value that the server says is durable. It must never decrease.
func (c *crashClient) isTold(value int64) {
	if value < c.committed {
		c.wentBack = fmt.Errorf("was told %d after %d", value, c.committed)
	}
	c.committed, c.told = max(c.committed, value), true
}

// count counts until an error, such as the end of the server.
func (c *crashClient) count(ctx context.Context, cc grpc.ClientConnInterface, legacy string) error {
	var report func(int64) error
	if c.legacy {
		conn, value, err := legacytcp.DialNumbers(ctx, legacy, c.id)
		if err != nil {
			return err
		}
		defer conn.Close()
		c.isRegistered(value)
		report = conn.Report
	} else {
		s, value, err := rpcDoor{cc}.count(ctx, c.id)
		if err != nil {
			return err
		}
		c.isRegistered(value)
		report = s.report
		var receiver sync.WaitGroup
		receiver.Go(func() { c.receive(s.(*rpcCounting).stream) })
		defer receiver.Wait()
		defer s.(*rpcCounting).cancel()
	}
	tick := time.NewTicker(crashPace)
	defer tick.Stop()
	for value := c.registered + 1; ; value++ {
		c.tried = value
		if err := report(value); err != nil {
			return err
		}
		c.reports = append(c.reports, crashReport{value, time.Now()})
		<-tick.C
	}
}

func (c *crashClient) isRegistered(value int64) {
	c.registered, c.tried = value, value
	c.isTold(value)
}

// receive records confirmations until the stream ends.
func (c *crashClient) receive(stream numbersv1.NumberService_CountClient) {
	for {
		resp, err := stream.Recv()
		if err != nil {
			return
		}
		committed := resp.GetCommitted()
		c.confirmed = append(c.confirmed, crashCommit{committed, time.Now()})
		c.isTold(committed.GetValue())
	}
}
