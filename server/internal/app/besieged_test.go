package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/h2/h2test"
)

// doorScale returns the size of an attack: ordinary, or with PARITY_DOOR_SCALE=full the
// full size, which a program without bounds does not survive.
func doorScale(ordinary, full int) int {
	if os.Getenv("PARITY_DOOR_SCALE") == "full" {
		return full
	}
	return ordinary
}

// doorPatience bounds every wait of these tests. It is long because machines are busy.
const doorPatience = 30 * time.Second

// besieged is a server process under attack. Its names are the files that it serves.
type besieged struct {
	*process
	admin string
	log   string
	names []string
}

// startBesieged starts the program with a cache of 8 MiB, a reply buffer of 8 MiB, and 40
// files of 1 MiB each, all of which have been read once.
func startBesieged(t *testing.T) *besieged {
	t.Helper()
	return besiege(t, func(args ...string) *process { return startProcess(t, args...) })
}

// besiege is startBesieged with start instead of startProcess.
func besiege(t *testing.T, start func(args ...string) *process) *besieged {
	t.Helper()
	dir := t.TempDir()
	b := &besieged{}
	then := time.Now().Add(-time.Hour)
	for i := range 40 {
		name := fmt.Sprintf("f%d", i)
		b.names = append(b.names, name)
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	dataDir := t.TempDir()
	b.log = filepath.Join(dataDir, "server.log")
	b.process = start("--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=127.0.0.1:0", "--data-dir="+dataDir,
		"--cache-size=8MiB", "--reply-buffer=8MiB", dir)
	b.findAdmin(t)
	for _, name := range b.names {
		b.fetch(t, name)
	}
	return b
}

// findAdmin reads the admin address from the output.
func (b *besieged) findAdmin(t *testing.T) {
	t.Helper()
	announced := regexp.MustCompile(`msg="serving metrics, health and profiles" address=(\S+)`)
	for end := time.Now().Add(doorPatience); ; time.Sleep(time.Millisecond) {
		if found := announced.FindStringSubmatch(b.stderr.String()); found != nil {
			b.admin = found[1]
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no admin address:\n%s", b.stderr.String())
		}
	}
}

// fetch downloads a file over a new connection.
func (b *besieged) fetch(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), doorPatience)
	defer cancel()
	cc, err := grpc.NewClient(b.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	stream, err := filesv1.NewFileServiceClient(cc).Get(ctx, &filesv1.GetRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("Get(%q): %v after %d bytes", name, err, n)
		}
		n += len(resp.GetData())
	}
	if n != 1<<20 {
		t.Fatalf("Get(%q) = %d bytes, want %d", name, n, 1<<20)
	}
}

// page returns a page of the admin address.
func (b *besieged) page(t *testing.T, path string) string {
	t.Helper()
	_, body := fetchPage(t, b.admin, path)
	return body
}

// metric returns the value of a metric.
func (b *besieged) metric(t *testing.T, name string) float64 {
	t.Helper()
	for line := range strings.Lines(b.page(t, "/metrics")) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("/metrics lacks %s", name)
	return 0
}

// serves checks that every door serves new clients, and returns the longest time that
// one had to wait.
func (b *besieged) serves(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	b.fetch(t, b.names[0])
	worst := time.Since(began)
	ctx, cancel := context.WithTimeout(t.Context(), doorPatience)
	defer cancel()
	began = time.Now()
	if _, err := numbersv1.NewNumberServiceClient(b.dial(t)).Draw(ctx, &numbersv1.DrawRequest{}); err != nil {
		t.Fatalf("Draw: %v", err)
	}
	worst = max(worst, time.Since(began))
	began = time.Now()
	if _, err := legacytcp.List(ctx, b.legacy); err != nil {
		t.Fatalf("list over the original protocol: %v", err)
	}
	worst = max(worst, time.Since(began))
	began = time.Now()
	if got := b.page(t, "/healthz"); !strings.HasPrefix(got, "SERVING\n") {
		t.Fatalf("GET /healthz: %q, want SERVING", got)
	}
	return max(worst, time.Since(began))
}

// bounded checks for half a second that the resident set exceeds before by at most more
// bytes.
func (b *besieged) bounded(t *testing.T, before, more int) {
	t.Helper()
	most := 0
	for range 10 {
		most = max(most, b.resident(t)-before)
		if held := b.metric(t, "parity_reply_bytes_held"); held > 8<<20 {
			t.Errorf("%.0f bytes of replies held, want 8 MiB at most", held)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("%d MiB more than before, %.0f bytes of replies held, new clients served within %s", most>>20,
		b.metric(t, "parity_reply_bytes_held"), b.serves(t).Round(time.Millisecond))
	if most > more {
		t.Errorf("%d MiB more than before, want %d at most", most>>20, more>>20)
	}
}

// peer opens an HTTP/2 connection with a flow-control window.
func (b *besieged) peer(t *testing.T, window uint32) *h2test.Peer {
	t.Helper()
	p, err := h2test.Dial(b.grpc, window)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
