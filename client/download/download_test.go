package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

func TestGetSizes(t *testing.T) {
	for _, size := range []int64{
		0, 1, chunk - 1, chunk, chunk + 1,
		segmentSize - 1, segmentSize, segmentSize + 1, 2*segmentSize + 5,
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			files := new(fakeserver.Files)
			data := random(size, 1)
			files.Put("f", data)
			_, client := newServer(t, files)
			dir := t.TempDir()

			var done, of int64
			r, err := GetBelow(t.Context(), client, "f", dir, Options{Progress: func(d, s int64) {
				if d < done {
					t.Errorf("progress went from %d to %d", done, d)
				}
				done, of = d, s
			}})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "f")
			if r.Name != "f" || r.Path != path || r.Bytes != size || r.Resumed != 0 || r.Version != "1" || r.Elapsed <= 0 {
				t.Errorf("Get = %+v", r)
			}
			if done != size || of != size {
				t.Errorf("progress ended at %d of %d", done, of)
			}
			wantFile(t, path, data)
			wantDir(t, dir, "f")
			if got, want := int64(len(files.Calls())), callsFor(size); got != want {
				t.Errorf("took %d calls, want %d", got, want)
			}

			var out bytes.Buffer
			if r, err := Copy(t.Context(), client, "f", &out, ignore); err != nil || r.Bytes != size {
				t.Errorf("Copy = %+v, %v", r, err)
			}
			if !bytes.Equal(out.Bytes(), data) {
				t.Errorf("Copy wrote %d bytes that are not the file", out.Len())
			}
		})
	}
}

// callsFor returns how many calls a download of size bytes takes: one for each segment, and
// one that asks for the checksum of more than one.
func callsFor(size int64) int64 {
	if size <= segmentSize {
		return 1
	}
	return (size+segmentSize-1)/segmentSize + 1
}

// The connection breaks once, at every kind of place.
func TestGetConnectionLost(t *testing.T) {
	const size = 2*segmentSize + 3*chunk
	for _, c := range []struct {
		name string
		call int
		sent int64
	}{
		{"before the first response", 0, 0},
		{"in the first segment", 0, 5 * chunk},
		{"before the last response of a segment", 0, segmentSize - chunk},
		{"after the last response of a segment", 0, segmentSize},
		{"before the first response of a segment", 1, 0},
		{"in a later segment", 1, 9 * chunk},
		{"in the last segment", 2, 2 * chunk},
		{"after the last response of all", 2, 3 * chunk},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := new(fakeserver.Files)
			data := random(size, 2)
			files.Put("f", data)
			var server *fakeserver.Server
			dir := t.TempDir()
			cut := func(call *fakeserver.Call, sent int64) error {
				if call.Number == c.call && sent == c.sent {
					waitPart(dir, size, call.GetOffset())
					server.Cut()
					return errors.New("cut")
				}
				return nil
			}
			files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error { return cut(call, sent) }
			files.After = func(call *fakeserver.Call) error { return cut(call, min(call.GetLimit(), size-call.GetOffset())) }
			server, client := newServer(t, files)

			var outages []Outage
			r, err := GetBelow(t.Context(), client, "f", dir, Options{Outage: func(o Outage) { outages = append(outages, o) }})
			if err != nil || r.Bytes != size {
				t.Fatalf("Get = %+v, %v", r, err)
			}
			if len(outages) != 2 || outages[0].Err == nil || outages[0].Attempts != 1 || !outages[0].Retry.After(outages[0].Since) || outages[1].Err != nil {
				t.Errorf("outages = %+v, want one with its end", outages)
			}
			wantFile(t, r.Path, data)
			wantDir(t, dir, "f")
			if c.call > 0 {
				for _, call := range files.Calls()[1:] {
					if call.GetOffset() < segmentSize {
						t.Errorf("asked again for verified bytes, from %d", call.GetOffset())
					}
				}
			}

			var out bytes.Buffer
			files.Before, files.After = nil, nil
			if _, err := Copy(t.Context(), client, "f", &out, ignore); err != nil || !bytes.Equal(out.Bytes(), data) {
				t.Errorf("Copy wrote %d bytes, %v", out.Len(), err)
			}
		})
	}
}

