package legacytcp

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// stubNumbers is a NumberService whose draws are scripted.
type stubNumbers struct {
	numbersv1.UnimplementedNumberServiceServer

	draws  []int32 // drawn in turn
	strict bool    // whether the next of draws must have the requested parity
	// before, if set, is called before a request is handled. Its error ends the stream.
	before   func(context.Context, *numbersv1.CountRequest) error
	noTokens bool // whether sessions have no token, so that nothing can be repeated

	mu    sync.Mutex
	drawn int
	store *stubStore
	md    metadata.MD // of the last session
}

func newStubNumbers() *stubNumbers {
	return newStubOver(&stubStore{records: make(map[int32]stubRecord)})
}

// newStubOver returns a service with a store that other services may share.
func newStubOver(store *stubStore) *stubNumbers {
	return &stubNumbers{draws: []int32{79, 90, 57, 12, 33, 8}, store: store}
}

func (s *stubNumbers) value(id int32) int64 { return s.store.of(id).value }

// stubStore is a register. It handles repeated reports as the API specifies.
type stubStore struct {
	mu      sync.Mutex
	records map[int32]stubRecord
	refused int // repeats after another session wrote
}

type stubRecord struct{ value, revision, writer int64 }

// stubSessions counts the sessions of all stubs.
var stubSessions atomic.Int64

func (s *stubStore) of(id int32) stubRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[id]
}

func (s *stubStore) write(id int32, writer int64, r *numbersv1.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.records[id]
	if token := r.GetRepeatsSession(); token != "" {
		var session, revision int64
		if _, err := fmt.Sscanf(token, "%d@%d", &session, &revision); err != nil || now.writer != session && now.revision != revision {
			s.refused++
			return
		}
	}
	s.records[id] = stubRecord{r.GetValue(), now.revision + 1, writer}
}

// Count sends Committed as late as it may: before the answer to a draw, and at the end.
func (s *stubNumbers) Count(stream numbersv1.NumberService_CountServer) error {
	s.mu.Lock()
	s.md, _ = metadata.FromIncomingContext(stream.Context())
	s.mu.Unlock()
	var id int32
	var reports, committed int64
	session := stubSessions.Add(1)
	commit := func() error {
		if committed == reports {
			return nil
		}
		committed = reports
		return stream.Send(&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Committed{
			Committed: &numbersv1.Committed{Reports: reports, Value: s.value(id)}}})
	}
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return commit()
		}
		if err != nil {
			return err
		}
		if s.before != nil {
			if err := s.before(stream.Context(), req); err != nil {
				return err
			}
		}
		switch k := req.GetKind().(type) {
		case *numbersv1.CountRequest_Registration:
			if id = k.Registration.GetClientId(); id < 0 || id > 10_000 {
				return status.Error(codes.InvalidArgument, "client ID out of range")
			}
			now := s.store.of(id)
			registered := &numbersv1.Registered{Value: now.value, Increment: 1}
			if !s.noTokens {
				registered.Session = fmt.Sprintf("%d@%d", session, now.revision)
			}
			err = stream.Send(&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Registered{Registered: registered}})
		case *numbersv1.CountRequest_Report:
			s.store.write(id, session, k.Report)
			reports++
		case *numbersv1.CountRequest_Draw:
			if err = commit(); err == nil {
				s.mu.Lock()
				n := s.draws[s.drawn%len(s.draws)]
				s.drawn++
				s.mu.Unlock()
				if odd := k.Draw.GetParity() == numbersv1.Parity_PARITY_ODD; s.strict && odd != (n%2 != 0) {
					return status.Errorf(codes.Internal, "the script draws %d, want %v", n, k.Draw.GetParity())
				}
				err = stream.Send(&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Increment{
					Increment: &numbersv1.Increment{Number: n}}})
			}
		}
		if err != nil {
			return err
		}
	}
}

// stubFile is a file, or a failure to send one.
type stubFile struct {
	data       []byte
	code       codes.Code // status of the call, after data
	noChecksum bool       // whether the stream ends without the checksum
	hangs      bool       // whether the call hangs after data until it is cancelled
}

// stubFiles is a FileService with scripted files, all of them in the cache.
type stubFiles struct {
	filesv1.UnimplementedFileServiceServer

	chunk int // bytes of data in a response
	page  int // files on a page
	// before, if set, is called before a call is handled. Its error ends the call.
	before func(context.Context) error

	mu    sync.Mutex
	names []string // in the order of the list
	files map[string]stubFile
}

