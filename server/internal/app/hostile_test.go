package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/parity/legacytcp"
)

// hostility is the scale of the attack.
type hostility struct {
	silent, slowSenders, nonReaders int // connections
	limits                          legacytcp.Limits
	byteInterval                    time.Duration // between two bytes of a slow sender; more than limits.Quiet
	cadence                         time.Duration // of the good clients
	late                            time.Duration // how late a connection may be closed on a busy machine
}

var (
	ordinaryHostility = hostility{
		silent: 200, slowSenders: 52, nonReaders: 20,
		limits: legacytcp.Limits{
			FirstByteTimeout: 2 * time.Second,
			WriteTimeout:     2 * time.Second,
			Quiet:            5 * time.Millisecond,
		},
		byteInterval: 25 * time.Millisecond, cadence: 20 * time.Millisecond, late: 20 * time.Second,
	}
	fullHostility = hostility{
		silent: 5_000, slowSenders: 1_000, nonReaders: 200,
		limits:       legacytcp.Limits{FirstByteTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}, // the defaults
		byteInterval: time.Second, cadence: 100 * time.Millisecond, late: 10 * time.Second,
	}
)

const (
	hostileGood = 100
	// hostileFirstID is the least ID of a good client. Slow senders have lower ones.
	hostileFirstID = 5_000
	// hostileFetchEvery is how many values a good client counts between two downloads.
	hostileFetchEvery = 20
	// hostileBigFile is larger than the kernel's buffers for a connection whose client
	// does not read.
	hostileBigFile = 32 << 20
)

// badKind is a kind of bad connection.
type badKind struct {
	n           int
	behave      func(nc net.Conn) error // returns when the gateway has closed nc
	reason      legacytcp.Reason        // why the gateway closes it
	least, most time.Duration           // how long it is open
}

// kinds returns the kinds of bad connections. Those that do not read only look at their
// connection when readOn is closed.
func (how hostility) kinds(readOn <-chan struct{}) []badKind {
	first, write := how.limits.FirstByteTimeout, how.limits.WriteTimeout
	slowSenders := func(reason legacytcp.Reason, start, repeated, reply string, bytes int) badKind {
		return badKind{
			n: how.slowSenders / 4, reason: reason,
			behave: func(nc net.Conn) error { return sendSlowly(nc, start, repeated, reply, how.byteInterval) },
			least:  time.Duration(max(bytes-3, 0)) * how.byteInterval,
			most:   time.Duration(bytes+2) * how.byteInterval,
		}
	}
	return []badKind{
		{n: how.silent, reason: legacytcp.ReasonFirstByteTimeout, behave: sendNothing, least: first * 99 / 100, most: first},
		// Bytes that the kernel accepts count as progress, and it may accept some late.
		{n: how.nonReaders, reason: legacytcp.ReasonWriteTimeout, behave: readNothing(readOn), least: write * 99 / 100, most: 2 * write},
		// The first digit is an ID, because no other byte follows in time. The 64th byte
		// after it makes the frame too long. On a busy machine several digits may become
		// the ID. They are zeros, so the ID stays 0.
		slowSenders(legacytcp.ReasonFrameTooLong, "0", "0", "0 ", 1+64),
		slowSenders(legacytcp.ReasonFrameTooLong, "2 ", "x", "0 ", 2+64),
		// The 16th bad frame closes the connection.
		slowSenders(legacytcp.ReasonBadFrames, "3 ", "x ", "0 ", 2+2*16),
		// One byte is a complete file name, because no other follows in time.
		slowSenders(legacytcp.ReasonServed, "x", "x", "File not found", 1),
	}
}

// sendNothing waits for EOF.
func sendNothing(nc net.Conn) error {
	if data, err := io.ReadAll(nc); err != nil || len(data) > 0 {
		return fmt.Errorf("silent: read %q, %v; want EOF", data, err)
	}
	return nil
}

