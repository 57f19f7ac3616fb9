package bench

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/parity/client/internal/fakeserver"
	"example.com/parity/internal/syncbuf"
	"example.com/parity/internal/tcptest"
)

func TestRunEndsEarly(t *testing.T) {
	s := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	wantClean(t, runUntil(t, 1, 0, 1, &Draw{Conns: dialN(t, s.Addr, 1)}))
}

func TestRunWithoutServer(t *testing.T) {
	addr := tcptest.Serve(t, func(*net.TCPConn) {})
	if _, err := Run(t.Context(), &LegacyDraw{Addr: addr}, Options{Clients: 3, For: moment}); err == nil {
		t.Error("Run = nil without a client that could connect")
	}
}

func TestRunWithTooMany(t *testing.T) {
	_, err := Run(t.Context(), &LegacyDraw{}, Options{Clients: 1 << 31, For: moment})
	if err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("Run = %v, want one that names the limit", err)
	}
}

func TestServerUse(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	s := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	r, err := Run(t.Context(), &Draw{Conns: dialN(t, s.Addr, 1)}, Options{Clients: 1, For: 10 * moment, PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if r.Server == nil || r.Server.IdleBytes < 1<<20 || r.Server.BusyBytes < 1<<20 || r.Server.CPUSeconds <= 0 {
		t.Errorf("use of the machine: %+v", r.Server)
	}
	if _, err := Run(t.Context(), &Draw{}, Options{Clients: 1, For: moment, PID: 1 << 30}); err == nil {
		t.Error("Run = nil with a process that there is not")
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	s := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	out := new(syncbuf.Buffer)
	opts := Options{Clients: 1, For: 2 * progressInterval, Progress: out}
	if _, err := Run(t.Context(), &Draw{Conns: dialN(t, s.Addr, 1)}, opts); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, " operations/s, p99 ") || !strings.HasSuffix(text, clearLine) {
		t.Errorf("progress is %q", text)
	}
}

// TestStalled has a server that never answers, which is an error after a while.
func TestStalled(t *testing.T) {
	for wait, want := range map[time.Duration]int64{patience - 1: 0, patience + 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			var errs errorLog
			tally := &tally{latency: newLatency(), errors: &errs}
			tally.repeat(ctx, func(ctx context.Context) error {
				<-ctx.Done()
				return context.Canceled
			})
			if got, _ := errs.get(); got != want {
				t.Errorf("%d errors after %v of silence, want %d", got, wait, want)
			}
		})
	}
}

func TestErrorLog(t *testing.T) {
	var l errorLog
	for _, addr := range []string{"127.0.0.1:1", "127.0.0.1:2"} { // the same error at two addresses
		tcp, _ := net.ResolveTCPAddr("tcp", addr)
		l.add(&net.OpError{Op: "read", Net: "tcp", Addr: tcp, Err: errors.New("broken\x1b")})
	}
	for _, text := range strings.Fields("a a b c d e f") {
		l.add(errors.New(text))
	}
	count, examples := l.get()
	if want := `broken\x1b a b c d`; count != 9 || strings.Join(examples, " ") != want {
		t.Errorf("%d errors %q, want 9 %q", count, examples, want)
	}
}

func TestQuantiles(t *testing.T) {
	all := newLatencies(2)
	for i := range 1000 {
		all.of(i).record(time.Duration(i+1) * time.Millisecond)
	}
	all.of(0).record(24 * time.Hour) // more than is kept
	p50, p99, p999 := all.quantiles()
	for _, q := range []struct{ got, want time.Duration }{
		{p50, 501 * time.Millisecond}, {p99, 991 * time.Millisecond}, {p999, time.Second},
	} {
		if q.got < q.want*99/100 || q.got > q.want*102/100 {
			t.Errorf("quantile %v, want %v", q.got, q.want)
		}
	}
}

func TestReportLines(t *testing.T) {
	r := &Result{
		Load: "get", Clients: 2, Seconds: 1.5, Bytes: 3e6, Errors: 7, Examples: []string{"a", `b "c"`},
		OperationsPerSecond: 20, MegabytesPerSecond: 2, Latency: Latency{1, 2.25, 3},
		Server: &ServerUse{IdleBytes: 1 << 20, BusyBytes: 2 << 20, ClientSize: 524288, CPUSeconds: 0.5},
	}
	want := `load        get, clients: 2, 1.5 s
throughput  2.0 MB/s, 20.0 operations/s
latency     p50 1.000 ms, p99 2.250 ms, p99.9 3.000 ms
server      2.0 MiB resident, 1.0 MiB before: 524.3 kB a client; 0.5 s of processor time
errors      7 "a" "b \"c\""`
	if got := strings.Join(r.Lines(), "\n"); got != want {
		t.Errorf("Lines() =\n%s\nwant\n%s", got, want)
	}
}
