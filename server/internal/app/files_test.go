package app

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/filecache"
)

func TestGetStatuses(t *testing.T) {
	r := start(t)
	r.write(t, "f", []byte("0123456789"))
	files := r.filesClient(t)
	_, file, err := download(t.Context(), files, &filesv1.GetRequest{Name: "f"})
	if err != nil {
		t.Fatal(err)
	}
	if file.GetName() != "f" || file.GetSizeBytes() != 10 || file.GetVersion() == "" || file.GetCached() || file.GetModified() == nil {
		t.Errorf("the first response has file %v", file)
	}
	for _, tt := range []struct {
		req    *filesv1.GetRequest
		code   codes.Code
		reason string
	}{
		{&filesv1.GetRequest{}, codes.InvalidArgument, "INVALID_NAME"},
		{&filesv1.GetRequest{Name: "a\x00b"}, codes.InvalidArgument, "INVALID_NAME"},
		{&filesv1.GetRequest{Name: strings.Repeat("n", 1025)}, codes.InvalidArgument, "INVALID_NAME"},
		{&filesv1.GetRequest{Name: strings.Repeat("n", 1024)}, codes.NotFound, "FILE_NOT_FOUND"},
		{&filesv1.GetRequest{Name: "f", Offset: -1}, codes.InvalidArgument, "INVALID_OFFSET"},
		{&filesv1.GetRequest{Name: "f", Limit: -1}, codes.InvalidArgument, "INVALID_LIMIT"},
		{&filesv1.GetRequest{Name: "f", Offset: 11}, codes.OutOfRange, "OFFSET_BEYOND_END"},
		{&filesv1.GetRequest{Name: "f", Offset: 1<<63 - 1}, codes.OutOfRange, "OFFSET_BEYOND_END"},
		{&filesv1.GetRequest{Name: "f", Version: "another"}, codes.Aborted, "VERSION_MISMATCH"},
		{&filesv1.GetRequest{Name: "none"}, codes.NotFound, "FILE_NOT_FOUND"},
		{&filesv1.GetRequest{Name: "/etc/passwd"}, codes.NotFound, "FILE_NOT_FOUND"},
	} {
		_, _, err := download(t.Context(), files, tt.req)
		wantStatus(t, tt.req.String(), err, tt.code, tt.reason)
	}
	for _, tt := range []struct {
		offset, limit int64
		want          string
	}{
		{0, 0, "0123456789"}, {0, 10, "0123456789"}, {0, 11, "0123456789"}, {0, 1, "0"}, {9, 0, "9"}, {3, 4, "3456"},
		{10, 0, ""}, {10, 5, ""}, {1, 1<<63 - 1, "123456789"},
	} {
		got, _, err := download(t.Context(), files, &filesv1.GetRequest{
			Name: "f", Offset: tt.offset, Limit: tt.limit, Version: file.GetVersion(),
		})
		if err != nil || string(got) != tt.want {
			t.Errorf("Get with offset %d, limit %d = %q, %v; want %q", tt.offset, tt.limit, got, err, tt.want)
		}
	}
}

// TestGetRanges requests ranges around the boundaries of chunks.
func TestGetRanges(t *testing.T) {
	const chunk = filecache.BlockSize
	r := start(t)
	want := content(3*chunk + 5)
	r.write(t, "cached", want)
	r.write(t, "uncached", append(bytes.Clone(want), make([]byte, 64<<20)...))
	files := r.filesClient(t)
	for _, name := range []string{"cached", "uncached"} {
		for _, offset := range []int64{0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk} {
			for _, limit := range []int64{1, 5, chunk - 1, chunk, chunk + 1} {
				end := min(offset+limit, int64(len(want)))
				got, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: name, Offset: offset, Limit: end - offset})
				if err != nil || !bytes.Equal(got, want[offset:end]) {
					t.Errorf("Get of %s from %d to %d: %d bytes, %v", name, offset, end, len(got), err)
				}
			}
		}
	}
}

// TestColdFileAtOnce: a thousand concurrent Gets of a file that is not cached read it
// from disk once, although the first caller cancels.
func TestColdFileAtOnce(t *testing.T) {
	r := start(t)
	want := content(100<<10 + 1)
	r.write(t, "cold", want)
	files := r.filesClient(t)
	first, cancel := context.WithCancel(t.Context())
	if _, err := files.Get(first, &filesv1.GetRequest{Name: "cold"}); err != nil {
		t.Fatal(err)
	}
	cancel()
	var callers sync.WaitGroup
	for range 1000 {
		callers.Go(func() {
			got, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: "cold"})
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("Get: %d bytes, %v", len(got), err)
			}
		})
	}
	callers.Wait()
	if n := r.cache.Stats().Fills; n != 1 {
		t.Errorf("read from disk %d times, want once", n)
	}
}

