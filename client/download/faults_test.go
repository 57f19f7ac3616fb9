package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

func TestGetCorrupted(t *testing.T) {
	flip := func(_ *fakeserver.Call, sent int64, resp *filesv1.GetResponse) {
		if sent == chunk {
			resp.Data = bytes.Clone(resp.Data)
			resp.Data[17] ^= 0x10
		}
	}
	t.Run("once", func(t *testing.T) {
		files := new(fakeserver.Files)
		data := random(3*chunk, 6)
		files.Put("f", data)
		files.Before = func(call *fakeserver.Call, sent int64, resp *filesv1.GetResponse) error {
			if call.Number == 0 {
				flip(call, sent, resp)
			}
			return nil
		}
		_, client := newServer(t, files)
		r, err := GetBelow(t.Context(), client, "f", t.TempDir(), ignore)
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, r.Path, data)
	})
	t.Run("until told to stop", func(t *testing.T) {
		files := new(fakeserver.Files)
		files.Put("f", random(3*chunk, 6))
		files.Before = func(call *fakeserver.Call, sent int64, resp *filesv1.GetResponse) error {
			flip(call, sent, resp)
			return nil
		}
		_, client := newServer(t, files)
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		var notice string
		_, err := GetBelow(ctx, client, "f", dir, Options{Outage: func(o Outage) { notice = fmt.Sprint(o.Err); cancel() }})
		if !errors.Is(err, context.Canceled) || !strings.Contains(notice, "checksum") {
			t.Errorf("Get = %v after %q", err, notice)
		}
		wantDir(t, dir)

		var out bytes.Buffer
		ctx, cancel = context.WithCancel(t.Context())
		if _, err := Copy(ctx, client, "f", &out, Options{Outage: func(Outage) { cancel() }}); err == nil || out.Len() > 0 {
			t.Errorf("Copy = %v after %d bytes", err, out.Len())
		}
	})
	t.Run("though empty", func(t *testing.T) {
		files := new(fakeserver.Files)
		files.Put("f", nil)
		files.Before = func(_ *fakeserver.Call, _ int64, resp *filesv1.GetResponse) error {
			*resp.Crc32C = 1
			return nil
		}
		_, client := newServer(t, files)
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := GetBelow(ctx, client, "f", dir, Options{Outage: func(Outage) { cancel() }}); err == nil {
			t.Error("Get = nil")
		}
		wantDir(t, dir)
	})
}

func TestGetFileChanges(t *testing.T) {
	const size = 2*segmentSize + 1
	t.Run("once", func(t *testing.T) {
		files := new(fakeserver.Files)
		files.Put("f", random(size, 7))
		data := random(size+1, 8)
		files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
			if call.Number == 1 && sent == chunk {
				files.Put("f", data)
			}
			return nil
		}
		_, client := newServer(t, files)
		dir := t.TempDir()
		r, err := GetBelow(t.Context(), client, "f", dir, ignore)
		if err != nil || r.Version != "2" || r.Resumed != 0 {
			t.Fatalf("Get = %+v, %v", r, err)
		}
		wantFile(t, r.Path, data)
		wantDir(t, dir, "f")
	})
	t.Run("while it is read", func(t *testing.T) {
		files := new(fakeserver.Files)
		data := random(chunk, 9)
		files.Put("f", data)
		files.After = func(call *fakeserver.Call) error {
			if call.Number == 0 {
				return status.Error(codes.Aborted, "changed while it was read")
			}
			return nil
		}
		_, client := newServer(t, files)
		r, err := GetBelow(t.Context(), client, "f", t.TempDir(), ignore)
		if err != nil || len(files.Calls()) != 2 {
			t.Fatalf("Get = %+v, %v after %d calls", r, err, len(files.Calls()))
		}
		wantFile(t, r.Path, data)
	})
	t.Run("again and again", func(t *testing.T) {
		files := new(fakeserver.Files)
		files.Put("f", random(size, 10))
		files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
			if call.GetOffset() > 0 && sent == 0 {
				files.Put("f", random(size, 10))
			}
			return nil
		}
		files.After = func(call *fakeserver.Call) error {
			if call.GetOffset() > 0 {
				return status.Error(codes.Aborted, "another version")
			}
			return nil
		}
		_, client := newServer(t, files)
		dir := t.TempDir()
		restarts := 0
		_, err := GetBelow(t.Context(), client, "f", dir, Options{Restart: func(error) { restarts++ }})
		if status.Code(err) != codes.Aborted || restarts != maxRestarts {
			t.Errorf("Get = %v after %d restarts", err, restarts)
		}
		wantDir(t, dir)

		var out bytes.Buffer
		_, err = Copy(t.Context(), client, "f", &out, ignore)
		if status.Code(err) != codes.Aborted || !strings.Contains(err.Error(), "had been written") || out.Len() != segmentSize {
			t.Errorf("Copy = %v after %d bytes", err, out.Len())
		}
	})
}

