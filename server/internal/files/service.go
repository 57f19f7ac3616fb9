// Package files implements FileService over a file cache: it validates requests, pages
// lists, streams files and maps errors to statuses. The cache decides which files exist.
package files

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/filecache"
	"example.com/parity/server/internal/flow"
)

// maxName is the maximum length of a file name in bytes. The original file server reads
// no more as one request.
const maxName = 1024

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Service is the FileService over one cache.
type Service struct {
	filesv1.UnimplementedFileServiceServer
	cache   *filecache.Cache
	replies *flow.Account
}

var _ filesv1.FileServiceServer = (*Service)(nil)

// New returns the service of the cache's files. The bytes in flight to callers in this
// process are charged to replies. Calls from the network have a window in their context:
// see [flow.FromContext].
func New(cache *filecache.Cache, replies *flow.Account) *Service {
	return &Service{cache: cache, replies: replies}
}

// Get streams a file or a range of it.
func (s *Service) Get(req *filesv1.GetRequest, stream grpc.ServerStreamingServer[filesv1.GetResponse]) error {
	return toStatus(s.get(req, stream))
}

func (s *Service) get(req *filesv1.GetRequest, stream grpc.ServerStreamingServer[filesv1.GetResponse]) error {
	if err := validateGet(req); err != nil {
		return err
	}
	ctx := stream.Context()
	f, err := s.cache.Open(ctx, req.GetName())
	if err != nil {
		return err
	}
	defer f.Close()
	if req.GetVersion() != "" && req.GetVersion() != f.Version {
		return errOtherVersion
	}
	if req.GetOffset() > f.Size {
		return apierror.New(codes.OutOfRange, "OFFSET_BEYOND_END",
			fmt.Sprintf("offset %d is beyond the end of the file, which has %d bytes", req.GetOffset(), f.Size))
	}
	end := f.Size
	if limit := req.GetLimit(); limit > 0 && limit < end-req.GetOffset() {
		end = req.GetOffset() + limit
	}
	return s.send(f, req.GetOffset(), end, stream)
}

// send sends the bytes of f from off to end. It reads no more from the cache or the disk
// than the call's window has room for.
func (s *Service) send(f *filecache.File, off, end int64, stream grpc.ServerStreamingServer[filesv1.GetResponse]) error {
	ctx := stream.Context()
	window := s.replies.Window(ctx)
	defer window.Close()
	// The cache knows the checksum of a whole file. Computing it for every caller would
	// be most of the work of sending.
	known := off == 0 && end == f.Size && f.HasChecksum()
	var sum uint32
	resp := &filesv1.GetResponse{File: describe(f.Info, f.Cached)}
	for {
		if off < end {
			data, err := next(ctx, f, off, end, window)
			if err != nil {
				return err
			}
			if !known {
				sum = crc32.Update(sum, castagnoli, data)
			}
			resp.Data = data
			off += int64(len(data))
		}
		if off == end {
			if known {
				var err error
				if sum, err = f.Checksum(ctx); err != nil {
					return err
				}
			}
			resp.Crc32C = &sum
			if whole, ok := f.KnownChecksum(); ok {
				resp.FileCrc32C = &whole
			}
			return stream.Send(resp)
		}
		if err := stream.Send(resp); err != nil {
			return err
		}
		resp = &filesv1.GetResponse{} // a sent message must not change
	}
}

// next waits for room in the window and returns the next bytes to send.
func next(ctx context.Context, f *filecache.File, off, end int64, window flow.Window) ([]byte, error) {
	granted, err := window.Reserve(ctx, min(end-off, f.ChunkSize(off)))
	if err != nil {
		return nil, err
	}
	data, err := f.Chunk(ctx, off, granted)
	if unused := granted - int64(len(data)); unused > 0 {
		window.Return(unused)
	}
	return data, err
}

func validateGet(req *filesv1.GetRequest) error {
	if err := validateName(req.GetName()); err != nil {
		return err
	}
	if req.GetOffset() < 0 {
		return apierror.InvalidArgument("INVALID_OFFSET", "offset", "must not be negative")
	}
	if req.GetLimit() < 0 {
		return apierror.InvalidArgument("INVALID_LIMIT", "limit", "must not be negative")
	}
	return nil
}

func validateName(name string) error {
	if problem := checkName(name); problem != "" {
		return apierror.InvalidArgument("INVALID_NAME", "name", problem)
	}
	return nil
}

// checkName returns what is wrong with a name as the name of a request, or "".
func checkName(name string) string {
	if name == "" {
		return "must not be empty"
	}
	return checkPath(name)
}

// checkPath returns what is wrong with a name or its beginning, or "".
func checkPath(text string) string {
	switch {
	case len(text) > maxName:
		return fmt.Sprintf("must not be longer than %d bytes, has %d", maxName, len(text))
	case !utf8.ValidString(text):
		return "must be UTF-8"
	case strings.ContainsRune(text, 0):
		return "must not contain a NUL"
	}
	return ""
}

func describe(info filecache.Info, cached bool) *filesv1.File {
	return &filesv1.File{
		Name:      info.Name,
		SizeBytes: info.Size,
		Modified:  timestamppb.New(info.Modified),
		Version:   info.Version,
		Cached:    cached,
	}
}

var errOtherVersion = apierror.New(codes.Aborted, "VERSION_MISMATCH", "the file's current version is another one")

// retryDelay is when a caller may retry after a failure of the disk. The cache looks for
// a missing directory once a second.
const retryDelay = time.Second

// toStatus returns the error that a caller receives for err.
func toStatus(err error) error {
	switch {
	case errors.Is(err, filecache.ErrNotFound):
		return apierror.New(codes.NotFound, "FILE_NOT_FOUND", "no such file")
	case errors.Is(err, filecache.ErrChanged):
		return apierror.New(codes.Aborted, "FILE_CHANGED", "the file was changed while it was being read")
	case errors.Is(err, filecache.ErrDirectory):
		return apierror.Unavailable("DIRECTORY_UNAVAILABLE", "the served directory is unavailable", retryDelay)
	case errors.Is(err, filecache.ErrDisk):
		return apierror.Unavailable("DISK_UNAVAILABLE", "the disk does not answer", retryDelay)
	}
	return apierror.From(err)
}
