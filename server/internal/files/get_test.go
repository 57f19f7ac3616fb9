package files

import (
	"bytes"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/apierror/apierrortest"
	"example.com/parity/server/internal/filecache"
)

func TestGetStatuses(t *testing.T) {
	f := newFixture(t, 1<<20)
	f.write(t, "f", []byte("0123456789"))
	for _, tt := range []struct {
		name   string
		req    *filesv1.GetRequest
		code   codes.Code
		reason string
	}{
		{"no name", &filesv1.GetRequest{}, codes.InvalidArgument, "INVALID_NAME"},
		{"a NUL", &filesv1.GetRequest{Name: "f\x00"}, codes.InvalidArgument, "INVALID_NAME"},
		{"no UTF-8", &filesv1.GetRequest{Name: "\xff"}, codes.InvalidArgument, "INVALID_NAME"},
		{"a name of 1,025 bytes", &filesv1.GetRequest{Name: strings.Repeat("n", 1025)}, codes.InvalidArgument, "INVALID_NAME"},
		{"a name of 1,024 bytes", &filesv1.GetRequest{Name: strings.Repeat("n", 1024)}, codes.NotFound, "FILE_NOT_FOUND"},
		{"a negative offset", &filesv1.GetRequest{Name: "f", Offset: -1}, codes.InvalidArgument, "INVALID_OFFSET"},
		{"a negative limit", &filesv1.GetRequest{Name: "f", Limit: -1}, codes.InvalidArgument, "INVALID_LIMIT"},
		{"beyond the end", &filesv1.GetRequest{Name: "f", Offset: 11}, codes.OutOfRange, "OFFSET_BEYOND_END"},
		{"another version", &filesv1.GetRequest{Name: "f", Version: "another"}, codes.Aborted, "VERSION_MISMATCH"},
		{"no such file", &filesv1.GetRequest{Name: "none"}, codes.NotFound, "FILE_NOT_FOUND"},
		{"a parent directory", &filesv1.GetRequest{Name: "../f"}, codes.NotFound, "FILE_NOT_FOUND"},
	} {
		_, err := f.get(t, tt.req)
		apierrortest.Check(t, tt.name, err, tt.code, tt.reason)
	}
}

// TestGetRanges reads ranges around the boundaries of chunks, of files in the cache and of
// one that is too large for it.
func TestGetRanges(t *testing.T) {
	const chunk = filecache.BlockSize
	f := newFixture(t, 4*chunk)
	content := bytes.Repeat([]byte("0123456789abcde"), 6*chunk/15)
	sizes := map[string]int64{"empty": 0, "small": 10, "cached": 3*chunk + 5, "uncached": int64(len(content))}
	for name, size := range sizes {
		f.write(t, name, content[:size])
	}
	for name, size := range sizes {
		for _, offset := range []int64{0, chunk - 1, chunk, chunk + 1, size} {
			for _, limit := range []int64{0, 1, chunk + 1, 1<<63 - 1} {
				if offset > size {
					continue
				}
				end := size
				if limit > 0 && limit < size-offset {
					end = offset + limit
				}
				want := content[offset:end]
				got, err := f.get(t, &filesv1.GetRequest{Name: name, Offset: offset, Limit: limit})
				if err != nil || !bytes.Equal(got.data, want) || got.file.GetSizeBytes() != size {
					t.Fatalf("%s, offset %d, limit %d: %d bytes of %v, %v; want %d", name, offset, limit, len(got.data), got.file, err, len(want))
				}
				if sum := crc32.Checksum(want, castagnoli); got.last.Crc32C == nil || got.last.GetCrc32C() != sum {
					t.Errorf("%s, offset %d, limit %d: checksum %v, want %08x", name, offset, limit, got.last.Crc32C, sum)
				}
			}
		}
	}
	if held := f.replies.Held(); held != 0 {
		t.Errorf("%d bytes are charged after all calls", held)
	}
}

// TestGetVersion checks that a version names one content.
func TestGetVersion(t *testing.T) {
	f := newFixture(t, 1<<20)
	f.write(t, "f", []byte("old"))
	first, err := f.get(t, &filesv1.GetRequest{Name: "f"})
	if err != nil || first.file.GetCached() {
		t.Fatalf("the first Get: %v, %v", first.file, err)
	}
	again, err := f.get(t, &filesv1.GetRequest{Name: "f", Version: first.file.GetVersion()})
	if err != nil || string(again.data) != "old" || !again.file.GetCached() {
		t.Errorf("with its version: %q of %v, %v", again.data, again.file, err)
	}
	if again.last.GetFileCrc32C() != crc32.Checksum([]byte("old"), castagnoli) {
		t.Errorf("the checksum of the whole file is %v", again.last.FileCrc32C)
	}
	if err := os.Remove(filepath.Join(f.dir, "f")); err != nil {
		t.Fatal(err)
	}
	f.write(t, "f", []byte("newer"))
	_, err = f.get(t, &filesv1.GetRequest{Name: "f", Version: first.file.GetVersion()})
	apierrortest.Check(t, "the old version of a new file", err, codes.Aborted, "VERSION_MISMATCH")
}
