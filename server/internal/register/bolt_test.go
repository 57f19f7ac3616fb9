package register

import (
	"bufio"
	"bytes"
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
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

func TestBoltFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "numbers.db")
	openBolt(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
}

func TestBoltRefuses(t *testing.T) {
	whole := boltFile(t, 500)
	write := func(b []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	update := func(f func(*bbolt.Tx) error) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Update(f); err != nil {
				t.Fatal(err)
			}
			db.Close()
		}
	}
	put := func(bucket, key, value []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			write(whole)(t, path)
			update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(key, value) })(t, path)
		}
	}
	flipped := bytes.Clone(whole)
	copy(flipped, "#!/bin/sh")
	for _, test := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"another file", write([]byte(strings.Repeat("not a database\n", 2000))), "is damaged"},
		{"an empty file", write(nil), "is empty"},
		{"a short file", write([]byte("x")), "is damaged"},
		{"zeros", write(make([]byte, 32768)), "is damaged"},
		{"another beginning", write(flipped), "is damaged"},
		{"newest header", write(flip(whole, newestMeta(whole)+pageHeader+20)), "is damaged"},
		{"half", write(whole[:len(whole)/2]), "is damaged"},
		{"headers only", write(whole[:2*os.Getpagesize()]), "is damaged"},
		{"bbolt file of another program", update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("etcd"))
			return err
		}), "another program"},
		{"no records", func(t *testing.T, path string) {
			write(whole)(t, path)
			update(func(tx *bbolt.Tx) error { return tx.DeleteBucket(clientsBucket) })(t, path)
		}, "is damaged"},
		{"later format", put(parityBucket, formatKey, []byte("4")), `is of format "4"`},
		{"short record", put(clientsBucket, []byte("\x00\x00\x00\x07"), []byte("short")), "is damaged"},
		{"wrong checksum", put(clientsBucket, []byte("\x00\x00\x00\x07"), make([]byte, recordSize)), "is damaged"},
		{"wrong ID", put(clientsBucket, []byte("\xff\xff\xff\xff"), appendEntry(nil, -1, Record{})[idSize:]), "is damaged"},
		{"no journal", func(t *testing.T, path string) {
			write(whole)(t, path)
			update(func(tx *bbolt.Tx) error { return tx.DeleteBucket(journalBucket) })(t, path)
		}, "no journal"},
		{"short entry", put(journalBucket, []byte("8 bytes."), []byte("short")), "is damaged"},
		{"wrong checksum in the journal", put(journalBucket, []byte("8 bytes."), make([]byte, entrySize)), "is damaged"},
		{"a directory", func(t *testing.T, path string) { os.Mkdir(path, 0o700) }, "not a regular file"},
		{"a FIFO", func(t *testing.T, path string) { syscall.Mkfifo(path, 0o600) }, "not a regular file"},
		{"in a directory that is not there", func(t *testing.T, path string) { os.Remove(filepath.Dir(path)) }, "no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			os.Mkdir(dir, 0o700)
			path := filepath.Join(dir, "numbers.db")
			test.make(t, path)
			var before []byte
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				before, _ = os.ReadFile(path)
			}
			b, err := OpenBolt(path, slog.New(slog.DiscardHandler))
			if err == nil {
				b.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q, want %q and the path in it", err, test.want)
			}
			if before != nil {
				if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
					t.Error("the file has been changed")
				}
			}
		})
	}
}

