package fakeserver

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// Chunk is how much of a file one response carries, in bytes.
const Chunk = 16 << 10

// Files is a FileService with files in memory. Its methods may be called while
// it serves.
type Files struct {
	filesv1.UnimplementedFileServiceServer

	// Before, if not nil, is called before each response to a Get. It may change
	// the response, block, or return an error to end the call with, io.EOF for
	// none; sent is how much data the call has sent.
	Before func(call *Call, sent int64, resp *filesv1.GetResponse) error
	// Whole has the last response of each call say the checksum of the whole file.
	Whole bool
	// After, if not nil, is called after the last response, and ends the call.
	After func(call *Call) error

	mu    sync.Mutex
	files []*filesv1.File
	data  map[string][]byte
	calls []*Call
}

// Call is one call of Get.
type Call struct {
	*filesv1.GetRequest
	Number int // from 0
	Stream grpc.ServerStreamingServer[filesv1.GetResponse]
}

// Put adds a file, or replaces it by a new version.
func (f *Files) Put(name string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.data == nil {
		f.data = map[string][]byte{}
	}
	version := 1
	f.files = slices.DeleteFunc(f.files, func(old *filesv1.File) bool {
		if old.GetName() == name {
			version, _ = strconv.Atoi(old.GetVersion())
			version++
		}
		return old.GetName() == name
	})
	f.files = append(f.files, &filesv1.File{Name: name, SizeBytes: int64(len(data)), Version: strconv.Itoa(version)})
	f.data[name] = data
}

// Calls returns the calls of Get so far.
func (f *Files) Calls() []*Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// List pages through the files with the prefix, two a page, whatever the source.
func (f *Files) List(_ context.Context, r *filesv1.ListRequest) (*filesv1.ListResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, _ := strconv.Atoi(r.GetPageToken())
	var files []*filesv1.File
	for _, file := range f.files {
		if strings.HasPrefix(file.GetName(), r.GetPrefix()) {
			files = append(files, file)
		}
	}
	to := min(from+2, len(files))
	resp := &filesv1.ListResponse{CacheUsedBytes: 1, CacheCapacityBytes: 2}
	for i, file := range files[from:to] {
		resp.Files = append(resp.Files, &filesv1.File{
			Name: file.GetName(), SizeBytes: file.GetSizeBytes(), Version: file.GetVersion(), Modified: file.GetModified(),
			Cached: (from+i)%2 == 0 || r.GetSource() != filesv1.Source_SOURCE_DIRECTORY,
		})
	}
	if to < len(files) {
		resp.NextPageToken = strconv.Itoa(to)
	}
	return resp, nil
}

// Get streams a file as the API says.
func (f *Files) Get(r *filesv1.GetRequest, stream grpc.ServerStreamingServer[filesv1.GetResponse]) error {
	f.mu.Lock()
	call := &Call{GetRequest: r, Number: len(f.calls), Stream: stream}
	f.calls = append(f.calls, call)
	data, ok := f.data[r.GetName()]
	var file *filesv1.File
	for _, each := range f.files {
		if each.GetName() == r.GetName() {
			file = each
		}
	}
	f.mu.Unlock()
	switch {
	case !ok:
		return status.Error(codes.NotFound, "no such file")
	case r.GetVersion() != "" && r.GetVersion() != file.GetVersion():
		return status.Error(codes.Aborted, "another version")
	case r.GetOffset() > int64(len(data)):
		return status.Error(codes.OutOfRange, "beyond the end")
	}
	var whole *uint32
	if f.Whole {
		sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
		whole = &sum
	}
	data = data[r.GetOffset():]
	if n := r.GetLimit(); n > 0 && n < int64(len(data)) {
		data = data[:n]
	}
	return f.send(call, file, data, whole)
}

func (f *Files) send(call *Call, file *filesv1.File, data []byte, whole *uint32) error {
	crc := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	sent := 0
	for first := true; first || sent < len(data); first = false {
		n := min(Chunk, len(data)-sent)
		resp := &filesv1.GetResponse{Data: data[sent : sent+n]}
		if first {
			resp.File = file
		}
		if sent+n == len(data) {
			resp.Crc32C, resp.FileCrc32C = &crc, whole
		}
		if f.Before != nil {
			err := f.Before(call, int64(sent), resp)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		if err := call.Stream.Send(resp); err != nil {
			return err
		}
		sent += n
	}
	if f.After != nil {
		return f.After(call)
	}
	return nil
}