func newStubFiles() *stubFiles {
	return &stubFiles{files: make(map[string]stubFile), chunk: 1 << 20, page: 2}
}

// add adds or replaces a file.
func (s *stubFiles) add(name string, f stubFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.files[name]; !ok {
		s.names = append(s.names, name)
	}
	s.files[name] = f
}

func (s *stubFiles) file(name string) (stubFile, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[name]
	return f, ok
}

func (s *stubFiles) List(ctx context.Context, req *filesv1.ListRequest) (*filesv1.ListResponse, error) {
	if s.before != nil {
		if err := s.before(ctx); err != nil {
			return nil, err
		}
	}
	if req.GetSource() != filesv1.Source_SOURCE_CACHE {
		return nil, status.Error(codes.InvalidArgument, "not the cache")
	}
	at := 0
	if req.GetPageToken() != "" {
		if _, err := fmt.Sscan(req.GetPageToken(), &at); err != nil {
			return nil, status.Error(codes.InvalidArgument, "no such page")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &filesv1.ListResponse{}
	for ; at < len(s.names) && len(resp.Files) < s.page; at++ {
		resp.Files = append(resp.Files, &filesv1.File{Name: s.names[at]})
	}
	if at < len(s.names) {
		resp.NextPageToken = fmt.Sprint(at)
	}
	return resp, nil
}

func (s *stubFiles) Get(req *filesv1.GetRequest, stream filesv1.FileService_GetServer) error {
	if s.before != nil {
		if err := s.before(stream.Context()); err != nil {
			return err
		}
	}
	if strings.ContainsRune(req.GetName(), 0) {
		return status.Error(codes.InvalidArgument, "the name has a NUL")
	}
	f, ok := s.file(req.GetName())
	if !ok {
		return status.Error(codes.NotFound, "no such file")
	}
	resp := &filesv1.GetResponse{File: &filesv1.File{Name: req.GetName(), SizeBytes: int64(len(f.data))}}
	for rest := f.data; ; {
		n := min(len(rest), s.chunk)
		resp.Data, rest = rest[:n], rest[n:]
		if len(rest) == 0 {
			break
		}
		if err := stream.Send(resp); err != nil {
			return err
		}
		resp = &filesv1.GetResponse{}
	}
	if f.hangs {
		if err := stream.Send(resp); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	if f.code != codes.OK {
		if len(f.data) > 0 {
			if err := stream.Send(resp); err != nil {
				return err
			}
		}
		return status.Error(f.code, "scripted failure")
	}
	if !f.noChecksum {
		resp.Crc32C = proto.Uint32(crc32.Checksum(f.data, crc32.MakeTable(crc32.Castagnoli)))
	}
	return stream.Send(resp)
}

// inProcess returns clients that call the services in this process. They share the data of
// a GetResponse, as the server's clients do.
func inProcess(tb testing.TB, n numbersv1.NumberServiceServer, f filesv1.FileServiceServer) (numbersv1.NumberServiceClient, filesv1.FileServiceClient) {
	tb.Helper()
	ch := (&inprocgrpc.Channel{}).WithCloner(sharingCloner{})
	numbersv1.RegisterNumberServiceServer(ch, n)
	filesv1.RegisterFileServiceServer(ch, f)
	return numbersv1.NewNumberServiceClient(ch), filesv1.NewFileServiceClient(ch)
}

// sharingCloner shares the data of a GetResponse and copies other messages.
type sharingCloner struct{ inprocgrpc.ProtoCloner }

func (c sharingCloner) Clone(in any) (any, error) {
	if m, ok := in.(*filesv1.GetResponse); ok {
		return &filesv1.GetResponse{File: m.File, Data: m.Data, Crc32C: m.Crc32C}, nil
	}
	return c.ProtoCloner.Clone(in)
}

func (c sharingCloner) Copy(out, in any) error {
	from, ok := in.(*filesv1.GetResponse)
	if !ok {
		return c.ProtoCloner.Copy(out, in)
	}
	to := out.(*filesv1.GetResponse)
	to.File, to.Data, to.Crc32C = from.File, from.Data, from.Crc32C
	return nil
}
