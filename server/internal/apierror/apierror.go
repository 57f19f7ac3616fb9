// Package apierror makes the errors that callers of the services receive: a gRPC status
// with machine-readable details. The cause of an internal error stays in the server: it
// is for the log only.
package apierror

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domain is the domain of every ErrorInfo.
const Domain = "parity"

// New returns an error with an ErrorInfo and further details. The reason is in
// UPPER_SNAKE.
func New(code codes.Code, reason, message string, details ...protoadapt.MessageV1) error {
	info := &errdetails.ErrorInfo{Reason: reason, Domain: Domain}
	st, err := status.New(code, message).WithDetails(append([]protoadapt.MessageV1{info}, details...)...)
	if err != nil { // the code is OK, or a detail cannot be marshaled
		return status.Error(code, message)
	}
	return st.Err()
}

// InvalidArgument returns the error for an invalid field of a request.
func InvalidArgument(reason, field, description string) error {
	return New(codes.InvalidArgument, reason, field+": "+description, &errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: description, Reason: reason}},
	})
}

// Exhausted returns the error for a limit that is reached. The caller may retry after
// the given time.
func Exhausted(reason, message string, retry time.Duration) error {
	return New(codes.ResourceExhausted, reason, message, retryInfo(retry))
}

// Unavailable returns the error for a temporary failure. The caller may retry after the
// given time.
func Unavailable(reason, message string, retry time.Duration) error {
	return New(codes.Unavailable, reason, message, retryInfo(retry))
}

func retryInfo(after time.Duration) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(after)}
}

// ShuttingDown returns the error for calls that the shutdown ends.
func ShuttingDown() error {
	return New(codes.Unavailable, "SHUTTING_DOWN", "the server is shutting down")
}

// From returns the error that a caller receives for err. A service maps its own errors
// first and leaves the rest to From:
//   - nil and errors that have a status already, whatever they wrap, stay as they are;
//   - context errors become CANCELLED or DEADLINE_EXCEEDED;
//   - any other error becomes [Internal].
func From(err error) error {
	if _, coded := status.FromError(err); coded {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(err).Err()
	}
	return Internal(err)
}

// Internal returns an error that the peer receives as "internal error". The cause is
// for the log: see [Detail].
func Internal(cause error) error {
	return &internalError{cause: cause}
}

type internalError struct{ cause error }

var internalStatus = status.Convert(New(codes.Internal, "INTERNAL", "internal error"))

// GRPCStatus returns the status for the peer. Error returns the text for the log.
func (e *internalError) GRPCStatus() *status.Status { return internalStatus }
func (e *internalError) Error() string              { return e.cause.Error() }
func (e *internalError) Unwrap() error              { return e.cause }

// Detail returns the text of err for the log: the cause of an internal error, the
// message of any other status.
func Detail(err error) string {
	if hidden, ok := errors.AsType[*internalError](err); ok {
		return hidden.Error()
	}
	return status.Convert(err).Message()
}
