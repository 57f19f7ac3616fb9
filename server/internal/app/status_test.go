package app

import (
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// wantStatus checks the code and the reason in the details of err.
func wantStatus(t *testing.T, what string, err error, code codes.Code, reason string) {
	t.Helper()
	st := status.Convert(err)
	var info *errdetails.ErrorInfo
	var violations int
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			info = d
		case *errdetails.BadRequest:
			violations = len(d.GetFieldViolations())
		}
	}
	if st.Code() != code || info.GetReason() != reason || info.GetDomain() != "parity" {
		t.Errorf("%s: %v with %v, want %v with %s", what, err, info, code, reason)
	}
	if (violations > 0) != (code == codes.InvalidArgument) {
		t.Errorf("%s: %v has %d field violations, want some only with INVALID_ARGUMENT", what, err, violations)
	}
}