// Responses that violate the API are errors.
func TestGetServerLies(t *testing.T) {
	type lie = func(call *fakeserver.Call, sent int64, resp *filesv1.GetResponse) error
	first := func(f func(*filesv1.GetResponse)) lie {
		return func(_ *fakeserver.Call, sent int64, resp *filesv1.GetResponse) error {
			if sent == 0 {
				f(resp)
			}
			return nil
		}
	}
	described := func(size int64, version string) lie {
		return first(func(r *filesv1.GetResponse) { r.File = &filesv1.File{SizeBytes: size, Version: version} })
	}
	for _, c := range []struct {
		name, want string
		before     lie
		after      func(*fakeserver.Call) error
	}{
		{"no file", "does not describe", first(func(r *filesv1.GetResponse) { r.File = nil }), nil},
		{"no version", `version ""`, described(3*chunk, ""), nil},
		{"negative size", "-1 bytes", described(-1, "1"), nil},
		{"too little", fmt.Sprintf("promised %d bytes, got %d", 3*chunk+1, 3*chunk), described(3*chunk+1, "1"), nil},
		{"too much", fmt.Sprintf("promised %d bytes, got %d", 2*chunk+1, 3*chunk), described(2*chunk+1, "1"), nil},
		{"no checksum", "without a checksum", func(_ *fakeserver.Call, _ int64, r *filesv1.GetResponse) error {
			r.Crc32C = nil
			return nil
		}, nil},
		{"more after the checksum", "after the checksum", nil, func(call *fakeserver.Call) error {
			return call.Stream.Send(&filesv1.GetResponse{})
		}},
		{"endless", "got", func(_ *fakeserver.Call, _ int64, r *filesv1.GetResponse) error {
			r.Crc32C = nil
			return nil
		}, func(call *fakeserver.Call) error {
			for {
				if err := call.Stream.Send(&filesv1.GetResponse{Data: make([]byte, chunk)}); err != nil {
					return err
				}
			}
		}},
		{"nothing", "without a checksum", func(*fakeserver.Call, int64, *filesv1.GetResponse) error { return io.EOF }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := &fakeserver.Files{Before: c.before, After: c.after}
			files.Put("f", random(3*chunk, 11))
			_, client := newServer(t, files)
			dir := t.TempDir()
			_, err := GetBelow(t.Context(), client, "f", dir, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Get = %v, want %q", err, c.want)
			}
			wantDir(t, dir)
		})
	}

	// The second segment is of another file than the first.
	for name, change := range map[string]func(*filesv1.File){
		"other version": func(f *filesv1.File) { f.Version = "2" },
		"other size":    func(f *filesv1.File) { f.SizeBytes++ },
	} {
		t.Run(name, func(t *testing.T) {
			files := new(fakeserver.Files)
			files.Put("f", random(2*segmentSize, 12))
			files.Before = func(call *fakeserver.Call, sent int64, r *filesv1.GetResponse) error {
				if call.GetOffset() > 0 && sent == 0 {
					r.File = &filesv1.File{SizeBytes: r.File.GetSizeBytes(), Version: r.File.GetVersion()}
					change(r.File)
				}
				return nil
			}
			_, client := newServer(t, files)
			dir := t.TempDir()
			if _, err := GetBelow(t.Context(), client, "f", dir, Options{}); err == nil || !strings.Contains(err.Error(), "asked for version") {
				t.Errorf("Get = %v", err)
			}
			wantDir(t, dir, "*.part")
		})
	}
}
