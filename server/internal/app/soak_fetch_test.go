package app

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strings"
	"time"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// errCancelled means that the reader has cancelled the download.
var errCancelled = errors.New("cancelled by the reader")

// fetch downloads a file, or a range of it, and returns the pieces as they arrived. With
// an error it returns the pieces before it.
func (r *soakReader) fetch(ctx context.Context, name string, off, limit int64) ([][]byte, error) {
	switch d := r.door.(type) {
	case rpcDoor:
		return r.fetchRPC(ctx, filesv1.NewFileServiceClient(d.cc), &filesv1.GetRequest{Name: name, Offset: off, Limit: limit})
	case legacyDoor:
		return r.fetchLegacy(ctx, d.files, name)
	}
	return nil, fmt.Errorf("cannot download through %T", r.door)
}

func (r *soakReader) fetchRPC(ctx context.Context, files filesv1.FileServiceClient, req *filesv1.GetRequest) (pieces [][]byte, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := files.Get(ctx, req)
	if err != nil {
		return nil, err
	}
	var (
		sum      uint32
		complete bool
	)
	for {
		resp, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && complete:
			return pieces, nil
		case errors.Is(err, io.EOF):
			return pieces, errors.New("EOF without a checksum")
		case err != nil:
			return pieces, err
		}
		pieces = append(pieces, resp.GetData())
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), resp.GetData())
		if complete = resp.Crc32C != nil; complete && resp.GetCrc32C() != sum {
			return pieces, fmt.Errorf("checksum %08x, want %08x", resp.GetCrc32C(), sum)
		}
		if r.manner.cancels {
			cancel()
			return pieces, errCancelled
		}
		if !complete {
			time.Sleep(r.manner.pause)
		}
	}
}

func (r *soakReader) fetchLegacy(ctx context.Context, addr, name string) (pieces [][]byte, err error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	deadline, _ := ctx.Deadline()
	nc.SetDeadline(deadline)
	if r.manner.pause > 0 || r.manner.cancels {
		nc.(*net.TCPConn).SetReadBuffer(64 << 10) // else the kernel would read ahead
	}
	if _, err := nc.Write([]byte(name)); err != nil {
		return nil, err
	}
	for {
		b := make([]byte, 512<<10)
		n, err := io.ReadFull(nc, b)
		pieces = append(pieces, b[:n])
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if string(b[:n]) == "File not found" && !strings.HasPrefix(name, "still") {
				return pieces, errors.New("not found, although the file exists all the time")
			}
			return pieces, nil
		case err != nil:
			return pieces, err
		case r.manner.cancels:
			return pieces, errCancelled
		}
		time.Sleep(r.manner.pause)
	}
}
