package main

import (
	"context"
	"errors"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// chunkSize is how many bytes a response has: usual for the ordinary codec, which copies
// them.
const chunkSize = 64 << 10

// serveGRPC serves both services with grpc-go's defaults.
func serveGRPC(ctx context.Context, l net.Listener, all files) error {
	server := grpc.NewServer()
	filesv1.RegisterFileServiceServer(server, &fileService{files: all})
	numbersv1.RegisterNumberServiceServer(server, &numberService{})
	defer context.AfterFunc(ctx, server.Stop)()
	return server.Serve(l)
}

type fileService struct {
	filesv1.UnimplementedFileServiceServer
	files files
}

var _ filesv1.FileServiceServer = (*fileService)(nil)

// Get sends a file, or its first bytes if there is a limit.
func (s *fileService) Get(req *filesv1.GetRequest, stream grpc.ServerStreamingServer[filesv1.GetResponse]) error {
	f, ok := s.files[req.GetName()]
	if !ok {
		return status.Error(codes.NotFound, "no such file")
	}
	rest, sum := f.data, f.sum
	if limit := int(req.GetLimit()); limit > 0 && limit < len(rest) {
		rest = rest[:limit]
		sum = newFile(rest).sum
	}
	resp := &filesv1.GetResponse{File: &filesv1.File{Name: req.GetName(), SizeBytes: int64(len(f.data))}}
	for {
		n := min(len(rest), chunkSize)
		resp.Data, rest = rest[:n], rest[n:]
		if len(rest) == 0 {
			resp.Crc32C = proto.Uint32(sum)
			return stream.Send(resp)
		}
		if err := stream.Send(resp); err != nil {
			return err
		}
		resp = &filesv1.GetResponse{}
	}
}

type numberService struct {
	numbersv1.UnimplementedNumberServiceServer
}

var _ numbersv1.NumberServiceServer = (*numberService)(nil)

// Draw answers one draw.
func (*numberService) Draw(_ context.Context, req *numbersv1.DrawRequest) (*numbersv1.DrawResponse, error) {
	return &numbersv1.DrawResponse{Number: number(req.GetParity()), Parity: req.GetParity()}, nil
}

// Count answers each draw.
func (*numberService) Count(stream grpc.BidiStreamingServer[numbersv1.CountRequest, numbersv1.CountResponse]) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		resp := &numbersv1.CountResponse{}
		switch kind := req.GetKind().(type) {
		case *numbersv1.CountRequest_Registration:
			resp.Kind = &numbersv1.CountResponse_Registered{Registered: &numbersv1.Registered{}}
		case *numbersv1.CountRequest_Draw:
			p := kind.Draw.GetParity()
			resp.Kind = &numbersv1.CountResponse_Increment{Increment: &numbersv1.Increment{Number: number(p), Parity: p}}
		default:
			continue
		}
		if err := stream.Send(resp); err != nil {
			return err
		}
	}
}

// number returns a number of that parity, always the same.
func number(p numbersv1.Parity) int32 {
	if p == numbersv1.Parity_PARITY_ODD {
		return 57
	}
	return 56
}
