package download

import (
	"bytes"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// interrupted leaves the part file of a Get of f to dir with two segments, and returns the
// server, which has data of three.
func interrupted(t *testing.T, dir string) (files *fakeserver.Files, client filesv1.FileServiceClient, data []byte) {
	t.Helper()
	files = &fakeserver.Files{Whole: true}
	data = random(3*segmentSize, 20)
	files.Put("f", data)
	files.Before = func(call *fakeserver.Call, _ int64, _ *filesv1.GetResponse) error {
		if call.GetOffset() == 2*segmentSize {
			return status.Error(codes.DataLoss, "bad disk")
		}
		return nil
	}
	_, client = newServer(t, files)
	if _, err := GetBelow(t.Context(), client, "f", dir, ignore); status.Code(err) != codes.DataLoss {
		t.Fatalf("GetBelow = %v", err)
	}
	wantDir(t, dir, "*.part")
	files.Before = nil
	return files, client, data
}

// TestResumeChecksWhole checks that the part that an earlier Get left is verified too, by
// the checksum of the whole file.
func TestResumeChecksWhole(t *testing.T) {
	dir := t.TempDir()
	_, client, data := interrupted(t, dir)
	r, err := GetBelow(t.Context(), client, "f", dir, ignore)
	if err != nil || r.Resumed != 2*segmentSize || !r.Whole {
		t.Fatalf("GetBelow = %+v, %v", r, err)
	}
	wantFile(t, r.Path, data)
}

// TestResumeOfOtherContent has a file that was changed although its version is the same.
// Every part is correct, but the parts are not of one file.
func TestResumeOfOtherContent(t *testing.T) {
	dir := t.TempDir()
	_, client, data := interrupted(t, dir)
	data[5] ^= 1
	var restarts []string
	r, err := GetBelow(t.Context(), client, "f", dir, Options{Restart: func(why error) { restarts = append(restarts, why.Error()) }})
	if err != nil || r.Resumed != 0 || !r.Whole {
		t.Fatalf("GetBelow = %+v, %v", r, err)
	}
	if len(restarts) != 1 || !strings.Contains(restarts[0], "not of one file") {
		t.Errorf("restarts = %q", restarts)
	}
	wantFile(t, r.Path, data)
	wantDir(t, dir, "f")
}

// TestResumeOfDamagedPart: what is wrong on the disk is fetched again, and nothing else.
func TestResumeOfDamagedPart(t *testing.T) {
	dir := t.TempDir()
	files, client, data := interrupted(t, dir)
	parts, err := filepath.Glob(filepath.Join(dir, ".f.*"+partSuffix))
	if err != nil || len(parts) != 1 {
		t.Fatalf("part files %q, %v", parts, err)
	}
	f, err := os.OpenFile(parts[0], os.O_RDWR, 0)
	if err == nil {
		_, err = f.WriteAt([]byte("spoilt"), 5)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	before := len(files.Calls())
	r, err := GetBelow(t.Context(), client, "f", dir, Options{Restart: func(why error) { t.Error(why) }})
	if err != nil || r.Resumed != segmentSize || !r.Whole {
		t.Fatalf("GetBelow = %+v, %v", r, err)
	}
	for _, call := range files.Calls()[before+1:] {
		if call.GetOffset() != 0 && call.GetOffset() != 2*segmentSize {
			t.Errorf("asked again for what was right, from %d", call.GetOffset())
		}
	}
	wantFile(t, r.Path, data)
	wantDir(t, dir, "f")
}

// TestWholeNeverRight has a server whose parts never match its checksum of the whole file.
func TestWholeNeverRight(t *testing.T) {
	files := new(fakeserver.Files)
	data := random(2*segmentSize+1, 21)
	files.Put("f", data)
	wrong := crc32.Checksum(data, castagnoli) + 1
	files.Before = func(_ *fakeserver.Call, _ int64, resp *filesv1.GetResponse) error {
		if resp.Crc32C != nil {
			resp.FileCrc32C = &wrong
		}
		return nil
	}
	_, client := newServer(t, files)
	dir := t.TempDir()
	restarts := 0
	_, err := GetBelow(t.Context(), client, "f", dir, Options{Restart: func(error) { restarts++ }})
	if !errors.Is(err, errMixed) || restarts != maxRestarts {
		t.Errorf("GetBelow = %v after %d restarts", err, restarts)
	}
	wantDir(t, dir)

	var out bytes.Buffer
	if _, err := Copy(t.Context(), client, "f", &out, ignore); !errors.Is(err, errMixed) {
		t.Errorf("Copy = %v", err)
	}
}
