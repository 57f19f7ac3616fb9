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

// hostility is how much of it there is.
type hostility struct {
	silent, dribblers, deaf int // connections
	limits                  legacytcp.Limits
	drip                    time.Duration // between two bytes of a dribbler; more than the quiet
	cadence                 time.Duration // of the good clients
	late                    time.Duration // how late the end of a connection may be on a busy machine
}

var (
	ordinaryHostility = hostility{
		silent: 200, dribblers: 52, deaf: 20,
		limits: legacytcp.Limits{
			FirstByteTimeout: 2 * time.Second,
			WriteTimeout:     2 * time.Second,
			Quiet:            5 * time.Millisecond,
		},
		drip: 25 * time.Millisecond, cadence: 20 * time.Millisecond, late: 20 * time.Second,
	}
	fullHostility = hostility{
		silent: 5_000, dribblers: 1_000, deaf: 200,
		limits: legacytcp.Limits{FirstByteTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}, // the defaults
		drip:   time.Second, cadence: 100 * time.Millisecond, late: 10 * time.Second,
	}
)

const (
	hostileGood = 100
	// hostileFirstID is the good clients' least ID, above those that dribblers get.
	hostileFirstID = 5_000
	// hostileFetchEvery is how many rounds of counting there are for a fetch.
	hostileFetchEvery = 20
	// hostileBigFile is more than the kernel takes for a client that does not read.
	hostileBigFile = 32 << 20
)

// badSort is a sort of bad connections.
type badSort struct {
	n      int
	behave func(nc net.Conn) error // until the gateway has closed nc
	reason legacytcp.Reason        // for which it does
	// How long that takes at least and at most.
	least, most time.Duration
}

func (how hostility) sorts(deafGone <-chan struct{}) []badSort {
	first, write := how.limits.FirstByteTimeout, how.limits.WriteTimeout
	dribblers := func(reason legacytcp.Reason, start, repeated, reply string, bytes int) badSort {
		return badSort{
			n: how.dribblers / 4, reason: reason,
			behave: func(nc net.Conn) error { return dribble(nc, start, repeated, reply, how.drip) },
			least:  time.Duration(max(bytes-3, 0)) * how.drip,
			most:   time.Duration(bytes+2) * how.drip,
		}
	}
	return []badSort{
		{n: how.silent, reason: legacytcp.ReasonFirstByteTimeout, behave: beSilent, least: first * 99 / 100, most: first},
		// What the kernel takes is progress, some of it late.
		{n: how.deaf, reason: legacytcp.ReasonWriteTimeout, behave: beDeaf(deafGone), least: write * 99 / 100, most: 2 * write},
		// The first digit is an ID, since no other comes within the quiet. The 64th
		// byte after it makes a frame too long. (On a busy machine the ID gets more
		// digits, which are zeros so that it stays the same.)
		dribblers(legacytcp.ReasonFrameTooLong, "0", "0", "0 ", 1+64),
		dribblers(legacytcp.ReasonFrameTooLong, "2 ", "x", "0 ", 2+64),
		// Frames that are no requests: the 16th is the last.
		dribblers(legacytcp.ReasonBadFrames, "3 ", "x ", "0 ", 2+2*16),
		// The name of no file, complete after the quiet.
		dribblers(legacytcp.ReasonServed, "x", "x", "File not found", 1),
	}
}

// beSilent expects the end without a word.
func beSilent(nc net.Conn) error {
	if data, err := io.ReadAll(nc); err != nil || len(data) > 0 {
		return fmt.Errorf("silent: read %q, %v; want the end", data, err)
	}
	return nil
}

// beDeaf asks for a file and does not read before gone is closed: then there must be
// less than the file, and a reset.
func beDeaf(gone <-chan struct{}) func(nc net.Conn) error {
	return func(nc net.Conn) error {
		if _, err := io.WriteString(nc, "big"); err != nil {
			return err
		}
		<-gone
		if n, err := io.Copy(io.Discard, nc); !errors.Is(err, syscall.ECONNRESET) || n >= hostileBigFile {
			return fmt.Errorf("deaf: %d bytes, %v; want less than the file and a reset", n, err)
		}
		return nil
	}
}

// dribble sends a byte a drip until the gateway ends the connection after reply.
func dribble(nc net.Conn, start, repeated, reply string, drip time.Duration) error {
	var sending sync.WaitGroup
	sending.Go(func() {
		for text := start; ; text = repeated {
			for i := range text {
				if _, err := io.WriteString(nc, text[i:i+1]); err != nil {
					return
				}
				time.Sleep(drip)
			}
		}
	})
	data, err := io.ReadAll(nc)
	nc.Close()
	sending.Wait()
	if err != nil || string(data) != reply {
		return fmt.Errorf("dribbling %q: read %q, %v; want %q and the end", start+repeated, data, err, reply)
	}
	return nil
}

// TestHostileClients has connections that send nothing, connections that send a byte
// now and then, and connections that ask for a file and never read it, beside good
// clients, who must see nothing of them. PARITY_HOSTILE_SCALE=full has thousands of
// them, and the limits that there are by default.
func TestHostileClients(t *testing.T) {
	how := ordinaryHostility
	if os.Getenv("PARITY_HOSTILE_SCALE") == "full" {
		how = fullHostility
		raiseFileLimit(t, 2*(how.silent+how.dribblers+how.deaf+2*hostileGood)+100)
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
	deafGone := make(chan struct{})
	sorts := how.sorts(deafGone)
	spans := map[legacytcp.Reason][2]time.Time{} // when they must be closed
	for _, sort := range sorts {
		span, seen := spans[sort.reason]
		if earliest := time.Now().Add(sort.least); !seen || earliest.Before(span[0]) {
			span[0] = earliest
		}
		for range sort.n {
			nc, err := net.Dial("tcp", h.door.numbers)
			if err != nil {
				t.Fatal(err)
			}
			nc.SetDeadline(time.Now().Add(sort.most + 2*how.late))
			bad.Go(func() {
				defer nc.Close()
				if err := sort.behave(nc); err != nil {
					t.Errorf("%s after the start: %v", time.Since(started), err)
				}
			})
		}
		if latest := time.Now().Add(sort.most + how.late); latest.After(span[1]) {
			span[1] = latest
		}
		spans[sort.reason] = span
	}
	t.Logf("all connected %s after the start: %s", time.Since(started), memory())

	deaf := legacytcp.ReasonWriteTimeout
	for len(h.closedAt(deaf)) < how.deaf && time.Now().Before(spans[deaf][1]) {
		time.Sleep(10 * time.Millisecond)
	}
	close(deafGone)
	bad.Wait()
	close(stop)
	good.Wait()

	h.checkClosed(t, sorts, spans, started)
	all := slices.Sorted(slices.Values(slices.Concat(latencies...)))
	if len(all) < 10*hostileGood {
		t.Fatalf("the good clients drew %d times only", len(all))
	}
	t.Logf("the good clients drew %d times, p50 %s, p99 %s, at most %s, and fetched %d times",
		len(all), all[len(all)/2], all[len(all)*99/100], all[len(all)-1], h.fetched.Load())

	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("in the end: %s", memory())
	if now := runtime.NumGoroutine(); now > before {
		var stacks strings.Builder
		pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		t.Errorf("%d goroutines, %d before:\n%s", now, before, stacks.String())
	}
}
