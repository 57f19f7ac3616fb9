// Package apierrortest checks the errors that services return.
package apierrortest

import (
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/server/internal/apierror"
)

// Check fails the test unless err has that code and an ErrorInfo with that reason. It
// returns the time after which the caller may retry, or 0.
func Check(tb testing.TB, what string, err error, code codes.Code, reason string) (retry time.Duration) {
	tb.Helper()
	st := status.Convert(err)
	var info *errdetails.ErrorInfo
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			info = d
		case *errdetails.RetryInfo:
			retry = d.GetRetryDelay().AsDuration()
		}
	}
	if st.Code() != code || info.GetReason() != reason || info.GetDomain() != apierror.Domain {
		tb.Errorf("%s: %v, details %v; want %v, %s", what, err, st.Details(), code, reason)
	}
	return retry
}