// TestReadErrorStaysInside requests a file without the permission to read it.
func TestReadErrorStaysInside(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can read every file; TestDiskErrorStaysInside is for root")
	}
	r := start(t)
	r.write(t, "f", []byte("x"))
	if err := os.Chmod(filepath.Join(r.dir, "f"), 0); err != nil {
		t.Fatal(err)
	}
	wantCauseInLog(t, r, "f", syscall.EACCES)
}

// wantCauseInLog checks that Get of a file that cannot be read fails with INTERNAL, and
// that the cause is in the log but not in the status. It stops the server.
func wantCauseInLog(t *testing.T, r *running, name string, cause syscall.Errno) {
	t.Helper()
	_, _, err := download(t.Context(), r.filesClient(t), &filesv1.GetRequest{Name: name})
	wantStatus(t, "unreadable file", err, codes.Internal, "INTERNAL")
	if err != nil && strings.Contains(err.Error(), cause.Error()) {
		t.Errorf("Get: %v; want no detail of the cause", err)
	}
	r.stop()
	if got := r.logged(t, "msg=call", cause.Error()); len(got) != 1 {
		t.Errorf("the log has %q, want one line with %q", got, cause)
	}
}

// TestHostileNames requests names of no served file through every door.
func TestHostileNames(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t)
	r.write(t, "f", []byte("content"))
	if err := os.Symlink(outside, filepath.Join(r.dir, "out")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(r.dir, "zero")); err != nil {
		t.Fatal(err)
	}
	if err := mkfifo(filepath.Join(r.dir, "fifo")); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal(err)
	}
	for name, d := range r.doors(t) {
		for _, file := range []string{
			"../f", "..", ".", "out/secret", "out", "zero", "fifo", "/dev/zero", "f/", "f/f", "./f", "x/../f", "\\..\\f", "a\x00", "\x00",
			"%2e%2e/f", strings.Repeat("../", 300) + "etc/passwd", strings.Repeat("x", 5000),
		} {
			if data, err := d.get(t.Context(), file); !errors.Is(err, errNotFound) {
				t.Errorf("%s: get(%.40q) = %.20q, %v; want not found", name, file, data, err)
			}
		}
		if data, err := d.get(t.Context(), "f"); err != nil || string(data) != "content" {
			t.Errorf("%s: get(f) afterwards = %q, %v", name, data, err)
		}
	}
}

func TestListPages(t *testing.T) {
	r := start(t)
	want := []string{"a/1", "a/b/2", "a.txt", "a0", "b", "c c", "ü"}
	for _, name := range want {
		r.write(t, name, []byte(name))
	}
	files := r.filesClient(t)
	for i := len(want) - 1; i >= 0; i-- {
		if _, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: want[i]}); err != nil {
			t.Fatal(err)
		}
	}
	for source, first := range map[filesv1.Source]string{
		filesv1.Source_SOURCE_DIRECTORY: "a/1",
		filesv1.Source_SOURCE_CACHE:     "ü", // the first one fetched
	} {
		for _, size := range []int32{0, 1, 2, 3, 7, 8, 1 << 30} {
			var got []string
			for _, f := range listFiles(t, files, source, size) {
				got = append(got, f.GetName())
				if !f.GetCached() {
					t.Errorf("%v: %q is not marked as cached", source, f.GetName())
				}
			}
			if len(got) != len(want) || got[0] != first {
				t.Errorf("List(%v) in pages of %d = %q, want %d names from %q on", source, size, got, len(want), first)
			}
			if source == filesv1.Source_SOURCE_DIRECTORY && strings.Join(got, "|") != strings.Join(want, "|") {
				t.Errorf("List(%v) in pages of %d = %q, want %q", source, size, got, want)
			}
		}
	}
	first, err := files.List(t.Context(), &filesv1.ListRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		req    *filesv1.ListRequest
		reason string
	}{
		{&filesv1.ListRequest{PageSize: -1}, "INVALID_PAGE_SIZE"},
		{&filesv1.ListRequest{PageToken: "!"}, "INVALID_PAGE_TOKEN"},
		{&filesv1.ListRequest{PageToken: "abcd"}, "INVALID_PAGE_TOKEN"},
		{&filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY, PageToken: first.GetNextPageToken()}, "INVALID_PAGE_TOKEN"},
		{&filesv1.ListRequest{Source: 7}, "INVALID_SOURCE"},
	} {
		_, err := files.List(t.Context(), tt.req)
		wantStatus(t, tt.req.String(), err, codes.InvalidArgument, tt.reason)
	}
}
