package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
)

// door is one way to call the services. Its methods are what all doors have in common.
type door interface {
	// count begins a session and returns the client's last value.
	count(ctx context.Context, id int32) (counting, int64, error)
	list(ctx context.Context) ([]string, error)
	// get returns errNotFound if there is no such file.
	get(ctx context.Context, name string) ([]byte, error)
}

// counting is a session, through any door.
type counting interface {
	report(value int64) error
	draw(ctx context.Context, p numbersv1.Parity) (int32, error)
	close() error
}

var errNotFound = errors.New("not found")

// doors returns every door of a server.
func (r *running) doors(tb testing.TB) map[string]door {
	return map[string]door{
		"grpc":   rpcDoor{r.dial(tb)},
		"inproc": rpcDoor{r.channel},
		"legacy": legacyDoor{numbers: r.legacyAddr(), files: r.legacyAddr()},
		// Only the file dialect has a port of its own.
		"legacy-files": legacyDoor{numbers: r.legacyAddr(), files: r.legacyFilesAddr()},
		"gateway":      r.gatewayDoor(tb),
	}
}

// gatewayDoor starts a standalone gateway in front of the server.
func (r *running) gatewayDoor(tb testing.TB) door {
	addr := startGateway(tb, "--upstream="+r.grpcListener.Addr().String())
	return legacyDoor{numbers: addr, files: addr}
}

// rpcDoor calls the services with the generated clients.
type rpcDoor struct{ cc grpc.ClientConnInterface }

func (d rpcDoor) list(ctx context.Context) ([]string, error) {
	resp, err := filesv1.NewFileServiceClient(d.cc).List(ctx, &filesv1.ListRequest{})
	names := []string{}
	for _, f := range resp.GetFiles() {
		names = append(names, f.GetName())
	}
	return names, err
}

func (d rpcDoor) get(ctx context.Context, name string) ([]byte, error) {
	data, _, err := download(ctx, filesv1.NewFileServiceClient(d.cc), &filesv1.GetRequest{Name: name})
	if c := status.Code(err); c == codes.NotFound || c == codes.InvalidArgument {
		err = errNotFound
	}
	return data, err
}

// download calls Get and returns the data and the description of the file. It checks
// the order of the responses and the checksum.
func download(ctx context.Context, files filesv1.FileServiceClient, req *filesv1.GetRequest) ([]byte, *filesv1.File, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := files.Get(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	var (
		data bytes.Buffer
		file *filesv1.File
		last *filesv1.GetResponse
	)
	for first := true; ; first = false {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return data.Bytes(), file, err
		}
		if last != nil && last.Crc32C != nil {
			return nil, nil, errors.New("a response follows the one with the checksum")
		}
		if (resp.GetFile() != nil) != first {
			return nil, nil, errors.New("want file on the first response and on no other")
		}
		if first {
			file = resp.GetFile()
		}
		data.Write(resp.GetData())
		last = resp
	}
	sum := crc32.Checksum(data.Bytes(), crc32.MakeTable(crc32.Castagnoli))
	if last == nil || last.Crc32C == nil || last.GetCrc32C() != sum {
		return nil, nil, fmt.Errorf("last response %v, want checksum %08x", last, sum)
	}
	return data.Bytes(), file, nil
}

func (d rpcDoor) count(ctx context.Context, id int32) (counting, int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := numbersv1.NewNumberServiceClient(d.cc).Count(ctx)
	if err != nil {
		cancel()
		return nil, 0, err
	}
	c := &rpcCounting{stream: stream, cancel: cancel}
	if err = stream.Send(registering(id)); err == nil {
		var resp *numbersv1.CountResponse
		if resp, err = stream.Recv(); err == nil {
			return c, resp.GetRegistered().GetValue(), nil
		}
	}
	cancel()
	return nil, 0, err
}

type rpcCounting struct {
	stream numbersv1.NumberService_CountClient
	cancel context.CancelFunc

	committed *numbersv1.Committed // the last that came before an Increment
}

func (c *rpcCounting) report(value int64) error { return c.stream.Send(reporting(value)) }

func (c *rpcCounting) draw(_ context.Context, p numbersv1.Parity) (int32, error) {
	if err := c.stream.Send(drawing(p)); err != nil {
		return 0, err
	}
	for {
		resp, err := c.stream.Recv()
		if err != nil {
			return 0, err
		}
		if confirmed := resp.GetCommitted(); confirmed != nil {
			c.committed = confirmed
		}
		if i := resp.GetIncrement(); i != nil {
			if i.GetParity() != p {
				return 0, fmt.Errorf("asked for %v, got %v", p, i.GetParity())
			}
			return i.GetNumber(), nil
		}
	}
}

func (c *rpcCounting) close() error {
	defer c.cancel()
	if err := c.stream.CloseSend(); err != nil {
		return err
	}
	for {
		if _, err := c.stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func registering(id int32) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Registration{Registration: &numbersv1.Register{ClientId: id}}}
}

func reporting(value int64) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: value}}}
}

func drawing(p numbersv1.Parity) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Draw{Draw: &numbersv1.Draw{Parity: p}}}
}

// legacyDoor speaks the original protocols. Its fields are addresses.
type legacyDoor struct{ numbers, files string }

func (d legacyDoor) list(ctx context.Context) ([]string, error) { return legacytcp.List(ctx, d.files) }

// get uses a plain socket, so that it can send names that no client would.
func (d legacyDoor) get(ctx context.Context, name string) ([]byte, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", d.files)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	if _, err := nc.Write([]byte(name)); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(nc)
	if string(data) == legacytcp.DefaultNotFound {
		return nil, errNotFound
	}
	return data, err
}

func (d legacyDoor) count(ctx context.Context, id int32) (counting, int64, error) {
	c, value, err := legacytcp.DialNumbers(ctx, d.numbers, id)
	return legacyCounting{c}, value, err
}

type legacyCounting struct{ c *legacytcp.NumberConn }

func (l legacyCounting) report(value int64) error { return l.c.Report(value) }
func (l legacyCounting) close() error             { return l.c.Close() }
func (l legacyCounting) draw(ctx context.Context, p numbersv1.Parity) (int32, error) {
	return l.c.Draw(ctx, p)
}
