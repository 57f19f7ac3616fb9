package download

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// victimEnv makes this test program download f from the address it holds to the
// current directory, so that a test can kill it.
const victimEnv = "PARITY_TEST_VICTIM"

// victimLanes is how many connections it uses; 1 if it is not set.
const victimLanes = "PARITY_TEST_VICTIM_LANES"

func victim(addr string) {
	lanes, _ := strconv.Atoi(cmp.Or(os.Getenv(victimLanes), "1"))
	group := NewGroup(0)
	var client filesv1.FileServiceClient
	for range lanes {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if client != nil {
			group.Lend(client)
		}
		client = filesv1.NewFileServiceClient(conn)
	}
	_, err := GetBelow(context.Background(), client, "f", "", Options{Group: group})
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A download resumes what a killed process has left.
func TestGetKilled(t *testing.T) {
	const size = 3*segmentSize + 1
	for _, c := range []struct{ call, sent, resumed int64 }{
		{0, 0, 0},
		{0, chunk, 0},
		{1, 3 * chunk, segmentSize},
		{2, 5 * chunk, 2 * segmentSize},
		{3, 0, 3 * segmentSize},
		{2, segmentSize - chunk, 2 * segmentSize},
	} {
		t.Run(fmt.Sprintf("call %d at %d", c.call, c.sent), func(t *testing.T) {
			files := new(fakeserver.Files)
			data := random(size, 13)
			files.Put("f", data)
			var hang atomic.Bool
			hang.Store(true)
			reached := make(chan struct{})
			files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
				if hang.Load() && call.GetOffset() == c.call*segmentSize && sent == c.sent {
					close(reached)
					<-call.Stream.Context().Done()
				}
				return nil
			}
			server, client := newServer(t, files)
			dir := t.TempDir()
			process := exec.Command(os.Args[0])
			process.Dir = dir
			process.Env = append(os.Environ(), victimEnv+"="+server.Addr)
			if err := process.Start(); err != nil {
				t.Fatal(err)
			}
			<-reached
			waitPart(dir, size, c.call*segmentSize)
			process.Process.Kill()
			process.Wait()
			hang.Store(false)

			r, err := GetBelow(t.Context(), client, "f", dir, ignore)
			if err != nil || r.Resumed != c.resumed {
				t.Fatalf("Get = %+v, %v, want %d resumed", r, err, c.resumed)
			}
			wantFile(t, r.Path, data)
			wantDir(t, dir, "f")
		})
	}
}

func TestGetTwiceAtOnce(t *testing.T) {
	files := new(fakeserver.Files)
	data := random(2*chunk, 14)
	files.Put("f", data)
	_, client := newServer(t, files)
	dir := t.TempDir()

	busy := func() error {
		_, err := GetBelow(t.Context(), client, "f", dir, Options{})
		return err
	}
	tried := false
	r, err := GetBelow(t.Context(), client, "f", dir, Options{Progress: func(done, _ int64) {
		if done > chunk && !tried {
			tried = true
			if err := busy(); !errors.Is(err, errBusy) {
				t.Errorf("second Get = %v, want %v", err, errBusy)
			}
			files.Put("f", data[1:])
			if err := busy(); !errors.Is(err, errBusy) {
				t.Errorf("second Get, of another version = %v, want %v", err, errBusy)
			}
		}
	}})
	if err != nil || !tried {
		t.Fatalf("Get = %v, tried = %v", err, tried)
	}
	wantFile(t, r.Path, data)
	wantDir(t, dir, "f")
}

func openRoot(tb testing.TB, dir string) *os.Root {
	tb.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return root
}

func TestOpenPart(t *testing.T) {
	const size = 3 * segmentSize
	write := func(t *testing.T, path string, length int64) {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, length); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("others", func(t *testing.T) {
		dir := t.TempDir()
		strangers := []string{
			"f", ".f.part", ".f." + digest("1") + "x.part", ".f.0123.part", partName("g", "1"), partName("f.x", "1"),
			partName("f."+digest("1"), "1"),
		}
		for _, name := range strangers {
			write(t, filepath.Join(dir, name), 1)
		}
		write(t, filepath.Join(dir, partName("f", "2")), 1)
		write(t, filepath.Join(dir, partName("f", "../../x")), 1)
		p, err := openPart(t.Context(), openRoot(t, dir), "f", "1", size)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		for _, name := range append(strangers, partName("f", "1")) {
			if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
		if entries, _ := os.ReadDir(dir); len(entries) != len(strangers)+1 {
			t.Errorf("left %v", entries)
		}
	})

	// Another user could have made it.
	for name, plant := range map[string]func(path, target string) error{
		"link":      func(path, target string) error { return os.Symlink(target, path) },
		"hard link": func(path, target string) error { return os.Link(target, path) },
		"pipe":      func(path, _ string) error { return mkfifo(path) },
		"directory": func(path, _ string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := filepath.Join(t.TempDir(), "target")
			write(t, target, 1)
			if err := plant(filepath.Join(dir, partName("f", "1")), target); errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			if p, err := openPart(t.Context(), openRoot(t, dir), "f", "1", size); err == nil {
				t.Errorf("openPart = %+v", p)
			}
			if info, err := os.Stat(target); err != nil || info.Size() != 1 {
				t.Errorf("the target was touched: %v, %v", info, err)
			}
		})
	}
}

func TestPartName(t *testing.T) {
	for _, base := range []string{"f", strings.Repeat("n", 255), strings.Repeat("足", 85)} {
		name := partName(base, "../version\x1b")
		if len(name) > 255 || strings.ContainsAny(name, "/\x1b") || !isPartName(name, base) || isPartName(name, base+"x") {
			t.Errorf("partName(%q) = %q", base, name)
		}
	}
	a, b := strings.Repeat("n", 250)+"a", strings.Repeat("n", 250)+"b"
	if isPartName(partName(a, "1"), b) {
		t.Error("long names share their part files")
	}
}
