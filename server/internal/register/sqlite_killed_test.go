package register

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// childEnv makes the test binary a process that counts in the store at that path.
const childEnv = "PARITY_TEST_SQLITE_CHILD"

// childClients are enough that writing a group takes a good part of the time from one
// group to the next, so that most kills hit a transaction. The log is copied into the
// database, a checkpoint, after every few dozen groups, so that some kills hit that.
const childClients = 1000

// countForever prints "ID VALUE" for each value when it is durable.
func countForever(path string) {
	b, err := OpenSQLite(path, slog.Default())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for id := range int32(childClients) {
		wg.Go(func() {
			now := time.Now()
			r, _, err := b.Register(context.Background(), id, GRPC, now)
			for v := r.Value + 1; err == nil; v++ {
				commit := b.Save(id, Change{Value: v, SetValue: true, Seen: SeenAt(GRPC, now)})
				<-commit.Done()
				if err = commit.Err(); err == nil {
					fmt.Println(id, v)
				}
			}
			fmt.Println(err)
		})
	}
	wg.Wait()
	os.Exit(1)
}

// TestSQLiteKilled repeatedly kills a process that counts. All values whose commits
// succeeded are in the register.
func TestSQLiteKilled(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	path := filepath.Join(t.TempDir(), "numbers.db")
	told := map[int32]int64{}
	values := 0
	for range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for killed := false; lines.Scan(); {
			id, v, _ := strings.Cut(lines.Text(), " ")
			client, err := strconv.Atoi(id)
			if err != nil {
				t.Fatalf("the process says %q", lines.Text())
			}
			if told[int32(client)], err = strconv.ParseInt(v, 10, 64); err != nil {
				t.Fatalf("the process says %q", lines.Text())
			}
			values++
			if !killed {
				killed = true
				time.AfterFunc(time.Duration(rand.Int64N(int64(150*time.Millisecond))), func() { cmd.Process.Kill() })
			}
		}
		cmd.Wait()

		b := openSQLite(t, path)
		for _, c := range list(t, b, -1, childClients) {
			if c.Value < told[c.ID] {
				t.Errorf("client %d was told that %d is durable, but finds %d", c.ID, told[c.ID], c.Value)
			}
			told[c.ID] = c.Value
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d values told to be durable, %d rounds", values, rounds)
}