// readNothing requests a file and does not read until readOn is closed. Then it must read
// less than the file, and a reset.
func readNothing(readOn <-chan struct{}) func(nc net.Conn) error {
	return func(nc net.Conn) error {
		if _, err := io.WriteString(nc, "big"); err != nil {
			return err
		}
		<-readOn
		if n, err := io.Copy(io.Discard, nc); !errors.Is(err, syscall.ECONNRESET) || n >= hostileBigFile {
			return fmt.Errorf("not reading: %d bytes, %v; want less than the file and a reset", n, err)
		}
		return nil
	}
}

// sendSlowly sends start, then repeated again and again, one byte each interval. The
// gateway must answer with reply and EOF.
func sendSlowly(nc net.Conn, start, repeated, reply string, interval time.Duration) error {
	var sending sync.WaitGroup
	sending.Go(func() {
		for text := start; ; text = repeated {
			for i := range text {
				if _, err := io.WriteString(nc, text[i:i+1]); err != nil {
					return
				}
				time.Sleep(interval)
			}
		}
	})
	data, err := io.ReadAll(nc)
	nc.Close()
	sending.Wait()
	if err != nil || string(data) != reply {
		return fmt.Errorf("sending %q slowly: read %q, %v; want %q and EOF", start+repeated, data, err, reply)
	}
	return nil
}

// TestHostileClients opens connections that send nothing, that send one byte now and
// then, and that request a file and never read it. Good clients beside them must notice
// nothing. PARITY_HOSTILE_SCALE=full opens thousands, with the default limits.
func TestHostileClients(t *testing.T) {
	how := ordinaryHostility
	if os.Getenv("PARITY_HOSTILE_SCALE") == "full" {
		how = fullHostility
		raiseFileLimit(t, 2*(how.silent+how.slowSenders+how.nonReaders+2*hostileGood)+100)
	}
	h := newHostile(t, how)
	before := h.warmUp(t)
	started := time.Now()

	var good, bad sync.WaitGroup
	stop := make(chan struct{})
	latencies := make([][]time.Duration, hostileGood)
	for i := range latencies {
		good.Go(func() {
			var err error
			if latencies[i], err = h.countWell(t.Context(), int32(hostileFirstID+i), stop); err != nil {
				t.Errorf("good client %d, %s after the start: %v", i, time.Since(started), err)
			}
		})
	}
	readOn := make(chan struct{})
	kinds := how.kinds(readOn)
	spans := map[legacytcp.Reason][2]time.Time{} // when connections must be closed
	for _, kind := range kinds {
		span, seen := spans[kind.reason]
		if earliest := time.Now().Add(kind.least); !seen || earliest.Before(span[0]) {
			span[0] = earliest
		}
		for range kind.n {
			nc, err := net.Dial("tcp", h.door.numbers)
			if err != nil {
				t.Fatal(err)
			}
			nc.SetDeadline(time.Now().Add(kind.most + 2*how.late))
			bad.Go(func() {
				defer nc.Close()
				if err := kind.behave(nc); err != nil {
					t.Errorf("%s after the start: %v", time.Since(started), err)
				}
			})
		}
		if latest := time.Now().Add(kind.most + how.late); latest.After(span[1]) {
			span[1] = latest
		}
		spans[kind.reason] = span
	}
	t.Logf("all connected %s after the start: %s", time.Since(started), memory())

	unread := legacytcp.ReasonWriteTimeout
	for len(h.closedAt(unread)) < how.nonReaders && time.Now().Before(spans[unread][1]) {
		time.Sleep(10 * time.Millisecond)
	}
	close(readOn)
	bad.Wait()
	close(stop)
	good.Wait()

	h.checkClosed(t, kinds, spans, started)
	all := slices.Sorted(slices.Values(slices.Concat(latencies...)))
	if len(all) < 10*hostileGood {
		t.Fatalf("the good clients drew %d times, want at least %d", len(all), 10*hostileGood)
	}
	t.Logf("the good clients drew %d times, p50 %s, p99 %s, max %s, and downloaded %d times",
		len(all), all[len(all)/2], all[len(all)*99/100], all[len(all)-1], h.fetched.Load())

	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("at the end: %s", memory())
	if now := runtime.NumGoroutine(); now > before {
		var stacks strings.Builder
		pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		t.Errorf("%d goroutines, want at most the %d before:\n%s", now, before, stacks.String())
	}
}