// TestBoltSurvivesAnyDamage flips bytes all over a file. It must be refused, or open
// with all its records, if the byte means nothing.
func TestBoltSurvivesAnyDamage(t *testing.T) {
	const clients = 300
	whole := boltFile(t, clients)
	path := filepath.Join(t.TempDir(), "numbers.db")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	step, opened, refused := 61, 0, 0
	if testing.Short() {
		step = 611
	}
	size := os.Getpagesize()
	for i := range whole {
		// All that a page begins with, and a sample of the rest. The end of the file is
		// pages that were never used.
		page := whole[i/size*size:][:size]
		if i%size >= 100 && i%step != 0 || bytes.Equal(page, make([]byte, size)) {
			continue
		}
		damaged := flip(whole, i)
		f.WriteAt(damaged[i:i+1], int64(i))
		b, err := OpenBolt(path, slog.New(slog.DiscardHandler))
		if err != nil {
			refused++
		} else {
			opened++
			all := list(t, b, -1, clients+1)
			for j, c := range all {
				if len(all) != clients || c.ID != int32(j) || c.Value != int64(3*j) || c.Number != int32(j%100) || c.Seen != seen(j%60) {
					t.Fatalf("byte %d: opened with %d clients, and client %d is %+v", i, len(all), j, c)
				}
			}
			b.Close()
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, damaged) {
			t.Fatalf("byte %d: opening has changed the file", i)
		}
		f.WriteAt(whole[i:i+1], int64(i))
	}
	t.Logf("of %d damaged files, %d were refused; the others had all records", opened+refused, refused)
	if refused < 500 {
		t.Errorf("only %d damaged files were refused", refused)
	}
}

// boltFile returns a file with that many clients, written in several commits.
func boltFile(t *testing.T, clients int32) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "numbers.db")
	for round := range int32(5) {
		b := openBolt(t, path)
		if round == 3 {
			b.maxJournal = 1 // so that records and journal both have something
		}
		for id := round; id < clients; id += 5 {
			b.Save(id, Change{Value: int64(3 * id), SetValue: true, Number: id % 100, SetNumber: true, Seen: seen(int(id % 60))})
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// TestBoltFolds fills the journal several times. Whenever the file is opened again, all
// is there.
func TestBoltFolds(t *testing.T) {
	const (
		clients    = groupRecords + 904
		maxJournal = 5 * clients
	)
	path := filepath.Join(t.TempDir(), "numbers.db")
	b := openBolt(t, path)
	folds := 0
	for round := range int64(3*maxJournal/clients + 3) {
		b.maxJournal = maxJournal
		commit := inMemory
		for id := range int32(clients) {
			commit = b.Save(id, value(round<<32+int64(id), 1))
		}
		isDurable(t, commit)
		if b.journal.length > maxJournal+clients {
			t.Fatalf("a journal of %d entries", b.journal.length)
		}
		if b.journal.length == clients && round > 0 {
			folds++
		}
		if round%7 > 0 {
			continue
		}
		b.Close()
		before := b.journal
		b = openBolt(t, path)
		if b.journal.length != before.length || len(b.journal.clients) != len(before.clients) {
			t.Errorf("the journal has %d entries of %d clients, want %d of %d",
				b.journal.length, len(b.journal.clients), before.length, len(before.clients))
		}
		all := list(t, b, -1, clients+1)
		for i, c := range all {
			if len(all) != clients || c.ID != int32(i) || c.Value != round<<32+int64(i) {
				t.Fatalf("round %d: opened with %d clients, and client %d is %+v", round, len(all), i, c)
			}
		}
	}
	if folds != 3 {
		t.Errorf("the journal was folded %d times, want 3", folds)
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 0x55
	return b
}

// newestMeta is where the meta page stands that was written last.
func newestMeta(file []byte) int {
	page := os.Getpagesize()
	if order.Uint64(file[pageHeader+48:]) > order.Uint64(file[page+pageHeader+48:]) {
		return 0
	}
	return page
}

func TestBoltOnceOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "numbers.db")
	b := openBolt(t, path)
	register(t, b, 7, at(0))
	_, err := OpenBolt(path, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "is in use by another server") || !strings.Contains(err.Error(), path) {
		t.Errorf("second open: %v", err)
	}
	isDurable(t, b.Save(7, value(1, 1)))
	b.Close()
	openBolt(t, path)
}

// childEnv makes the test binary a process that counts in the store at that path.
const childEnv = "PARITY_TEST_BOLT_CHILD"

// childClients are enough for writing a group to take a good part of the time from
// one group to the next: that is where the process is to be killed.
const childClients = 1000

// childJournal is so short that the process is killed at all moments of a fold too.
const childJournal = 3 * childClients

// countForever prints "ID VALUE" for each value when it is durable.
func countForever(path string) {
	b, err := OpenBolt(path, slog.Default())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	b.maxJournal = childJournal
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

func TestBoltKilled(t *testing.T) {
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

		b := openBolt(t, path)
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
