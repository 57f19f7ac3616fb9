package download

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// TestIdentical: a local file that is the server's already is as good as downloaded, and
// any other one stays. Nothing is fetched if the server knows the checksum.
func TestIdentical(t *testing.T) {
	const size = 3*segmentSize + 5
	data := random(size, 60)
	changed := func(at int) []byte {
		other := append([]byte(nil), data...)
		other[at] ^= 1
		return other
	}
	for _, c := range []struct {
		name   string
		local  []byte
		whole  bool  // whether the server knows the checksum
		same   bool  // whether it is identical
		most   int64 // bytes that are fetched
		wanted string
	}{
		{"identical", data, true, true, 1, ""},
		{"identical, by ranges", data, false, true, size + 1, ""},
		{"first byte", changed(0), true, false, 1, "with other content"},
		{"last byte", changed(size - 1), true, false, 1, "with other content"},
		{"first byte, by ranges", changed(0), false, false, segmentSize*2 + 1, "with other content"},
		{"last byte, by ranges", changed(size - 1), false, false, size + 1, "with other content"},
		{"shorter", data[1:], true, false, 0, "with 786436 bytes, and the server's file has 786437"},
		{"empty", nil, false, false, 0, "with 0 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := &fakeserver.Files{Whole: c.whole}
			files.Put("f", data)
			_, client := newServer(t, files)
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			long := time.Now().Add(-time.Hour).Truncate(time.Second)
			if err := errors.Join(os.WriteFile(path, c.local, 0o600), os.Chtimes(path, long, long)); err != nil {
				t.Fatal(err)
			}
			r, err := GetBelow(t.Context(), client, "f", dir, ignore)
			if c.same && (err != nil || !r.Identical || r.Path != path || r.Bytes != size || r.Resumed != 0 && !c.whole) {
				t.Errorf("GetBelow = %+v, %v", r, err)
			}
			if !c.same && (!errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), c.wanted)) {
				t.Errorf("GetBelow = %+v, %v, want %v and %q", r, err, fs.ErrExist, c.wanted)
			}
			wantFile(t, path, c.local)
			wantDir(t, dir, "f")
			if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(long) {
				t.Errorf("the file was touched: %v, %v", info.ModTime(), err)
			}
			fetched := int64(0)
			for _, call := range files.Calls() {
				fetched += min(call.GetLimit(), size-call.GetOffset())
			}
			if fetched > c.most {
				t.Errorf("%d bytes were asked for, want at most %d", fetched, c.most)
			}
		})
	}
}

// TestIdenticalEmpty: an empty file is one that is identical too.
func TestIdenticalEmpty(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", nil)
	_, client := newServer(t, files)
	dir := t.TempDir()
	for i, want := range []bool{false, true} {
		if r, err := GetBelow(t.Context(), client, "f", dir, ignore); err != nil || r.Identical != want || r.CRC32C != 0 {
			t.Errorf("GetBelow, time %d = %+v, %v", i, r, err)
		}
	}
	wantDir(t, dir, "f")
}

// TestIdenticalChanges: the server's file changes while it is compared.
func TestIdenticalChanges(t *testing.T) {
	files := &fakeserver.Files{Whole: true}
	data := random(chunk, 61)
	files.Put("f", data)
	_, client := newServer(t, files)
	dir := t.TempDir()
	if _, err := GetBelow(t.Context(), client, "f", dir, ignore); err != nil {
		t.Fatal(err)
	}
	before := len(files.Calls())
	files.Before = func(call *fakeserver.Call, _ int64, _ *filesv1.GetResponse) error {
		if call.Number == before {
			files.Put("f", random(chunk, 62))
			return errAborted
		}
		return nil
	}
	restarts := 0
	_, err := GetBelow(t.Context(), client, "f", dir, Options{Restart: func(error) { restarts++ }})
	if !errors.Is(err, fs.ErrExist) || restarts != 1 {
		t.Errorf("GetBelow = %v after %d restarts", err, restarts)
	}
	wantFile(t, filepath.Join(dir, "f"), data)
}

// TestModified: a downloaded file has the time of the server's.
func TestModified(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", []byte("data"))
	files.Put("wrong", []byte("data"))
	modified := time.Date(2001, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	files.Describe("f", func(f *filesv1.File) { f.Modified = timestamppb.New(modified) })
	files.Describe("wrong", func(f *filesv1.File) { f.Modified = &timestamppb.Timestamp{Seconds: 1 << 62} })
	_, client := newServer(t, files)
	dir := t.TempDir()
	r, err := GetBelow(t.Context(), client, "f", dir, Options{})
	if err != nil || !r.Modified.Equal(modified) {
		t.Fatalf("GetBelow = %+v, %v", r, err)
	}
	if info, err := os.Stat(r.Path); err != nil || !info.ModTime().Equal(modified) {
		t.Errorf("the file is of %v, %v, want %v", info.ModTime(), err, modified)
	}
	if r, err := GetBelow(t.Context(), client, "wrong", dir, Options{}); err != nil || !r.Modified.IsZero() {
		t.Errorf("GetBelow = %+v, %v", r, err)
	}
}
