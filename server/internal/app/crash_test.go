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
	// crashPace is the time from one report of a client to the next. With 100
	// clients, most groups of 10 ms hold some.
	crashPace = 20 * time.Millisecond
	// crashLife is the longest that a server lives with its clients before it is
	// killed. The last one does, so that what must be there is more than nothing.
	crashLife = 1500 * time.Millisecond
	// crashDelay is how long clients and server, who share the machine, may take in
	// all to pass on and to handle what has been written. On two busy processors, 500
	// clients were seen to need 400 ms.
	crashDelay = 750 * time.Millisecond

	// What a kill may take beside that: a group of reports that gathers, 10 ms, while
	// the one before is being written; and the lines of the log since its last flush.
	groupMayTake = 2 * 10 * time.Millisecond
	flushMayTake = 100 * time.Millisecond
)

// TestCrash kills the program at random moments under counting clients, half of them
// on either door, and looks at what it knows when it is back. PARITY_CRASH_ROUNDS and
// PARITY_CRASH_CLIENTS say how often and how many.
func TestCrash(t *testing.T) {
	kill(t, setting(t, "PARITY_CRASH_ROUNDS", 3), setting(t, "PARITY_CRASH_CLIENTS", 100))
}

// TestCrashFew is the same with so few clients that they fill neither a group nor
// the buffer of the log: all that is written is written because of its age.
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
			t.Fatalf("in round %d", round)
		}
	}
	p := c.start(t, rounds)
	c.checkRegister(t, p)
	if err := p.terminate(); err != nil {
		t.Errorf("told to stop: %v", err)
	}
	t.Logf("rounds %d, clients %d, committed values checked %d, lost %d; "+
		"legacy reports checked %d, the oldest lost %v before the kill; lines of the log checked %d",
		rounds, clients, c.checked, c.lost, c.reports, c.oldestLost.Round(time.Millisecond), c.lines)
	if c.checked == 0 || c.reports == 0 || c.lines == 0 {
		t.Error("nothing was checked")
	}
}

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
	grpc, legacy string // where the server is
	logFile      string // of this round
	clients      []*crashClient
	killed       time.Time

	checked, lost, reports, lines int
	oldestLost                    time.Duration
}

// start starts the program, always in the same place.
func (c *crash) start(t *testing.T, round int) *process {
	t.Helper()
	if c.grpc == "" {
		c.grpc, c.legacy = "127.0.0.1:"+fixedPort(t, "127.0.0.1"), "127.0.0.1:"+fixedPort(t, "127.0.0.1")
	}
	// A log for each round, so that the last line of each can be looked at.
	c.logFile = filepath.Join(c.dataDir, fmt.Sprintf("server%d.log", round))
	return startProcess(t, "--grpc="+c.grpc, "--legacy="+c.legacy, "--admin=",
		"--data-dir="+c.dataDir, "--log-file="+c.logFile, c.dir)
}

// count lets the clients count until the server is killed at the end of its life.
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
	for _, client := range c.clients {
		if client.wentBack != nil {
			t.Errorf("client %d %v", client.id, client.wentBack)
		}
	}
}

// checkRegister holds what the server knows against what the clients were told and
// have written.
func (c *crash) checkRegister(t *testing.T, p *process) {
	t.Helper()
	known := map[int32]int64{}
	for _, client := range listClients(t, numbersv1.NewNumberServiceClient(p.dial(t)), 1000) {
		known[client.GetClientId()] = client.GetLastValue()
		if n := client.GetActiveSessions(); n != 0 {
			t.Errorf("client %d has %d sessions before there are any", client.GetClientId(), n)
		}
	}
	for _, client := range c.clients {
		value, ok := known[client.id]
		if client.told {
			c.checked++
			if !ok || value < client.committed {
				c.lost++
				t.Errorf("client %d: the register has %d (at all: %v), but it was told that %d is committed", client.id, value, ok, client.committed)
			}
		}
		if value > client.tried {
			t.Errorf("client %d: the register has %d, but it has only reported up to %d", client.id, value, client.tried)
		}
		if !client.legacy {
			continue
		}
		for _, r := range client.reports {
			age := c.killed.Sub(r.at)
			switch old := age > groupMayTake+crashDelay; {
			case value < r.value && old:
				t.Errorf("client %d: the register has %d, but it reported %d %v before the kill", client.id, value, r.value, age)
			case value < r.value:
				c.oldestLost = max(c.oldestLost, age)
			case old:
				c.reports++
			}
		}
	}
}

// checkLog looks for what must be in the log of a server that was killed.
func (c *crash) checkLog(t *testing.T) {
	t.Helper()
	log, err := os.ReadFile(c.logFile)
	if err != nil {
		t.Fatal(err)
	}
	whole := regexp.MustCompile(`^time=\S{24} level=(INFO|WARN) (msg=(Register|Registered|Report|Committed|ListClientsRequest|ListClientsResponse|call) door=(grpc|legacy) .*|msg="client .*)\n$`)
	seen := map[string]bool{}
	lines := strings.SplitAfter(string(log), "\n")
	for _, line := range lines[:len(lines)-1] { // the last is empty, or not whole
		if !whole.MatchString(line) {
			t.Errorf("not a whole line: %q", line)
		}
		if client := strings.Index(line, " client="); client >= 0 {
			_, msg, _ := strings.Cut(line[:client], " msg=")
			msg, _, _ = strings.Cut(msg, " ")
			seen[msg+strings.TrimSuffix(line[client:], "\n")] = true
		}
	}
	for _, client := range c.clients {
		for _, l := range client.lines() {
			if age := c.killed.Sub(l.at); age > flushMayTake+crashDelay {
				c.lines++
				if !seen[l.text] {
					t.Errorf("the log lacks %q of %v before the kill", l.text, age)
				}
			}
		}
	}
}

// crashClient is a client that goes on, where it was, with each server.
type crashClient struct {
	id     int32
	legacy bool

	// What it knows for ever: the greatest value it was told is durable, and whether
	// it was told any, so that it must be in the register.
	committed int64
	told      bool
	// The last value that it tried to report, to whichever server.
	tried int64

	// What it did with this server.
	registered int64
	reports    []crashReport
	confirmed  []crashCommit
	wentBack   error // it was told a value lower than one before
}

// crashReport is a report at the time when it had been written.
type crashReport struct {
	value int64
	at    time.Time
}

// crashCommit is a Committed at the time when it came.
type crashCommit struct {
	*numbersv1.Committed
	at time.Time
}

// crashLine is a line of the log, as far as it is known, and when it was due.
type crashLine struct {
	text string
	at   time.Time
}

// lines returns those that its messages left in the log.
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

// begin forgets the server before.
func (c *crashClient) begin() {
	c.registered, c.reports, c.confirmed = 0, nil, nil
}

// isTold notes a value that the server knows and that must not go back any more.
func (c *crashClient) isTold(value int64) {
	if value < c.committed {
		c.wentBack = fmt.Errorf("was told %d after %d", value, c.committed)
	}
	c.committed, c.told = max(c.committed, value), true
}

// count counts until the server is gone, which is an error as every other.
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

// receive takes confirmations until the stream ends.
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