// A download completes although no connection lasts for a whole segment.
func TestGetOverBadConnection(t *testing.T) {
	files := new(fakeserver.Files)
	data := random(12*chunk, 3)
	files.Put("f", data)
	var server *fakeserver.Server
	files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
		if sent >= 3*chunk {
			server.Cut()
			return errors.New("cut")
		}
		return nil
	}
	server, client := newServer(t, files)
	r, err := GetBelow(t.Context(), client, "f", t.TempDir(), ignore)
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, r.Path, data)
}

// After a permanent error the verified part of the file remains.
func TestGetFailsAndGoesOn(t *testing.T) {
	files := new(fakeserver.Files)
	data := random(3*segmentSize+1, 4)
	files.Put("f", data)
	files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
		if call.GetOffset() == 2*segmentSize {
			return status.Error(codes.DataLoss, "bad disk")
		}
		return nil
	}
	_, client := newServer(t, files)
	dir := t.TempDir()
	path := filepath.Join(dir, "copy")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}

	force := ignore
	force.Force = true
	_, err := Get(t.Context(), client, "f", path, force)
	kept, ok := errors.AsType[*Incomplete](err)
	if status.Code(err) != codes.DataLoss || !ok || kept.Kept != 2*segmentSize {
		t.Fatalf("Get = %v, want DataLoss and what is kept", err)
	}
	wantDir(t, dir, "copy", "*.part")
	wantFile(t, path, []byte("old"))

	before := len(files.Calls())
	files.Before = nil
	r, err := Get(t.Context(), client, "f", path, force)
	if err != nil || r.Resumed != 2*segmentSize || r.Bytes != int64(len(data)) {
		t.Fatalf("Get = %+v, %v", r, err)
	}
	wantFile(t, path, data)
	wantDir(t, dir, "copy")
	if offset := files.Calls()[before+1].GetOffset(); offset != 2*segmentSize {
		t.Errorf("went on from %d", offset)
	}
}

func TestGetCancelled(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", random(2*segmentSize, 5))
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	dir := t.TempDir()
	files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
		if call.GetOffset() > 0 && sent == 2*chunk {
			waitPart(dir, 2*segmentSize, segmentSize)
			cancel(enough)
			<-call.Stream.Context().Done()
		}
		return nil
	}
	_, client := newServer(t, files)
	if _, err := GetBelow(ctx, client, "f", dir, ignore); !errors.Is(err, enough) {
		t.Errorf("Get = %v, want %v", err, enough)
	}
	wantDir(t, dir, "*.part")
}

func TestGetErrors(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", []byte("data"))
	_, client := newServer(t, files)
	dir := t.TempDir()
	if _, err := GetBelow(t.Context(), client, "none", dir, Options{}); status.Code(err) != codes.NotFound {
		t.Errorf("Get of no file = %v", err)
	}
	if _, err := Get(t.Context(), client, "f", filepath.Join(dir, "none", "f"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Get to no directory = %v", err)
	}
	for _, path := range []string{"", dir, dir + "/none/"} {
		if r, err := Get(t.Context(), client, "f", path, Options{}); err == nil {
			t.Errorf("Get to %q = %+v", path, r)
		}
	}
	unreachable := filesv1.NewFileServiceClient(fakeserver.Dial(t, "127.0.0.1:1"))
	noOutage := Options{Outage: func(o Outage) { t.Errorf("outage %+v", o) }}
	if _, err := GetBelow(t.Context(), unreachable, "f", dir, noOutage); status.Code(err) != codes.Unavailable {
		t.Errorf("Get from no server = %v", err)
	}
	wantDir(t, dir)

	broken := errors.New("broken pipe")
	r, w := io.Pipe()
	r.CloseWithError(broken)
	if _, err := Copy(t.Context(), client, "f", w, Options{}); !errors.Is(err, broken) {
		t.Errorf("Copy to a broken pipe = %v", err)
	}
}
