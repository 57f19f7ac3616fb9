package messagelog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/syncbuf"
)

// newLog opens a log in a directory of its own.
func newLog(tb testing.TB, change func(*Options)) (*Log, Options) {
	tb.Helper()
	o := Options{
		Path:    filepath.Join(tb.TempDir(), "server.log"),
		Format:  Text,
		MaxSize: 100 << 20,
		Keep:    3,
		Stderr:  os.Stderr,
	}
	if change != nil {
		change(&o)
	}
	l, err := Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return l, o
}

// flush waits until the buffered lines have been written.
func flush(l *Log) {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	l.out.wakeWriter()
	for l.out.full || len(l.out.buf) > 0 {
		l.out.changed.Wait()
	}
}

func readLog(tb testing.TB, path string) string {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// TestSameAsSlog compares lines with those of log/slog's handlers.
func TestSameAsSlog(t *testing.T) {
	for _, format := range []Format{Text, JSON} {
		l, o := newLog(t, func(o *Options) { o.Format = format })
		line := l.newLine()
		line.begin(warn, "Increment", nil)
		line.word("door", "legacy")
		line.text("peer", "a b") // slog quotes text with spaces too
		line.int("number", -98)
		line.bool("returning", true)
		line.write(l.out)
		if err := l.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		options := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				a.Value = slog.StringValue("TIME")
			}
			return a
		}}
		var h slog.Handler = slog.NewTextHandler(&want, options)
		if format == JSON {
			h = slog.NewJSONHandler(&want, options)
		}
		slog.New(h).Warn("Increment", "door", "legacy", "peer", "a b", "number", -98, "returning", true)
		got := readLog(t, o.Path)
		before, rest, _ := strings.Cut(want.String(), "TIME")
		if stamp := got[len(before) : len(before)+24]; !strings.HasPrefix(got, before) || got[len(before)+24:] != rest {
			t.Errorf("%s: %q, want %q", format, got, want.String())
		} else if at, err := time.Parse(time.RFC3339, stamp); err != nil || time.Since(at) > time.Minute {
			t.Errorf("%s: time %q, %v", format, stamp, err)
		}
	}
}

