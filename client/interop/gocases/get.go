package gocases

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/interop/testfiles"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fetched is what a call of Get returned.
type fetched struct {
	file *filesv1.File
	data []byte
	last *filesv1.GetResponse // with the checksums
}

// fetch calls Get and checks the form of its responses and the checksum.
func (s *Suite) fetch(ctx context.Context, request *filesv1.GetRequest) (*fetched, error) {
	call, err := s.files.Get(ctx, request)
	if err != nil {
		return nil, err
	}
	return new(fetched).rest(call)
}

// rest receives the rest of a call.
func (f *fetched) rest(call grpc.ServerStreamingClient[filesv1.GetResponse]) (*fetched, error) {
	for {
		r, err := call.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := f.add(r); err != nil {
			return nil, err
		}
	}
	if f.last == nil {
		return nil, errors.New("the call ended without a checksum")
	}
	if sum := crc32.Checksum(f.data, castagnoli); sum != f.last.GetCrc32C() {
		return nil, fmt.Errorf("the server's checksum is %08x, that of the data is %08x", f.last.GetCrc32C(), sum)
	}
	return f, nil
}

// add adds a response.
func (f *fetched) add(r *filesv1.GetResponse) error {
	first := f.file == nil
	switch {
	case f.last != nil:
		return errors.New("got a response after the one with the checksum")
	case (r.GetFile() != nil) != first:
		return fmt.Errorf("response with file: %v, first response: %v", r.GetFile() != nil, first)
	case r.FileCrc32C != nil && r.Crc32C == nil:
		return errors.New("file_crc32c is not on the last response")
	}
	if first {
		f.file = r.GetFile()
	}
	f.data = append(f.data, r.GetData()...)
	if r.Crc32C != nil {
		f.last = r
	}
	return nil
}

// wantData returns an error unless data is want.
func wantData(data, want []byte) error {
	if len(data) != len(want) {
		return fmt.Errorf("got %d bytes, want %d", len(data), len(want))
	}
	for i := range data {
		if data[i] != want[i] {
			return fmt.Errorf("byte %d is %d, want %d", i, data[i], want[i])
		}
	}
	return nil
}

// wantWhole returns an error unless f is the whole of a file.
func (f *fetched) wantWhole(want []byte) error {
	if err := wantData(f.data, want); err != nil {
		return err
	}
	if f.file.GetSizeBytes() != int64(len(want)) || f.file.GetVersion() == "" {
		return fmt.Errorf("file is {%v}, want size %d and a version", f.file, len(want))
	}
	return f.wantFileSum(want)
}

// wantFileSum checks the checksum of the whole file, if the server knew it.
func (f *fetched) wantFileSum(whole []byte) error {
	if sum := crc32.Checksum(whole, castagnoli); f.last.FileCrc32C != nil && f.last.GetFileCrc32C() != sum {
		return fmt.Errorf("file_crc32c is %08x, want %08x", f.last.GetFileCrc32C(), sum)
	}
	return nil
}

func getSmall(ctx context.Context, s *Suite) error {
	f, err := s.fetch(ctx, &filesv1.GetRequest{Name: testfiles.SmallName})
	if err != nil {
		return err
	}
	return f.wantWhole([]byte(testfiles.Small))
}

func getLarge(ctx context.Context, s *Suite) error {
	f, err := s.fetch(ctx, &filesv1.GetRequest{Name: testfiles.LargeName})
	if err != nil {
		return err
	}
	return f.wantWhole(testfiles.Bytes(0, testfiles.LargeSize))
}

func getRange(ctx context.Context, s *Suite) error {
	const offset, limit = 1<<20 - 3, 7 // across the border of two responses
	f, err := s.fetch(ctx, &filesv1.GetRequest{Name: testfiles.LargeName, Offset: offset, Limit: limit})
	if err != nil {
		return err
	}
	if err := wantData(f.data, testfiles.Bytes(offset, limit)); err != nil {
		return err
	}
	f, err = s.fetch(ctx, &filesv1.GetRequest{Name: testfiles.LargeName, Offset: testfiles.LargeSize})
	if err != nil {
		return inCase(err, "at the end")
	}
	if len(f.data) != 0 || f.last.GetCrc32C() != 0 {
		return fmt.Errorf("at the end: %d bytes with the checksum %08x, want none with 0", len(f.data), f.last.GetCrc32C())
	}
	return nil
}

func getResumeVersion(ctx context.Context, s *Suite) error {
	const part = 2 << 20
	first, err := s.fetch(ctx, &filesv1.GetRequest{Name: testfiles.LargeName, Limit: part})
	if err != nil {
		return err
	}
	if len(first.data) != part {
		return fmt.Errorf("got %d bytes, want %d", len(first.data), part)
	}
	rest, err := s.fetch(ctx, &filesv1.GetRequest{Name: testfiles.LargeName, Offset: part, Version: first.file.GetVersion()})
	if err != nil {
		return err
	}
	whole := testfiles.Bytes(0, testfiles.LargeSize)
	if err := wantData(append(first.data, rest.data...), whole); err != nil {
		return err
	}
	if err := rest.wantFileSum(whole); err != nil {
		return err
	}
	_, err = s.fetch(ctx, &filesv1.GetRequest{Name: testfiles.LargeName, Offset: part, Version: "another"})
	return wantStatus(err, codes.Aborted, "VERSION_MISMATCH")
}

func getMissing(ctx context.Context, s *Suite) error {
	var message string
	for i, name := range []string{"nope", "../etc/passwd", "dir"} {
		_, err := s.fetch(ctx, &filesv1.GetRequest{Name: name})
		if err := wantStatus(err, codes.NotFound, "FILE_NOT_FOUND"); err != nil {
			return inCase(err, "get of %q", name)
		}
		if i == 0 {
			message = status.Convert(err).Message()
		} else if got := status.Convert(err).Message(); got != message {
			return fmt.Errorf("get of %q: the message is %q, want %q as for the others", name, got, message)
		}
	}
	return nil
}

func getBadName(ctx context.Context, s *Suite) error {
	const tooLong = 1025
	for _, name := range []string{"", strings.Repeat("n", tooLong)} {
		_, err := s.fetch(ctx, &filesv1.GetRequest{Name: name})
		if err := wantStatus(err, codes.InvalidArgument, "INVALID_NAME"); err != nil {
			return inCase(err, "a name of %d bytes", len(name))
		}
		if fields := violatedFields(err); len(fields) != 1 || fields[0] != "name" {
			return fmt.Errorf("a name of %d bytes: the violations are of %q, want %q", len(name), fields, []string{"name"})
		}
	}
	return nil
}

func getOutOfRange(ctx context.Context, s *Suite) error {
	_, err := s.fetch(ctx, &filesv1.GetRequest{Name: testfiles.SmallName, Offset: int64(len(testfiles.Small)) + 1})
	return wantStatus(err, codes.OutOfRange, "OFFSET_BEYOND_END")
}
