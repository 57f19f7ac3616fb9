package gocases

import (
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// domain is that of every reason.
const domain = "parity"

// wantStatus returns an error unless err is a status with that code and, if reason is not
// empty, that reason.
func wantStatus(err error, code codes.Code, reason string) error {
	if err == nil {
		return fmt.Errorf("ended with success, want %v %s", code, reason)
	}
	s, ok := status.FromError(err)
	if !ok || s.Code() != code {
		return fmt.Errorf("ended with %w, want %v %s", err, code, reason)
	}
	if reason == "" {
		return nil
	}
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			if info.GetReason() != reason || info.GetDomain() != domain {
				return fmt.Errorf("reason %q of domain %q, want %q of %q", info.GetReason(), info.GetDomain(), reason, domain)
			}
			return nil
		}
	}
	return fmt.Errorf("%w has no ErrorInfo, want %s", err, reason)
}

// violatedFields returns the fields of the BadRequest of err.
func violatedFields(err error) (fields []string) {
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				fields = append(fields, v.GetField())
			}
		}
	}
	return fields
}

// inCase adds what was tried to an error.
func inCase(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}

// errNoEnd means that a stream goes on where it should have ended.
var errNoEnd = errors.New("got one more response, want the end")