// TestHostileText checks that a client's text cannot forge lines.
func TestHostileText(t *testing.T) {
	for _, format := range []Format{Text, JSON} {
		l, o := newLog(t, func(o *Options) { o.Format = format })
		names := []string{"\n", "\r\n", `"`, `\`, "\x00", "\x1b[2J", "\xff\xfe", "\u2028", "a=b c=d", `","msg":"forged`, strings.Repeat("x", 5000)}
		for _, name := range names {
			l.message(nil, &filesv1.GetRequest{Name: name})
		}
		if err := l.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(readLog(t, o.Path), "\n"), "\n")
		if len(lines) != len(names) {
			t.Fatalf("%s: %d lines for %d names", format, len(lines), len(names))
		}
		for i, line := range lines {
			if strings.ContainsAny(line, "\x00\x1b\r") || len(line) > maxText*4 {
				t.Errorf("%s: %.200q for the name %.20q", format, line, names[i])
			}
			var fields struct{ Msg string }
			if format == JSON && (json.Unmarshal([]byte(line), &fields) != nil || fields.Msg != "GetRequest") {
				t.Errorf("%q is not a JSON line of that message", line)
			}
		}
	}
}

func TestCallsOnly(t *testing.T) {
	l, o := newLog(t, func(o *Options) { o.CallsOnly = true })
	_, err := l.Unary(t.Context(), &numbersv1.DrawRequest{}, &grpc.UnaryServerInfo{FullMethod: numbersv1.NumberService_Draw_FullMethodName},
		func(context.Context, any) (any, error) { return &numbersv1.DrawResponse{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := readLog(t, o.Path); strings.Count(got, "\n") != 1 || !strings.Contains(got, "msg=call") {
		t.Errorf("logged %q, want the call alone", got)
	}
}

// TestNothingLost writes from many goroutines across several rotations. Every line must be
// there, whole, and the lines of each goroutine in order.
func TestNothingLost(t *testing.T) {
	l, o := newLog(t, func(o *Options) { o.MaxSize, o.Keep = 1<<20, 50 })
	const writers, lines = 8, 10_000
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			scope := fmt.Appendf(nil, " client=%d", w)
			for v := range int64(lines) {
				l.message(scope, &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: v}}})
			}
		})
	}
	group.Wait()
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(o.Path), "server-*.log"))
	if err != nil || len(files) < 3 {
		t.Fatalf("rotated files: %q, %v; want several", files, err)
	}
	next := make([]int, writers)
	for _, file := range append(files, o.Path) { // their names are in the order of their age
		for line := range strings.Lines(readLog(t, file)) {
			var at string
			var w, v int
			if n, err := fmt.Sscanf(line, "time=%s level=INFO msg=Report client=%d value=%d\n", &at, &w, &v); n != 3 || err != nil || v != next[w] {
				t.Fatalf("line %q: %v; want value %d", line, err, next[w])
			}
			next[w]++
		}
	}
	for w, n := range next {
		if n != lines {
			t.Errorf("%d lines of writer %d, want %d", n, w, lines)
		}
	}
}

func TestKeep(t *testing.T) {
	l, o := newLog(t, func(o *Options) { o.MaxSize, o.Keep = 1<<20, 2 })
	for range 6 {
		l.Info(strings.Repeat("x", 900<<10))
		flush(l)
	}
	var files []string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		files, _ = filepath.Glob(filepath.Join(filepath.Dir(o.Path), "server-*.log"))
		if len(files) == 2 {
			break
		}
	}
	if len(files) != 2 {
		t.Errorf("%d files kept, want 2: %q", len(files), files)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestReopen(t *testing.T) {
	l, o := newLog(t, nil)
	l.Info("before")
	flush(l)
	if err := os.Rename(o.Path, o.Path+".1"); err != nil {
		t.Fatal(err)
	}
	l.Reopen()
	l.Info("after")
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := readLog(t, o.Path+".1"); !strings.Contains(got, "before") || strings.Contains(got, "after") {
		t.Errorf("the moved file has %q", got)
	}
	if got := readLog(t, o.Path); !strings.Contains(got, "after") {
		t.Errorf("the new file has %q", got)
	}
}

// TestReopenUnderLoad checks that reopening the file many times loses nothing.
func TestReopenUnderLoad(t *testing.T) {
	l, o := newLog(t, nil)
	l.out.size = 1 // each line is handed over alone
	const writers, lines = 4, 2_000
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range lines {
				l.message(nil, &numbersv1.DrawRequest{})
			}
		})
	}
	done := make(chan struct{})
	var reopening sync.WaitGroup
	reopening.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				l.Reopen()
			}
		}
	})
	writing.Wait()
	close(done)
	reopening.Wait()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(readLog(t, o.Path), "\n"); n != writers*lines {
		t.Errorf("%d lines, want %d", n, writers*lines)
	}
}

// TestDiskFull writes to a device that is always full. The log prints the failure once and
// counts what is lost.
func TestDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full: ", err)
	}
	var stderr syncbuf.Buffer
	l, _ := newLog(t, func(o *Options) { o.Path, o.Stderr = "/dev/full", &stderr })
	for range 3 {
		l.message(nil, &numbersv1.DrawRequest{})
		flush(l)
	}
	said := stderr.String()
	if strings.Count(said, "\n") != 1 || !strings.Contains(said, "no space left") {
		t.Errorf("stderr says %q, want one line", said)
	}
	if l.Lost() < 3*40 {
		t.Errorf("%d bytes lost, want three lines", l.Lost())
	}
	if err := l.Health(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Health = %v", err)
	}
	l.Close(context.Background())
}

// TestCutLine checks that the rest of a line that a crash cut off stays on its own line.
func TestCutLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.log")
	if err := os.WriteFile(path, []byte("whole\nhal"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l, _ := newLog(t, func(o *Options) { o.Path = path })
		l.Info("next")
		if err := l.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.Split(readLog(t, path), "\n")
	if len(got) != 5 || got[1] != "hal" || !strings.Contains(got[2], "next") || !strings.Contains(got[3], "next") {
		t.Errorf("the log has %q", got)
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := Open(Options{Path: t.TempDir(), Format: Text}); err == nil {
		t.Error("a directory was opened as a log")
	}
	if _, err := Open(Options{Path: filepath.Join(t.TempDir(), "l"), Format: "xml"}); err == nil {
		t.Error("an unknown format was taken")
	}
}

func BenchmarkMessage(b *testing.B) {
	for _, format := range []Format{Text, JSON} {
		b.Run(string(format)+"/report", func(b *testing.B) {
			l, _ := newLog(b, func(o *Options) { o.Format = format })
			defer l.Close(context.Background())
			scope := []byte(` door=legacy peer="127.0.0.1:12345" client=3748`)
			m := &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: 12345}}}
			b.ReportAllocs()
			for b.Loop() {
				l.message(scope, m)
			}
		})
	}
}
