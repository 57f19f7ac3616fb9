package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/h2/h2test"
)

// doorScale says how much there is of everything in these tests: 1, or with
// PARITY_DOOR_SCALE=full as much as took the program down.
func doorScale(ordinary, full int) int {
	if os.Getenv("PARITY_DOOR_SCALE") == "full" {
		return full
	}
	return ordinary
}

// doorPatience is how long a test waits for what a busy machine may be late with.
const doorPatience = 30 * time.Second

// besieged is a process under attack.
type besieged struct {
	*process
	admin string
	log   string
	names []string
}

// startBesieged starts the program with a cache of 8 MiB, an account of 8 MiB, and five
// times as many files, of 1 MiB each, that have all been read once.
func startBesieged(t *testing.T) *besieged {
	t.Helper()
	return besiege(t, func(args ...string) *process { return startProcess(t, args...) })
}

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

func (b *besieged) findAdmin(t *testing.T) {
	t.Helper()
	announced := regexp.MustCompile(`msg="serving metrics, health and profiles" address=(\S+)`)
	for end := time.Now().Add(doorPatience); ; time.Sleep(time.Millisecond) {
		if found := announced.FindStringSubmatch(b.stderr.String()); found != nil {
			b.admin = found[1]
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no operators' port:\n%s", b.stderr.String())
		}
	}
}

// fetch reads a file as an honest client does, on a connection of its own.
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
		t.Fatalf("Get(%q) gave %d bytes", name, n)
	}
}

// page returns what the operators' port says.
func (b *besieged) page(t *testing.T, path string) string {
	t.Helper()
	client := http.Client{Timeout: doorPatience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + b.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

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
	return 0
}

// resident returns the bytes of memory that the process has.
func (b *besieged) resident(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.cmd.Process.Pid))
	if err != nil {
		t.Skip(err)
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	kilobytes, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// serves checks that newcomers are served at every door, and returns the longest that
// one has had to wait.
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
		t.Fatalf("the original protocol: %v", err)
	}
	worst = max(worst, time.Since(began))
	began = time.Now()
	if got := b.page(t, "/healthz"); !strings.HasPrefix(got, "SERVING\n") {
		t.Fatalf("/healthz: %q", got)
	}
	return max(worst, time.Since(began))
}

