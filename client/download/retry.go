package download

import (
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/backoff"
)

const (
	// maxRetries is how often in a row a segment is requested again: with the waits
	// between, a server has about ten seconds to restart.
	maxRetries = 7
	// maxRetryInfo bounds the wait that a server may request.
	maxRetryInfo = 30 * time.Second
)

// retriable reports whether a repeated call may succeed.
func retriable(err error) bool {
	if errors.Is(err, errChecksum) || errors.Is(err, errStalled) {
		return true
	}
	var coded interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &coded) {
		return false
	}
	switch s := coded.GRPCStatus(); s.Code() {
	case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded, codes.Unknown, codes.Internal:
		// How calls end when a server stops, or a proxy in front of it loses it. The
		// caller rules out that it cancelled the call itself.
		return true
	case codes.ResourceExhausted:
		_, ok := retryInfo(s) // without it, what is exhausted may stay so
		return ok
	default:
		return false
	}
}

// retryDelay returns the wait after a number of failures in a row, counted from 0, of
// which err is the last: the server's RetryInfo, but at least an increasing delay.
func retryDelay(err error, failures int) time.Duration {
	s, _ := status.FromError(err)
	asked, _ := retryInfo(s)
	return max(backoff.Delay(failures), min(asked, maxRetryInfo))
}

// retryInfo returns the delay of a RetryInfo, if err has one.
func retryInfo(s *status.Status) (delay time.Duration, ok bool) {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}
