package apierror

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// check compares the status of an error, details included.
func check(tb testing.TB, err error, code codes.Code, message string, details ...proto.Message) {
	tb.Helper()
	st := status.Convert(err)
	if st.Code() != code || st.Message() != message {
		tb.Errorf("status %v %q, want %v %q", st.Code(), st.Message(), code, message)
	}
	got := st.Details()
	if len(got) != len(details) {
		tb.Fatalf("details %v, want %v", got, details)
	}
	for i, want := range details {
		if m, ok := got[i].(proto.Message); !ok || !proto.Equal(m, want) {
			tb.Errorf("detail %d is %v, want %v", i, got[i], want)
		}
	}
}

func info(reason string) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{Reason: reason, Domain: "parity"}
}

func TestStatuses(t *testing.T) {
	violation := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: "name", Description: "must not be empty", Reason: "INVALID_NAME"},
	}}
	check(t, New(codes.NotFound, "FILE_NOT_FOUND", "no such file"), codes.NotFound, "no such file", info("FILE_NOT_FOUND"))
	check(t, InvalidArgument("INVALID_NAME", "name", "must not be empty"),
		codes.InvalidArgument, "name: must not be empty", info("INVALID_NAME"), violation)
	check(t, Exhausted("TOO_MANY", "too many", time.Second), codes.ResourceExhausted, "too many",
		info("TOO_MANY"), retryInfo(time.Second))
	check(t, Unavailable("AWAY", "away", 2*time.Second), codes.Unavailable, "away",
		info("AWAY"), retryInfo(2*time.Second))
	check(t, ShuttingDown(), codes.Unavailable, "the server is shutting down", info("SHUTTING_DOWN"))
	check(t, New(codes.OK, "NONE", "no error"), codes.OK, "") // no details without an error
}

func TestFrom(t *testing.T) {
	if err := From(nil); err != nil {
		t.Errorf("From(nil) = %v", err)
	}
	stalled := Exhausted("SEND_STALLED", "the peer does not read", time.Second)
	for _, coded := range []error{stalled, ShuttingDown(), Internal(errors.New("secret")), status.Error(codes.Aborted, "no")} {
		if got := From(coded); got != coded { //nolint:errorlint // the error itself, not one that wraps it
			t.Errorf("From(%v) = %v, want it unchanged", coded, got)
		}
	}
	wrapped := From(fmt.Errorf("%w: %w", stalled, context.DeadlineExceeded))
	if status.Code(wrapped) != codes.ResourceExhausted || !errors.Is(wrapped, stalled) {
		t.Errorf("a status that is wrapped with a context error becomes %v", wrapped)
	}
	check(t, From(context.Canceled), codes.Canceled, "context canceled")
	check(t, From(context.DeadlineExceeded), codes.DeadlineExceeded, "context deadline exceeded")
	if got := From(fmt.Errorf("read: %w", context.Canceled)); status.Code(got) != codes.Canceled {
		t.Errorf("a wrapped context error becomes %v", got)
	}
	check(t, From(errors.New("secret")), codes.Internal, "internal error", info("INTERNAL"))
}

// TestInternal checks that the cause of an internal error reaches the log, but not the
// peer.
func TestInternal(t *testing.T) {
	cause := errors.New("read /srv/secret: input/output error")
	for _, err := range []error{Internal(cause), From(cause), fmt.Errorf("get: %w", Internal(cause))} {
		if got := Detail(err); got != cause.Error() {
			t.Errorf("Detail(%v) = %q, want %q", err, got, cause)
		}
		if !errors.Is(err, cause) {
			t.Errorf("%v does not wrap its cause", err)
		}
	}
	check(t, Internal(cause), codes.Internal, "internal error", info("INTERNAL"))
	if got := Detail(New(codes.Aborted, "FILE_CHANGED", "changed")); got != "changed" {
		t.Errorf("Detail of another status = %q, want its message", got)
	}
}
