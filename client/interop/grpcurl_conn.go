package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// The details of statuses must be known, to be read from JSON.
var _ = (*errdetails.ErrorInfo)(nil)

// grpcurlConn makes calls by running grpcurl: a process for each call. So the cases that
// are written for a connection run over grpcurl. It ignores all call options.
type grpcurlConn struct {
	binary string
	flags  []string // how to connect
	addr   string
}

var _ grpc.ClientConnInterface = (*grpcurlConn)(nil)

// Invoke implements grpc.ClientConnInterface.
func (c *grpcurlConn) Invoke(ctx context.Context, method string, request, reply any, _ ...grpc.CallOption) error {
	s, err := c.start(ctx, method)
	if err != nil {
		return err
	}
	if err := errors.Join(s.SendMsg(request), s.CloseSend()); err != nil {
		return err
	}
	if err := s.RecvMsg(reply); err != nil {
		return err
	}
	switch _, err := s.nextMessage(); {
	case err == nil:
		return errors.New("grpcurl printed a second response of a unary call")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// NewStream implements grpc.ClientConnInterface.
func (c *grpcurlConn) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.start(ctx, method)
}

// grpcurlStream is a call, and the process that makes it.
type grpcurlStream struct {
	ctx     context.Context
	stdin   *os.File
	stdout  *bufio.Reader
	headers bool          // have been printed
	ended   chan struct{} // closed when the process has ended; then these are set:
	process *finished
	err     error
}

var _ grpc.ClientStream = (*grpcurlStream)(nil)

// afterDeadline is how long grpcurl may take to say that a deadline has passed.
const afterDeadline = 3 * time.Second

// start starts grpcurl. A deadline of ctx becomes that of the call; when ctx is canceled,
// grpcurl is killed.
func (c *grpcurlConn) start(ctx context.Context, method string) (*grpcurlStream, error) {
	// Verbose, because that prints the headers when they arrive.
	args := append([]string{"-v", "-format-error", "-d", "@"}, c.flags...)
	if deadline, ok := ctx.Deadline(); ok {
		args = append(args, "-max-time", strconv.FormatFloat(time.Until(deadline).Seconds(), 'f', 3, 64))
	}
	cmd := exec.Command(c.binary, append(args, c.addr, strings.TrimPrefix(method, "/"))...)
	requests, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	responses, stdout := io.Pipe()
	cmd.Stdin, cmd.Stdout = requests, stdout
	s := &grpcurlStream{ctx: ctx, stdin: stdin, stdout: bufio.NewReader(responses), ended: make(chan struct{})}

	processCtx, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			kill(ctx.Err())
			return
		}
		time.AfterFunc(afterDeadline, func() { kill(ctx.Err()) })
	})
	context.AfterFunc(processCtx, func() { _ = responses.Close() }) // nobody may be reading
	go func() {
		s.process, s.err = runProcess(processCtx, cmd)
		requests.Close()
		stdin.Close()
		stop()
		close(s.ended)
		_ = stdout.Close() // after what was printed has been read
		kill(nil)
	}()
	return s, nil
}

// SendMsg implements grpc.ClientStream.
func (s *grpcurlStream) SendMsg(m any) error {
	text, err := protojson.Marshal(m.(proto.Message))
	if err != nil {
		return err
	}
	if _, err := s.stdin.Write(append(text, '\n')); err != nil {
		return io.EOF // RecvMsg says why the call has ended
	}
	return nil
}

// CloseSend implements grpc.ClientStream.
func (s *grpcurlStream) CloseSend() error {
	_ = s.stdin.Close() // fails if the process has ended, of which RecvMsg tells
	return nil
}

// RecvMsg implements grpc.ClientStream.
func (s *grpcurlStream) RecvMsg(m any) error {
	text, err := s.nextMessage()
	if err != nil {
		return err
	}
	return protojson.Unmarshal(text, m.(proto.Message))
}

// nextMessage returns the text of the next message, or how the call has ended. Each
// message is an object whose first and last line are braces at the beginning of a line.
func (s *grpcurlStream) nextMessage() ([]byte, error) {
	var text []byte
	for {
		line, err := s.line()
		if err != nil {
			return nil, err
		}
		switch {
		case line == "{}":
			return []byte(line), nil
		case line == "{" || text != nil:
			text = append(text, line...)
			text = append(text, '\n')
			if line == "}" {
				return text, nil
			}
		}
	}
}

// line returns the next line, without its end, or how the call has ended.
func (s *grpcurlStream) line() (string, error) {
	line, err := s.stdout.ReadString('\n')
	if err != nil && line == "" {
		return "", s.end()
	}
	line = strings.TrimSuffix(line, "\n")
	if line == "Response headers received:" {
		s.headers = true
	}
	return line, nil
}

// Header waits for the headers. Their contents are not returned.
func (s *grpcurlStream) Header() (metadata.MD, error) {
	for !s.headers {
		if _, err := s.line(); err != nil {
			return nil, err
		}
	}
	return metadata.MD{}, nil
}

// statusOffset is what grpcurl adds to a status code for its exit status.
const statusOffset = 64

// end returns how the call has ended: io.EOF, a status, or what grpcurl said.
func (s *grpcurlStream) end() error {
	<-s.ended
	switch {
	case s.err != nil:
		return status.FromContextError(s.err).Err()
	case s.process.code == 0:
		return io.EOF
	case s.process.code <= statusOffset:
		return fmt.Errorf("grpcurl: exit status %d: %s", s.process.code, s.process.stderr.lastLines(reasonLines))
	}
	printed := new(spb.Status)
	if err := protojson.Unmarshal(s.process.stderr.kept, printed); err != nil {
		return fmt.Errorf("grpcurl: exit status %d: %w", s.process.code, err)
	}
	if code := codes.Code(s.process.code - statusOffset); printed.GetCode() != int32(code) {
		return fmt.Errorf("grpcurl: exit status of %v, but it printed %v", code, printed)
	}
	return status.ErrorProto(printed)
}

// Trailer implements grpc.ClientStream. It returns nothing.
func (s *grpcurlStream) Trailer() metadata.MD { return nil }

// Context implements grpc.ClientStream.
func (s *grpcurlStream) Context() context.Context { return s.ctx }
