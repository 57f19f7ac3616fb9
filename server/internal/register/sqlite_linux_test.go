package register

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/parity/internal/await"
)

// TestSQLiteMadeOnFullDisk starts for the first time on a full disk, and again when there is
// space.
func TestSQLiteMadeOnFullDisk(t *testing.T) {
	for _, size := range []string{"4k", "8k", "16k", "20k", "32k", "40k", "64k"} { // what the file has when the disk is full
		t.Run(size, func(t *testing.T) {
			dir := t.TempDir()
			if err := syscall.Mount("parity", dir, "tmpfs", 0, "size="+size); err != nil {
				t.Skipf("cannot mount a small file system: %v", err)
			}
			t.Cleanup(func() { syscall.Unmount(dir, 0) })
			path := filepath.Join(dir, "numbers.db")
			if b, err := OpenSQLite(path, slog.New(slog.DiscardHandler)); err == nil {
				b.Close() // there was room for the beginning
			} else if !strings.Contains(err.Error(), "disk is full") && !strings.Contains(err.Error(), "SQLITE_IOERR_SHM") {
				t.Errorf("the first start: %v, want that the disk is full", err)
			}
			if left := names(t, dir); len(left) > 0 && left[0] != "numbers.db" {
				t.Errorf("the first start left %q", left)
			}
			if err := syscall.Mount("parity", dir, "tmpfs", syscall.MS_REMOUNT, "size=1m"); err != nil {
				t.Fatal(err)
			}
			b := openSQLite(t, path)
			register(t, b, 7, at(0))
			isDurable(t, b.Save(7, value(1, 1)))
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSQLiteDiskFull fills a small file system.
func TestSQLiteDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("parity", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	path, filler := filepath.Join(dir, "numbers.db"), filepath.Join(dir, "filler")
	b := openSQLite(t, path)
	register(t, b, 0, at(0))
	isDurable(t, b.Save(0, value(1, 1)))
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the file system is not full")
	}
	var commit *Commit
	await.That(t, "a commit fails", func() bool {
		for id := range int32(1000) {
			commit = b.Save(id, Change{Value: 2, SetValue: true, Number: 3, SetNumber: true, Seen: seen(2)})
		}
		<-commit.Done()
		return commit.Err() != nil
	})
	if err := commit.Err(); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("Err() = %v", err)
	}
	if _, _, err := b.Register(t.Context(), 2000, GRPC, at(0)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Register: %v, want %v", err, ErrUnavailable)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	await.That(t, "a commit succeeds", func() bool {
		commit := b.Save(0, value(3, 3))
		<-commit.Done()
		return commit.Err() == nil
	})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	page := list(t, openSQLite(t, path), -1, 2000)
	if len(page) != 1001 || page[0].Value != 3 {
		t.Fatalf("%d clients, the first %+v; want 1001, value 3", len(page), page[0])
	}
	for _, c := range page[1:1000] {
		equal(t, fmt.Sprint(c.ID), c.Record, Record{Number: 3, Value: 2, Seen: seen(2)})
	}
}
