// Package apierror makes the errors that the services' callers see: a gRPC
// status with machine-readable details, and behind it, for the log only, the
// cause.
package apierror

import (
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

// New returns an error with an ErrorInfo of that reason (UPPER_SNAKE), and more
// details.
func New(code codes.Code, reason, message string, details ...protoadapt.MessageV1) error {
	info := &errdetails.ErrorInfo{Reason: reason, Domain: Domain}
	st, err := status.New(code, message).WithDetails(append([]protoadapt.MessageV1{info}, details...)...)
	if err != nil { // only for codes.OK, or a message that does not marshal
		return status.Error(code, message)
	}
	return st.Err()
}

// InvalidArgument says what is wrong with a field of the request.
func InvalidArgument(reason, field, description string) error {
	return New(codes.InvalidArgument, reason, field+": "+description, &errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: description, Reason: reason}},
	})
}

// Exhausted says that a limit is reached, and when to try again.
func Exhausted(reason, message string, retry time.Duration) error {
	return New(codes.ResourceExhausted, reason, message,
		&errdetails.RetryInfo{RetryDelay: durationpb.New(retry)})
}

// ShuttingDown says that the server is about to stop.
func ShuttingDown() error {
	return New(codes.Unavailable, "SHUTTING_DOWN", "the server is shutting down")
}

// Internal hides cause from the peer: all it is told is that there was an error.
func Internal(cause error) error {
	return &internalError{cause: cause}
}

type internalError struct{ cause error }

var internalStatus = status.Convert(New(codes.Internal, "INTERNAL", "internal error"))

// GRPCStatus is what the peer gets. Error is for the log.
func (e *internalError) GRPCStatus() *status.Status { return internalStatus }
func (e *internalError) Error() string              { return e.cause.Error() }
func (e *internalError) Unwrap() error              { return e.cause }

// Detail returns what the log says of err: the cause where it was hidden from the
// peer, else the status message.
func Detail(err error) string {
	if hidden, ok := errors.AsType[*internalError](err); ok {
		return hidden.Error()
	}
	return status.Convert(err).Message()
}
