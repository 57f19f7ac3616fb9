package app

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/filecache"
)

// rewriteUnseen changes a file's content in place and restores its modification time.
func rewriteUnseen(t *testing.T, path string, data []byte) {
	t.Helper()
	was, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close(), os.Chtimes(path, was.ModTime(), was.ModTime())); err != nil {
		t.Fatal(err)
	}
}

// TestSameSizeAndTime changes files while their size, modification time and inode stay
// the same: one that is cached, and one that a client is downloading uncached.
func TestSameSizeAndTime(t *testing.T) {
	const small, large = 100_000, 8 << 20
	dir := t.TempDir()
	oldContent, newContent := bytes.Repeat([]byte("o"), large), bytes.Repeat([]byte("n"), large)
	for name, size := range map[string]int{"small": small, "large": large} {
		if err := os.WriteFile(filepath.Join(dir, name), oldContent[:size], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := startProcess(t, serverArgs(t, dir, "--cache-size=4MiB")...)
	files := filesv1.NewFileServiceClient(p.dial(t))

	_, before, err := download(t.Context(), files, &filesv1.GetRequest{Name: "small"})
	if err != nil {
		t.Fatal(err)
	}
	rewriteUnseen(t, filepath.Join(dir, "small"), newContent[:small])
	got, after, err := download(t.Context(), files, &filesv1.GetRequest{Name: "small"})
	if err != nil || !bytes.Equal(got, newContent[:small]) {
		t.Errorf("Get after the change: %d bytes, the first %.1q, %v; want the new content", len(got), got, err)
	}
	if before.GetVersion() == after.GetVersion() {
		t.Errorf("both contents have the version %s", after.GetVersion())
	}
	// The old version cannot be resumed.
	_, _, err = download(t.Context(), files, &filesv1.GetRequest{Name: "small", Offset: 10, Version: before.GetVersion()})
	wantStatus(t, "Get of the old version", err, codes.Aborted, "VERSION_MISMATCH")

	stream, err := files.Get(t.Context(), &filesv1.GetRequest{Name: "large"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	rewriteUnseen(t, filepath.Join(dir, "large"), newContent)
	for err == nil {
		_, err = stream.Recv()
	}
	wantStatus(t, "Get of a file rewritten during the download", err, codes.Aborted, "FILE_CHANGED")
}

// TestFileChecksum: responses carry the checksum of the whole file if the cache knows
// it, for ranges too.
func TestFileChecksum(t *testing.T) {
	r := start(t, "--cache-size=4MiB")
	whole := content(2*filecache.BlockSize + 5)
	r.write(t, "cached", whole)
	r.write(t, "uncached", append(bytes.Clone(whole), make([]byte, 4<<20)...))
	sum := crc32.Checksum(whole, crc32.MakeTable(crc32.Castagnoli))
	files := r.filesClient(t)
	if _, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: "cached"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name          string
		offset, limit int64
		known         bool
	}{
		{"cached", 0, 0, true},
		{"cached", 10, 0, true},
		{"cached", 0, 10, true},
		{"cached", 7, filecache.BlockSize, true},
		{"cached", int64(len(whole)), 0, true},
		{"uncached", 0, 0, false},
		{"uncached", 5, 5, false},
	} {
		stream, err := files.Get(t.Context(), &filesv1.GetRequest{Name: tt.name, Offset: tt.offset, Limit: tt.limit})
		if err != nil {
			t.Fatal(err)
		}
		var last *filesv1.GetResponse
		for {
			resp, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if last != nil && last.FileCrc32C != nil {
				t.Errorf("%+v: file_crc32c before the last response", tt)
			}
			last = resp
		}
		if (last.FileCrc32C != nil) != tt.known || tt.known && last.GetFileCrc32C() != sum {
			t.Errorf("%+v: file_crc32c %v, want %08x (present: %v)", tt, last.FileCrc32C, sum, tt.known)
		}
	}
}

// TestDirectoryReplaced replaces the served directory by another one, removes that, and
// creates a third, while the program runs.
func TestDirectoryReplaced(t *testing.T) {
	parent := t.TempDir()
	served := filepath.Join(parent, "served")
	mkdir := func(path, content string) {
		t.Helper()
		if err := errors.Join(os.Mkdir(path, 0o700), os.WriteFile(filepath.Join(path, "f"), []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	mkdir(served, "old")
	p := startProcess(t, serverArgs(t, served)...)
	files := filesv1.NewFileServiceClient(p.dial(t))
	get := func() (string, error) {
		data, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: "f"})
		return string(data), err
	}
	if got, err := get(); err != nil || got != "old" {
		t.Fatalf("Get = %q, %v", got, err)
	}
	if err := os.Rename(served, served+".old"); err != nil {
		t.Fatal(err)
	}
	mkdir(served, "new")
	await := func(what string, holds func(string, error) bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			got, err := get()
			if holds(got, err) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("after a minute Get = %q, %v; want %s", got, err, what)
			}
		}
	}
	await("the file of the new directory", func(got string, err error) bool { return err == nil && got == "new" })

	if err := os.RemoveAll(served); err != nil {
		t.Fatal(err)
	}
	_, err := get()
	wantStatus(t, "Get without a directory", err, codes.Unavailable, "DIRECTORY_UNAVAILABLE")
	for _, source := range []filesv1.Source{filesv1.Source_SOURCE_CACHE, filesv1.Source_SOURCE_DIRECTORY} {
		_, err := files.List(t.Context(), &filesv1.ListRequest{Source: source})
		wantStatus(t, "List without a directory", err, codes.Unavailable, "DIRECTORY_UNAVAILABLE")
	}
	mkdir(served, "newer")
	await("the file of the third directory", func(got string, err error) bool { return err == nil && got == "newer" })
}

// TestSparseFile serves a sparse file of the greatest size that there is.
func TestSparseFile(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "parity-") // few file systems take files of this size
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "huge")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, math.MaxInt64)); err != nil {
		t.Skip(err)
	}
	r := startIn(t, dir)
	files := r.filesClient(t)
	for _, offset := range []int64{0, 1 << 40, math.MaxInt64 - 3} {
		got, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: "huge", Offset: offset, Limit: 3})
		if err != nil || string(got) != "\x00\x00\x00" {
			t.Errorf("3 bytes at %d = %q, %v; want zeros", offset, got, err)
		}
	}
	resp, err := files.List(t.Context(), &filesv1.ListRequest{})
	if err != nil || resp.GetCacheUsedBytes() != 0 {
		t.Errorf("List = %v, %v; want an empty cache", resp, err)
	}
}

// TestListGivenUp cancels some listings of a large directory at various times, and then
// lists it completely.
func TestListGivenUp(t *testing.T) {
	r := start(t)
	for i := range 3000 {
		if err := os.WriteFile(filepath.Join(r.dir, strconv.Itoa(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := r.filesClient(t)
	req := &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY}
	for i := range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*100*time.Microsecond)
		if _, err := files.List(ctx, req); err != nil && status.Code(err) != codes.DeadlineExceeded {
			t.Error(err)
		}
		cancel()
	}
	all := listFiles(t, files, filesv1.Source_SOURCE_DIRECTORY, 0)
	if len(all) != 3000 || all[0].GetName() >= all[2999].GetName() {
		t.Errorf("List has %d files, want 3000 in order", len(all))
	}
}