// bounded checks for a while that the process takes no more than so much more memory.
func (b *besieged) bounded(t *testing.T, before, more int) {
	t.Helper()
	most := 0
	for range 10 {
		most = max(most, b.resident(t)-before)
		if held := b.metric(t, "parity_reply_bytes_held"); held > 8<<20 {
			t.Errorf("%.0f bytes held, of 8 MiB", held)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("%d MiB more than before, %.0f bytes of the account held, newcomers served within %s", most>>20,
		b.metric(t, "parity_reply_bytes_held"), b.serves(t).Round(time.Millisecond))
	if most > more {
		t.Errorf("%d MiB more than before, want %d", most>>20, more>>20)
	}
}

func (b *besieged) peer(t *testing.T, window uint32) *h2test.Peer {
	t.Helper()
	p, err := h2test.Dial(b.grpc, window)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// TestGetsThatNobodyReads has hundreds of Gets whose peers have no window, or window
// for anything but do not read their sockets. They hold what the account allows, and
// newcomers notice nothing. Each would have held a chunk of 1 MiB.
// PARITY_DOOR_SCALE=full has 15,800 of them and waits until they have all been cut off.
func TestGetsThatNobodyReads(t *testing.T) {
	full := os.Getenv("PARITY_DOOR_SCALE") == "full"
	for _, deaf := range []bool{false, true} {
		name, window := "no window", uint32(0)
		if deaf {
			name, window = "deaf", 1<<30
		}
		t.Run(name, func(t *testing.T) {
			b := startBesieged(t)
			before := b.resident(t)
			calls, conns := doorScale(400, 15_800), doorScale(4, 64)
			peers := make([]*h2test.Peer, conns)
			for i := range peers {
				peers[i] = b.peer(t, window)
				if deaf {
					peers[i].Grant(0, 1<<30)
				} else {
					peers[i].Read()
				}
			}
			var ids []uint32
			for i := range calls {
				id, err := peers[i%conns].Call(filesv1.FileService_Get_FullMethodName,
					&filesv1.GetRequest{Name: b.names[i%len(b.names)], Offset: int64(i/len(b.names)) % 200 * 4096}, false)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			b.bounded(t, before, doorScale(64<<20, 400<<20))
			if !full {
				return
			}
			time.Sleep(sendTimeout)
			for i, id := range ids {
				if deaf {
					break
				}
				if r, err := peers[i%conns].Await(id, 2*sendTimeout, h2test.Ended); err != nil || codes.Code(r.Code) != codes.ResourceExhausted {
					t.Fatalf("call %d: %+v, %v; want ResourceExhausted", i, r, err)
				}
			}
			// A deaf peer answers no pings either.
			for end := time.Now().Add(3 * sendTimeout); deaf && b.metric(t, "parity_grpc_connections") > 1; time.Sleep(time.Second) {
				if time.Now().After(end) {
					t.Fatalf("not cut off: %s", b.page(t, "/metrics"))
				}
			}
		})
	}
}

// TestDrawsThatNobodyReads has sessions draw that have no window for the numbers: no
// number is made for them, and so none waits.
func TestDrawsThatNobodyReads(t *testing.T) {
	b := startBesieged(t)
	before := b.resident(t)
	draw := &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Draw{Draw: &numbersv1.Draw{}}}
	for c := range doorScale(4, 64) {
		p := b.peer(t, 0)
		p.Read()
		for s := range 50 {
			id, err := p.Call(numbersv1.NumberService_Count_FullMethodName, &numbersv1.CountRequest{
				Kind: &numbersv1.CountRequest_Register{Register: &numbersv1.Register{ClientId: int32(c*50 + s)}},
			}, true)
			for i := 0; i < 200 && err == nil; i++ {
				err = p.Send(id, draw)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	b.bounded(t, before, doorScale(64<<20, 400<<20))
	var logged []byte
	for end := time.Now().Add(doorPatience); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if logged, err = os.ReadFile(b.log); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(logged), "msg=DrawResponse") { // what bounded did last
			break
		}
		if time.Now().After(end) {
			t.Fatal("the log is behind")
		}
	}
	if n := strings.Count(string(logged), "msg=Increment"); n > 0 {
		t.Errorf("%d numbers were made that nobody has taken", n)
	}
}

// TestCallsOfAConnection opens more calls than a stranger may have, and more than that
// as a trusted gateway.
func TestCallsOfAConnection(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		var flags []string
		if trusted {
			flags = []string{"--trusted-gateways=127.0.0.0/8"}
		}
		r := start(t, flags...)
		p, err := h2test.Dial(r.grpcListener.Addr().String(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		p.Read()
		var last uint32
		for id := range int32(maxCalls + 1) {
			last, err = p.Call(numbersv1.NumberService_Count_FullMethodName, &numbersv1.CountRequest{
				Kind: &numbersv1.CountRequest_Register{Register: &numbersv1.Register{ClientId: id}},
			}, true)
			if err != nil {
				t.Fatal(err)
			}
		}
		got, err := p.Await(last, doorPatience, func(r h2test.Result) bool { return r.Bytes > 0 || r.Ended })
		if err != nil || got.Reset == trusted {
			t.Errorf("trusted %t: call %d = %+v, %v", trusted, maxCalls+1, got, err)
		}
		p.Close()
	}
}

// TestConnectionsAreBounded opens more connections than one address may have, and more
// than there may be.
func TestConnectionsAreBounded(t *testing.T) {
	r := start(t, "--grpc-connections=12", "--grpc-connections-per-address=4", "--trusted-networks=127.0.0.3/32")
	open := func(from string) bool {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		nc, err := dialer.Dial("tcp", r.grpcListener.Addr().String())
		if err != nil {
			t.Skip(err) // a system where loopback is one address
		}
		t.Cleanup(func() { nc.Close() })
		p, err := h2test.New(nc, 1<<20)
		if err != nil {
			return false
		}
		p.Read()
		t.Cleanup(p.Close)
		id, err := p.Call(numbersv1.NumberService_Draw_FullMethodName, &numbersv1.DrawRequest{}, false)
		if err != nil {
			return false
		}
		_, err = p.Await(id, doorPatience, h2test.Ended)
		return err == nil
	}
	for i, step := range []struct {
		from string
		n    int
		open bool
	}{
		{"127.0.0.1", 4, true}, {"127.0.0.1", 2, false}, {"127.0.0.2", 2, true},
		{"127.0.0.3", 6, true}, {"127.0.0.3", 1, false}, {"127.0.0.2", 1, false},
	} {
		for range step.n {
			if got := open(step.from); got != step.open {
				t.Fatalf("step %d, from %s: open is %t", i, step.from, got)
			}
		}
	}
	b := &besieged{admin: r.front.adminListener.Addr().String()}
	for metric, want := range map[string]float64{
		"parity_grpc_connections":                             12,
		`parity_grpc_connections_cut_total{reason="address"}`: 2,
		`parity_grpc_connections_cut_total{reason="total"}`:   2,
	} {
		if got := b.metric(t, metric); got != want {
			t.Errorf("%s = %.0f, want %.0f", metric, got, want)
		}
	}
}

// TestRapidReset resets calls as fast as it opens them, and comes again when it is cut
// off. Memory and goroutines stay bounded, and a newcomer draws.
func TestRapidReset(t *testing.T) {
	b := startBesieged(t)
	before := b.resident(t)
	end := time.Now().Add(time.Duration(doorScale(1, 10)) * time.Second)
	var attackers sync.WaitGroup
	for range 16 {
		attackers.Go(func() {
			for time.Now().Before(end) {
				p, err := h2test.Dial(b.grpc, 0)
				if err != nil {
					continue
				}
				for time.Now().Before(end) {
					id, err := p.Call(filesv1.FileService_Get_FullMethodName, &filesv1.GetRequest{Name: "f0"}, false)
					if err == nil {
						err = p.Reset(id)
					}
					if err != nil {
						break
					}
				}
				p.Close()
			}
		})
	}
	most, goroutines, worst := 0, 0.0, time.Duration(0)
	for time.Now().Before(end) {
		most = max(most, b.resident(t)-before)
		goroutines = max(goroutines, b.metric(t, "go_goroutines"))
		worst = max(worst, b.serves(t))
	}
	attackers.Wait()
	cut := b.metric(t, `parity_grpc_connections_cut_total{reason="resets"}`)
	t.Logf("%d MiB more than before, %.0f goroutines, %.0f connections cut, newcomers served within %s",
		most>>20, goroutines, cut, worst.Round(time.Millisecond))
	if most > 100<<20 || goroutines > 16*maxCalls+1000 || cut == 0 {
		t.Error("want 100 MiB, 5000 goroutines, and connections cut off")
	}
}

// TestFloods sends frames that ask for nothing, as fast as it can.
func TestFloods(t *testing.T) {
	b := startBesieged(t)
	before := b.resident(t)
	for name, flood := range map[string]func(p *h2test.Peer) error{
		"SETTINGS": func(p *h2test.Peer) error {
			return p.Settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 16})
		},
		"empty DATA": func(p *h2test.Peer) error { return p.Raw(http2.FrameData, 0, 1, nil) },
		"CONTINUATION": func(p *h2test.Peer) error {
			if err := p.Raw(http2.FrameHeaders, 0, 3, nil); err != nil {
				return err
			}
			for range 10_000 {
				if err := p.Raw(http2.FrameContinuation, 0, 3, nil); err != nil {
					return err
				}
			}
			return nil
		},
		"PRIORITY":      func(p *h2test.Peer) error { return p.Raw(http2.FramePriority, 0, 1, make([]byte, 5)) },
		"WINDOW_UPDATE": func(p *h2test.Peer) error { return p.Raw(http2.FrameWindowUpdate, 0, 1, []byte{0, 0, 0, 1}) },
		"PING":          func(p *h2test.Peer) error { return p.Raw(http2.FramePing, 0, 0, make([]byte, 8)) },
	} {
		t.Run(name, func(t *testing.T) {
			end := time.Now().Add(time.Duration(doorScale(300, 5000)) * time.Millisecond)
			var attackers sync.WaitGroup
			for range 4 {
				attackers.Go(func() {
					for time.Now().Before(end) {
						p, err := h2test.Dial(b.grpc, 0)
						if err != nil {
							continue
						}
						p.Read()
						p.Conn.SetWriteDeadline(end)
						_, err = p.Call(numbersv1.NumberService_Count_FullMethodName, nil, true)
						for err == nil && time.Now().Before(end) {
							err = flood(p)
						}
						p.Close()
					}
				})
			}
			worst := time.Duration(0)
			for time.Now().Before(end) {
				worst = max(worst, b.serves(t))
			}
			attackers.Wait()
			t.Logf("newcomers served within %s", worst.Round(time.Millisecond))
		})
	}
	b.bounded(t, before, 100<<20)
}

// TestFewDescriptors has 1,024 of them, and strangers who want more.
func TestFewDescriptors(t *testing.T) {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	b := besiege(t, func(args ...string) *process {
		return startCommand(t, exec.Command("sh", append([]string{"-c", `ulimit -n 1024 && exec "$0" "$@"`, path}, args...)...))
	})
	if !strings.Contains(b.stderr.String(), "the limit on open files is low") {
		t.Errorf("nothing said of it:\n%s", b.stderr.String())
	}
	// Gets that nobody reads.
	for range 5 {
		p := b.peer(t, 0)
		for i := range 220 {
			if _, err := p.Call(filesv1.FileService_Get_FullMethodName, &filesv1.GetRequest{Name: b.names[i%4]}, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Connections that say nothing: for gRPC, more than there can be, of one address.
	for door, n := range map[string]int{b.grpc: 1100, b.legacy: 300} {
		for range n {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			nc, err := dialer.Dial("tcp", door)
			if err != nil {
				t.Skip(err) // a system where loopback is one address
			}
			t.Cleanup(func() { nc.Close() })
			if door == b.grpc {
				h2test.New(nc, 0) // fails where the connection was refused
			}
		}
	}
	t.Logf("%.0f descriptors of %.0f; newcomers served within %s",
		b.metric(t, "process_open_fds"), b.metric(t, "process_max_fds"), b.serves(t).Round(time.Millisecond))
}
